"""The sound of a video: as it is where an MP4 can hold it, else as AAC."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer

KEPT = {"aac", "mp3", "opus", "ac3", "eac3", "alac"}  # codecs that an MP4 can take over as they are
RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)  # of AAC, in Hz
USUAL_RATE = 48000
LONGEST_GAP = 10.0  # seconds from one piece of sound to the next, above which times begin again
SMALLEST_GAP = 0.05  # seconds without sound that are filled with silence; less is how clocks differ
LEFT_OUT = "Its sound is left out: no MP4 can hold it."


@dataclass(frozen=True)
class Sound:
    """A file with the sound alone, in the time of the picture, and a note where there is none."""

    path: Path | None
    note: str | None = None


def choose_sound(container: InputContainer) -> av.AudioStream | None:
    """The track that is heard: the default one, else the first whose codec is known."""
    known: list[av.AudioStream] = [each for each in container.streams.audio if each.codec_context is not None]
    default = av.stream.Disposition.default
    return max(known, key=lambda stream: (bool(stream.disposition & default), -stream.index), default=None)


def write_sound(container: InputContainer, made: Path, start: float) -> Sound:
    """Write the sound of an open video into the file `made`, an MP4, in which time 0 is `start` seconds in the video.

    Nothing that can be wrong with a sound is raised: it is tried as it is, then as AAC, then left out with a note.
    """
    if not container.streams.audio:
        return Sound(None)
    sound = choose_sound(container)
    if sound is None:
        return Sound(None, LEFT_OUT)
    for write in [_copied, _encoded] if sound.codec_context.codec.canonical_name in KEPT else [_encoded]:
        try:
            container.seek(0)
            return Sound(made if _write(made, partial(write, container, sound, start)) else None)
        except (av.FFmpegError, ValueError, OSError, EOFError):
            made.unlink(missing_ok=True)
    return Sound(None, LEFT_OUT)


def _write(made: Path, packets_for: Callable[[OutputContainer], Iterator[av.Packet]]) -> bool:
    """Write packets into a file. Returns whether there were any."""
    written = False
    with av.open(str(made), "w", format="mp4") as output:
        for packet in packets_for(output):
            output.mux(packet)
            written = True
    return written


def _copied(
    container: InputContainer, sound: av.AudioStream, start: float, output: OutputContainer
) -> Iterator[av.Packet]:
    """The packets as they are, each later than the one before; those before the picture begins are left out."""
    stream, base = output.add_stream_from_template(sound), sound.time_base or Fraction(1, 90_000)
    offset, latest, ends = round(-start / base), None, 0
    for packet in container.demux(sound):
        if packet.dts is None or not packet.size:
            continue
        moment, length = packet.dts + offset, packet.duration or 1
        if latest is not None and not 0 < (moment - latest) * base <= LONGEST_GAP:
            again = (latest - moment) * base > SMALLEST_GAP or moment > latest  # times begin again
            offset += ends - moment if again else 0
            moment = max(ends if again else moment, latest + 1)
        if moment >= 0:
            packet.pts = packet.dts = moment
            packet.stream = stream
            yield packet
        latest, ends = moment, moment + length


def _encoded(
    container: InputContainer, sound: av.AudioStream, start: float, output: OutputContainer
) -> Iterator[av.Packet]:
    """The sound as AAC without a gap: silence where there is none, whatever rate and channels it has on the way."""
    rate = sound.rate if sound.rate in RATES else USUAL_RATE
    layout = "mono" if sound.codec_context.channels == 1 else "stereo"
    stream = output.add_stream("aac", rate=rate, layout=layout)
    written = 0  # samples
    for samples in _resampled(container, sound, rate, layout, start):
        frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        frame.rate, frame.pts, frame.time_base = rate, written, Fraction(1, rate)
        written += samples.shape[1]
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _resampled(
    container: InputContainer, sound: av.AudioStream, rate: int, layout: str, start: float
) -> Iterator[np.ndarray]:
    """Samples (channels, n) float32 that follow each other without a gap, from time 0 on."""
    channels, due, offset = 1 if layout == "mono" else 2, 0, -start
    resampler, kind = None, None
    for frame in _decoded(container, sound):
        if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
            resampler = AudioResampler("fltp", layout, rate)
        moment = frame.time
        if moment is not None:
            late = moment + offset - due / rate
            if due and not -LONGEST_GAP / 10 < late <= LONGEST_GAP:  # times begin again
                offset -= late
                late = 0.0
            if late > SMALLEST_GAP:
                silence = round(late * rate)
                due += silence
                yield np.zeros((channels, silence), np.float32)
        frame.pts = None  # the resampler would fill gaps in its own way
        assert resampler
        early = 0 if due or moment is None else max(0, -round((moment + offset) * rate))
        for part in resampler.resample(frame):
            samples = part.to_ndarray()[:, early:]
            if samples.shape[1]:
                due += samples.shape[1]
                yield samples
    for part in resampler.resample(None) if resampler else ():
        yield part.to_ndarray()


def _decoded(container: InputContainer, sound: av.AudioStream) -> Iterator[av.AudioFrame]:
    for packet in container.demux(sound):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue  # a damaged packet costs its own sound alone
