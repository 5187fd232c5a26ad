import cv2
import numpy as np
import pytest

import evaluate
from evaluate import accuracy, report


@pytest.fixture
def data(tmp_path, astronaut):
    """A data set of one smiling face, labelled rightly twice and wrongly once."""
    face = cv2.resize(astronaut[67:157, 180:270, 1], (48, 48))
    for place in ("happy/PublicTest_1.png", "happy/PublicTest_2.png", "sad/PublicTest_3.png"):
        (tmp_path / "test" / place).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "test" / place), face)
    return tmp_path


def test_command_prints_accuracy_over_all_and_by_expression(data, capsys):
    assert evaluate.main([str(data)]) == 0
    out = capsys.readouterr().out
    assert "PublicTest: accuracy 66.7% on 3 faces" in out
    assert "Happy    100.0% of 2" in out
    assert "Sad        0.0% of 1" in out


def test_a_split_that_is_not_there_is_told_in_one_line(data, capsys):
    assert evaluate.main([str(data), "--split", "PrivateTest"]) == 2
    assert capsys.readouterr().err == "The data set has no split PrivateTest; it has PublicTest.\n"


def test_data_that_is_not_there_is_told_in_one_line(tmp_path, capsys):
    assert evaluate.main([str(tmp_path / "fer2013.csv")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_accuracy_is_the_share_of_right_top_labels():
    probabilities = np.eye(7)[[0, 1, 2, 3]]
    assert accuracy(probabilities, np.array([0, 1, 2, 6])) == 0.75
    assert "accuracy 75.0% on 4 faces" in report(probabilities, np.array([0, 1, 2, 6]))
