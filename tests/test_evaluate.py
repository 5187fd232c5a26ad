"""`pipenv run evaluate`, and the figures that it prints."""

import re
import sys

import cv2
import numpy as np
import pytest

from training import evaluate, evaluate_pictures
from training.evaluate import find_and_crop, near_duplicates
from training.metrics import accuracy, calibration_bins, calibration_error


@pytest.fixture
def data(tmp_path, astronaut):
    """A data set of one smiling face, three times: with the right label twice, with a wrong one once."""
    face = cv2.resize(astronaut[67:157, 180:270, 1], (48, 48))
    for place in ("happy/PublicTest_1.png", "happy/PublicTest_2.png", "sad/PublicTest_3.png"):
        (tmp_path / "test" / place).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "test" / place), face)
    return tmp_path


def test_command_prints_accuracy_over_all_and_by_expression(data, capsys):
    assert evaluate.main([str(data)]) == 0
    out = capsys.readouterr().out
    assert "PublicTest: accuracy 66.7% on 3 faces" in out
    assert "balanced accuracy 50.0%" in out
    rows = {row.split()[0]: row.split()[1:] for row in out.splitlines() if row.startswith("  ")}
    assert rows["Happy"] == ["0.667", "1.000", "0.800", "2"]  # precision, recall, F1, faces
    assert rows["Sad"] == ["0.000", "0.000", "0.000", "1"]
    for condition in ("48 pixels", "144 pixels, blurred", "144 pixels, dark"):
        assert re.search(rf"^{condition} +100.0% +66.7%$", out, re.MULTILINE)
    assert re.search(r"found by Haar: 100.0% .* accuracy 66.7% as found and cropped, 66.7% on the same", out)


def test_command_prints_more_passes_and_what_most_people_see(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "CONDITIONS", [evaluate.Condition(48)])
    votes = tmp_path / "votes.csv"
    others = {1: [0, 9, 0, 1], 2: [0, 4, 3, 3], 3: [0, 8, 0, 2]}  # of which neutral, happiness, surprise, sadness
    lines = [f"PublicTest_{number}.png,{','.join(map(str, [*counts, *[0] * 6]))}" for number, counts in others.items()]
    votes.write_text("\n".join(["image,a,b,c,d,e,f,g,h,i,j", *lines]))
    assert evaluate.main([str(data), "--votes", str(votes)]) == 0
    out = capsys.readouterr().out
    assert "more than one pass: mirrored 66.7%, ten crops 66.7%" in out
    assert "FER+ majority: accuracy 100.0% on the 2 faces" in out


@pytest.fixture
def album(tmp_path, portrait):
    """A folder of pictures: a smile that is labelled Happy, another labelled Sad, and one without a face."""
    empty = np.full((200, 200, 3), 90, np.uint8)
    for name, picture in {"Happy/a.png": portrait, "sad/b.jpg": portrait[:220], "Happy/._c.png": empty}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), picture)
    cv2.imwrite(str(tmp_path / "sad" / "d.png"), empty[:1, :1])
    return tmp_path


def check_album(out):
    assert "this app: found 66.7% of 3 faces" in out
    assert "accuracy 50.0% of those found, 33.3% of all" in out
    assert "mean recall 50.0%: Happy 100.0%, Sad 0.0%" in out
    assert "calibration error" in out


def test_a_folder_of_pictures_of_any_size_is_evaluated(album, capsys):
    assert evaluate.main([str(album)]) == 0
    out = capsys.readouterr().out
    check_album(out)
    for change in ("sides of 33%", "tilted 25°", "blurred", "dark"):
        assert re.search(rf"^{change} +66.7% +50.0%$", out, re.MULTILINE)


def test_people_with_folders_for_each_expression_are_evaluated(album, tmp_path_factory, capsys):
    people = tmp_path_factory.mktemp("people")
    (album / "sad").rename(people / "sad")  # which makes two people of one
    for person, expression in (("Ann", album / "Happy"), ("Ben", people / "sad")):
        (people / person).mkdir()
        expression.rename(people / person / expression.name)
    assert evaluate.main([str(people)]) == 0
    check_album(capsys.readouterr().out)


FER = """
import sys, types
class FER:
    def detect_emotions(self, picture):
        emotions = dict.fromkeys("angry disgust fear happy sad surprise neutral".split(), 0.0) | {"sad": 1.0}
        return [{"box": [0, 0, 50, 50], "emotions": emotions}] if picture.shape[0] == 220 else []
sys.modules["fer"], sys.modules["fer.fer"] = types.ModuleType("fer"), types.SimpleNamespace(FER=FER)
"""


def test_the_package_fer_is_evaluated_beside_it(album, capsys, monkeypatch):
    monkeypatch.setattr("training.evaluate_pictures.FER", FER + evaluate_pictures.FER)
    assert evaluate.main([str(album), "--fer", sys.executable]) == 0
    ours, theirs = capsys.readouterr().out.split("the package fer: ")
    check_album(ours)
    assert "found 33.3% of 3 faces" in theirs
    assert "mean recall 100.0%: Sad 100.0%" in theirs


