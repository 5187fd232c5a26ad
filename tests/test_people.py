"""Saved videos in two passes: the people first, then their labels."""

import re

import numpy as np
import pytest
from PIL import Image

import analyze
from videos.job import Job, Rest, parse_rest
from videos.outputs import make_room, mark_of, write_crops
from videos.people import classify_part, learn_people
from videos.table import gather
from vision.faces import Face
from vision.opencv import cv2
from vision.source import SourceError


@pytest.fixture
def job(tmp_path):
    """A job whose folder for what is not whole is there."""
    job = Job(tmp_path / "clip.mp4", "clip.mp4", str(tmp_path / "out" / "clip"), False, None, False)
    make_room(job)
    return job


@pytest.fixture
def swinging(astronaut, film, tmp_path_factory):
    """A clip of two seconds in which a face tilts this way and that, so that no two looks at it are alike."""
    height, width = 240, 320
    turns = [cv2.getRotationMatrix2D((148, 112), 14 * np.sin(index / 4), 1) for index in range(50)]
    images = [cv2.warpAffine(astronaut[:height, 80 : 80 + width], turn, (width, height)) for turn in turns]
    return film(tmp_path_factory.mktemp("swinging") / "clip.mp4", images)


class Shades:
    """A network for which a person is the mean grey level of some faces, and every face looks neutral."""

    def learn(self, faces, resting=False):
        return np.array([faces.mean(), float(resting)])

    def predict(self, faces, people=None, mirrored=False):
        self.people, self.mirrored = people, mirrored
        return np.eye(7, dtype=np.float32)[[4] * len(faces)]


def keep(job, first, people, count, moment=0.0):
    """Faces of some people in each of so many frames, 0.4 s apart, as the search for them leaves them."""
    rng, crops, frames = np.random.default_rng(first), [], []
    for index in range(count):
        frames.append((first + index, moment + 0.4 * index, [Face(one, (0, 0, 50 + one, 50 + one)) for one in people]))
        for one in people:
            small = rng.integers(0, 60, (6, 6)).astype(np.uint8) + np.uint8(130 + 20 * one)
            crops.append(cv2.resize(small, (48, 48)))
    write_crops(job, first, np.array(crops))
    return gather(frames)


def test_each_person_is_learned_over_the_whole_video(job):
    parts = [keep(job, 0, (1, 2), 5), keep(job, 5, (1,), 5, 2.0)]
    people = learn_people(job, [0, 5], parts, Shades())
    assert set(people) == {1, 2}
    assert people[2][0] - people[1][0] == pytest.approx(20, abs=8)
    model = Shades()
    probabilities = classify_part(job, 0, parts[0], people, model)
    assert probabilities.shape == (10, 7)
    assert probabilities.argmax(axis=1).tolist() == [4] * 10
    assert [person[0] for person in model.people] == [people[one][0] for one in (1, 2)] * 5
    assert model.mirrored


def test_whoever_is_hardly_seen_is_judged_as_nobody(job):
    part = keep(job, 0, (1,), 2)
    assert learn_people(job, [0], [part], Shades()) == {}
    model = Shades()
    classify_part(job, 0, part, {}, model)
    assert list(model.people) == [None, None]


@pytest.mark.parametrize(
    ("rest", "resting"),
    [
        (Rest(), {1, 2}),
        (Rest(seconds=0.0), {1, 2}),
        (Rest(seconds=3.0), {1}),
        (Rest(seconds=0.0, face=2), {2}),
        (Rest(seconds=60.0), set()),
    ],
)
def test_a_resting_face_is_that_of_whoever_is_seen_then(tmp_path, rest, resting):
    job = Job(tmp_path / "clip.mp4", "clip", str(tmp_path / "out" / "clip"), False, None, False, rest=rest)
    make_room(job)
    parts = [keep(job, 0, (1, 2), 5), keep(job, 5, (1,), 5, 2.0)]
    people = learn_people(job, [0, 5], parts, Shades())
    assert {number for number, person in people.items() if person[1]} == resting
    assert set(people) == {1, 2}


def test_a_picture_is_the_resting_face_of_whoever_is_seen_longest(tmp_path, picture):
    job = Job(
        tmp_path / "clip.mp4", "clip", str(tmp_path / "out" / "clip"), False, None, False, rest=Rest(picture=picture)
    )
    make_room(job)
    people = learn_people(job, [0, 5], [keep(job, 0, (1, 2), 5), keep(job, 5, (2,), 5, 2.0)], Shades())
    assert {number for number, person in people.items() if person[1]} == {2}


def test_the_option_names_the_beginning_a_moment_or_a_picture(picture):
    assert (parse_rest("first"), parse_rest("2.5")) == (Rest(), Rest(seconds=2.5))
    rest = parse_rest(str(picture))
    assert rest.picture == picture
    assert re.fullmatch(rf"{picture.name} [0-9a-f]{{8}}", str(rest))
    for text in ("last", "-1", "inf", "nan", ""):
        with pytest.raises(ValueError, match="first"):
            parse_rest(text)
    assert str(Rest(seconds=2.5, face=3)) == "2.5 of 3"


def test_two_pictures_of_one_name_are_told_apart(picture, tmp_path):
    other = tmp_path / picture.name
    other.write_bytes(picture.read_bytes())
    assert str(parse_rest(str(other))) == str(parse_rest(str(picture)))
    other.write_bytes(picture.read_bytes() + b" ")
    assert str(parse_rest(str(other))) != str(parse_rest(str(picture)))


def test_outputs_say_that_faces_were_adapted_and_by_which_resting_face(swinging, tmp_path, capsys):
    options = [str(swinging), "--out", str(tmp_path), "--no-video", "--no-timeline"]
    assert analyze.main(options) == 0
    plain = (tmp_path / "clip.csv").read_text()
    assert mark_of(tmp_path / "clip.csv").endswith("; every 1; adapted")
    assert analyze.main([*options, "--rest-face", "first", "--sure", "0"]) == 0
    assert mark_of(tmp_path / "clip.csv").endswith("; every 1; adapted; resting face first; sure 0")
    assert "analysed again" in capsys.readouterr().out
    with_rest = (tmp_path / "clip.csv").read_text()
    assert "frontal,false" not in with_rest  # no face is unsure
    assert with_rest != plain
    with pytest.raises(SystemExit, match="2"):
        analyze.main([*options, "--rest-face", "nobody.jpg"])
    assert '--rest-face takes "first", a number of seconds, or the path of a picture' in capsys.readouterr().err


def test_the_labels_are_those_of_the_adapted_network(swinging, model, monkeypatch):
    adapted = analyze.analyze(swinging)
    monkeypatch.setattr("videos.steps.learn_people", lambda *arguments: {})
    others = analyze.analyze(swinging)
    differences = [abs(one["happy"] - other["happy"]) for one, other in zip(adapted, others, strict=True)]
    assert max(differences) > 0.01
    assert {row["label"] for row in adapted} == {"Happy"}


def test_a_picture_without_a_face_cannot_be_a_resting_face(swinging, tmp_path):
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "grey.png")
    with pytest.raises(SourceError, match="grey.png shows no face"):
        analyze.analyze(swinging, rest=tmp_path / "grey.png")
