"""How well the network does on FER2013: `pipenv run evaluate DATA`."""

import argparse
import sys

import numpy as np

from dataset import DatasetError, load_dataset
from faces import STILL_SCALE_FACTOR, FaceDetector
from model import EMOTIONS, MODEL_JSON, MODEL_WEIGHTS, FacialExpressionModel, ModelError, crop_face
from opencv import cv2

try:
    from sklearn.metrics import classification_report, recall_score
except ImportError as error:
    raise SystemExit("What trains and evaluates is not installed: run `pipenv sync --dev`.") from error

BATCH = 256
CALIBRATION_BINS = 15
ENLARGED, BORDER = 3, 72  # how a FER2013 face is put into a frame: three times as large, so many pixels around it


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


def find_and_crop(images):
    """FER2013 faces on their way through the app's own stages: put into a frame, found by Haar and cropped.

    images: (n, 48, 48) uint8. A frame is the face enlarged three times with 72 pixels of its median grey around it.
    Returns which were found, (n,) bool, and the crops of those, (found, 48, 48) uint8.
    """
    detector, found, crops = FaceDetector(STILL_SCALE_FACTOR), [], []
    for image in images:
        face = cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        frame = np.pad(face, BORDER, constant_values=int(np.median(image)))
        boxes = detector.detect(frame)
        found.append(len(boxes) > 0)
        if len(boxes):
            crops.append(crop_face(frame, max(boxes, key=lambda box: box[2])))
    return np.array(found, bool), np.array(crops, np.uint8).reshape(-1, *images.shape[1:])


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


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="evaluate.py", description=__doc__)
    parser.add_argument("data", help="fer2013.csv, or a folder with train/ and test/ pictures")
    parser.add_argument("--split", default="PublicTest", help="PublicTest (default), PrivateTest, Training or Test")
    options = parser.parse_args(arguments)
    try:
        images, labels = load_dataset(options.data).split(options.split)
        model = FacialExpressionModel(MODEL_JSON, MODEL_WEIGHTS)
    except (DatasetError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    probabilities = predict_all(model, images)
    print(f"{options.split}: {report(probabilities, labels)}")
    print(report_pipeline(model, images, labels, probabilities))
    return 0


if __name__ == "__main__":
    sys.exit(main())
