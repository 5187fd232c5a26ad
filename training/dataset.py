"""Reads FER2013, in each of the forms in which people have it, and FER+'s votes on its faces.

The faces were collected by Pierre-Luc Carrier and Aaron Courville for the ICML 2013 challenge in representation
learning (Goodfellow et al., "Challenges in Representation Learning", arXiv:1307.0414).
"""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.crop import FACE_SIZE
from vision.expressions import EMOTIONS
from vision.opencv import cv2

# What the codes 0 to 6 in the CSV's column `emotion` stand for.
CSV_EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
# Kaggle's files. They hold the same faces; in a folder with several of them, the first of these is read.
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
COLUMNS = ("emotion", "pixels", "usage")  # in any case
UNNAMED = re.compile(r"(unnamed: *\d+)?|index|id", re.IGNORECASE)  # columns that pandas and spreadsheets add
SEPARATORS = ",;\t"
# What folders of pictures are called, and the split of those whose names do not say theirs.
FOLDER_SPLITS = {
    **dict.fromkeys(("train", "training"), "Training"),
    **dict.fromkeys(("validation", "valid", "val", "test", "testing"), "Test"),
    **{split.lower(): split for split in ("PublicTest", "PrivateTest")},
}
VALIDATION = ("validation", "valid", "val")  # beside a folder for testing, it is what PublicTest was in the challenge
# Other names that people give to the folder of an expression.
SYNONYMS = {
    "anger": "Angry",
    "disgusted": "Disgust",
    "fearful": "Fear",
    "happiness": "Happy",
    "sadness": "Sad",
    "surprised": "Surprise",
}
NAMED_SPLIT = re.compile(r"(Training|PublicTest|PrivateTest)_(\d*)", re.IGNORECASE)
NO_ROW = -1
# The share of faces whose label is what most people voted for: two of three where the votes are those of these faces,
# and one of six where they are not. It is looked at where at least so many faces have votes.
LEAST_AGREEMENT, JUDGED_FROM = 0.35, 50
VOTED = ("Neutral", "Happy", "Surprise", "Sad", "Angry", "Disgust", "Fear")  # by the first of the columns of votes
VOTE_COLUMNS = 10  # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
SPLITS = ("Training", "PublicTest", "PrivateTest")
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}


class DatasetError(Exception):
    """A data set that cannot be read; the message is one sentence that names the file or folder and the reason."""


@dataclass
class Dataset:
    """Labelled faces, in four arrays with a row for each."""

    images: np.ndarray  # (n, 48, 48) uint8
    labels: np.ndarray  # (n,) int64, indices into EMOTIONS
    splits: np.ndarray  # (n,) str: "Training", "PublicTest", "PrivateTest", or "Test" where nothing says which of both
    rows: np.ndarray  # (n,) int64, the face's row in fer2013.csv, from 0; NO_ROW where a picture's name does not say

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of one split. Raises DatasetError if the data set has no such split."""
        chosen = self.splits == name
        if not chosen.any():
            raise DatasetError(f"The data set has no split {name}; it has {', '.join(np.unique(self.splits))}.")
        return self.images[chosen], self.labels[chosen]


def load_dataset(path: str | Path) -> Dataset:
    """Read FER2013 from a CSV file, from the folder of one, or from a folder of train/ and test/ pictures.

    The CSV is fer2013.csv or icml_face_data.csv, with columns emotion, Usage and pixels, or the challenge's train.csv,
    which has no Usage: all of its faces are Training. Pictures are 48×48 files in train/<expression>/ and
    test/<expression>/; a third folder validation/ is PublicTest then, and test/ PrivateTest. Raises DatasetError.
    """
    path = Path(path)
    if path.is_file():
        return _read_csv(path)
    if not path.is_dir():
        raise DatasetError(f"{path} does not exist; give fer2013.csv, or the folder that holds train and test.")
    for name in CSV_NAMES:
        if (path / name).is_file():
            return _read_csv(path / name)
    return _read_folders(path)


def is_split(folder: Path) -> bool:
    """Whether a folder is named for a part of a data set, such as train."""
    return folder.name.lower() in FOLDER_SPLITS


def _read_csv(path: Path) -> Dataset:
    labels_by_code = [EMOTIONS.index(name) for name in CSV_EMOTIONS]
    images, labels, splits = [], [], []
    try:
        with open(path, newline="", encoding=_encoding_of(path)) as file:
            filled = (each for each in enumerate(file) if each[1].strip(f" \r\n{SEPARATORS}"))
            above, header = next(filled, (0, ""))  # a spreadsheet may leave lines above it empty
            separator = max(SEPARATORS, key=header.count)
            columns = _columns(next(csv.reader([header], delimiter=separator), []), path)
            rows = csv.DictReader(file, columns, delimiter=separator, skipinitialspace=True)
            for row in rows:
                if not any((row[column] or "").strip() for column in columns):
                    continue
                line = above + rows.line_num + 1
                images.append(_parse_pixels(row["pixels"], path, line))
                labels.append(labels_by_code[_parse_code(row["emotion"], path, line)])
                splits.append(_parse_usage(row.get("usage", "Training"), path, line))
    except (OSError, UnicodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as CSV: {error}.") from error
    if not images:
        raise DatasetError(f"{path} contains no faces.")
    return Dataset(np.stack(images), np.array(labels), np.array(splits), np.arange(len(images)))


def _encoding_of(path: Path) -> str:
    """The encoding of a text file, by its first bytes: Excel's "Unicode text" is UTF-16."""
    with open(path, "rb") as file:
        return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _columns(header: list[str], path: Path) -> list[str]:
    """The names of a CSV's columns in lower case."""
    names = [name.strip().lower() for name in header]
    for column in ("emotion", "pixels"):
        if column not in names:
            raise DatasetError(f"{path} has no column {column}; it has {', '.join(filter(None, names)) or 'none'}.")
    others = [name for name in names if name not in COLUMNS and not UNNAMED.fullmatch(name)]
    if "usage" not in names and others:  # one of which may say which faces are for testing
        raise DatasetError(f"{path} has no column Usage; {', '.join(others)} may say which faces are for testing.")
    return names


