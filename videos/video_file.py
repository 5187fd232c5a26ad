"""A saved video as frames with true times, in segments that can be read apart; and annotated frames as a video again.

Frames are told by their timestamps, because no seek by frame number is exact. PyAV (FFmpeg) reads and writes.
"""

import bisect
import heapq
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType

from videos.reasons import cause
from videos.sound import Sound, write_sound
from vision.decoding import Clock, Colours, Shape, choose_stream, colours_of, decode, open_file, rate_of, shape_of
from vision.source import SourceError

# Frames that a segment has at least, the last one half as many; it begins at a key frame, since decoding can begin
# nowhere else.
SEGMENT = 90
TIME_BASE = Fraction(1, 90_000)  # seconds, of the videos that are written
KEY_FRAME_EVERY = 60  # frames, so that a player gets quickly to any moment
# Of x264: its fastest preset takes a third of the time of "veryfast", for files 1.4 times as large of the same quality;
# and one quantizer for all frames, about that of its usual quality (crf 23), saves it a look at each beforehand.
QUALITY = {"preset": "ultrafast", "qp": "21", "g": str(KEY_FRAME_EVERY)}
FAST_START = {"movflags": "faststart"}  # so that a player need not read an MP4 to its end before it begins
USUAL_BYTES_A_SECOND = 250_000  # to guess the length of a file that does not tell it
MOST_PIXELS = 8192 * 8192  # of a frame
# FFmpeg's kinds of files that are a video in themselves. Others, such as playlists, name further files or addresses,
# and are not followed.
CONTAINERS = (
    "asf,avi,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpegvideo,mxf,nut,ogg,"
    "dv,gif,h264,hevc,ivf,jpeg_pipe,m4v,mjpeg,rm,wtv,yuv4mpegpipe"
)
# Kinds of files whose times may begin again within: recordings of broadcasts, and such that were joined.
BROADCAST = {"mpegts", "mpeg"}
LONGEST_GAP = 10.0  # seconds from one frame of such a file to the next, above which its times begin again


@dataclass(frozen=True)
class Segment:
    """Some frames of a recording, one after another."""

    first: int  # number of its first frame in the recording, from 0
    timestamps: tuple[int, ...] | None  # of its frames, in the stream's time base; None: only known while decoding
    end: int | None  # timestamp of the first frame of the next segment


@dataclass(frozen=True)
class Recording:
    """What there is to know about a video file before it is decoded."""

    path: Path
    time_base: Fraction  # seconds
    start: int  # timestamp of its first frame
    rate: Fraction  # frames a second, on average
    segments: tuple[Segment, ...]
    frames: int  # how many there are
    missing: int  # frames that the file says it has, and has not
    shape: Shape
    colours: Colours
    moments: tuple[float, ...] | None = None  # seconds, of frames whose own times are in another order than they are

    @property
    def seconds(self) -> float:
        """How long it is, about."""
        last = self.segments[-1].timestamps
        length = (last[-1] - self.start) * self.time_base if last else self.frames / self.rate
        return float(length + 1 / self.rate)


@dataclass(frozen=True)
class Frame:
    """A decoded frame."""

    number: int  # from 0
    time: float  # seconds since the first
    picture: av.VideoFrame  # as it was decoded; see vision.decoding


@dataclass(frozen=True)
class _Packet:
    """What is known of a frame before it is decoded."""

    pts: int | None
    dts: int | None
    is_key: bool
    is_shown: bool


def scan(path: str | Path) -> Recording:
    """Look through a video file, decoding only its first frame, for its Recording. Raises SourceError."""
    with _opened(path) as (container, stream):
        first = next(_decoded(container, stream), None)
        if first is None:
            raise SourceError(f"{path} is not a video that can be played; none of its frames can be decoded.")
        shape, colours = shape_of(first, stream.sample_aspect_ratio), colours_of(first)
    with _opened(path) as (container, stream):
        packets = [
            _Packet(packet.pts, packet.dts, packet.is_keyframe, bool(packet.size) and not packet.is_discard)
            for packet in _packets(container, stream)
            if packet.size or packet.dts is not None
        ]
        kind, time_base = {*container.format.name.split(",")}, stream.time_base or TIME_BASE
        missing = max(0, (stream.frames or 0) - len(packets))
        rate, reorders = rate_of(stream), bool(stream.codec_context.has_b_frames)
    shown = [packet for packet in packets if packet.is_shown]
    again, begins = not kind.isdisjoint(BROADCAST) and _begins_again(shown, time_base), first.pts
    if begins is not None and begins in {packet.pts for packet in shown} and not again:
        # Frames before the first that can be decoded belong to what was cut away.
        shown = [packet for packet in shown if packet.pts is None or packet.pts >= begins]
    timestamps = sorted({packet.pts for packet in shown if packet.pts is not None})
    segments: tuple[Segment, ...] = (Segment(0, None, None),)
    moments, start = None, timestamps[0] if timestamps else 0
    if "avi" in kind and timestamps:  # it counts moments at which the frame before stays, too
        missing = max(0, missing - (timestamps[-1] + 1 - len(shown)))
    if "avi" in kind and reorders and len(timestamps) == len(shown):  # the times are those of the order of decoding
        moments = tuple(float((timestamp - start) * time_base) for timestamp in timestamps)
    elif len(timestamps) == len(shown) and not again:
        key_frames = {packet.pts for packet in shown if packet.is_key and packet.pts is not None}
        segments = _segments(timestamps, key_frames)
    return Recording(Path(path), time_base, start, rate, segments, len(shown), missing, shape, colours, moments)