def test_a_python_without_the_package_fer_is_told_in_one_line(album, capsys):
    assert evaluate.main([str(album), "--fer", str(album / "python")]) == 2
    assert re.fullmatch(r".*python cannot run the package fer: .*\n", capsys.readouterr().err)


def test_a_picture_that_cannot_be_read_is_named(album, capsys):
    (album / "sad" / "e.png").write_bytes(b"hello")
    assert evaluate.main([str(album)]) == 2
    assert re.fullmatch(r".*e.png can't be read as a picture.*\n", capsys.readouterr().err)


def test_a_folder_between_expressions_that_is_none_is_named(album, capsys):
    (album / "joy").mkdir()
    assert evaluate.main([str(album)]) == 2
    assert "not named for an expression: joy" in capsys.readouterr().err


def test_a_missing_split_is_named_in_one_line(data, capsys):
    assert evaluate.main([str(data), "--split", "PrivateTest"]) == 2
    assert capsys.readouterr().err == "The data set has no split PrivateTest; it has PublicTest.\n"


def test_missing_data_are_named_in_one_line(tmp_path, capsys):
    assert evaluate.main([str(tmp_path / "fer2013.csv")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_accuracy_is_the_share_of_top_labels_that_are_right():
    assert accuracy(np.eye(7)[[0, 1, 2, 3]], np.array([0, 1, 2, 6])) == 0.75


def rows_with_confidence(*confidences):
    """A row of probabilities for each confidence: that of the first label, which is the top one."""
    return np.array([[top] + [(1 - top) / 6] * 6 for top in confidences])


def test_calibration_error_is_the_difference_of_confidence_and_accuracy():
    probabilities = rows_with_confidence(*[0.75] * 4, *[0.5] * 2)
    as_confident = np.array([0, 0, 0, 1, 0, 1])  # three of four are right, and one of two
    assert calibration_error(probabilities, as_confident) == pytest.approx(0)
    all_wrong = np.array([1, 1, 1, 1, 1, 1])
    assert calibration_error(probabilities, all_wrong) == pytest.approx((4 * 0.75 + 2 * 0.5) / 6)


def test_calibration_bins_count_every_face_once():
    bins = calibration_bins(rows_with_confidence(1.0, 0.99, 0.3), np.array([0, 1, 0]))
    assert bins.shape == (15, 3)
    assert bins[-1].tolist() == pytest.approx([2, 0.995, 0.5])
    assert bins[:, 0].sum() == 3


def test_a_face_in_a_frame_is_found_and_cropped_as_it_was(astronaut):
    face = cv2.resize(astronaut[67:157, 180:270, 1], (48, 48), interpolation=cv2.INTER_AREA)
    found, crops = find_and_crop(np.stack([face, np.full((48, 48), 90, np.uint8)]))
    assert found.tolist() == [True, False]
    assert np.corrcoef(crops[0].ravel(), face.ravel())[0, 1] > 0.8


def test_a_tilted_face_is_put_into_its_frame_tilted(astronaut):
    face = cv2.resize(astronaut[67:157, 180:270, 1], (48, 48), interpolation=cv2.INTER_AREA)
    found, [crop] = find_and_crop(face[np.newaxis], tilt=40)
    assert found.all()
    assert np.corrcoef(crop.ravel(), face.ravel())[0, 1] > 0.4  # it is turned back
    found, _ = find_and_crop(face[np.newaxis], tilt=120)
    assert not found.any()


def test_the_same_picture_is_a_near_duplicate_lighter_mirrored_or_stored_again(astronaut):
    rng = np.random.default_rng(5)
    face = cv2.resize(astronaut[67:157, 180:270, 1], (48, 48), interpolation=cv2.INTER_AREA)
    lighter = np.clip(0.7 * face + 60 + rng.normal(0, 3, face.shape), 0, 255).astype(np.uint8)
    other = cv2.resize(astronaut[300:390, 100:190, 1], (48, 48), interpolation=cv2.INTER_AREA)
    assert near_duplicates(np.stack([lighter, lighter[:, ::-1], other]), face[np.newaxis]).tolist() == [
        True,
        True,
        False,
    ]


def test_accuracy_is_printed_with_and_without_near_duplicates(tmp_path, astronaut, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "CONDITIONS", [evaluate.Condition(48)])
    face = cv2.resize(astronaut[67:157, 180:270, 1], (48, 48))
    other = cv2.resize(astronaut[300:390, 100:190, 1], (48, 48))
    for place, picture in {
        "train/happy/Training_1.png": face,
        "test/happy/PublicTest_2.png": face,
        "test/sad/PublicTest_3.png": other,
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / place), picture)
    assert evaluate.main([str(tmp_path)]) == 0
    assert "near duplicates of Training faces: 50.0%; accuracy 100.0% on them" in capsys.readouterr().out
