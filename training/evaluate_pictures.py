"""How good the app is on labelled pictures of any size, which take the way that every picture takes through it."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import FacialExpressionModel
from training.dataset import DatasetError, expression_of, folders_in, is_left_over, is_split
from training.metrics import accuracy, balanced_accuracy, calibration_error, recalls
from vision.annotate import find_in_picture
from vision.expressions import EMOTIONS
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


@dataclass(frozen=True)
class Labelled:
    """A picture of one person, and what the person shows."""

    path: Path
    label: int  # index into EMOTIONS


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


def by_app(pictures: Iterable[Labelled], model: FacialExpressionModel) -> Iterator[np.ndarray | None]:
    """The probabilities (7,) of the largest face that the app classifies in each picture; None where there is none.

    Raises DatasetError.
    """
    for each in pictures:
        try:
            image = read_picture(each.path)
        except SourceError as error:
            raise DatasetError(str(error)) from error
        faces = [face for face in find_in_picture(image, model) if face.probabilities is not None]
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
    pairs = [(each.label, answer) for each, answer in zip(pictures, answers) if answer is not None]
    if not pairs:
        return f"{name}: found none of {len(pictures)}"
    labels, probabilities = np.array([label for label, _ in pairs]), np.array([answer for _, answer in pairs])
    right = accuracy(probabilities, labels)
    share = len(pairs) / len(pictures)
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
