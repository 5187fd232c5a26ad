"""FER2013 and FER+'s votes are read in each of their forms, and what is wrong with them is said in a line."""

import csv

import cv2
import numpy as np
import pytest

from training.dataset import NO_ROW, DatasetError, load_dataset, load_votes
from vision.expressions import EMOTIONS

# One face a row: the CSV's code, its Usage, and the value of all its pixels.
ROWS = [(0, "Training", 10), (6, "Training", 20), (4, "PublicTest", 30), (5, "PrivateTest", 40)]
LABELS = ["Angry", "Neutral", "Sad", "Surprise"]


def pixels(value, count=48 * 48):
    return " ".join([str(value)] * count)


def write_csv(path, columns, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def write_folders(root, names):
    """Write a picture for each name, such as train/happy/1.png; its pixels are its position in the list."""
    for value, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.full((48, 48), value, np.uint8))
    return root


def check_rows(dataset, splits):
    assert dataset.images.dtype == np.uint8
    assert dataset.images.shape == (4, 48, 48)
    assert dataset.images[:, 0, 0].tolist() == [10, 20, 30, 40]
    assert [EMOTIONS[label] for label in dataset.labels] == LABELS
    assert dataset.splits.tolist() == splits


def test_fer2013_csv(tmp_path):
    path = write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], [(e, pixels(p), u) for e, u, p in ROWS])
    check_rows(load_dataset(path), [usage for _, usage, _ in ROWS])
    check_rows(load_dataset(tmp_path), [usage for _, usage, _ in ROWS])  # its folder works too


def test_icml_face_data_csv_has_spaces_in_its_columns(tmp_path):
    path = tmp_path / "icml_face_data.csv"
    write_csv(path, ["emotion", " Usage", " pixels"], [(e, u, pixels(p)) for e, u, p in ROWS])
    check_rows(load_dataset(path), [usage for _, usage, _ in ROWS])


def test_challenge_train_csv_has_no_usage(tmp_path):
    path = write_csv(tmp_path / "train.csv", ["emotion", "pixels"], [(e, pixels(p)) for e, _, p in ROWS])
    check_rows(load_dataset(path), ["Training"] * 4)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_folders(tmp_path, suffix):
    write_folders(tmp_path, [f"train/angry/1{suffix}", f"train/Happy/2{suffix}", f"test/sad/3{suffix}"])
    (tmp_path / "train" / "angry" / "Thumbs.db").write_bytes(b"not a picture, as Windows leaves them")
    dataset = load_dataset(tmp_path)
    assert [EMOTIONS[label] for label in dataset.labels] == ["Angry", "Happy", "Sad"]
    assert dataset.splits.tolist() == ["Training", "Training", "Test"]
    assert dataset.images[:, 20, 20].tolist() == [0, 1, 2]


def test_file_names_say_which_test_split_they_belong_to(tmp_path):
    write_folders(tmp_path, ["test/fear/PrivateTest_1.png", "test/fear/PublicTest_2.png", "train/fear/Training_3.png"])
    dataset = load_dataset(tmp_path)
    assert sorted(dataset.splits) == ["PrivateTest", "PublicTest", "Training"]
    images, labels = dataset.split("PublicTest")
    assert images[:, 0, 0].tolist() == [1]
    assert labels.tolist() == [EMOTIONS.index("Fear")]
    with pytest.raises(DatasetError, match="no split Test; it has PrivateTest, PublicTest, Training"):
        dataset.split("Test")


