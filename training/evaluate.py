"""How well the network does on FER2013: `pipenv run evaluate DATA`."""

import argparse
import math
import sys

import numpy as np

from model import FacialExpressionModel, ModelError
from training.dataset import DatasetError, load_dataset
from vision.crop import FACE_SIZE, crop_face
from vision.expressions import EMOTIONS
from vision.faces import STILL_SCALE_FACTOR, FaceDetector
from vision.opencv import cv2

try:
    from sklearn.metrics import classification_report, recall_score
except ImportError as error:
    raise SystemExit("What trains and evaluates is not installed: run `pipenv sync --dev`.") from error

BATCH = 256
CALIBRATION_BINS = 15
ENLARGED, BORDER = 3, 24  # a FER2013 face is put into a frame so many times as large, with a border of so many pixels
CONDITIONS = [  # enlargement, degrees by which the head is tilted
    *[(side / FACE_SIZE, 0) for side in (36, 48, 72, 144)],
    *[(ENLARGED, tilt) for tilt in (10, 20, 30)],
]
CONDITION_FACES = 1200  # at most, of a split, for the figures on each of the conditions
SAME_PICTURE = 0.93  # the correlation from which on two faces are near duplicates, mostly of one photograph
SKETCH = 16  # pixels a side to which faces are reduced for that comparison


def predict_all(model, images):
    """Probabilities of any number of faces, a batch at a time: images (n, 48, 48) uint8 to (n, 7) float32."""
    starts = range(0, max(len(images), 1), BATCH)
    return np.concatenate([model.predict(images[start : start + BATCH]) for start in starts])


def accuracy(probabilities, labels):
    """The share of faces (0..1) whose most probable expression is their label. (n, 7) floats, (n,) integers."""
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


def balanced_accuracy(probabilities, labels):
    """The mean (0..1) of the expressions' recalls, in which a frequent one counts no more; of those that have faces."""
    answers = np.argmax(probabilities, axis=1)
    return float(recall_score(labels, answers, labels=np.unique(labels), average="macro", zero_division=0))


