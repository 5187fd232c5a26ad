"""Frames from a webcam, a video file, a picture, a network camera or the demo, at the pace at which they were made."""

import math
import os
import socket
import stat
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeGuard

import av
import numpy as np
from av.container import InputContainer

from paths import DEMO
from vision.addresses import host_of, is_address, show_address, to_ffmpeg
from vision.decoding import Clock, choose_stream, decode, jpeg_planes, open_file, rate_of, shape_of
from vision.opencv import cv2
from vision.pictures import PictureError, decode_picture, is_picture_file
from vision.planes import Planes, from_bgr, shrink

Source = int | str  # a webcam's index; or a file's path, a device, an address, or "demo"
Frames = Generator[Planes, None, None]
Wanted = Callable[[], bool]  # asked again and again; once it is false, no more frames are wanted

# DirectShow opens in a moment where Windows' default takes many seconds.
WEBCAM_BACKEND = cv2.CAP_DSHOW if sys.platform == "win32" else cv2.CAP_ANY
# Seconds that a network camera may take to open, and from one piece of data to the next: some send a frame every 10 s.
OPEN_TIMEOUT, READ_TIMEOUT = 12.0, 15.0
STREAM_OPTIONS = {
    "rtsp_flags": "prefer_tcp",  # frames that come over UDP arrive damaged on many networks
    "protocol_whitelist": "http,httpproxy,https,tcp,tls,udp,rtp,rtsp,srtp,crypto",  # no playlist may name a file
}
SEGMENTED = {"hls", "dash"}  # kinds of live streams that arrive in bursts, and are to be played at their own pace
LONGEST_SIDE = 1920  # pixels; a larger frame is shrunk to it, since no viewer's browser shows more
LATEST_SHOWN = 0.25  # seconds: a machine too slow for a clip skips frames, but still shows one this often
LONGEST_SLEEP = 0.2  # seconds: how soon a wait notices that nobody wants the frames any more


class SourceError(Exception):
    """A source that gives no frames; the message is one sentence that names it and the reason."""


def parse_source(text: object) -> Source:
    """A source as people write it, on the command line or as camera.SOURCE: an int (or digits) is a webcam's index."""
    return int(str(text)) if str(text).isdecimal() else str(text)


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
    return show_address(source) if is_address(source) else Path(source).name


def is_picture(source: object) -> TypeGuard[str]:
    """Whether the source is a picture file."""
    return isinstance(source, str) and source != "demo" and not is_address(source) and is_picture_file(Path(source))


def is_webcam(source: Source) -> bool:
    """Whether the source is a webcam, by its index or its device, such as /dev/video0."""
    return isinstance(source, int) or (not is_address(source) and _mode_is(source, stat.S_ISCHR))


def is_played(source: Source) -> bool:
    """Whether the source is a file that is played at its own speed, so that the next frame is never awaited."""
    return not (is_webcam(source) or is_address(source) or is_picture(source) or _is_pipe(source))