def test_wrong_path(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere.csv does not exist"):
        load_dataset(tmp_path / "nowhere.csv")
    with pytest.raises(DatasetError, match="contains none of fer2013.csv"):
        load_dataset(tmp_path)


def test_what_jupyter_and_macos_leave_is_passed_over(tmp_path):
    names = ["train/happy/1.png", "train/.ipynb_checkpoints/1.png", "train/happy/.ipynb_checkpoints/1.png"]
    write_folders(tmp_path, [*names, "__MACOSX/train/happy/1.png", ".git/train/happy/1.png"])
    (tmp_path / "train" / "happy" / "._1.png").write_bytes(b"not a picture")
    assert len(load_dataset(tmp_path).labels) == 1


@pytest.mark.parametrize("name", ["disgusted", "Disgust", "DISGUSTED"])
def test_other_names_of_an_expression(tmp_path, name):
    write_folders(
        tmp_path, [f"train/{name}/1.png", "train/Fearful/2.png", "train/surprised/3.png", "train/anger/4.png"]
    )
    labels = [EMOTIONS[label] for label in load_dataset(tmp_path).labels]
    assert sorted(labels) == ["Angry", "Disgust", "Fear", "Surprise"]


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (["Train", "Test"], ["Training", "Test"]),
        (["train", "validation"], ["Training", "Test"]),
        (["train", "validation", "test"], ["Training", "PublicTest", "PrivateTest"]),
        (["training", "val", "PrivateTest"], ["Training", "Test", "PrivateTest"]),
        (["archive/train", "archive/test"], ["Training", "Test"]),
    ],
)
def test_folders_for_learning_and_testing(tmp_path, folders, splits):
    dataset = load_dataset(write_folders(tmp_path, [f"{folder}/happy/1.png" for folder in folders]))
    assert sorted(dataset.splits) == sorted(splits)


def test_a_folder_of_pictures_with_another_name_is_not_passed_over(tmp_path):
    write_folders(tmp_path, ["train/happy/1.png", "holdout/happy/1.png"])
    with pytest.raises(DatasetError, match="holdout holds pictures too"):
        load_dataset(tmp_path)


def test_unknown_folder(tmp_path):
    write_folders(tmp_path, ["train/joyful/1.png"])
    with pytest.raises(DatasetError, match="joyful is not named for one of angry, disgust"):
        load_dataset(tmp_path)


def test_broken_picture(tmp_path):
    write_folders(tmp_path, ["train/happy/1.png"])
    (tmp_path / "train" / "happy" / "2.png").write_bytes(b"hello")
    with pytest.raises(DatasetError, match=r"2.png can.t be read as a picture"):
        load_dataset(tmp_path)


def test_picture_of_another_size(tmp_path):
    (tmp_path / "train" / "happy").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "train" / "happy" / "1.png"), np.zeros((60, 50), np.uint8))
    with pytest.raises(DatasetError, match=r"1.png is 50×60 pixels"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (["pixels"], [pixels(1)], "no column emotion; it has pixels"),
        (["emotion", "Usage"], [1, "Training"], "no column pixels"),
        (["emotion", "pixels"], [3, pixels(1, 2303)], "line 2: pixels are not 2304 numbers"),
        (["emotion", "pixels"], [3, pixels("x")], "line 2: pixels are not 2304 numbers"),
        (["emotion", "pixels"], [3, pixels(256)], "line 2: pixels are not 2304 numbers from 0 to 255"),
        (["emotion", "pixels"], [7, pixels(1)], "line 2: emotion is '7'"),
        (["emotion", "pixels"], ["happy", pixels(1)], "line 2: emotion is 'happy'"),
        (["emotion", "pixels", "Usage"], [3, pixels(1), "Test"], "line 2: Usage is 'Test'"),
        (["emotion", "pixels"], [3], "line 2: pixels are not 2304 numbers"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_in_one_line(tmp_path, columns, row, message):
    path = write_csv(tmp_path / "fer2013.csv", columns, [row])
    with pytest.raises(DatasetError, match=message) as error:
        load_dataset(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "columns",
    [
        ["emotion", "pixels", "usage"],
        ["emotion", "pixels", "Usage "],
        ["Emotion", "Pixels", "USAGE"],
        ["\ufeffemotion", "pixels", "Usage"],
        ["emotion", "pixels", "Usage", "", ""],
    ],
)
def test_columns_as_other_programs_write_them(tmp_path, columns):
    more = [""] * (len(columns) - 3)
    rows = [(e, pixels(p), u, *more) for e, u, p in ROWS]
    path = write_csv(tmp_path / "fer2013.csv", columns, rows)
    check_rows(load_dataset(path), [usage for _, usage, _ in ROWS])


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-8"), ("\t", "utf-16")])
def test_a_csv_as_a_spreadsheet_saves_it(tmp_path, separator, encoding):
    lines = [("", "emotion", "pixels", "Usage"), *((0, f"{e}.0", pixels(p), f"{u.lower()} ") for e, u, p in ROWS)]
    text = "".join(separator.join(map(str, line)) + "\n" for line in [("", "", "", ""), *lines, ("", "", "", "")])
    (tmp_path / "fer2013.csv").write_text(text, encoding=encoding)
    check_rows(load_dataset(tmp_path), [usage for _, usage, _ in ROWS])


def test_a_column_that_may_be_the_split_is_not_passed_over(tmp_path):
    path = write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "part"], [(e, pixels(p), u) for e, u, p in ROWS])
    with pytest.raises(DatasetError, match="no column Usage; part may say which faces are for testing"):
        load_dataset(path)


