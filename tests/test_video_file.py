import av
import numpy as np
import pytest

from videos.video_file import join_pieces, read, scan, write_piece
from vision.decoding import UPRIGHT, colour, grey, planes
from vision.source import SourceError

ROTATED = bytes.fromhex("00000000 00010000 00000000 ffff0000 00000000 00000000 00000000 00000000 40000000")


def grey_frames(count, size=(64, 48)):
    """Frames that tell their number by their grey level, modulo 200."""
    return [np.full((size[1], size[0], 3), 20 + index % 200, np.uint8) for index in range(count)]


def frames_of(recording, **options):
    return [frame for segment in recording.segments for frame in read(recording, segment, **options)]


def numbers_seen(frames):
    return [round(float(colour(frame.picture, UPRIGHT).mean())) - 20 for frame in frames]


def rewrite(recording, folder, **options):
    """Write a recording's frames in pieces and join them."""
    pieces = []
    for index, segment in enumerate(recording.segments):
        pieces.append(folder / f"{index}.nut")
        frames = read(recording, segment, **options)
        images = ((planes(frame.picture, recording.shape), frame.time) for frame in frames)
        write_piece(pieces[-1], recording, images)
    join_pieces(pieces, recording, folder / "joined.mp4", "a comment")
    return scan(folder / "joined.mp4")


def test_segments_give_each_frame_once_with_its_true_time(film, tmp_path):
    milliseconds = np.cumsum(np.random.default_rng(0).integers(20, 90, 700)) + 400
    recording = scan(film(tmp_path / "clip.mkv", grey_frames(700), times=milliseconds, key_frame_every=60))
    assert len(recording.segments) > 3
    frames = frames_of(recording)
    assert [frame.number for frame in frames] == list(range(700)) == list(range(recording.frames))
    times = [frame.time for frame in frames]
    assert times == pytest.approx((milliseconds - milliseconds[0]) / 1000, abs=1e-3)
    assert np.abs(np.array(numbers_seen(frames)) - np.arange(700) % 200).max() <= 2


@pytest.mark.parametrize(("count", "firsts"), [(150, [0, 100]), (140, [0])])
def test_the_last_segment_may_be_short_but_not_a_scrap(film, tmp_path, count, firsts):
    recording = scan(film(tmp_path / "clip.mp4", grey_frames(1) * count, key_frame_every=50))
    assert [segment.first for segment in recording.segments] == firsts


def test_a_segment_can_be_read_by_itself(film, tmp_path):
    recording = scan(film(tmp_path / "clip.mp4", grey_frames(500), key_frame_every=50))
    last = recording.segments[-1]
    assert [frame.number for frame in read(recording, last)] == list(range(last.first, 500))


def test_a_sample_is_of_the_recording_not_of_the_segments(film, tmp_path):
    recording = scan(film(tmp_path / "clip.mp4", grey_frames(500), key_frame_every=50))
    assert [frame.number for frame in frames_of(recording, every=7)] == list(range(0, 500, 7))


def test_grey_frames_are_those_in_colour(film, tmp_path, astronaut):
    recording = scan(film(tmp_path / "clip.mp4", [astronaut[:240, :320]] * 3))
    picture = frames_of(recording)[1].picture
    brightness = colour(picture, UPRIGHT) @ np.array([0.114, 0.587, 0.299])
    assert np.abs(brightness - grey(picture, recording.shape)).mean() < 1


def test_a_phone_video_comes_out_upright(film, tmp_path):
    left_is_white = np.zeros((48, 64, 3), np.uint8)
    left_is_white[:, :32] = 255
    path = film(tmp_path / "clip.mp4", [left_is_white] * 5)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = ROTATED
    path.write_bytes(content)
    recording = scan(path)
    [frame, *_] = frames_of(recording)
    image = colour(frame.picture, recording.shape.turn)
    assert image.shape == (64, 48, 3)
    assert image[:28].mean() > 240  # turned clockwise, the left becomes the top
    assert image[36:].mean() < 15
    assert np.abs(grey(frame.picture, recording.shape).astype(int) - image[:, :, 0]).max() <= 2
    assert planes(frame.picture, recording.shape).shape == (96, 48)


def test_a_video_that_breaks_off_gives_what_is_there(film, tmp_path, astronaut):
    images = [np.roll(astronaut[:240, :320], index, 1) for index in range(100)]
    path = film(tmp_path / "clip.mp4", images, key_frame_every=5, faststart=True)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    recording = scan(path)
    frames = frames_of(recording)
    assert 20 < len(frames) < 80
    assert recording.missing + recording.frames == 100


@pytest.mark.parametrize("content", [b"", b"this is text", b"\0" * 5000])
def test_what_is_no_video_is_told_in_a_sentence(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="clip.mp4 is not a video that can be played"):
        scan(path)


def test_a_sound_recording_is_told_in_a_sentence(tmp_path):
    with av.open(str(tmp_path / "clip.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="has no video"):
        scan(tmp_path / "clip.m4a")


def test_a_rewritten_video_plays_anywhere_and_keeps_its_times(film, tmp_path):
    milliseconds = np.cumsum(np.random.default_rng(1).integers(20, 90, 400))
    recording = scan(film(tmp_path / "clip.mkv", grey_frames(400, (65, 49)), times=milliseconds, key_frame_every=60))
    joined = rewrite(recording, tmp_path)
    assert [frame.time for frame in frames_of(joined)] == pytest.approx(
        (milliseconds - milliseconds[0]) / 1000, abs=1e-3
    )
    content = (tmp_path / "joined.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # it plays while it loads
    with av.open(str(tmp_path / "joined.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 64, 48)
        assert container.metadata["comment"] == "a comment"


@pytest.mark.parametrize("height", [48, 50])  # of which PyAV wraps one as it is
def test_a_rewritten_picture_keeps_its_last_rows(film, tmp_path, height):
    image = np.full((height, 64, 3), 40, np.uint8)
    image[-8:] = 220
    joined = rewrite(scan(film(tmp_path / "clip.mp4", [image] * 10)), tmp_path)
    seen = colour(frames_of(joined)[5].picture, UPRIGHT)
    assert np.abs(seen.astype(int) - image)[[0, -1]].max() < 12


@pytest.mark.parametrize("sound", ["aac", "pcm_s16le"])
def test_the_sound_stays_with_the_picture(film, tmp_path, sound):
    recording = scan(film(tmp_path / "clip.mov", grey_frames(100), sound=sound))
    rewrite(recording, tmp_path)
    with av.open(str(tmp_path / "joined.mp4")) as container:
        heard = container.streams.audio[0]
        assert heard.codec_context.name == "aac"
        loud = [
            (frame.time, float(np.abs(frame.to_ndarray().astype(float)).max())) for frame in container.decode(heard)
        ]
    quiet_until = next(time for time, level in loud if level > 0.1)
    assert quiet_until == pytest.approx(2.0, abs=0.08)  # film makes a noise in the second half of four seconds
    assert loud[-1][0] == pytest.approx(4.0, abs=0.1)
