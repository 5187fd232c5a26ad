"""Decodes video with FFmpeg (PyAV): frames in their own size and shape, upright, and the times when they are due."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace

from vision.endings import HEADERLESS
from vision.opencv import cv2
from vision.planes import BLACK, BRIGHTNESS_FACTOR, NEUTRAL, Parts, Planes, fit_plane, from_bgr, joined, widened

# Conversions take one thread (threads=1): FFmpeg would start new ones for each frame.
Orientation = tuple[int, int, int, int]  # see orientation
UPRIGHT: Orientation = (1, 0, 0, 1)
USUAL_RATE = Fraction(25)  # frames a second, where a file does not say


def open_file(path: str | Path, options: dict[str, str] | None = None) -> InputContainer:
    """Open a video file, recognised by its content or, where that is too short, by the ending of its name.

    options: FFmpeg's. Raises av.FFmpegError, OSError, ValueError.
    """
    whole = os.path.abspath(path)  # since FFmpeg takes what is before a colon for a protocol
    try:
        return av.open(whole, options=options, metadata_errors="replace")
    except av.FFmpegError:
        name = HEADERLESS.get(Path(path).suffix.lower())
        container = _open_as(whole, name, options) if name else None
        if container is None:
            raise
        return container


def _open_as(path: str, name: str, options: dict[str, str] | None) -> InputContainer | None:
    """A file opened as a format, by FFmpeg's name for it; None where it then has no video."""
    try:
        container = av.open(path, format=name, options=options, metadata_errors="replace")
    except av.FFmpegError:
        return None
    if any(stream.width for stream in container.streams.video):
        return container
    container.close()
    return None


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
    """Gives each frame a time, in seconds since the first: its own, or that of an even rate where it has none.

    Times that begin again, as where two recordings were joined, go on from those before.
    """

    def __init__(self, rate: Fraction, longest_gap: float | None = None) -> None:
        """rate: frames a second. longest_gap: seconds from one frame to the next, above which times begin again."""
        self._period = float(1 / rate)
        self._longest_gap = longest_gap
        self._offset: float | None = None  # seconds from the times of the frames to those that are given
        self._latest = -self._period

    def time(self, frame: av.VideoFrame) -> float:
        """The time of the next frame, which is later than that of the one before."""
        own = None if frame.pts is None or not frame.time_base else float(frame.pts * frame.time_base)
        expected = self._latest + self._period
        if own is None:
            self._latest = expected
            return expected
        if self._offset is None or not self._goes_on(own + self._offset):
            self._offset = expected - own
        self._latest = own + self._offset
        return self._latest

    def _goes_on(self, moment: float) -> bool:
        gap = moment - self._latest
        return gap > 0 and (self._longest_gap is None or gap <= self._longest_gap)


@dataclass(frozen=True)
class Shape:
    """The size in which every frame of a video is analysed and shown, and how its pixels are stretched to it."""

    size: tuple[int, int]  # width and height, even, of the upright picture with square pixels
    aspect: Fraction | None  # a pixel's width to its height in the file; None for 1
    turn: Orientation


@dataclass(frozen=True)
class Colours:
    """What the numbers in a video's planes mean, in FFmpeg's numbers (libavutil/pixfmt.h)."""

    space: int  # from red, green and blue to brightness and two colour differences
    primaries: int
    transfer: int
    range: int  # 1: brightness from 16 to 235; 2: from 0 to 255


BT601, BT709, LIMITED, FULL = 6, 1, 1, 2
JPEG_COLOURS = Colours(BT601, BT709, BT709, FULL)  # of vision.planes.Planes


def colours_of(frame: av.VideoFrame) -> Colours:
    """The colours of the planes that `planes` gives of a frame."""
    if _is_rgb(frame):
        return Colours(BT709, BT709, BT709, LIMITED)
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    known = FULL if full else int(frame.color_range)
    return Colours(int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc), known)