def calibration_bins(probabilities, labels):
    """Confidence against accuracy, for a reliability diagram: an array (15, 3) of faces, mean confidence, accuracy.

    The bins have equal width in the top label's probability, 0..1; an empty one has a confidence and accuracy of 0.
    """
    confidences = probabilities.max(axis=1)
    right = np.argmax(probabilities, axis=1) == labels
    bins = np.minimum((confidences * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    faces, confidence, rightness = (
        np.bincount(bins, weights, CALIBRATION_BINS) for weights in (None, confidences, right)
    )
    return np.stack([faces, confidence / np.maximum(faces, 1), rightness / np.maximum(faces, 1)], axis=1)


def calibration_error(probabilities, labels):
    """Expected calibration error of the top label, 0..1: how far confidence is from accuracy, over 15 equal bins.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    faces, confidence, rightness = calibration_bins(probabilities, labels).T
    return float(np.sum(faces * np.abs(confidence - rightness)) / np.sum(faces))


def find_and_crop(images, enlarged=ENLARGED, tilt=0):
    """FER2013 faces on their way through the app's own stages: put into a frame, found by Haar and cropped.

    images: (n, 48, 48) uint8. A frame is the face enlarged so many times, tilted by so many degrees, with half a face
    of its median grey on each side: 72 pixels where the face has 144.
    Returns which were found, (n,) bool, and the crops of those, (found, 48, 48) uint8.
    """
    detector, found, crops = FaceDetector(STILL_SCALE_FACTOR), [], []
    for image in images:
        grey = int(np.median(image))
        face = cv2.resize(image, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_CUBIC)
        frame = np.pad(face, round(BORDER * enlarged), constant_values=grey)
        if tilt:
            turn = cv2.getRotationMatrix2D(((frame.shape[0] - 1) / 2,) * 2, tilt, 1)
            frame = cv2.warpAffine(frame, turn, frame.shape, flags=cv2.INTER_CUBIC, borderValue=grey)
        boxes = detector.detect(frame)
        found.append(len(boxes) > 0)
        if len(boxes):
            crops.append(crop_face(frame, max(boxes, key=lambda box: box[2])))
    return np.array(found, bool), np.array(crops, np.uint8).reshape(-1, *images.shape[1:])


def near_duplicates(images, others):
    """Which images (n, 48, 48) uint8 are, perhaps mirrored, near duplicates of one of the others: (n,) bool."""

    def sketches(faces):
        small = np.array([cv2.resize(face, (SKETCH, SKETCH), interpolation=cv2.INTER_AREA) for face in faces])
        small = small.reshape(len(faces), -1).astype(np.float32)
        small -= small.mean(axis=1, keepdims=True)
        return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-3)

    known = sketches(others).T
    correlations = [(sketches(faces) @ known).max(axis=1) for faces in (images, images[:, :, ::-1])]
    return np.maximum(*correlations) >= SAME_PICTURE


def report(probabilities, labels):
    """The figures of a split as text: over all faces, then precision, recall and F1 of each expression."""
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


def report_pipeline(model, images, labels, probabilities):
    """As text, what is lost where the app has to find the faces first; probabilities (n, 7) are those without."""
    found, crops = find_and_crop(images)
    if not found.any():
        return "found by Haar: none"
    cropped, direct = accuracy(predict_all(model, crops), labels[found]), accuracy(probabilities[found], labels[found])
    return (
        f"found by Haar: {found.mean():.1%} of the faces put into frames; "
        f"accuracy {cropped:.1%} as found and cropped, {direct:.1%} on the same faces as they are"
    )


def report_duplicates(images, labels, probabilities, training):
    """As text, how much of the accuracy is owed to faces that the network has seen in another copy."""
    known = near_duplicates(images, training)
    if not known.any() or known.all():
        return f"near duplicates of Training faces: {known.mean():.1%}"
    return (
        f"near duplicates of Training faces: {known.mean():.1%}; accuracy "
        f"{accuracy(probabilities[known], labels[known]):.1%} on them, "
        f"{accuracy(probabilities[~known], labels[~known]):.1%} on the others"
    )


def report_conditions(model, images, labels):
    """As text, a line for each size and tilt of a face: how many the app finds, and how many of those it gets right."""
    rows = [f"{'face in the frame':<24}{'found':>7}{'accuracy on those':>19}"]
    for enlarged, tilt in CONDITIONS:
        found, crops = find_and_crop(images, enlarged, tilt)
        right = f"{accuracy(predict_all(model, crops), labels[found]):.1%}" if found.any() else "-"
        condition = f"{enlarged * FACE_SIZE:.0f} pixels" + (f", tilted {tilt}°" if tilt else "")
        rows.append(f"{condition:<24}{found.mean():>7.1%}{right:>19}")
    return "\n".join(rows)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="evaluate.py", description=__doc__)
    parser.add_argument("data", help="fer2013.csv, or a folder with train/ and test/ pictures")
    parser.add_argument("--split", default="PublicTest", help="PublicTest (default), PrivateTest, Training or Test")
    options = parser.parse_args(arguments)
    try:
        dataset = load_dataset(options.data)
        images, labels = dataset.split(options.split)
        model = FacialExpressionModel()
    except (DatasetError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    probabilities = predict_all(model, images)
    print(f"{options.split}: {report(probabilities, labels)}")
    if options.split != "Training" and "Training" in dataset.splits:
        print(report_duplicates(images, labels, probabilities, dataset.split("Training")[0]))
    print(report_pipeline(model, images, labels, probabilities))
    spread = slice(None, None, math.ceil(len(images) / CONDITION_FACES))  # folders have all of an expression together
    print(report_conditions(model, images[spread], labels[spread]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
