"""Makes the clips that the benchmarks run on: scaled, played back and forth, and a mosaic of ten faces."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import skimage.data

from paths import DEMO
from vision.opencv import cv2

Size = tuple[int, int]  # width and height in pixels

HD: Size = (1280, 720)
MOSAIC_SIZE, MOSAIC_RATE, MOSAIC_FRAMES = (1920, 1080), 30, 300


def read_frames(path: Path, size: Size | None = None) -> Iterator[np.ndarray]:
    """Yield the frames of a video, (height, width, 3) uint8 BGR, scaled to `size` if it is given."""
    capture = cv2.VideoCapture(str(path))
    while True:
        decoded, frame = capture.read()
        if not decoded:
            return
        yield cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if size else frame


def rate_of(path: Path) -> float:
    """A video's frames per second; 30 where the file does not say."""
    return cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) or 30.0


def write_h264(path: Path, frames: Iterable[np.ndarray], rate: float, key_frame_every: int = 250) -> Path:
    """Write frames, (height, width, 3) uint8 BGR with even sides, as an H.264 video, and return its path.

    rate: frames per second. key_frame_every: frames from one key frame to the next.
    """
    with av.open(str(path), "w") as video:
        options = {"crf": "20", "preset": "veryfast", "g": str(key_frame_every)}
        stream = video.add_stream("libx264", rate=round(rate), options=options)
        for index, frame in enumerate(frames):
            if index == 0:
                stream.height, stream.width, stream.pix_fmt = frame.shape[0], frame.shape[1], "yuv420p"
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        video.mux(stream.encode(None))
    return path


def back_and_forth(frames: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The frames forwards and then backwards, so that they can be repeated without a cut."""
    frames = list(frames)
    return frames + frames[-2:0:-1]


def repeat(path: Path, count: int) -> Iterator[np.ndarray]:
    """Yield the first `count` frames of a video that starts again whenever it ends."""
    done = 0
    while done < count:
        capture = cv2.VideoCapture(str(path))
        while done < count:
            decoded, frame = capture.read()
            if not decoded:
                break
            yield frame
            done += 1


def mosaic_frames() -> Iterator[np.ndarray]:
    """Yield frames of ten moving faces, (1080, 1920, 3) uint8 BGR.

    Eight are the demo's drawn face at different moments, two are a photograph.
    """
    photograph = cv2.cvtColor(skimage.data.astronaut()[10:240, 110:340], cv2.COLOR_RGB2BGR)
    drawn = [frame[20:320, 180:460] for frame in read_frames(DEMO)]
    width, height = MOSAIC_SIZE
    for index in range(MOSAIC_FRAMES):
        frame = np.full((height, width, 3), 70, np.uint8)
        for face in range(10):
            picture = photograph if face % 5 == 0 else drawn[(index + 60 * face) % len(drawn)]
            picture = cv2.resize(picture, (250, 270), interpolation=cv2.INTER_AREA)
            phase = 2 * np.pi * (index / 120 + face / 10)
            left = round(190 + (face % 5) * 360 + 60 * np.cos(phase) - 125)
            top = round(280 + (face // 5) * 500 + 80 * np.sin(phase) - 135)
            frame[top : top + 270, left : left + 250] = picture
        yield frame
