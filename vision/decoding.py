"""Decodes video with FFmpeg (PyAV): frames in their own size and shape, upright, and the times when they are due."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange

from vision.opencv import cv2

FULL_RANGE = 255 / 219, -16 * 255 / 219  # what brightness times the first plus the second is, from 0 to 255
USUAL_RATE = Fraction(25)  # frames a second, where a file does not say


def choose_stream(container: InputContainer) -> av.VideoStream | None:
    """The video of a file that may have several: the default one, else the largest; never a cover picture."""
    cover, default = av.stream.Disposition.attached_pic, av.stream.Disposition.default
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    return max(
        streams,
        key=lambda stream: (bool(stream.disposition & default), stream.width * stream.height, -stream.index),
        default=None,
    )


def decode(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """The frames of a container's stream in the order in which they are shown; damaged ones are left out.

    Raises av.FFmpegError where the container cannot be read any further.
    """
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue  # a damaged packet costs its own frames alone


def rate_of(stream: av.VideoStream) -> Fraction:
    """Frames a second, on average."""
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return rate if rate and 0 < rate <= 1000 else USUAL_RATE


class Clock:
    """Gives each frame a time, in seconds since the first: its own, or that of an even rate where it has none."""

    def __init__(self, rate: Fraction) -> None:
        """rate: frames a second."""
        self._period = float(1 / rate)
        self._offset: float | None = None  # seconds from the times of the frames to those that are given
        self._latest = -self._period

    def time(self, frame: av.VideoFrame) -> float:
        """The time of the next frame, which is later than that of the one before."""
        own = None if frame.pts is None or not frame.time_base else float(frame.pts * frame.time_base)
        if own is not None and self._offset is None:
            self._offset = self._latest + self._period - own
        if own is None or self._offset is None or own + self._offset <= self._latest:
            self._latest += self._period
            if own is not None:
                self._offset = self._latest - own
        else:
            self._latest = own + self._offset
        return self._latest


def colour(frame: av.VideoFrame, aspect: Fraction | None = None) -> np.ndarray:
    """A frame as (height, width, 3) uint8 BGR, upright. aspect: a pixel's width to its height, None for 1."""
    if _is_usual(frame):  # where OpenCV is faster than FFmpeg
        return _upright(cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2BGR_I420), frame, aspect)
    return _upright(frame.to_ndarray(format="bgr24"), frame, aspect)


def grey(frame: av.VideoFrame, aspect: Fraction | None = None) -> np.ndarray:
    """A frame as (height, width) uint8, upright, as `colour` would be in grey."""
    if not _is_usual(frame):
        return _upright(frame.to_ndarray(format="gray"), frame, aspect)
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    factor, offset = FULL_RANGE
    return _upright(cv2.addWeighted(luma, factor, luma, 0, offset), frame, aspect)  # faster than as a table


def planes(frame: av.VideoFrame, aspect: Fraction | None = None) -> np.ndarray:
    """A frame as (height * 3 / 2, width) uint8 I420, upright: as most videos have it, and as x264 takes it."""
    usual = _is_usual(frame) and orientation(frame) == UPRIGHT and not _is_stretched(aspect)
    return frame.to_ndarray() if usual else to_planes(colour(frame, aspect))


def to_planes(image: np.ndarray) -> np.ndarray:
    """(height, width, 3) uint8 BGR as I420, which has even sides: of an odd one the last pixel is left out."""
    height, width = (side - side % 2 for side in image.shape[:2])
    return cv2.cvtColor(image[:height, :width], cv2.COLOR_BGR2YUV_I420)


def _is_usual(frame: av.VideoFrame) -> bool:
    even = frame.width % 2 == frame.height % 2 == 0
    return even and frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG


UPRIGHT = (1, 0, 0, 1)


def orientation(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """How a frame is to be turned and mirrored: a, b, c, d of x' = a x + c y and y' = b x + d y, each -1, 0 or 1.

    From the frame's display matrix, whose numbers have 16 bits behind the point (libavutil/display.h).
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return UPRIGHT
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    return (0, _sign(b), _sign(c), 0) if turned else (_sign(a), 0, 0, _sign(d))


def _sign(value: int) -> int:
    return -1 if value < 0 else 1


def _is_stretched(aspect: Fraction | None) -> bool:
    return aspect is not None and aspect > 0 and abs(aspect - 1) > Fraction(1, 200)


def _upright(image: np.ndarray, frame: av.VideoFrame, aspect: Fraction | None) -> np.ndarray:
    if aspect is not None and _is_stretched(aspect):
        height, width = image.shape[:2]  # the side that grows is the one that keeps all that was filmed
        size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    a, b, c, d = orientation(frame)
    if (a, b, c, d) == UPRIGHT:
        return image
    if a == 0:  # x' is c y, and y' is b x
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[::d, ::a])