def _parse_pixels(text: str | None, path: Path, line: int) -> np.ndarray:
    """A face (48, 48) uint8 from its numbers, row by row. text: None where the line is too short."""
    try:
        pixels = np.frombuffer(bytes(map(int, (text or "").split())), np.uint8)  # bytes() takes only 0 to 255
    except ValueError:
        pixels = np.empty(0, np.uint8)
    if len(pixels) != FACE_SIZE**2:
        raise DatasetError(f"{path}, line {line}: pixels are not {FACE_SIZE**2} numbers from 0 to 255.")
    return pixels.reshape(FACE_SIZE, FACE_SIZE)


def _parse_code(text: str | None, path: Path, line: int) -> int:
    codes = {str(code): code for code in range(len(CSV_EMOTIONS))}
    code = codes.get((text or "").strip().removesuffix(".0"))  # pandas writes 3.0 where a line was empty
    if code is None:
        raise DatasetError(f"{path}, line {line}: emotion is {text!r}, not a number from 0 to 6.")
    return code


def _parse_usage(text: str | None, path: Path, line: int) -> str:
    split = {split.lower(): split for split in SPLITS}.get((text or "").strip().lower())
    if split is None:
        raise DatasetError(f"{path}, line {line}: Usage is {text!r}, not one of {', '.join(SPLITS)}.")
    return split


def _read_folders(path: Path) -> Dataset:
    folders = folders_in(path)
    found = _splits_of(folders)
    if not found and len(folders) == 1:  # as archives are often unpacked
        return _read_folders(folders[0])
    if not found:
        raise DatasetError(f"{path} contains none of {', '.join(CSV_NAMES)}, and no folder train or test.")
    for folder in folders:
        if folder not in found and any(expression_of(entry) for entry in folders_in(folder)):
            raise DatasetError(f"{folder} holds pictures too, but is called neither train, validation nor test.")
    images, labels, splits, rows = [], [], [], []
    for folder, split_of_folder in found.items():
        for file, label in _labelled_pictures(folder):
            images.append(_read_face(file))
            labels.append(label)
            split, row = _split_and_row(file.name, split_of_folder)
            splits.append(split)
            rows.append(row)
    if not images:
        raise DatasetError(f"{path} contains no pictures in train/<expression>/ or test/<expression>/.")
    return Dataset(np.stack(images), np.array(labels), np.array(splits), np.array(rows))


def _splits_of(folders: list[Path]) -> dict[Path, str]:
    """The folders that are named for a split, each with its split; faces to learn from come first."""
    splits = {folder: FOLDER_SPLITS.get(folder.name.lower(), "") for folder in folders}
    tests = [folder for folder, split in splits.items() if split == "Test"]
    validation = [folder for folder in tests if folder.name.lower() in VALIDATION]
    if 0 < len(validation) < len(tests):
        splits |= {folder: "PublicTest" if folder in validation else "PrivateTest" for folder in tests}
    learning_first = sorted(filter(splits.get, splits), key=lambda folder: splits[folder] != "Training")
    return {folder: splits[folder] for folder in learning_first}


