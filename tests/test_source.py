import time

import cv2
import numpy as np
import pytest

from conftest import CLIP_FRAMES, CLIP_RATE
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
    seconds = 3 * CLIP_FRAMES / CLIP_RATE
    frames = list(read_frames(str(clip), for_seconds(seconds)))
    assert 0.8 * seconds * CLIP_RATE <= len(frames) <= seconds * CLIP_RATE + 2
    assert frames[0].shape == (240, 320, 3)


def test_a_slow_reader_skips_frames_and_does_not_slow_the_clip(clip):
    started, steps = time.monotonic(), 0
    first = None
    for frame in read_frames(str(clip), for_seconds(2 * CLIP_FRAMES / CLIP_RATE)):
        if first is None:
            first = frame
        elif np.abs(frame.astype(int) - first).mean() < 0.5:
            break  # the clip has started again
        steps += 1
        time.sleep(0.15)
    assert steps < CLIP_FRAMES / 2
    assert time.monotonic() - started < 2 * CLIP_FRAMES / CLIP_RATE


def test_a_picture_comes_once(picture):
    (image,) = read_frames(str(picture), for_seconds(0.5))
    assert image.shape == (512, 512, 3)


def test_a_huge_picture_is_shrunk(tmp_path):
    cv2.imwrite(str(tmp_path / "wide.jpg"), np.zeros((1000, 5000, 3), np.uint8))
    image = next(read_frames(str(tmp_path / "wide.jpg"), always))
    assert image.shape == (384, 1920, 3)


def test_the_demo_plays():
    assert next(read_frames("demo", always)).ndim == 3


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
    started = time.monotonic()
    assert len(list(read_frames(str(clip), for_seconds(0.3)))) < CLIP_FRAMES / 2
    assert time.monotonic() - started < 1