def test_csv_without_rows(tmp_path):
    with pytest.raises(DatasetError, match="contains no faces"):
        load_dataset(write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels"], []))


def test_a_file_that_is_not_a_csv(tmp_path):
    (tmp_path / "fer2013.csv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(DatasetError, match=r"fer2013.csv"):
        load_dataset(tmp_path / "fer2013.csv")


def test_votes_find_their_faces_by_the_row_in_the_picture_names(tmp_path):
    write_folders(tmp_path, ["train/fear/Training_00007.png", "train/fear/Training_00002.png", "train/sad/other.png"])
    dataset = load_dataset(tmp_path)
    assert dataset.rows.tolist() == [2, 7, NO_ROW]
    rows = [["train/fear/Training_00007.png", *range(10)], ["test/sad/PublicTest_00002.png", *[3] * 10]]
    votes = load_votes(write_csv(tmp_path / "votes.csv", ["image", *"abcdefghij"], rows), dataset)
    assert votes.tolist() == [[3.0] * 10, list(range(10)), [0.0] * 10]


def test_the_lines_of_fer_plus_are_in_the_order_of_fer2013_csv(tmp_path):
    path = write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], [(e, pixels(p), u) for e, u, p in ROWS])
    lines = [["Training", f"fer000000{row}.png", *[row] * 10] for row in range(4)]
    votes = load_votes(
        write_csv(tmp_path / "new.csv", ["Usage", "Image name", *"abcdefghij"], lines), load_dataset(path)
    )
    assert votes[:, 0].tolist() == [0, 1, 2, 3]


def test_votes_that_do_not_fit_the_labels_are_refused(tmp_path):
    names = [f"train/{name}/Training_{number}.png" for number, name in enumerate(["happy", "sad"] * 40)]
    dataset = load_dataset(write_folders(tmp_path, names))
    by_name = {"happy": [0, 9, *[0] * 8], "sad": [0, 0, 0, 9, *[0] * 6]}
    rows = [[name, *by_name[name.split("/")[1]]] for name in names]
    assert load_votes(write_csv(tmp_path / "votes.csv", ["image", *"abcdefghij"], rows), dataset).sum() == 9 * 80
    others = [[name, *votes] for name, (_, *votes) in zip(names, [*rows[1:], rows[0]])]
    with pytest.raises(DatasetError, match="has the votes on other faces"):
        load_votes(write_csv(tmp_path / "votes.csv", ["image", *"abcdefghij"], others), dataset)


def test_votes_on_other_faces_are_refused(tmp_path):
    write_folders(tmp_path, ["train/fear/1.png"])
    path = write_csv(tmp_path / "votes.csv", ["image", *"abcdefghij"], [["Training_00001.png", *range(10)]])
    with pytest.raises(DatasetError, match="has no votes on these faces"):
        load_votes(path, load_dataset(tmp_path))
    (tmp_path / "votes.csv").write_text("a,b\nc,d\n")
    with pytest.raises(DatasetError, match="can.t be read as FER.*s votes"):
        load_votes(path, load_dataset(tmp_path))
