"""Prints how good the network is: `pipenv run evaluate DATA`, on FER2013 or on a folder of labelled pictures."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import FacialExpressionModel, ModelError
from training.by_person import find_faces, report_people
from training.dataset import Dataset, DatasetError, load_dataset, load_votes, majority
from training.evaluate_pictures import (
    Labelled,
    by_app,
    by_fer,
    changed_rows,
    labelled_pictures,
    of_those_found,
    report_pictures,
)
from training.metrics import ConditionRow, accuracy, condition_table, report, sure_table
from vision.confidence import calibrated
from vision.crop import FACE_SIZE, crop_face
from vision.expressions import EMOTIONS
from vision.look import UPRIGHT_BELOW
from vision.opencv import cv2
from vision.patches import halvings
from vision.search import search_portrait

BATCH = 256  # faces
ENLARGED, BORDER = 3, 24  # how many times a face is enlarged, and the border around it, in pixels before that
CONDITION_FACES = 1200  # of a split, at most, for the figures under these conditions
SAME_PICTURE = 0.93  # correlation from which two faces are near duplicates, mostly of one photograph
CROP = 44  # pixels, the side of each of the five crops of a face: its corners and its middle
BLURRED, DARK = 0.7, 0.25  # pixels, by which a face of FER2013 is blurred; the share of its light that is left
SKETCH = 16  # pixels, the side to which faces are shrunk for that comparison


@dataclass(frozen=True)
class Condition:
    """How faces are shown to the app."""

    side: int = ENLARGED * FACE_SIZE  # pixels in the frame
    tilt: float = 0  # degrees by which the head is tilted
    blur: float = 0  # pixels, the standard deviation, before the face is enlarged
    light: float = 1  # the share of the light that is left

    def __str__(self) -> str:
        changes = {f"tilted {self.tilt}°": self.tilt, "blurred": self.blur, "dark": self.light < 1}
        return ", ".join([f"{self.side} pixels", *(name for name, is_so in changes.items() if is_so)])

    def shown(self, images: np.ndarray) -> np.ndarray:
        """The faces, (n, 48, 48) uint8, blurred and darkened."""
        blurred = [cv2.GaussianBlur(image, (0, 0), self.blur) for image in images] if self.blur else images
        return (np.asarray(blurred) * self.light).astype(np.uint8)


CONDITIONS = (
    *(Condition(side) for side in (36, 48, 72, 144)),
    *(Condition(tilt=tilt) for tilt in (10, 20, 30)),
    Condition(blur=BLURRED),
    Condition(light=DARK),
)


def predict_all(model: FacialExpressionModel, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, 7) float32 of any number of faces (n, 48, 48) uint8, computed in batches."""
    starts = range(0, max(len(images), 1), BATCH)
    return np.concatenate([model.predict(images[start : start + BATCH]) for start in starts])