def folders_in(path: Path) -> list[Path]:
    """The folders in a folder, sorted by name, without those that is_left_over names."""
    folders = [entry for entry in path.iterdir() if entry.is_dir() and not is_left_over(entry)]
    return sorted(folders, key=lambda folder: folder.name.lower())


def is_left_over(entry: Path) -> bool:
    """Whether a file or folder is one that Jupyter, macOS or Git leave among a data set's."""
    return entry.name.startswith((".", "__MACOSX"))


def expression_of(folder: Path) -> str | None:
    """The expression for which a folder is named, or None."""
    name = folder.name.strip().lower()
    return next((emotion for emotion in EMOTIONS if emotion.lower() == name), SYNONYMS.get(name))


def _labelled_pictures(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the pictures in a folder's folders, sorted by name, with the labels for which those are named."""
    for emotion_folder in folders_in(folder):
        expression = expression_of(emotion_folder)
        if expression is None:
            raise DatasetError(f"{emotion_folder} is not named for one of {', '.join(EMOTIONS).lower()}.")
        for file in sorted(emotion_folder.iterdir()):
            if file.suffix.lower() in PICTURE_SUFFIXES and not is_left_over(file):
                yield file, EMOTIONS.index(expression)


def _split_and_row(name: str, split_of_folder: str) -> tuple[str, int]:
    """A picture's split and its row in fer2013.csv, from a name such as PublicTest_00012.png if it has one."""
    named = NAMED_SPLIT.match(name)
    if not named:
        return split_of_folder, NO_ROW
    split = next(split for split in SPLITS if split.lower() == named[1].lower())
    return split, int(named[2]) if named[2] else NO_ROW


def _read_face(file: Path) -> np.ndarray:
    """A picture as (48, 48) uint8."""
    # imread cannot open every path on Windows. With imdecode, Python opens the file.
    image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_GRAYSCALE) if file.stat().st_size else None
    if image is None:
        raise DatasetError(f"{file} can't be read as a picture.")
    if image.shape != (FACE_SIZE, FACE_SIZE):
        raise DatasetError(f"{file} is {image.shape[1]}×{image.shape[0]} pixels, not {FACE_SIZE}×{FACE_SIZE}.")
    return image


def load_votes(path: str | Path, dataset: Dataset) -> np.ndarray:
    """How ten people voted on each face of a data set, from FER+ (Barsoum et al., ICMI 2016, arXiv:1608.01041).

    The file is FER+'s own fer2013new.csv, with a line for each row of fer2013.csv, or a CSV whose column `image` names
    pictures such as Training_00012.png. Returns (n, 10) float32 counts; a face without votes has zeros. Raises
    DatasetError, also where the votes are not those of these faces: in the best-known folders, the numbers in the
    pictures' names are no rows of fer2013.csv.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))[1:]
        by_row = {}
        for index, line in enumerate(lines):
            named = NAMED_SPLIT.match(Path(line[0]).name)
            by_row[int(named[2]) if named and named[2] else index] = [float(count) for count in line[-VOTE_COLUMNS:]]
        no_votes = [0.0] * VOTE_COLUMNS
        votes = np.array([by_row.get(row, no_votes) for row in dataset.rows.tolist()], np.float32)
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise DatasetError(f"{path} can't be read as FER+'s votes: {error}.") from error
    if not votes.any():
        raise DatasetError(f"{path} has no votes on these faces; their file names do not say rows of fer2013.csv.")
    if _agreement(votes, dataset.labels) < LEAST_AGREEMENT:
        raise DatasetError(
            f"{path} has the votes on other faces: they do not fit the labels. The numbers in these pictures' names "
            "are no rows of fer2013.csv; give the votes together with that file."
        )
    return votes


def majority(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What most people voted for, (n,) indices into EMOTIONS, and whether more than half of them did, (n,) bool.

    votes: (n, 10), see load_votes.
    """
    voted = votes[:, : len(VOTED)]
    most_voted = np.array([EMOTIONS.index(name) for name in VOTED])[voted.argmax(axis=1)]
    return most_voted, voted.max(axis=1) > votes.sum(axis=1) / 2


def _agreement(votes: np.ndarray, labels: np.ndarray) -> float:
    """The share of faces, 0..1, whose label is what most people voted for; 1 where too few have votes."""
    has_votes = votes[:, : len(VOTED)].any(axis=1)
    if has_votes.sum() < JUDGED_FROM:
        return 1.0
    most_voted, _ = majority(votes)
    return float(np.mean((most_voted == labels)[has_votes]))
