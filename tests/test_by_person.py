"""`pipenv run evaluate FOLDER --by-person`, with a network that remembers what it was asked."""

import re

import cv2
import numpy as np
import pytest

from training import evaluate
from training.by_person import (
    CHOICES,
    Faces,
    by_neutral_picture,
    by_other_pictures,
    draws_of,
    figures_of,
    fit_offset,
    judge,
    report_people,
    with_offset,
)
from vision.expressions import EMOTIONS

LABELS = [4, 4, 3, 3, 5, 0, 6] + [4, 3, 3, 5, 0, 6] + [3, 3, 3, 0, 0, 5] + [4, 3]  # of four people
PEOPLE = [0] * 7 + [1] * 6 + [2] * 6 + [3] * 2  # the second has one neutral picture, the third none


def numbers(faces):
    """The numbers of faces that faces_of made, whose grey levels they are."""
    return [int(face.flat[0]) for face in faces]


class FakeModel:
    """A person is what was learned from: the faces' numbers, and whether they were at rest."""

    def __init__(self):
        self.asked = []  # the number of a face, and the person that was given with it

    def learn(self, faces, resting=False):
        return tuple(numbers(faces)), resting

    def predict(self, faces, people=None, mirrored=False):
        people = people or [None] * len(faces)
        assert len(people) == len(faces)
        pairs = list(zip(numbers(faces), people))
        if mirrored:
            self.asked += pairs
        rows = [np.random.default_rng([number, *(person or [()])[0]]).dirichlet(np.ones(7)) for number, person in pairs]
        return np.array(rows, np.float32).reshape(-1, 7)


def faces_of(labels, people):
    crops = np.broadcast_to(np.arange(len(labels), dtype=np.uint8)[:, None, None], (len(labels), 48, 48))
    return Faces(crops, np.array(labels), np.array(people))


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def faces():
    return faces_of(LABELS, PEOPLE)


def test_no_face_is_judged_by_what_was_learned_from_itself(faces, model):
    judge(faces, model)
    assert sum(person is not None for _, person in model.asked) >= 3 * 13
    assert [number for number, person in model.asked if person and number in person[0]] == []


def test_all_other_pictures_of_a_person_are_learned(faces, model):
    by_other_pictures(faces.crops[:7], model)
    assert model.asked == [(number, (tuple({*range(7)} - {number}), False)) for number in range(7)]


def test_one_other_neutral_picture_is_learned_or_none(faces, model):
    rng = np.random.default_rng(1)
    answers = by_neutral_picture(faces.crops[:7], faces.labels[:7], model, rng)
    assert answers.shape == (CHOICES, 7, 7)
    both = [((0,), True), ((1,), True)]  # the only neutral ones
    assert [person for number, person in model.asked if number == 2] == both
    assert [person for number, person in model.asked if number == 0] == both[1:]
    assert len(np.unique(answers[:, 2], axis=0)) == 2
    model.asked.clear()
    by_neutral_picture(faces.crops[7:13], faces.labels[7:13], model, rng)
    assert model.asked == [(7, None), *((number, ((7,), True)) for number in range(8, 13))]


def test_faces_without_a_neutral_one_are_counted(faces, model):
    assert np.flatnonzero(faces.without_neutral).tolist() == [7, *range(13, 20)]
    assert "one neutral picture (7 had none)" in report_people(faces, model)  # the last person is not judged


def test_the_set_for_all_is_learned_from_everybody_else(faces, model):
    judge(faces, model)
    for person in range(3):
        own = set(np.flatnonzero(faces.people == person))
        others = tuple(sorted({*range(len(LABELS))} - own)), False
        assert {number for number, known in model.asked if known == others} == own


def test_a_persons_own_labels_do_not_change_the_offset_for_them(faces, model):
    before = judge(faces, model)
    labels = faces.labels.copy()
    labels[13:19] = 1
    after = judge(Faces(faces.crops, labels, faces.people), model)
    assert after[4][:, 13:19] == pytest.approx(before[4][:, 13:19])
    assert np.abs(after[4][:, :13] - before[4][:, :13]).max() > 0.01


def test_people_with_few_pictures_are_not_judged_but_take_part_in_the_offset(faces, model):
    before = judge(faces, model)
    assert before.shape == (6, CHOICES, 19, 7)
    after = judge(Faces(faces.crops, np.array([*LABELS[:19], 1, 1]), faces.people), model)
    assert np.abs(after[4] - before[4]).max() > 0.01
    assert after[:4] == pytest.approx(before[:4])


