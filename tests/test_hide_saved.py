import av
import numpy as np
import pytest

import analyze
from benchmarks.hidden import Cascades
from vision.opencv import cv2

FACE = (85, 20, 130, 150)  # the part of the video in which the face moves: x, y, width, height


@pytest.fixture(scope="module")
def cascades():
    return Cascades()


@pytest.fixture(scope="module")
def moving(astronaut, film, tmp_path_factory):
    """A video of two segments, 2.8 seconds, through which her face moves."""
    images = [astronaut[:240, 60 + index % 40 : 380 + index % 40] for index in range(140)]
    return film(tmp_path_factory.mktemp("moving") / "moving.mp4", images, rate=50, key_frame_every=95)


def frames_of(video):
    with av.open(str(video)) as content:
        return [frame.to_ndarray(format="gray") for frame in content.decode(video=0)]


def analyse(*arguments):
    return analyze.main([*map(str, arguments), "--no-timeline"])


def test_faces_are_hidden_in_the_video_and_the_table_is_the_same(moving, cascades, cluster, tmp_path):
    plain, here, shared = (tmp_path / name for name in ("plain", "here", "shared"))
    assert analyse(moving, "--out", plain) == 0
    assert analyse(moving, "--out", here, "--hide-faces") == 0
    scheduler = cluster.scheduler.address
    assert analyse(moving, "--out", shared, "--hide-faces", "--scheduler", scheduler) == 0
    assert cascades.at(frames_of(plain / "moving_annotated.mp4")[50], [FACE])
    frames, others = (frames_of(folder / "moving_annotated.mp4") for folder in (here, shared))
    assert len(frames) == 140
    for frame in frames[::28]:
        assert cascades.at(frame, [FACE]) == []
    for one, other in zip(frames, others, strict=True):  # the encoder's threads make a little difference
        assert np.abs(one.astype(int) - other).mean() < 2
    tables = {(folder / "moving.csv").read_bytes() for folder in (plain, here, shared)}
    assert len(tables) == 1


def test_faces_are_hidden_in_a_picture(picture, cascades, tmp_path):
    rows = analyze.analyze(picture, tmp_path, hide=True)
    assert len(rows) == 1
    place = [rows[0][name] for name in ("x", "y", "width", "height")]
    assert cascades.at(cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE), [place])
    assert cascades.at(cv2.imread(str(tmp_path / "astronaut_annotated.jpg"), cv2.IMREAD_GRAYSCALE), [place]) == []


def test_a_video_in_which_they_are_not_hidden_is_made_anew(astronaut, tmp_path, capsys):
    picture = tmp_path / "small.png"
    cv2.imwrite(str(picture), astronaut[:200, 120:320])
    assert analyse(picture, "--out", tmp_path) == 0
    assert analyse(picture, "--out", tmp_path, "--hide-faces") == 0
    assert "1 finished before are analysed again" in capsys.readouterr().out
    assert analyse(picture, "--out", tmp_path, "--hide-faces") == 0
    assert "1 finished before (" in capsys.readouterr().out


def test_without_a_video_there_is_nothing_to_hide(picture, capsys):
    with pytest.raises(SystemExit):
        analyse(picture, "--no-video", "--hide-faces")
    assert "--no-video leaves out" in capsys.readouterr().err
