"""Prints how good the network is on FER2013: `pipenv run evaluate DATA`."""

import argparse
import math
import sys

import numpy as np

from model import FacialExpressionModel, ModelError
from training.dataset import Dataset, DatasetError, load_dataset
from vision.crop import FACE_SIZE, crop_face
from vision.expressions import EMOTIONS
from vision.judge import SHOWN
from vision.look import UPRIGHT_BELOW
from vision.opencv import cv2
from vision.patches import halvings
from vision.search import search_still

try:
    from sklearn.metrics import classification_report, recall_score
except ImportError as error:
    raise SystemExit("scikit-learn, which this needs, is not installed: run `pipenv sync --dev`.") from error

BATCH = 256  # faces
CALIBRATION_BINS = 15
ENLARGED, BORDER = 3, 24  # how many times a face is enlarged, and the border around it, in pixels before that
CONDITIONS = [  # how many times a face is enlarged, and by how many degrees the head is tilted
    *[(side / FACE_SIZE, 0) for side in (36, 48, 72, 144)],
    *[(ENLARGED, tilt) for tilt in (10, 20, 30)],
]
CONDITION_FACES = 1200  # of a split, at most, for the figures under these conditions
SAME_PICTURE = 0.93  # correlation from which two faces are near duplicates, mostly of one photograph
SKETCH = 16  # pixels, the side to which faces are shrunk for that comparison


def predict_all(model: FacialExpressionModel, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, 7) float32 of any number of faces (n, 48, 48) uint8, computed in batches."""
    starts = range(0, max(len(images), 1), BATCH)
    return np.concatenate([model.predict(images[start : start + BATCH]) for start in starts])


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The share of faces, 0..1, whose most probable expression is their label.

    probabilities: (n, 7). labels: (n,), indices into EMOTIONS.
    """
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


def balanced_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The mean of the recalls, 0..1, of all expressions that have faces, so that each counts as much as another.

    probabilities: (n, 7). labels: (n,), indices into EMOTIONS.
    """
    answers = np.argmax(probabilities, axis=1)
    return float(recall_score(labels, answers, labels=np.unique(labels), average="macro", zero_division=0))


def calibration_bins(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Confidence and accuracy by confidence, for a reliability diagram: (15, 3) floats.

    The columns are a bin's faces, their mean confidence and their accuracy. Confidence is the top label's probability,
    0..1, and bins divide it evenly; in an empty bin both are 0. probabilities: (n, 7). labels: (n,), indices.
    """
    confidences = probabilities.max(axis=1)
    right = np.argmax(probabilities, axis=1) == labels
    bins = np.minimum((confidences * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    faces, confidence, rightness = (
        np.bincount(bins, weights, CALIBRATION_BINS) for weights in (None, confidences, right)
    )
    return np.stack([faces, confidence / np.maximum(faces, 1), rightness / np.maximum(faces, 1)], axis=1)


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error of the top label, 0..1: how far confidence is from accuracy, over 15 equal bins.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    faces, confidence, rightness = calibration_bins(probabilities, labels).T
    return float(np.sum(faces * np.abs(confidence - rightness)) / np.sum(faces))


def find_and_crop(images: np.ndarray, enlarged: float = ENLARGED, tilt: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Put faces into frames, and find and crop them there as the app does.

    images: (n, 48, 48) uint8. enlarged: how many times a face is enlarged for its frame. tilt: by how many degrees the
    frame is turned, counter-clockwise. Around the face is a border of its median grey, half as wide as the face.
    Returns which faces were found, (n,) bool, and the crops of those, (found, 48, 48) uint8.
    """
    found, crops = [], []
    for image in images:
        frame = _put_into_frame(image, enlarged, tilt)
        faces = [each for each in search_still(halvings(frame)) if each.score >= SHOWN and not each.side]
        found.append(len(faces) > 0)
        if faces:
            place = max(faces, key=lambda face: face.score).place
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


def report(probabilities: np.ndarray, labels: np.ndarray) -> str:
    """The figures of a split as text: over all faces, then precision, recall and F1 of each expression.

    probabilities: (n, 7). labels: (n,), indices into EMOTIONS.
    """
    table = classification_report(
        labels,
        probabilities.argmax(axis=1),
        labels=range(len(EMOTIONS)),
        target_names=EMOTIONS,
        digits=3,
        zero_division=0,
    )
    rows = [row for row in table.splitlines() if row.split()[:1] and row.split()[0] in {"precision", *EMOTIONS}]
    return "\n".join(
        [
            f"accuracy {accuracy(probabilities, labels):.1%} on {len(labels)} faces",
            f"balanced accuracy {balanced_accuracy(probabilities, labels):.1%}",
            f"calibration error {calibration_error(probabilities, labels):.3f}",
            *rows,
        ]
    )


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


def report_conditions(model: FacialExpressionModel, images: np.ndarray, labels: np.ndarray) -> str:
    """How many faces the app finds in each size and tilt, and how many of those it gets right, as lines of text."""
    rows = [f"{'face in the frame':<24}{'found':>7}{'accuracy on those':>19}"]
    for enlarged, tilt in CONDITIONS:
        found, crops = find_and_crop(images, enlarged, tilt)
        right = f"{accuracy(predict_all(model, crops), labels[found]):.1%}" if found.any() else "-"
        condition = f"{enlarged * FACE_SIZE:.0f} pixels" + (f", tilted {tilt}°" if tilt else "")
        rows.append(f"{condition:<24}{found.mean():>7.1%}{right:>19}")
    return "\n".join(rows)


def evaluate(dataset: Dataset, split: str) -> None:
    """Print all figures of the app's network on one split. Raises DatasetError and ModelError."""
    images, labels = dataset.split(split)
    model = FacialExpressionModel()
    probabilities = predict_all(model, images)
    print(f"{split}: {report(probabilities, labels)}")
    if split != "Training" and "Training" in dataset.splits:
        print(report_duplicates(images, labels, probabilities, dataset.split("Training")[0]))
    print(report_pipeline(model, images, labels, probabilities))
    # Folders have all faces of an expression together, so that the first 1200 would not do.
    spread = slice(None, None, math.ceil(len(images) / CONDITION_FACES))
    print(report_conditions(model, images[spread], labels[spread]))


def main(arguments: list[str] | None = None) -> int:
    """Evaluate on what the command line names. Returns the exit status: 2 where data or network cannot be used."""
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("data", help="fer2013.csv, or a folder with train/ and test/ pictures")
    parser.add_argument("--split", default="PublicTest", help="PublicTest (default), PrivateTest, Training or Test")
    options = parser.parse_args(arguments)
    try:
        evaluate(load_dataset(options.data), options.split)
    except (DatasetError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
