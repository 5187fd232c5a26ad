import numpy as np
import pytest

from vision.confidence import OFFSETS, TEMPERATURES, TRUST, calibrated, conditions_of, right_at, rightness, sharpness
from vision.expressions import EMOTIONS
from vision.opencv import cv2


@pytest.fixture
def crop(astronaut):
    return cv2.resize(
        cv2.cvtColor(astronaut[67:157, 180:270], cv2.COLOR_BGR2GRAY), (48, 48), interpolation=cv2.INTER_AREA
    )


def condition(crop, side=90, angle=0, adapted=False):
    return conditions_of(crop[np.newaxis], [side], [angle], [adapted])[0]


def test_a_face_has_the_first_condition_that_it_fits(crop):
    assert condition(crop) == "plain"
    assert condition(crop, side=30) == "small"
    assert condition(crop, angle=-25) == "tilted"
    assert condition(crop // 5) == "dark"
    assert condition(cv2.GaussianBlur(crop, (0, 0), 2)) == "blurred"
    assert condition(crop, side=30, angle=40, adapted=True) == "adapted"
    assert condition(np.zeros_like(crop)) == "dark"


def test_sharpness_does_not_depend_on_contrast(crop):
    assert sharpness(crop // 2) == pytest.approx(sharpness(crop), rel=0.05)


def test_calibrated_probabilities_have_their_temperature_and_offset():
    rows = np.random.default_rng(1).dirichlet(np.ones(7), 6).astype(np.float32)
    answers = calibrated(rows, list(TEMPERATURES))
    assert answers.sum(axis=1) == pytest.approx(np.ones(6))
    offsets = np.array([OFFSETS[emotion] for emotion in EMOTIONS])
    expected = (np.log(rows) + offsets) / np.array(list(TEMPERATURES.values()))[:, np.newaxis]
    assert np.diff(np.log(answers), axis=1) == pytest.approx(np.diff(expected, axis=1), abs=1e-4)
    assert calibrated(rows[:0], []).shape == (0, 7)


def test_even_the_surest_answer_stays_a_number():
    answers = calibrated(np.eye(7, dtype=np.float32)[:1], ["plain"])
    assert np.isfinite(answers).all()
    assert answers.argmax() == 0


def test_some_labels_are_more_often_right_than_others_at_one_probability():
    rows = np.full((7, 7), 0.4 / 6) + np.eye(7) * (0.6 - 0.4 / 6)
    rights = rightness(rows)
    log_odds = np.log(rights / (1 - rights)) - np.log(0.6 / 0.4)
    assert log_odds == pytest.approx([TRUST[emotion] for emotion in EMOTIONS])
    assert np.isfinite(rightness(np.eye(7))).all()


def test_the_more_probable_a_label_the_more_often_it_is_right():
    rights = right_at(np.linspace(0, 1, 30), np.full(30, 3))
    assert (np.diff(rights) > 0).all()
    assert 0 <= rights.min() < rights.max() <= 1
