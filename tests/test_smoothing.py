import numpy as np
import pytest

from vision.confidence import right_at
from vision.faces import Face
from vision.smoothing import FORGET_AFTER, ExpressionSmoother

FRAME = 1 / 30  # seconds


def sure(label, confidence=0.9):
    row = np.full(7, (1 - confidence) / 6)
    row[label] = confidence
    return row


def smooth(smoother, numbers, rows, moment):
    """What the smoother makes of faces with these numbers and rows of probabilities."""
    faces = [Face(number, (0, 0, 9, 9), row) for number, row in zip(numbers, rows, strict=True)]
    return smoother.smooth(faces, moment)


def labels_over(rows, smoother=None):
    """The labels that are shown of one face, frame by frame."""
    smoother = smoother or ExpressionSmoother()
    return [smooth(smoother, [1], [row], index * FRAME)[0].label for index, row in enumerate(rows)]


def test_the_first_frame_shows_what_it_says():
    assert labels_over([sure(4)]) == [4]


def test_a_wavering_expression_keeps_its_label():
    rng = np.random.default_rng(1)
    rows = [sure(rng.choice([2, 6]), 0.5) for _ in range(300)]
    labels = labels_over([sure(2), *rows])
    assert sum(before != after for before, after in zip(labels, labels[1:])) <= 8
    raw = [int(np.argmax(row)) for row in rows]
    assert sum(before != after for before, after in zip(raw, raw[1:])) > 100


def test_a_new_expression_shows_within_nine_frames_and_stays():
    labels = labels_over([sure(4)] * 60 + [sure(3)] * 30)
    assert 3 in labels[60:69]
    assert labels[labels.index(3) :] == [3] * (90 - labels.index(3))


def test_smoothing_goes_by_time_and_not_by_frames():
    slow, fast = ExpressionSmoother(), ExpressionSmoother()
    for smoother, rate in ((slow, 10), (fast, 60)):
        smooth(smoother, [1], [sure(4)], 0.0)
        for frame in range(1, rate // 5 + 1):
            [shown] = smooth(smoother, [1], [sure(3)], frame / rate)
        assert shown.smoothed.sum() == pytest.approx(1)
        assert shown.smoothed[3] == pytest.approx(0.9 - 0.88 * np.exp(-1), abs=0.01)


def test_each_face_has_its_own_expression():
    smoother = ExpressionSmoother()
    smooth(smoother, [1, 2], [sure(0), sure(3)], 0.0)
    shown = smooth(smoother, [2, 1], [sure(3), sure(0)], FRAME)
    assert [each.label for each in shown] == [3, 0]
    assert smooth(smoother, [], np.empty((0, 7)), 2 * FRAME) == []


def test_a_face_that_is_long_gone_is_forgotten():
    smoother = ExpressionSmoother()
    smooth(smoother, [1], [sure(0)], 0.0)
    smooth(smoother, [2], [sure(0)], FORGET_AFTER + 1)
    assert smooth(smoother, [1], [sure(3)], FORGET_AFTER + 1.1)[0].label == 3


def test_a_label_is_sure_from_a_line_on_and_then_until_it_is_clearly_not():
    line, smoother = float(right_at(np.array([0.6]), np.array([3]))[0]), ExpressionSmoother(0.0)
    assert smooth(smoother, [1], [sure(3, 0.2)], 0.0)[0].sure
    smoother = ExpressionSmoother(line)
    steps = enumerate((0.55, 0.62, 0.57, 0.5))
    assert [smooth(smoother, [1], [sure(3, each)], moment)[0].sure for moment, each in steps] == [
        False,
        True,
        True,
        False,
    ]
