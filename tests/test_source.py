import time

import numpy as np
import pytest

from conftest import CLIP_FRAMES, CLIP_RATE
from vision.opencv import cv2
from vision.planes import size_of
from vision.source import SourceError, check_source, parse_source, read_frames, source_name


def always():
    return True


def for_seconds(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("0", 0, "camera 0"),
        (1, 1, "camera 1"),
        ("demo", "demo", "the demo"),
        ("videos/clip.mp4", "videos/clip.mp4", "clip.mp4"),
        ("rtsp://ann:secret@10.0.0.2:554/live", "rtsp://ann:secret@10.0.0.2:554/live", "rtsp://10.0.0.2:554/live"),
    ],
)
def test_a_source_as_people_write_it(text, source, name):
    assert parse_source(text) == source
    assert source_name(source) == name


def test_a_clip_plays_at_its_own_speed_and_starts_again(clip):
    frames, count = read_frames(str(clip), always), round(1.5 * CLIP_FRAMES)
    first, started = next(frames), time.monotonic()
    assert size_of(first) == (240, 320)
    distances = [0.0, *(np.abs(next(frames).astype(int) - first).mean() for _ in range(1, count))]  # grow in each turn
    again = [index for index in range(1, count) if distances[index] < distances[index - 1]]
    assert again  # on a busy machine not exactly after CLIP_FRAMES, since late frames are skipped
    assert time.monotonic() - started > 0.8 * again[-1] / CLIP_RATE
    frames.close()


def test_a_slow_reader_skips_frames_and_does_not_slow_the_clip(clip):
    frames = read_frames(str(clip), always)
    first, started = next(frames), time.monotonic()
    distances = [0.0]  # from the first frame, which grow as her face moves
    while distances == sorted(distances):  # until the clip starts again
        time.sleep(0.15)  # in which almost four frames would be shown
        distances.append(np.abs(next(frames).astype(int) - first).mean())
    assert len(distances) < (time.monotonic() - started) * CLIP_RATE / 2
    frames.close()


def test_a_picture_comes_once(picture):
    (planes,) = read_frames(str(picture), for_seconds(0.1))
    assert size_of(planes) == (240, 240)


def test_a_huge_picture_is_shrunk(tmp_path):
    cv2.imwrite(str(tmp_path / "wide.jpg"), np.zeros((1000, 5000, 3), np.uint8))
    assert size_of(next(read_frames(str(tmp_path / "wide.jpg"), always))) == (384, 1920)


def test_the_demo_plays():
    assert size_of(next(read_frames("demo", always))) == (360, 640)


def test_files_that_cannot_be_played_are_named_with_the_reason(tmp_path, clip, picture):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.mp4").write_text("hello " * 1000)
    (tmp_path / "text.jpg").write_text("hello " * 1000)
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:3000])
    (tmp_path / "cut.png").write_bytes(picture.read_bytes()[:20])
    (tmp_path / "folder").mkdir()
    for name, reason in {
        "missing.mp4": "does not exist",
        "missing.jpg": "does not exist",
        "folder": "is not a file",
        "empty.mp4": "is empty",
        "empty.png": "is empty",
        "text.mp4": "is not a video that can be played",
        "cut.mp4": "is not a video that can be played",
        "text.jpg": "can.t be read as a picture",
        "cut.png": "can.t be read as a picture",
    }.items():
        with pytest.raises(SourceError, match=f"{name} {reason}"):
            check_source(str(tmp_path / name))


def test_a_webcam_that_is_not_there_is_named():
    with pytest.raises(SourceError, match="Camera 90 gives no picture"):
        check_source(90)


def test_a_network_camera_that_is_not_there_is_named_without_its_password():
    with pytest.raises(SourceError, match="http://127.0.0.1:9/video gives no picture"):
        next(read_frames("http://ann:secret@127.0.0.1:9/video", always))


def test_a_file_is_let_go_when_nobody_wants_it(clip):
    wanted = iter([True] * 8)
    assert len(list(read_frames(str(clip), lambda: next(wanted, False)))) < 8