def _begins_again(packets: list[_Packet], time_base: Fraction) -> bool:
    """Whether the times of the packets, in their order in the file, begin again somewhere."""
    times = [packet.dts for packet in packets if packet.dts is not None]
    return any(not 0 <= (later - earlier) * time_base <= LONGEST_GAP for earlier, later in zip(times, times[1:]))


def seconds_of(path: str | Path) -> float:
    """How long a video file says it is, or seems to be by its size; 0 where it cannot be read."""
    try:
        with _opened(path) as (container, _):
            if container.duration is not None and container.duration > 0:
                return container.duration / av.time_base
            return Path(path).stat().st_size / USUAL_BYTES_A_SECOND
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
                timestamp = frame.pts if frame.pts is not None else latest
                if seek and segment.first and timestamp > first:
                    break
                if segment.end is not None and timestamp >= segment.end:
                    return
                seek = False
                if timestamp <= latest:  # of the segment before, or the same moment twice
                    continue
                latest = timestamp
                number = segment.first + bisect.bisect_left(segment.timestamps, timestamp)
                if number % every == 0:
                    yield Frame(number, float((timestamp - recording.start) * recording.time_base), frame)
            if not seek:
                return


def _read_in_order(recording: Recording, every: int, threads: int) -> Iterator[Frame]:
    """The frames of a file whose times are only known while it is decoded."""
    with _opened(recording.path, threads) as (container, stream):
        clock = Clock(recording.rate, LONGEST_GAP)
        for number, frame in enumerate(_decoded(container, stream)):
            time = clock.time(frame)
            if recording.moments is not None:
                time = recording.moments[min(number, len(recording.moments) - 1)]
            if number % every == 0:
                yield Frame(number, time, frame)


@contextmanager
def _opened(path: str | Path, threads: int = 1) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """The container and its video stream. Raises SourceError."""
    try:
        container = open_file(path, {"protocol_whitelist": "file", "format_whitelist": CONTAINERS})
    except (av.FFmpegError, OSError, ValueError) as error:
        empty = Path(path).is_file() and not Path(path).stat().st_size
        reason = "it is empty" if empty else cause(error) or "it may be cut short, or of another kind"
        raise SourceError(f"{path} is not a video that can be played: {reason}.") from error
    with container:
        stream = choose_stream(container)
        if stream is None:
            raise SourceError(f"{path} has no video in it.")
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
        yield packet