def _is_pipe(source: Source) -> bool:
    return isinstance(source, str) and _mode_is(source, lambda mode: stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def _mode_is(path: Source, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def check_source(source: Source) -> None:
    """Raise SourceError where a webcam, file or picture gives no frame now.

    A network camera may come later, and to open a pipe would take something of what it carries.
    """
    if not is_address(source) and not _is_pipe(source):
        try_source(source)


def try_source(source: Source) -> None:
    """Open the source, take a frame, and let it go. Raises SourceError."""
    frames = read_frames(source, lambda: True)
    try:
        next(frames)
    finally:
        frames.close()


def read_frames(source: Source, wanted: Wanted) -> Frames:
    """Yield the source's frames, as planes, each when it is due, for as long as wanted() is true.

    A video file plays at its own speed and starts again at its end; frames that are late already are skipped.
    A picture is given once. A webcam or network camera that stops, and a file that cannot be read, raise SourceError.
    """
    if is_webcam(source):
        play = _play_webcam(source, wanted)
    elif is_address(source):
        play = _play_stream(source, wanted)
    elif is_picture(source):
        play = _show_picture(source, wanted)
    elif _is_pipe(source):
        play = _play_pipe(str(source), wanted)
    else:
        play = _play_file(DEMO if source == "demo" else str(source), wanted)
    try:
        for planes in play:
            yield shrink(planes, LONGEST_SIDE)
    except cv2.error as error:
        raise SourceError(f"{source_name(source)} cannot be read: {error.err}.") from error
    finally:
        play.close()


def read_picture(path: str | Path) -> np.ndarray:
    """A picture file as (height, width, 3) uint8 BGR, upright. Raises SourceError."""
    try:
        return decode_picture(_existing_file(path).read_bytes())
    except PictureError as error:
        raise SourceError(f"{path} can't be read as a picture: {error}.") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


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


def _play_webcam(source: Source, wanted: Wanted) -> Frames:
    capture = cv2.VideoCapture(source, WEBCAM_BACKEND)
    try:
        while wanted() and capture.grab():
            decoded, image = capture.retrieve()
            if decoded:
                yield from_bgr(image)
    finally:
        capture.release()
    if wanted():
        name = source if isinstance(source, str) else f"Camera {source}"
        raise SourceError(f"{name} gives no picture: it is not there, or another program is using it.")


def _play_stream(address: str, wanted: Wanted) -> Frames:
    name = show_address(address)
    try:
        container = av.open(to_ffmpeg(address), timeout=(OPEN_TIMEOUT, READ_TIMEOUT), options=STREAM_OPTIONS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{name} gives no picture: {_reason(address, error)}.") from error
    recorded = container.duration is not None and container.duration > 0
    try:
        # A recording, and a stream in segments, would otherwise come as fast as the network carries them.
        yield from _play(
            container, name, wanted, paced=recorded or bool({*container.format.name.split(",")} & SEGMENTED)
        )
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"{name} gives no picture any more: {_reason(address, error)}.") from error
    if wanted():
        raise SourceError(f"{name} gives no picture any more: the stream has ended.")


def _reason(address: str, error: Exception) -> str:
    """A clause on why a network camera cannot be watched."""
    clauses: dict[type[Exception], str] = {
        av.HTTPUnauthorizedError: "the user name or password is wrong or missing",
        av.HTTPForbiddenError: "access is forbidden; the user may lack a right",
        av.HTTPNotFoundError: "there is nothing at this path",
        av.HTTPServerError: "the camera reports an error of its own",
        av.ConnectionRefusedError: "nothing answers at this port",
        av.InvalidDataError: "what comes from there is not a video",
        av.ProtocolNotFoundError: "addresses of this kind cannot be opened",
        av.TimeoutError: "it does not answer in time",
        av.ExitError: "it does not answer in time",
    }
    for kind, clause in clauses.items():
        if isinstance(error, kind):
            return clause
    try:
        socket.getaddrinfo(*host_of(address))
    except (OSError, UnicodeError):
        return "no machine of this name is known"
    return "the connection cannot be made or has broken"


def _show_picture(path: str, wanted: Wanted) -> Frames:
    yield from_bgr(read_picture(path))
    while wanted():
        time.sleep(LONGEST_SLEEP)


def _play_pipe(path: str, wanted: Wanted) -> Frames:
    yield from _play_path(path, wanted)
    if wanted():
        raise SourceError(f"{path} gives no picture any more: nothing is written into it.")


def _play_file(path: str | Path, wanted: Wanted) -> Frames:
    _existing_file(path)
    while wanted():
        shown = False
        for planes in _play_path(path, wanted):
            shown = True
            yield planes
        if wanted() and not shown:
            raise SourceError(f"{path} is not a video that can be played; it may be cut short or of another kind.")


def _play_path(path: str | Path, wanted: Wanted) -> Frames:
    try:
        container = open_file(path)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(
            f"{path} is not a video that can be played; it may be cut short or of another kind."
        ) from error
    try:
        yield from _play(container, str(path), wanted, paced=True)
    except (av.FFmpegError, OSError):
        return  # it breaks off here


def _play(container: InputContainer, name: str, wanted: Wanted, paced: bool) -> Frames:
    """One pass over an opened container, which is closed at the end. Raises SourceError and av.FFmpegError."""
    with container:
        stream = choose_stream(container)
        if stream is None:
            raise SourceError(f"{name} has no video in it.")
        stream.thread_type = "AUTO" if paced else "SLICE"  # the former shows frames later
        clock, period = Clock(rate_of(stream)), float(1 / rate_of(stream))
        start, shown = time.monotonic(), -math.inf  # the first frame is never too late
        shape, size = None, (0, 0)
        for frame in decode(container, stream):
            if not wanted():
                return
            if shape is None or size != (frame.width, frame.height):
                shape, size = shape_of(frame, stream.sample_aspect_ratio), (frame.width, frame.height)
            if paced:
                due, now = start + clock.time(frame), time.monotonic()
                if now - due > period and now - shown < LATEST_SHOWN:
                    continue
                _wait_until(due, wanted)
            shown = time.monotonic()
            yield jpeg_planes(frame, shape)
        if paced:
            _wait_until(time.monotonic() + period, wanted)  # the last frame stays as long as the others


def _wait_until(moment: float, wanted: Wanted) -> None:
    while (left := moment - time.monotonic()) > 0 and wanted():
        time.sleep(min(left, LONGEST_SLEEP))
