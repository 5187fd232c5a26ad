"""A saved video as frames with true times, in segments that can be read apart; and annotated frames as a video again.

Frames are told by their timestamps, because no seek by frame number is exact. PyAV (FFmpeg) reads and writes.
"""

import bisect
import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from vision.source import SourceError

VIDEO_SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
    *(".ogv", ".ts", ".vob", ".webm", ".wmv"),
}
# Frames that a segment has at least, the last one half as many; it begins at a key frame, since decoding can begin
# nowhere else.
SEGMENT = 90
TIME_BASE = Fraction(1, 90_000)  # seconds, of the videos that are written
KEY_FRAME_EVERY = 60  # frames, so that a player gets quickly to any moment
# Of x264: its fastest preset takes a third of the time of "veryfast", for files 1.4 times as large of the same quality;
# and one quantizer for all frames, about that of its usual quality (crf 23), saves it a look at each beforehand.
QUALITY = {"preset": "ultrafast", "qp": "21", "g": str(KEY_FRAME_EVERY)}
MOST_PIXELS = 8192 * 8192  # of a frame
# FFmpeg's kinds of files that are a video in themselves. Others, such as playlists, name further files or addresses,
# and are not followed.
CONTAINERS = "asf,avi,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpegvideo,mxf,nut,ogg"
SOUND = {"aac", "mp3", "opus", "ac3", "eac3", "alac"}  # that an MP4 can take over as it is


@dataclass(frozen=True)
class Segment:
    """Some frames of a recording, one after another."""

    first: int  # number of its first frame in the recording, from 0
    timestamps: tuple[int, ...] | None  # of its frames, in the stream's time base; None where the file has none
    end: int | None  # timestamp of the first frame of the next segment


@dataclass(frozen=True)
class Recording:
    """What there is to know about a video file before it is decoded."""

    path: Path
    time_base: Fraction  # seconds
    start: int  # timestamp of its first frame
    rate: Fraction  # frames a second, on average
    segments: tuple[Segment, ...]
    missing: int  # frames that the file says it has, and has not

    @property
    def frames(self) -> int:
        """How many there are, as far as the file tells."""
        last = self.segments[-1]
        return last.first + len(last.timestamps or ())

    def time(self, timestamp: int) -> float:
        """Seconds since the first frame."""
        return float((timestamp - self.start) * self.time_base)


@dataclass(frozen=True)
class Frame:
    """A decoded frame."""

    number: int  # from 0
    timestamp: int  # in the recording's time base
    picture: av.VideoFrame  # as it was decoded; see vision.decoding


def scan(path: str | Path) -> Recording:
    """Look through a video file, without decoding it, for its Recording. Raises SourceError."""
    with _opened(path) as (container, stream):
        packets = [(packet.pts, packet.is_keyframe) for packet in _packets(container, stream) if not packet.is_discard]
        if not packets:
            raise SourceError(f"{path} is not a video that can be played; it has no frames.")
        rate = stream.average_rate or stream.guessed_rate or Fraction(30)
        missing = max(0, (stream.frames or 0) - len(packets))
        timestamps = sorted({pts for pts, _ in packets if pts is not None})
        key_frames = {pts for pts, is_key in packets if is_key and pts is not None}
        segments: tuple[Segment, ...] = (Segment(0, None, None),)
        if all(pts is not None for pts, _ in packets):
            segments = _segments(timestamps, key_frames)
        start = timestamps[0] if segments[0].timestamps else 0
        return Recording(Path(path), stream.time_base or TIME_BASE, start, rate, segments, missing)


def seconds_of(path: str | Path) -> float:
    """How long a video file says it is; infinite where it does not say, 0 where it cannot be read."""
    try:
        with _opened(path) as (container, _):
            return float("inf") if container.duration is None else container.duration / av.time_base
    except SourceError:
        return 0.0


def _segments(timestamps: list[int], key_frames: set[int]) -> tuple[Segment, ...]:
    """Cut sorted timestamps before key frames, into pieces that depend on nothing but the file."""
    cuts = [0]
    for index, timestamp in enumerate(timestamps):
        if timestamp in key_frames and index - cuts[-1] >= SEGMENT and len(timestamps) - index >= SEGMENT // 2:
            cuts.append(index)
    ends = [*cuts[1:], len(timestamps)]
    return tuple(
        Segment(begin, tuple(timestamps[begin:end]), timestamps[end] if end < len(timestamps) else None)
        for begin, end in zip(cuts, ends)
    )


def read(recording: Recording, segment: Segment, every: int = 1, threads: int = 1) -> Iterator[Frame]:
    """Yield a segment's Frames, every so many of the recording's. What is damaged is left out. Raises SourceError."""
    if segment.timestamps is None:
        yield from _read_in_order(recording, every, threads)
        return
    first = segment.timestamps[0]
    for seek in (True, False):  # a seek may come too late; decoding from the beginning does not
        with _opened(recording.path, threads) as (container, stream):
            if seek and segment.first:
                container.seek(first, stream=stream)
            latest = first - 1
            for frame in _decoded(container, stream):
                if seek and segment.first and frame.pts > first:
                    break
                if segment.end is not None and frame.pts >= segment.end:
                    return
                seek = False
                if frame.pts <= latest:  # of the segment before, or the same moment twice
                    continue
                latest = frame.pts
                number = segment.first + bisect.bisect_left(segment.timestamps, frame.pts)
                if number % every == 0:
                    yield Frame(number, frame.pts, frame)
            if not seek:
                return


