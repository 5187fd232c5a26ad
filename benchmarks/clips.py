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
FULL_HD: Size = (1920, 1080)
MOSAIC_RATE, MOSAIC_FRAMES = 30, 300


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


def mosaic_frames(columns: int = 5, rows: int = 2, size: Size = FULL_HD) -> Iterator[np.ndarray]:
    """Yield frames of that size, (height, width, 3) uint8 BGR, with a moving face in each place of a grid.

    Of five faces, four are the demo's drawn face at different moments, and one is a photograph.
    """
    photograph = cv2.cvtColor(skimage.data.astronaut()[10:240, 110:340], cv2.COLOR_RGB2BGR)
    drawn = [frame[20:320, 180:460] for frame in read_frames(DEMO)]
    width, height = size
    wide, high = width / columns, height / rows  # of a place
    face_size = round(min(0.65 * wide, 0.463 * high)), round(min(0.702 * wide, 0.5 * high))
    pictures = [cv2.resize(each, face_size, interpolation=cv2.INTER_AREA) for each in (photograph, *drawn)]
    for index in range(MOSAIC_FRAMES):
        frame = np.full((height, width, 3), 70, np.uint8)
        for face in range(columns * rows):
            picture = pictures[0 if face % 5 == 0 else 1 + (index + 60 * face) % len(drawn)]
            phase = 2 * np.pi * (index / 100 + face / (columns * rows))
            left = round((face % columns + 0.5 + 0.155 * np.cos(phase)) * wide - face_size[0] / 2)
            top = round((face // columns + 0.5 + 0.148 * np.sin(phase)) * high - face_size[1] / 2)
            frame[top : top + face_size[1], left : left + face_size[0]] = picture
        yield frame