def shape_of(frame: av.VideoFrame, aspect: Fraction | None) -> Shape:
    """The Shape of a video whose first frame this is. aspect: a pixel's width to its height, None for 1."""
    turn = orientation(frame)
    height, width = _upright(np.empty((frame.height, frame.width), np.uint8), turn, aspect).shape
    return Shape((max(2, width - width % 2), max(2, height - height % 2)), aspect, turn)


def jpeg_planes(frame: av.VideoFrame, shape: Shape) -> Planes:
    """A frame in the shape, as JPEG stores it."""
    if _is_rgb(frame):
        return from_bgr(colour(frame, shape.turn, shape.aspect))
    parts = _parts(frame, shape)
    return joined(parts) if colours_of(frame).range == FULL else widened(parts)


def colour(frame: av.VideoFrame, turn: Orientation, aspect: Fraction | None = None) -> np.ndarray:
    """A frame as (height, width, 3) uint8 BGR, upright. aspect: a pixel's width to its height, None for 1."""
    even = frame.width % 2 == frame.height % 2 == 0
    if even and frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG:  # OpenCV is faster
        return _upright(cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2BGR_I420), turn, aspect)
    return _upright(frame.to_ndarray(format="bgr24", threads=1), turn, aspect)


def grey(frame: av.VideoFrame, shape: Shape) -> np.ndarray:
    """A frame as (height, width) uint8 in the shape, in which 0 is black and 255 is white."""
    luma = fit_plane(_upright(_plane(_as_yuv420(frame), 0), shape.turn, shape.aspect), shape.size, BLACK)
    if colours_of(frame).range == FULL:
        return np.ascontiguousarray(luma)
    return cv2.addWeighted(luma, BRIGHTNESS_FACTOR, luma, 0, -BLACK * BRIGHTNESS_FACTOR)


def planes(frame: av.VideoFrame, shape: Shape) -> Planes:
    """A frame as (height * 3 / 2, width) uint8 I420 in the shape, with the numbers and colours of the file."""
    return joined(_parts(frame, shape))


def _parts(frame: av.VideoFrame, shape: Shape) -> Parts:
    """The planes of a frame in the shape, with the numbers and colours of the file; perhaps views of the frame."""
    converted, (width, height) = _as_yuv420(frame), shape.size
    black = 0 if colours_of(frame).range == FULL else BLACK
    half = width // 2, height // 2
    grey, blue, red = (
        fit_plane(_upright(_plane(converted, index), shape.turn, shape.aspect), size, border)
        for index, size, border in ((0, shape.size, black), (1, half, NEUTRAL), (2, half, NEUTRAL))
    )
    return grey, blue, red


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.has_palette


def _as_yuv420(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame in eight bits with colours at half the size; those of another kind are converted, at their size."""
    if frame.format.name in ("yuv420p", "yuvj420p"):
        return frame
    if _is_rgb(frame):
        return frame.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
        )
    kept = ColorRange(colours_of(frame).range)
    return frame.reformat(format="yuv420p", src_color_range=kept, dst_color_range=kept, threads=1)


def _plane(frame: av.VideoFrame, index: int) -> np.ndarray:
    """A plane of a frame in yuv420p, (height, width) uint8; of an odd side the last pixel is left out."""
    plane = frame.planes[index]
    height, width = ((side // 2 if index else side // 2 * 2) for side in (frame.height, frame.width))
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: max(1, height), : max(1, width)]


def orientation(frame: av.VideoFrame) -> Orientation:
    """How a frame is to be turned and mirrored: a, b, c, d of x' = a x + c y and y' = b x + d y, each -1, 0 or 1.

    From the frame's display matrix, whose numbers have 16 bits behind the point (libavutil/display.h). To be asked for
    once a video: a frame whose side data was read stays in memory until Python collects its garbage.
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


def _upright(image: np.ndarray, turn: Orientation, aspect: Fraction | None) -> np.ndarray:
    if aspect is not None and _is_stretched(aspect):
        height, width = image.shape[:2]  # the side that grows is the one that keeps all that was filmed
        size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    if turn == UPRIGHT:
        return image
    a, b, c, d = turn
    if a == 0:  # x' is c y, and y' is b x
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[::d, ::a])