def _decoded(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """The frames of a stream, up to where the file breaks off."""
    try:
        yield from decode(container, stream)
    except av.FFmpegError:
        with suppress(av.FFmpegError):
            yield from stream.decode(None)


def write_piece(
    path: str | Path, recording: Recording, frames: Iterable[tuple[np.ndarray, float]], threads: int = 1
) -> None:
    """Write frames as H.264 to the file `path`.

    frames: pairs of an image, as `planes` gives it, and its time in seconds since the recording's first frame.
    """
    with av.open(str(path), "w", format="nut") as container:
        encode_frames(container, frames, recording.rate, recording.colours, threads)


def encode_frames(
    container: OutputContainer,
    frames: Iterable[tuple[np.ndarray, float]],
    rate: float | Fraction,
    colours: Colours,
    threads: int = 1,
) -> None:
    """Encode frames as H.264 into an open container.

    frames: pairs of an image, (height * 3 / 2, width) uint8 I420, all of one size, and its time in seconds. rate:
    frames a second, about. colours: of the images.
    """
    encoder = Encoder(container, rate, colours, threads)
    for image, seconds in frames:
        encoder.add(image, seconds)
    encoder.finish()


class Encoder:
    """Encodes frames as H.264 into an open container, one by one."""

    def __init__(
        self,
        container: OutputContainer,
        rate: float | Fraction,
        colours: Colours,
        threads: int = 1,
        key_frame_after: float | None = None,
    ) -> None:
        """See encode_frames. key_frame_after: seconds, after which there is a key frame at the latest."""
        self._container, self._rate, self._colours, self._threads = container, rate, colours, threads
        self._key_frame_after, self._key_frame_at = key_frame_after, -math.inf
        self._stream: av.VideoStream | None = None

    def add(self, image: np.ndarray, seconds: float) -> None:
        """Encode the next frame."""
        # Not copied, since x264 does so itself; but PyAV miscounts the rows of heights that are no multiple of four.
        as_frame = av.VideoFrame.from_ndarray if len(image) % 6 else av.VideoFrame.from_numpy_buffer
        picture = as_frame(image, format="yuv420p")
        stream = self._stream = self._stream or self._begin(picture)
        if self._key_frame_after is not None and seconds - self._key_frame_at >= self._key_frame_after:
            picture.pict_type, self._key_frame_at = PictureType.I, seconds
        picture.pts = round(seconds / TIME_BASE)
        picture.time_base = TIME_BASE
        self._container.mux(stream.encode(picture))

    def finish(self) -> None:
        """Encode what waits."""
        if self._stream:
            self._container.mux(self._stream.encode(None))

    def _begin(self, picture: av.VideoFrame) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=max(1, round(self._rate)), options=QUALITY)
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
        context = stream.codec_context
        context.thread_count = self._threads
        context.time_base = TIME_BASE
        context.colorspace, context.color_primaries = self._colours.space, self._colours.primaries
        context.color_trc, context.color_range = self._colours.transfer, self._colours.range
        return stream


def open_fragments(path: Path) -> OutputContainer:
    """An MP4 to write in fragments that begin at key frames and reach the disk at once, so that a crash costs one."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
    return av.open(str(path), "w", format="mp4", options=options)


def join_fragments(path: Path) -> None:
    """Make a video of open_fragments one of a piece, in which players find any moment at once.

    What was cut off within a fragment is left out. Without a whole one there is no video, and the file is removed.
    """
    whole = _whole_fragments(path)
    if not whole:
        path.unlink()
        return
    os.truncate(path, whole)
    made = path.with_name(f".{path.name}")
    try:
        with av.open(str(path)) as fragments, av.open(str(made), "w", format="mp4", options=FAST_START) as container:
            stream = container.add_stream_from_template(fragments.streams.video[0])
            for packet in _with_stream(_packets(fragments, fragments.streams.video[0]), stream):
                container.mux(packet)
        os.replace(made, path)
    finally:
        made.unlink(missing_ok=True)


def _whole_fragments(path: Path) -> int:
    """The bytes of an MP4 up to the end of its last whole fragment, 0 where there is none. See ISO/IEC 14496-12."""
    size, at, whole = path.stat().st_size, 0, 0
    with open(path, "rb") as file:
        while at + 8 <= size:
            file.seek(at)
            header = file.read(8)
            length, kind = int.from_bytes(header[:4], "big"), header[4:]
            if length < 8 or at + length > size:
                break
            at += length
            if kind == b"mdat":
                whole = at
    return whole


def join_pieces(pieces: Sequence[Path], recording: Recording, made: Path, comment: str) -> str | None:
    """Write the pieces, files of write_piece in order, and the recording's sound as one MP4 to the file `made`.

    Returns a sentence on the sound where it is left out, or None.
    """
    sound_path = made.with_name("sound.mp4")
    with _opened(recording.path) as (original, _):
        sound = write_sound(original, sound_path, float(recording.start * recording.time_base))
    try:
        with av.open(str(made), "w", format="mp4", options=FAST_START) as container:
            container.metadata["comment"] = comment
            _join(container, pieces, sound)
    finally:
        sound_path.unlink(missing_ok=True)
    return sound.note


def _join(container: OutputContainer, pieces: Sequence[Path], sound: Sound) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(av.open(str(pieces[0])))
        tracks = [_picture_packets(pieces, container.add_stream_from_template(first.streams.video[0]))]
        if sound.path:
            heard = stack.enter_context(av.open(str(sound.path)))
            template = heard.streams.audio[0]
            tracks.append(_with_stream(_packets(heard, template), container.add_stream_from_template(template)))
        for packet in heapq.merge(*tracks, key=lambda packet: (packet.dts or 0) * packet.time_base):
            container.mux(packet)


def _picture_packets(pieces: Sequence[Path], stream: av.VideoStream) -> Iterator[av.Packet]:
    for piece in pieces:
        with av.open(str(piece)) as part:
            yield from _with_stream(_packets(part, part.streams.video[0]), stream)


def _with_stream(packets: Iterable[av.Packet], stream: av.stream.Stream) -> Iterator[av.Packet]:
    for packet in packets:
        if packet.size:
            packet.stream = stream
            yield packet