def _read_in_order(recording: Recording, every: int, threads: int) -> Iterator[Frame]:
    """The frames of a file without timestamps, at an even rate."""
    period = 1 / (recording.rate * recording.time_base)
    with _opened(recording.path, threads) as (container, stream):
        for number, frame in enumerate(_decoded(container, stream)):
            if number % every == 0:
                yield Frame(number, round(number * period), frame)


@contextmanager
def _opened(path: str | Path, threads: int = 1) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """The container and its video stream. Raises SourceError."""
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS})
    except (av.FFmpegError, OSError) as error:
        reason = "it is empty" if Path(path).exists() and not Path(path).stat().st_size else error.strerror
        raise SourceError(f"{path} is not a video that can be played: {reason}.") from error
    with container:
        if not container.streams.video:
            raise SourceError(f"{path} has no video in it.")
        stream = container.streams.video[0]
        if stream.width * stream.height > MOST_PIXELS:
            raise SourceError(f"{path} has frames of {stream.width}×{stream.height} pixels, which is too much.")
        stream.codec_context.thread_count = threads
        yield container, stream


def _packets(container: InputContainer, stream: av.stream.Stream) -> Iterator[av.Packet]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return  # the file breaks off
        if packet is None:
            return
        if packet.size:
            yield packet


def _decoded(container: InputContainer, stream: Any) -> Iterator[Any]:
    for packet in _packets(container, stream):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue  # a damaged packet costs its own frames alone
    try:
        yield from stream.decode(None)
    except av.FFmpegError:
        return


def write_piece(
    path: str | Path, recording: Recording, frames: Iterable[tuple[np.ndarray, int]], threads: int = 1
) -> None:
    """Write frames as H.264 to the file `path`.

    frames: pairs of an image, as `planes` gives it, and its timestamp, written as counted from the recording's start.
    """
    with av.open(str(path), "w", format="nut") as container, _opened(recording.path) as (_, original):
        timed = ((image, (timestamp - recording.start) * recording.time_base) for image, timestamp in frames)
        encode_frames(container, timed, recording.rate, threads, original.codec_context)


def encode_frames(
    container: OutputContainer,
    frames: Iterable[tuple[np.ndarray, float | Fraction]],
    rate: float | Fraction,
    threads: int = 1,
    colours: av.VideoCodecContext | None = None,
) -> None:
    """Encode frames as H.264 into an open container.

    frames: pairs of an image, (height * 3 / 2, width) uint8 I420, all of one size, which is not to be changed
    afterwards, and its time in seconds. rate: frames a second, about. colours: a codec context whose colour space is
    that of the frames, or None.
    """
    stream = None
    for image, seconds in frames:
        picture = av.VideoFrame.from_numpy_buffer(image, format="yuv420p")
        if stream is None:
            stream = container.add_stream("libx264", rate=round(rate) or 1, options=QUALITY)
            stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
            stream.codec_context.thread_count = threads
            stream.codec_context.time_base = TIME_BASE
            for name in ("colorspace", "color_primaries", "color_trc") if colours else ():
                setattr(stream.codec_context, name, getattr(colours, name))  # they go through as they come
        picture.pts = round(seconds / TIME_BASE)
        picture.time_base = TIME_BASE
        container.mux(stream.encode(picture))
    if stream:
        container.mux(stream.encode(None))


def join_pieces(pieces: Sequence[Path], recording: Recording, made: Path, comment: str) -> None:
    """Write the pieces, files of write_piece in order, and the recording's sound as one MP4 to the file `made`."""
    with av.open(str(made), "w", format="mp4", options={"movflags": "faststart"}) as container:
        container.metadata["comment"] = comment
        with av.open(str(pieces[0])) as first, _opened(recording.path) as (original, _):
            tracks = [_picture_packets(pieces, container.add_stream_from_template(first.streams.video[0]))]
            if original.streams.audio:
                tracks.append(_sound_packets(original, container, recording))
            for packet in heapq.merge(*tracks, key=lambda packet: (packet.dts or 0) * packet.time_base):
                container.mux(packet)


def _picture_packets(pieces: Sequence[Path], stream: av.VideoStream) -> Iterator[av.Packet]:
    for piece in pieces:
        with av.open(str(piece)) as part:
            for packet in _packets(part, part.streams.video[0]):
                packet.stream = stream
                yield packet


def _sound_packets(original: InputContainer, container: OutputContainer, recording: Recording) -> Iterator[av.Packet]:
    """The packets of the sound, as they are where an MP4 can have them, else as AAC; time 0 is the first frame's."""
    sound = original.streams.audio[0]
    if sound.codec_context.name in SOUND:
        stream = container.add_stream_from_template(sound)
        packets = _packets(original, sound)
    else:
        stream = container.add_stream("aac", rate=sound.rate)
        packets = _encoded_sound(original, sound, stream)
    return _shifted(packets, stream, recording.start * recording.time_base)


def _encoded_sound(original: InputContainer, sound: av.AudioStream, stream: av.AudioStream) -> Iterator[av.Packet]:
    for frame in _decoded(original, sound):
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _shifted(packets: Iterable[av.Packet], stream: av.stream.Stream, seconds: Fraction) -> Iterator[av.Packet]:
    for packet in packets:
        if packet.dts is None or packet.pts is None:
            continue
        shift = round(seconds / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if packet.pts >= 0:
            packet.stream = stream
            yield packet