def test_the_offset_makes_up_for_what_is_too_rarely_answered():
    rng = np.random.default_rng(3)
    labels = rng.choice([0, 3, 4, 5], 400)
    clear = with_offset(rng.dirichlet(np.ones(7), 400) + np.eye(7)[labels], np.zeros(7))
    offset = fit_offset(with_offset(clear, -2.0 * np.eye(7)[4]), labels)
    assert offset[[1, 2, 6]].tolist() == [0, 0, 0]
    assert offset[4] > 1 + offset[[0, 3, 5]].max()
    more = np.concatenate([np.arange(400), np.tile(np.flatnonzero(labels == 3), 4)])  # each expression counts the same
    same = fit_offset(with_offset(clear, -2.0 * np.eye(7)[4])[more], labels[more])
    assert same == pytest.approx(offset, abs=1e-3)


def test_figures_are_the_means_of_all_choices():
    labels, people = np.array([3, 3, 4, 1]), np.array([0, 1, 0, 1])
    choices = np.eye(7)[[[3, 3, 4, 4], [3, 4, 4, 4]]]
    figures = figures_of(choices, labels, people, np.array([[1, 1], [2, 0], [0, 2]]))
    assert figures.accuracy == pytest.approx([(0.75 + 0.5) / 2, 1, 0.25])
    assert figures.mean_recall == pytest.approx([(1 + 0.75) / 2, 1, 0.5])  # without Disgust; of those that occur
    assert figures.recalls == pytest.approx([np.nan, 0, np.nan, 0.75, 1, np.nan, np.nan], nan_ok=True)
    assert figures.calibration == pytest.approx((0.25 + 0.5) / 2)


def test_each_draw_has_as_many_people():
    draws = draws_of(9)
    assert draws.shape == (1001, 9)
    assert draws[0].tolist() == [1] * 9
    assert set(draws.sum(axis=1)) == {9}


def test_the_intervals_contain_their_figures_and_are_the_same_again(faces):
    text = report_people(faces, FakeModel())
    assert text == report_people(faces, FakeModel())
    intervals = re.findall(r"([+-]?[\d.]+) \[([+-]?[\d.]+), ([+-]?[\d.]+)\]", text)
    assert len(intervals) == 2 * 6 + 2 * 5
    assert all(float(low) <= float(figure) <= float(high) for figure, low, high in intervals)


@pytest.fixture
def people(tmp_path, astronaut):
    """A folder of two people who look alike, with six pictures and with one."""
    face = cv2.resize(astronaut[:300, 80:380], (150, 150), interpolation=cv2.INTER_AREA)
    for name in (
        "Ann/happy/1",
        "Ann/happy/2",
        "Ann/sad/3",
        "Ann/neutral/4",
        "Ann/neutral/5",
        "Ann/angry/6",
        "Ben/sad/1",
    ):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), face)
    return tmp_path


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(evaluate, "FacialExpressionModel", lambda many: FakeModel())


@pytest.mark.usefixtures("fake")
def test_the_command_prints_both_tables(people, capsys):
    assert evaluate.main([str(people), "--by-person"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "judged: 1 of 2 people, 6 of 7 pictures in which a face was found"
    assert len(lines) == 1 + 6 + 1 + 5
    assert all(name in lines[0] for name in EMOTIONS)
    assert re.match(r"no adaptation +[\d.]+ \[.*\] +[\d.]+ \[.*\] .* - +- ", lines[1])
    assert lines[7].startswith("points more than no adaptation")


@pytest.mark.usefixtures("fake")
def test_too_few_pictures_are_told_in_a_sentence(people, capsys):
    (people / "Ann" / "happy" / "1.png").unlink()
    assert evaluate.main([str(people), "--by-person"]) == 2
    assert re.fullmatch(r"--by-person needs 6 pictures .* too few\.\n", capsys.readouterr().err)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", ["Ann", "Ann/happy/1.png", "nothing"])
def test_a_folder_without_people_is_told_in_a_sentence(people, name, capsys):
    assert evaluate.main([str(people / name), "--by-person"]) == 2
    assert re.fullmatch(r"--by-person needs pictures of two people or more in .*\.\n", capsys.readouterr().err)


@pytest.mark.parametrize("option", ["--fer", "--votes"])
def test_it_does_not_go_with_other_figures(people, option, capsys):
    with pytest.raises(SystemExit, match="2"):
        evaluate.main([str(people), "--by-person", option, "x"])
    assert "does not go with" in capsys.readouterr().err
