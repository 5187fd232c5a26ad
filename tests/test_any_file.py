"""Saved videos as people have them come out right: what is drawn into them here is compared with what comes out."""

import itertools
import subprocess
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from videos.job import Job
from videos.steps import do
from videos.video_file import read, scan
from vision import source
from vision.opencv import cv2
from vision.source import SourceError, read_frames

BITS = 8  # of the number in each frame
FIELD = 16  # pixels, of a field with a bit or a colour
YELLOWISH, BLUISH = (170, 90, 150), (90, 160, 110)  # Y, U, V of two fields


def numbered(number, width=320, height=240):
    """Planes Y, U, V of a frame that shows its number in binary fields at its top, two colours, and a mark at its left.

    The last rows are of the second colour, so that rows that are lost or shifted show.
    """
    y = np.full((height, width), 100, np.uint8)
    u, v = (np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2))
    for bit in range(BITS):
        y[:FIELD, FIELD * bit : FIELD * (bit + 1)] = 220 if number >> bit & 1 else 30
    y[2 * FIELD : 4 * FIELD, :FIELD] = 235  # the mark: at the left, above the middle
    for place, (luma, blue, red) in (
        (slice(height // 2, height - FIELD), YELLOWISH),
        (slice(height - FIELD, height), BLUISH),
    ):
        y[place] = luma
        halved = slice(place.start // 2, place.stop // 2)
        u[halved], v[halved] = blue, red
    return y, u, v


def as_frame(parts, name="yuv420p"):
    y, u, v = parts
    height, width = y.shape
    frame = av.VideoFrame.from_ndarray(np.concatenate([part.ravel() for part in parts]).reshape(-1, width), "yuv420p")
    assert frame.height == height
    return frame.reformat(format=name) if name != "yuv420p" else frame


def film(
    path, frames, rate=25, codec="libx264", name="yuv420p", options=None, times=None, sound=None, aspect=None, **tags
):
    """Write planes as a video. times: in milliseconds. sound: (codec, rate, layout). tags: of the colours."""
    with av.open(str(path), "w") as container:
        first = frames[0][0]
        stream = container.add_stream(
            codec, rate=rate, options={"qp": "4"} | (options or {}) if codec == "libx264" else options or {}
        )
        stream.height, stream.width = first.shape
        stream.pix_fmt = name
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for tag, value in tags.items():
            setattr(stream.codec_context, tag, value)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        heard = container.add_stream(sound[0], rate=sound[1], layout=sound[2]) if sound else None
        for index, parts in enumerate(frames):
            frame = as_frame(parts, name)
            if times is not None:
                frame.pts, frame.time_base = int(times[index]), Fraction(1, 1000)
            else:
                frame.pts, frame.time_base = index, Fraction(1, rate)
            if tags.get("color_range") == ColorRange.JPEG:
                frame.color_range = ColorRange.JPEG
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if heard:
            write_tone(container, heard, len(frames) / rate, sound[1], sound[2])
    return path


def write_tone(container, stream, seconds, rate, layout):
    channels = 1 if layout == "mono" else 2
    tone = (8000 * np.sin(np.arange(round(seconds * rate)) / 20)).astype(np.int16)
    for begin in range(0, len(tone), 1024):
        part = np.repeat(tone[begin : begin + 1024], channels)[None]
        frame = av.AudioFrame.from_ndarray(part, "s16", layout)
        frame.rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def analyse(path, folder):
    """Analyse a video. Returns Done, the path of the annotated video, and the moments that were analysed."""
    job = Job(path, path.name, str(folder / "out"), True, "csv", True)
    folder.mkdir(exist_ok=True)
    done, _ = do(job)
    return done, job.annotated


def shown(path):
    """The frames of a video as planes (Y, U, V) and their times, as a player shows them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(planes_of(frame), float(frame.pts * frame.time_base)) for frame in container.decode(stream)]


def planes_of(frame):
    parts = []
    for index, plane in enumerate(frame.planes):
        height, width = (side // (2 if index else 1) for side in (frame.height, frame.width))
        parts.append(np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, :width].copy())
    return parts


def number_of(parts):
    fields = parts[0][FIELD // 2, FIELD // 2 : FIELD * BITS : FIELD]
    return int(sum((int(value) > 125) << bit for bit, value in enumerate(fields)))


def assert_same_planes(frame, expected, within=3):
    """Y, U and V are each within some levels for nine pixels in ten, in the first and last rows too."""
    for part, right in zip(frame, expected, strict=True):
        assert part.shape == right.shape
        for rows in (slice(None), slice(0, 2), slice(-2, None)):
            near = np.abs(part[rows].astype(int) - right[rows]) <= within
            assert near.mean() > 0.9


@pytest.mark.parametrize("size", [(320, 240), (480, 270), (180, 322), (178, 246), (322, 178)])
def test_planes_come_out_as_they_were_in_every_size(tmp_path, size):
    frames = [numbered(index, *size) for index in range(12)]
    _, out = analyse(film(tmp_path / "clip.mp4", frames), tmp_path / "out")
    result = shown(out)
    assert [number_of(parts) for parts, _ in result] == list(range(12))
    for (parts, _), right in zip(result, frames):
        assert_same_planes(parts, right)


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("yuv420p", {"color_range": ColorRange.JPEG}),
        ("yuv420p10le", {}),
        ("yuv420p10le", {"colorspace": 9, "color_primaries": 9, "color_trc": 18, "color_range": 1}),
        ("yuv444p", {}),
        ("yuv422p", {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}),
    ],
)
def test_ranges_depths_and_tags_are_kept(tmp_path, name, tags):
    frames = [numbered(index) for index in range(6)]
    path = film(tmp_path / "clip.mkv", frames, name=name, **tags)
    _, out = analyse(path, tmp_path / "out")
    for (parts, _), right in zip(shown(out), frames, strict=True):
        assert_same_planes(parts, right)
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        for tag, value in tags.items():
            assert int(getattr(context, tag)) == int(value)


def turned(path, matrix):
    """Put a display matrix (a, b, c, d) into an MP4."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    a, b, c, d = (value * 65536 for value in matrix)
    numbers = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    content[place : place + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(content)
    return path


TURNS = [m for m in itertools.product((-1, 0, 1), repeat=4) if abs(m[0] * m[3] - m[1] * m[2]) == 1 and m.count(0) == 2]


@pytest.mark.parametrize("matrix", TURNS)
def test_every_way_to_turn_and_mirror_comes_out_upright(tmp_path, matrix):
    frames = [numbered(index, 320, 180) for index in range(3)]
    _, out = analyse(turned(film(tmp_path / "clip.mp4", frames), matrix), tmp_path / "out")
    a, b, c, d = matrix
    result = shown(out)
    for (parts, _), right in zip(result, frames, strict=True):
        # x' = a x + c y and y' = b x + d y, pixel by pixel
        expected = []
        for plane in right:
            height, width = plane.shape
            ys, xs = np.mgrid[:height, :width]
            left, down = a * xs + c * ys, b * xs + d * ys
            left, down = left - left.min(), down - down.min()
            image = np.empty((down.max() + 1, left.max() + 1), np.uint8)
            image[down, left] = plane
            expected.append(image)
        assert_same_planes(parts, expected)


def test_pixels_that_are_not_square_are_stretched(tmp_path):
    path = film(tmp_path / "clip.mp4", [numbered(index, 180, 144) for index in range(3)], aspect=Fraction(16, 11))
    _, out = analyse(path, tmp_path / "out")
    parts, _ = shown(out)[0]
    assert parts[0].shape == (144, 262 - 262 % 2)


def test_times_are_those_of_the_file(tmp_path):
    times = np.cumsum(np.random.default_rng(3).integers(5, 200, 40))
    _, out = analyse(film(tmp_path / "clip.mkv", [numbered(i) for i in range(40)], times=times), tmp_path / "out")
    result = shown(out)
    assert [number_of(parts) for parts, _ in result] == list(range(40))
    assert [time for _, time in result] == pytest.approx((times - times[0]) / 1000, abs=2e-3)


def test_joined_recordings_are_whole(tmp_path):
    first = film(tmp_path / "a.ts", [numbered(i) for i in range(30)], sound=("aac", 44100, "stereo"))
    second = film(tmp_path / "b.ts", [numbered(i) for i in range(30, 75)], sound=("aac", 44100, "stereo"))
    (tmp_path / "joined.ts").write_bytes(first.read_bytes() + second.read_bytes())
    done, out = analyse(tmp_path / "joined.ts", tmp_path / "out")
    result = shown(out)
    assert [number_of(parts) for parts, _ in result] == list(range(75))
    assert [time for _, time in result] == pytest.approx(np.arange(75) / 25, abs=0.05)
    assert done.note is None
    with av.open(str(out)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) / 44100 == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("bframes", ["0", "2"])
def test_avi_keeps_frames_and_times(tmp_path, bframes):
    path = film(tmp_path / "clip.avi", [numbered(i) for i in range(60)], options={"bf": bframes, "g": "20"})
    done, out = analyse(path, tmp_path / "out")
    result = shown(out)
    assert [number_of(parts) for parts, _ in result] == list(range(60))
    assert [time for _, time in result] == pytest.approx(np.arange(60) / 25, abs=2e-3)
    assert done.note is None


def test_a_cut_by_stream_copy_is_no_damage(tmp_path):
    if not _has_ffmpeg():
        pytest.skip("there is no ffmpeg here")
    path = film(tmp_path / "clip.mp4", [numbered(i) for i in range(100)], options={"g": "50", "bf": "2"})
    for seconds in ("0.9", "2.3"):
        cut = tmp_path / f"cut{seconds}.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-ss", seconds, "-i", path, "-c", "copy", cut], check=True)
        done, out = analyse(cut, tmp_path / "out")
        assert done.note is None
        numbers = [number_of(parts) for parts, _ in shown(out)]
        assert numbers == list(range(numbers[0], 100))


def _has_ffmpeg():
    try:
        return subprocess.run(["ffmpeg", "-version"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize(
    ("ending", "sound", "kept"),
    [
        ("avi", ("libmp3lame", 44100, "stereo"), "mp3float"),
        ("mov", ("pcm_s16le", 48000, "stereo"), "aac"),
        ("mkv", ("pcm_s16le", 192000, "mono"), "aac"),
        ("mkv", ("flac", 96000, "stereo"), "aac"),
        ("mp4", ("aac", 44100, "mono"), "aac"),
        ("mkv", ("ac3", 48000, "stereo"), "ac3"),
    ],
)
def test_the_sound_is_kept(tmp_path, ending, sound, kept):
    path = film(tmp_path / f"clip.{ending}", [numbered(i) for i in range(50)], sound=sound)
    done, out = analyse(path, tmp_path / "out")
    assert done.note is None
    with av.open(str(out)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == kept
        rate = stream.codec_context.sample_rate
        assert sum(frame.samples for frame in container.decode(stream)) / rate == pytest.approx(2.0, abs=0.15)


def test_a_sound_that_fails_costs_the_sound_alone(tmp_path, monkeypatch):
    path = film(tmp_path / "clip.mp4", [numbered(i) for i in range(10)], sound=("aac", 44100, "mono"))

    def fail(*arguments):
        raise ValueError("no sound today")
        yield

    for way in ("_copied", "_encoded"):
        monkeypatch.setattr(f"videos.sound.{way}", fail)
    done, out = analyse(path, tmp_path / "out")
    assert "sound is left out" in done.note
    assert len(shown(out)) == 10
    assert (tmp_path / "out" / "out.csv").exists()
    assert (tmp_path / "out" / "out.png").exists()


def test_a_cover_picture_is_not_the_video(tmp_path):
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        for index in range(10):
            frame = as_frame(numbered(index))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    recording = scan(tmp_path / "clip.mkv")
    assert recording.shape.size == (320, 240)
    assert len(list(read(recording, recording.segments[0]))) == 10


def test_a_size_that_changes_on_the_way_ends_in_one_size(tmp_path, astronaut):
    small, large = (
        cv2.cvtColor(cv2.resize(astronaut, size), cv2.COLOR_BGR2YUV_I420) for size in ((240, 240), (480, 480))
    )
    with av.open(str(tmp_path / "clip.webm"), "w") as container:
        streams = []
        for planes in (small, large):
            codec = av.CodecContext.create("libvpx", "w")
            codec.width, codec.height, codec.pix_fmt = planes.shape[1], planes.shape[1], "yuv420p"
            codec.time_base, codec.bit_rate = Fraction(1, 25), 2_000_000
            streams.append((codec, planes))
        template = container.add_stream("libvpx", rate=25)
        template.width, template.height, template.pix_fmt = 240, 240, "yuv420p"
        for part, (codec, planes) in enumerate(streams):
            for index in range(10):
                frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                for packet in codec.encode(frame):
                    packet.stream, packet.pts = template, packet.pts + 10 * part
                    packet.dts, packet.time_base = packet.pts, Fraction(1, 25)
                    container.mux(packet)
    job = Job(tmp_path / "clip.webm", "clip.webm", str(tmp_path / "out"), True, "csv", False)
    done, found = do(job)
    assert done.frames >= 18
    assert set(found.numbers.tolist()) == {1}
    assert np.ptp(found.boxes, axis=0).max() <= 12
    assert {parts[0].shape for parts, _ in shown(job.annotated)} == {(240, 240)}


@pytest.mark.parametrize("ending", ["h264", "gif", "mjpeg", "y4m"])
def test_raw_kinds_of_video_are_analysed(tmp_path, ending, astronaut):
    codec, name = {"h264": ("libx264", "yuv420p"), "gif": ("gif", "rgb8"), "mjpeg": ("mjpeg", "yuvj420p")}.get(
        ending, ("rawvideo", "yuv420p")
    )
    kind = {"y4m": "yuv4mpegpipe"}.get(ending, ending)
    with av.open(str(tmp_path / f"clip.{ending}"), "w", format=kind) as container:
        stream = container.add_stream("wrapped_avframe" if ending == "y4m" else codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 240, 240, name
        image = cv2.resize(astronaut[:300, 80:380, ::-1], (240, 240))
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(image, index, 1)), "rgb24")
            frame = frame.reformat(format=name)
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    job = Job(tmp_path / f"clip.{ending}", "clip", str(tmp_path / "out"), True, "csv", False)
    done, found = do(job)
    assert done.frames == 10
    assert set(found.numbers.tolist()) == {1}
    assert len(shown(job.annotated)) == 10


@pytest.mark.parametrize("ending", ["ts", "m2ts", "mpg", "h264"])
def test_a_file_of_two_frames_is_told_by_its_name(tmp_path, ending):
    path = film(tmp_path / f"clip.{ending}", [numbered(index, 160, 120) for index in range(2)])
    done, out = analyse(path, tmp_path / "out")
    assert done.frames == len(shown(out)) == 2
    assert len(list(itertools.islice(read_frames(str(path), lambda: True), 2))) == 2  # live


def test_a_file_of_two_frames_is_played_by_a_slow_machine_too(tmp_path, monkeypatch):
    def decode_slowly(*arguments):
        time.sleep(0.15)  # in which both frames are late
        yield from decode(*arguments)

    path = film(tmp_path / "clip.mp4", [numbered(index, 160, 120) for index in range(2)])
    decode = source.decode
    monkeypatch.setattr(source, "decode", decode_slowly)
    assert len(list(itertools.islice(read_frames(str(path), lambda: True), 2))) == 2


def test_a_recording_that_begins_within_a_packet_is_analysed(tmp_path):
    path = film(tmp_path / "clip.m2ts", [numbered(index, 160, 120) for index in range(60)], options={"g": "5"})
    path.write_bytes(path.read_bytes()[5000:])
    done, out = analyse(path, tmp_path / "out")
    assert done.frames == len(shown(out)) > 30


def test_a_text_that_is_named_like_a_stream_is_no_video(tmp_path):
    (tmp_path / "notes.ts").write_text("export const a = 1;\n" * 500)
    with pytest.raises(SourceError, match="not a video that can be played"):
        analyse(tmp_path / "notes.ts", tmp_path / "out")
