"""The figures by which the network is judged: accuracy, recalls, and how far its confidence can be trusted."""

from collections.abc import Iterable

import numpy as np

from vision.confidence import SURE, rightness
from vision.expressions import EMOTIONS

try:
    from sklearn.metrics import classification_report, recall_score
except ImportError as error:
    raise SystemExit("scikit-learn, which this needs, is not installed: run `pipenv sync --dev`.") from error

CALIBRATION_BINS = 15
SURE_LINES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # for the table
ConditionRow = tuple[str, float, float | None]  # a condition, the share that is found, and the accuracy on those, 0..1


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


def recalls(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of each expression's faces, 0..1, that are given its label: (7,) float64, NaN where it has no faces.

    probabilities: (n, 7). labels: (n,), indices into EMOTIONS.
    """
    answers = np.argmax(probabilities, axis=1)
    found = recall_score(labels, answers, labels=range(len(EMOTIONS)), average=None, zero_division=np.nan)
    return np.asarray(found, np.float64)


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


def sure_table(probabilities: np.ndarray, labels: np.ndarray) -> str:
    """How many faces get a label that is sure, and how many of those labels are right, by where the line is, as text.

    probabilities: (n, 7), calibrated; see vision/confidence.py. labels: (n,), indices into EMOTIONS.
    """
    confidences, right = rightness(probabilities), np.argmax(probabilities, axis=1) == labels
    lines = [f"{'sure from':<24}{'shown':>7}{'accuracy on those':>19}"]
    for line in sorted({0.0, *SURE_LINES, SURE}):
        sure = confidences >= line
        share = f"{right[sure].mean():.1%}" if sure.any() else "-"
        lines.append(f"{f'{line:g}' + ' (the app)' * (line == SURE):<24}{sure.mean():>7.1%}{share:>19}")
    return "\n".join(lines)


def condition_table(heading: str, rows: Iterable[ConditionRow]) -> str:
    """The rows as a table in text. heading: of the column of conditions."""
    return "\n".join(
        [
            f"{heading:<24}{'found':>7}{'accuracy on those':>19}",
            *(
                f"{condition:<24}{found:>7.1%}{'-' if right is None else f'{right:.1%}':>19}"
                for condition, found, right in rows
            ),
        ]
    )