def mirrored(model: FacialExpressionModel, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, 7) of faces (n, 48, 48) uint8, each averaged with that of its mirror image."""
    return (predict_all(model, images) + predict_all(model, images[:, :, ::-1])) / 2


def ten_crops(model: FacialExpressionModel, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, 7) of faces (n, 48, 48) uint8, averaged over five crops, enlarged again, and their mirrors.

    Most of the published figures above 73 % on FER2013 are taken so.
    """
    edge = FACE_SIZE - CROP
    total = np.zeros((len(images), len(EMOTIONS)))
    for top, left in ((0, 0), (0, edge), (edge, 0), (edge, edge), (edge // 2, edge // 2)):
        crops = [
            cv2.resize(
                image[top : top + CROP, left : left + CROP], (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_CUBIC
            )
            for image in images
        ]
        total += mirrored(model, np.array(crops, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE))
    return total / 5


def report_passes(model: FacialExpressionModel, images: np.ndarray, labels: np.ndarray) -> str:
    """The accuracy when each face is looked at more than once, as a line of text."""
    ways = {"mirrored": mirrored, "ten crops": ten_crops}
    figures = [f"{name} {accuracy(way(model, images), labels):.1%}" for name, way in ways.items()]
    return f"accuracy over more than one pass: {', '.join(figures)}"


def report_majority(probabilities: np.ndarray, votes: np.ndarray) -> str:
    """The accuracy by what most people see, as a line of text.

    probabilities: (n, 7). votes: (n, 10), see load_votes; only faces count for which more than half of all votes are
    for one of the seven expressions.
    """
    most_voted, is_majority = majority(votes)
    if not is_majority.any():
        return "FER+ majority: none of the faces has one"
    right = accuracy(probabilities[is_majority], most_voted[is_majority])
    return f"FER+ majority: accuracy {right:.1%} on the {is_majority.sum()} faces for which more than half voted alike"


def find_and_crop(images: np.ndarray, enlarged: float = ENLARGED, tilt: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Put faces into frames, and find and crop them there as the app does.

    images: (n, 48, 48) uint8. enlarged: how many times a face is enlarged for its frame. tilt: by how many degrees the
    frame is turned, counter-clockwise. Around the face is a border of its median grey, half as wide as the face.
    Returns which faces were found, (n,) bool, and the crops of those, (found, 48, 48) uint8.
    """
    found, crops = [], []
    for image in images:
        frame = _put_into_frame(image, enlarged, tilt)
        face = search_portrait(halvings(frame))
        found.append(face is not None)
        if face:
            place = face.place
            crops.append(crop_face(frame, place.box, place.angle if abs(place.angle) >= UPRIGHT_BELOW else 0))
    return np.array(found, bool), np.array(crops, np.uint8).reshape(-1, *images.shape[1:])


def _put_into_frame(image: np.ndarray, enlarged: float, tilt: float) -> np.ndarray:
    """A grey frame (side, side) uint8 with a face in its middle; see find_and_crop."""
    grey = int(np.median(image))
    face = cv2.resize(image, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_CUBIC)
    frame = np.pad(face, round(BORDER * enlarged), constant_values=grey)
    if not tilt:
        return frame
    height, width = frame.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), tilt, 1)
    return cv2.warpAffine(frame, turn, (width, height), flags=cv2.INTER_CUBIC, borderValue=grey)


def near_duplicates(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which images are near duplicates, perhaps mirrored, of one of the others: (n,) bool.

    images: (n, 48, 48) uint8. others: (m, 48, 48) uint8.
    """
    known = _sketches(others).T
    correlations = [(_sketches(faces) @ known).max(axis=1) for faces in (images, images[:, :, ::-1])]
    return np.maximum(*correlations) >= SAME_PICTURE


def _sketches(faces: np.ndarray) -> np.ndarray:
    """Faces shrunk, with mean 0 and norm 1: (n, 256) float32. The product of two is their correlation."""
    small = np.array([cv2.resize(face, (SKETCH, SKETCH), interpolation=cv2.INTER_AREA) for face in faces])
    small = small.reshape(len(faces), -1).astype(np.float32)
    small -= small.mean(axis=1, keepdims=True)
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-3)


def report_pipeline(
    model: FacialExpressionModel, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray
) -> str:
    """How much accuracy is lost because the app must first find each face, as a line of text.

    probabilities: (n, 7), of the faces as the data set has them.
    """
    found, crops = find_and_crop(images)
    if not found.any():
        return "found by Haar: none"
    cropped, direct = accuracy(predict_all(model, crops), labels[found]), accuracy(probabilities[found], labels[found])
    return (
        f"found by Haar: {found.mean():.1%} of the faces put into frames; "
        f"accuracy {cropped:.1%} as found and cropped, {direct:.1%} on the same faces as they are"
    )


def report_duplicates(images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, training: np.ndarray) -> str:
    """How much accuracy comes from faces that are near duplicates of training faces, as a line of text.

    probabilities: (n, 7), of the images (n, 48, 48). training: (m, 48, 48) uint8.
    """
    known = near_duplicates(images, training)
    if not known.any() or known.all():
        return f"near duplicates of Training faces: {known.mean():.1%}"
    return (
        f"near duplicates of Training faces: {known.mean():.1%}; accuracy "
        f"{accuracy(probabilities[known], labels[known]):.1%} on them, "
        f"{accuracy(probabilities[~known], labels[~known]):.1%} on the others"
    )


def condition_rows(model: FacialExpressionModel, images: np.ndarray, labels: np.ndarray) -> list[ConditionRow]:
    """The share of faces that the app finds in each condition, and its accuracy on those.

    images: (n, 48, 48) uint8. labels: (n,), indices into EMOTIONS.
    """
    rows: list[ConditionRow] = []
    for condition in CONDITIONS:
        found, crops = find_and_crop(condition.shown(images), condition.side / FACE_SIZE, condition.tilt)
        right = accuracy(predict_all(model, crops), labels[found]) if found.any() else None
        rows.append((str(condition), float(found.mean()), right))
    return rows


def evaluate(dataset: Dataset, split: str, votes: np.ndarray | None = None) -> None:
    """Print all figures of the app's network on one split. Raises DatasetError and ModelError.

    votes: (n, 10) on all faces of the data set, see load_votes.
    """
    images, labels = dataset.split(split)
    model = FacialExpressionModel(many=True)
    probabilities = predict_all(model, images)
    print(f"{split}: {report(probabilities, labels)}")
    print(report_passes(model, images, labels))
    print(sure_table(calibrated(mirrored(model, images), ["plain"] * len(images)), labels))
    if votes is not None:
        print(report_majority(probabilities, votes[dataset.splits == split]))
    if split != "Training" and "Training" in dataset.splits:
        print(report_duplicates(images, labels, probabilities, dataset.split("Training")[0]))
    print(report_pipeline(model, images, labels, probabilities))
    # Folders have all faces of an expression together, so that the first 1200 would not do.
    spread = slice(None, None, math.ceil(len(images) / CONDITION_FACES))
    print(condition_table("face in the frame", condition_rows(model, images[spread], labels[spread])))


def evaluate_pictures(pictures: Sequence[Labelled], fer: str | None) -> None:
    """Print the figures of the app on labelled pictures, and those of the package `fer`.

    fer: the Python of an environment with that package, or None. Raises DatasetError and ModelError.
    """
    of_fer = list(by_fer(pictures, fer)) if fer else None  # first, since it may not be there
    model = FacialExpressionModel(many=True)
    answers = list(by_app(pictures, model))
    print(report_pictures("this app", pictures, answers))
    labels, probabilities = of_those_found(pictures, answers)
    if len(labels):
        print(sure_table(probabilities, labels))
    print(condition_table("pictures", changed_rows(pictures, model)))
    if of_fer:
        print(report_pictures("the package fer", pictures, of_fer))


def evaluate_people(folder: Path) -> None:
    """Print how much better the app does once it knows a person. Raises DatasetError and ModelError."""
    model = FacialExpressionModel(many=True)
    print(report_people(find_faces(folder), model))


def main(arguments: list[str] | None = None) -> int:
    """Evaluate on what the command line names. Returns the exit status: 2 where data or network cannot be used."""
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__.partition(":")[0] + ".")
    parser.add_argument(
        "data",
        type=Path,
        help="fer2013.csv, a folder with train/ and test/ pictures, or one of other pictures, of any size, in folders "
        "<expression>/ or <person>/<expression>/",
    )
    parser.add_argument("--split", default="PublicTest", help="PublicTest (default), PrivateTest, Training or Test")
    parser.add_argument("--votes", metavar="CSV", help="FER+'s votes on FER2013")
    parser.add_argument("--fer", metavar="PYTHON", help="the Python of an environment with the package fer, to compare")
    parser.add_argument(
        "--by-person",
        action="store_true",
        help="how much better it does once it knows a person, on a folder of pictures in <person>/<expression>/; "
        "takes minutes",
    )
    options = parser.parse_args(arguments)
    if options.by_person and (options.fer or options.votes):
        parser.error("--by-person does not go with --fer or --votes")
    try:
        if options.by_person:
            evaluate_people(options.data)
            return 0
        if pictures := labelled_pictures(options.data) if options.data.is_dir() else []:
            evaluate_pictures(pictures, options.fer)
            return 0
        dataset = load_dataset(options.data)
        evaluate(dataset, options.split, load_votes(options.votes, dataset) if options.votes else None)
    except (DatasetError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
