"""How good the app is on labelled pictures of any size, which take the way that every picture takes through it."""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import FacialExpressionModel
from training.dataset import DatasetError, expression_of, folders_in, is_left_over, is_split
from training.metrics import ConditionRow, accuracy, balanced_accuracy, calibration_error, recalls
from vision.annotate import find_in_picture
from vision.expressions import EMOTIONS
from vision.opencv import cv2
from vision.pictures import SUFFIXES
from vision.source import SourceError, read_picture

# A script that has the package `fer` look at the pictures whose paths come on its input, and writes a line of JSON for
# each: for every face its box, as x, y, width, height, and its probabilities by the package's names.
FER = """
import json, sys
import cv2
from fer.fer import FER
detector = FER()
for line in sys.stdin:
    picture = cv2.imread(json.loads(line))
    faces = [] if picture is None else detector.detect_emotions(picture)
    found = [[[int(at) for at in face["box"]], {k: float(v) for k, v in face["emotions"].items()}] for face in faces]
    print("found", json.dumps(found), flush=True)
"""

SHRUNK, TILTED, BLURRED, DARK = 1 / 3, 25, 0.01, 0.25  # of its sides; degrees; of its height; of its light
Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """A picture of one person, and what the person shows."""

    path: Path
    label: int  # index into EMOTIONS

    @property
    def person(self) -> Path:
        """The folder of the person, where pictures are in folders <person>/<expression>/."""
        return self.path.parent.parent

    def read(self) -> np.ndarray:
        """The picture, (height, width, 3) uint8 BGR. Raises DatasetError."""
        try:
            return read_picture(self.path)
        except SourceError as error:
            raise DatasetError(str(error)) from error


def labelled_pictures(folder: Path) -> list[Labelled]:
    """The pictures in the folders <expression>/ or <person>/<expression>/ of a folder; none if it has no such folders.

    Raises DatasetError where some folders are named for an expression and others are not.
    """
    inside = folders_in(folder)
    named = [each for each in inside if expression_of(each)]
    if named and (others := [each.name for each in inside if each not in named]):
        raise DatasetError(f"{folder} has folders that are not named for an expression: {', '.join(others)}.")
    if not named and not any(map(is_split, inside)):  # that would be FER2013
        named = [each for person in inside for each in folders_in(person) if expression_of(each)]
    return [
        Labelled(path, EMOTIONS.index(expression))
        for each in named
        if (expression := expression_of(each))
        for path in sorted(each.iterdir())
        if path.suffix.lower() in SUFFIXES and not is_left_over(path)
    ]


def by_app(
    pictures: Iterable[Labelled], model: FacialExpressionModel, change: Change = np.asarray
) -> Iterator[np.ndarray | None]:
    """The probabilities (7,) of the largest face that the app classifies in each picture; None where there is none.

    change: what is done to each picture before. Raises DatasetError.
    """
    for each in pictures:
        faces = [face for face in find_in_picture(change(each.read()), model) if face.probabilities is not None]
        yield max(faces, key=lambda face: face.box[2]).probabilities if faces else None


def by_fer(pictures: Sequence[Labelled], python: str) -> Iterator[np.ndarray | None]:
    """The same by the package `fer`; python: the interpreter of an environment in which it is installed.

    Raises DatasetError.
    """
    paths = "".join(json.dumps(str(each.path.resolve())) + "\n" for each in pictures)
    try:
        ran = subprocess.run([python, "-c", FER], input=paths, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        raise DatasetError(f"{python} cannot run the package fer: {reason.strip().splitlines()[-1]}.") from error
    for line in ran.stdout.splitlines():
        if line.startswith("found "):
            faces = json.loads(line.removeprefix("found "))
            _, emotions = max(faces, key=lambda face: face[0][2]) if faces else (None, None)
            yield np.array([emotions[name.lower()] for name in EMOTIONS]) if emotions else None


def report_pictures(name: str, pictures: Sequence[Labelled], answers: Iterable[np.ndarray | None]) -> str:
    """The figures of one program as lines of text. answers: see by_app."""
    labels, probabilities = of_those_found(pictures, answers)
    if not len(labels):
        return f"{name}: found none of {len(pictures)}"
    right = accuracy(probabilities, labels)
    share = len(labels) / len(pictures)
    shares = zip(EMOTIONS, recalls(probabilities, labels))
    return "\n".join(
        [
            f"{name}: found {share:.1%} of {len(pictures)} faces",
            f"accuracy {right:.1%} of those found, {right * share:.1%} of all",
            f"mean recall {balanced_accuracy(probabilities, labels):.1%}: "
            + ", ".join(f"{emotion} {recall:.1%}" for emotion, recall in shares if not np.isnan(recall)),
            f"calibration error {calibration_error(probabilities, labels):.3f}",
        ]
    )


def changed_rows(pictures: Sequence[Labelled], model: FacialExpressionModel) -> list[ConditionRow]:
    """How the app does on the pictures when they are smaller, tilted, blurred and darker."""
    rows: list[ConditionRow] = []
    changes: dict[str, Change] = {
        f"sides of {SHRUNK:.0%}": _shrunk,
        f"tilted {TILTED}°": _tilted,
        "blurred": _blurred,
        "dark": _dark,
    }
    for name, change in changes.items():
        labels, probabilities = of_those_found(pictures, by_app(pictures, model, change))
        right = accuracy(probabilities, labels) if len(labels) else None
        rows.append((name, len(labels) / len(pictures), right))
    return rows


def of_those_found(pictures: Sequence[Labelled], answers: Iterable[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    """The labels (n,) and the answers (n, 7) of the pictures that have one. answers: see by_app."""
    pairs = [(each.label, answer) for each, answer in zip(pictures, answers) if answer is not None]
    return np.array([label for label, _ in pairs]), np.array([answer for _, answer in pairs])


def _shrunk(image: np.ndarray) -> np.ndarray:
    height, width = (max(1, round(SHRUNK * side)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _tilted(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -TILTED, 1)
    return cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _blurred(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), BLURRED * len(image))


def _dark(image: np.ndarray) -> np.ndarray:
    return (image * DARK).astype(np.uint8)
