"""Frames from a webcam, a video file, a picture, a network camera or the demo, at the pace at which they were made."""

import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeGuard
from urllib.parse import urlsplit

import numpy as np

from paths import DEMO
from vision.opencv import cv2

Source = int | str  # a webcam's index; or a file's path, an address, or "demo"
Frames = Generator[np.ndarray, None, None]  # (height, width, 3) uint8 BGR
Wanted = Callable[[], bool]  # asked again and again; once it is false, no more frames are wanted
PICTURE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
STREAM_SCHEMES = {"http", "https", "rtsp"}
# DirectShow opens in a moment where Windows' default takes many seconds.
WEBCAM_BACKEND = cv2.CAP_DSHOW if sys.platform == "win32" else cv2.CAP_ANY
NETWORK_TIMEOUT = 5000  # milliseconds; OpenCV's own is 30 seconds
LONGEST_SIDE = 1920  # pixels; a larger frame is shrunk to it, since no viewer's browser shows more
LATEST_SHOWN = 0.25  # seconds: a machine too slow for a clip skips frames, but still shows one this often
LONGEST_SLEEP = 0.2  # seconds: how soon a wait notices that nobody wants the frames any more


class SourceError(Exception):
    """A source that gives no frames; the message is one sentence that names it and the reason."""


def parse_source(text: object) -> Source:
    """A source as people write it, on the command line or as camera.SOURCE: an int (or digits) is a webcam's index."""
    return int(str(text)) if str(text).isdigit() else str(text)


def find_webcams() -> dict[int, str]:
    """The webcams of this machine, as a dict from index to name; no camera is opened for it."""
    if sys.platform == "darwin":  # which would ask for its users' leave each time
        return dict.fromkeys(range(2), "webcam")
    from cv2_enumerate_cameras import enumerate_cameras

    found = enumerate_cameras(cv2.CAP_DSHOW if sys.platform == "win32" else cv2.CAP_V4L2)
    return {camera.index: camera.name for camera in found}


def source_name(source: Source) -> str:
    """The source in a few words, for the page: a file's name without its folder, an address without its password."""
    if isinstance(source, int):
        return f"camera {source}"
    if source == "demo":
        return "the demo"
    if is_stream(source):
        return urlsplit(source)._replace(netloc=urlsplit(source).netloc.rpartition("@")[2]).geturl()
    return Path(source).name


def is_stream(source: object) -> TypeGuard[str]:
    """Whether the source is the address of a network camera."""
    return isinstance(source, str) and "://" in source and urlsplit(source).scheme in STREAM_SCHEMES


def is_picture(source: object) -> TypeGuard[str]:
    """Whether the source is a picture file, by its name."""
    return isinstance(source, str) and not is_stream(source) and Path(source).suffix.lower() in PICTURE_SUFFIXES


def check_source(source: Source) -> None:
    """Raise SourceError where a webcam, file or picture gives no frame now. A network camera may come later."""
    if not is_stream(source):
        next(read_frames(source, lambda: True))


def read_frames(source: Source, wanted: Wanted) -> Frames:
    """Yield the source's frames, (height, width, 3) uint8 BGR, each when it is due, for as long as wanted() is true.

    A video file plays at its own speed and starts again at its end; frames that are late already are skipped.
    A picture is given once. A webcam or network camera that stops, and a file that cannot be read, raise SourceError.
    """
    if isinstance(source, int):
        play, name = _play_webcam(source, wanted), source_name(source)
    elif is_stream(source):
        play, name = _play_stream(source, wanted), source_name(source)
    elif is_picture(source):
        play, name = _show_picture(source, wanted), source
    else:
        play, name = _play_file(DEMO if source == "demo" else source, wanted), source
    try:
        for image in play:
            yield shrink(image, LONGEST_SIDE)
    except cv2.error as error:
        raise SourceError(f"{name} cannot be read: {error.err}.") from error
    finally:
        play.close()


def shrink(image: np.ndarray, longest: int) -> np.ndarray:
    """The image with its longer side at most `longest` pixels."""
    scale = longest / max(image.shape[:2])
    return image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def read_picture(path: str | Path) -> np.ndarray:
    """A picture file as (height, width, 3) uint8 BGR, upright. Raises SourceError."""
    # imread cannot open every path on Windows; imdecode leaves the path to Python.
    image = cv2.imdecode(np.fromfile(_existing_file(path), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f"{path} is not a picture that OpenCV can read; it may be damaged or of another kind.")
    return image


def _existing_file(path: str | Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path} does not exist.")
    if not path.is_file():
        raise SourceError(f"{path} is not a file.")
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}.") from error
    if empty:
        raise SourceError(f"{path} is empty.")
    return path


def _play_webcam(index: int, wanted: Wanted) -> Frames:
    capture = cv2.VideoCapture(index, WEBCAM_BACKEND)
    yield from _play(capture, wanted, paced=False)
    if wanted():
        raise SourceError(f"Camera {index} gives no picture: it is not there, or another program is using it.")


def _play_stream(address: str, wanted: Wanted) -> Frames:
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT]
    capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, timeouts)
    # Only a recording knows how many frames it has; it would come as fast as the network carries it.
    yield from _play(capture, wanted, paced=capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0)
    if wanted():
        raise SourceError(f"{source_name(address)} gives no picture.")


def _show_picture(path: str, wanted: Wanted) -> Frames:
    yield read_picture(path)
    while wanted():
        time.sleep(LONGEST_SLEEP)


def _play_file(path: str | Path, wanted: Wanted) -> Frames:
    _existing_file(path)
    while wanted():
        shown = False
        for image in _play(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), wanted, paced=True):
            shown = True
            yield image
        if wanted() and not shown:
            raise SourceError(f"{path} is not a video that can be played; it may be cut short or of another kind.")


def _play(capture: cv2.VideoCapture, wanted: Wanted, paced: bool) -> Frames:
    """One pass over an opened capture, which is released at the end."""
    try:
        start = shown = time.monotonic()
        frame_period = 1 / (capture.get(cv2.CAP_PROP_FPS) or 30)
        while wanted() and capture.grab():
            if paced:
                due = start + capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                now = time.monotonic()
                if now - due > frame_period and now - shown < LATEST_SHOWN:
                    continue
                while (left := due - time.monotonic()) > 0 and wanted():
                    time.sleep(min(left, LONGEST_SLEEP))
            decoded, image = capture.retrieve()
            if decoded:
                shown = time.monotonic()
                yield image
        if paced and wanted():
            time.sleep(frame_period)  # the last frame stays as long as the others
    finally:
        capture.release()
