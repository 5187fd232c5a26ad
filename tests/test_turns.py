"""Which faces are classified when there is not time for all of them."""

import time

import numpy as np
import pytest

from vision.annotate import LiveAnnotator
from vision.faces import Face
from vision.opencv import cv2
from vision.patches import halvings
from vision.search import FaceDetector
from vision.turns import LONGEST, Turns

STILL = np.zeros((48, 48), np.uint8)
RATE = 30


def faces(count):
    return [Face(number, (100 * number, 0, 50, 50)) for number in range(1, count + 1)]


def watch(turns, count, seconds, cost, crop_of=lambda number, frame: STILL, rate=RATE):
    """The numbers of the faces that had their turn, for each frame. cost: seconds that a face takes."""
    chosen = []
    for frame in range(round(seconds * rate)):
        here = faces(count)
        crops = np.array([crop_of(face.number, frame) for face in here])
        these = turns.choose(here, crops, frame / rate)
        for index in these:
            turns.keep(here[index], crops[index], np.full(7, frame, np.float32))
        if these:
            turns.took(cost * len(these), len(these))
        chosen.append([here[index].number for index in these])
    return chosen


@pytest.mark.parametrize(("count", "rate"), [(10, 30), (30, 24), (16, 30), (30, 5)])
def test_no_face_waits_longer_than_it_may(count, rate):
    chosen = watch(Turns(), count, 4, cost=0.01, rate=rate)
    for number in range(1, count + 1):
        turns = [frame / rate for frame, numbers in enumerate(chosen) if number in numbers]
        assert np.diff(turns).max() <= max(LONGEST, 1 / rate) + 1e-6
    settled = chosen[rate:]
    assert max(map(len, settled)) <= 2 * np.ceil(count / (LONGEST * rate))  # and the work is spread


def test_where_there_is_time_every_face_has_its_turn():
    assert all(len(numbers) == 3 for numbers in watch(Turns(), 3, 1, cost=0.0005))


@pytest.mark.parametrize(("count", "rate"), [(10, 30), (30, 24)])  # in the second, every frame has faces that are due
def test_a_new_face_comes_first(count, rate):
    turns = Turns()
    watch(turns, count, 1, cost=0.01, rate=rate)
    here = faces(count + 1)
    assert count in turns.choose(here, np.array([STILL] * (count + 1)), 1.0)


def test_a_face_that_changes_comes_before_those_that_do_not():
    rng = np.random.default_rng(0)

    def crop_of(number, frame):
        return rng.integers(0, 256, STILL.shape, np.uint8) if number == 4 else STILL

    chosen = watch(Turns(), 12, 3, cost=0.003, crop_of=crop_of)
    counts = {number: sum(number in numbers for numbers in chosen[RATE:]) for number in range(1, 13)}
    assert counts.pop(4) > 1.5 * max(counts.values())


def test_a_face_keeps_what_came_of_its_turn():
    turns = Turns()
    watch(turns, 10, 1, cost=0.01)
    latest = [turns.classified(face) for face in faces(10)]
    assert [turns.probabilities(face)[0] for face in faces(10)] == pytest.approx([RATE * each for each in latest])


def test_every_followed_face_has_a_label_while_they_take_turns(astronaut):
    class Slow:
        """Takes its time for each face, as a network without fast instructions does."""

        asked = 0

        def predict(self, crops, people, mirrored):
            self.asked += len(crops)
            time.sleep(0.01 * len(crops))
            return np.eye(7, dtype=np.float32)[[3] * len(crops)]

    row = cv2.cvtColor(np.hstack([astronaut[:240, 100:340]] * 4), cv2.COLOR_BGR2GRAY)
    sizes = halvings(row)
    found = FaceDetector().detect(sizes, 60)
    annotator, model = LiveAnnotator(), Slow()
    for frame in range(30):
        shown = annotator.annotate(sizes, frame / RATE, model, found if frame < 2 else None)
    assert len(shown) == 4
    assert all(face.label == 3 for face in shown)
    assert model.asked < 0.6 * 4 * 30
    assert max(29 / RATE - face.classified for face in shown) <= LONGEST


def test_a_face_is_known_again_after_a_long_pause_between_frames():
    turns = Turns()
    for moment in (0.0, 60.0):
        assert turns.choose(faces(1), STILL[None], moment) == [0]
