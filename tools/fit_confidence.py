"""Fits what stands in vision/confidence.py, and prints it: `python -m tools.fit_confidence FER2013 PEOPLE`.

FER2013: of its Training faces, those that are held back from training are shown to the app in each condition. PEOPLE: a
folder of other people's pictures, <person>/<expression>/, for the offsets and for adapted faces. The committed values
were fitted so, on press pictures of 51 people.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from model import FacialExpressionModel
from training.by_person import by_other_pictures, find_faces, fit_offset, with_offset
from training.dataset import load_dataset
from training.evaluate import Condition, find_and_crop
from training.recipe import hold_back
from vision.confidence import LEAST
from vision.crop import FACE_SIZE
from vision.expressions import EMOTIONS

CONDITIONS = {
    "plain": [Condition()],
    "small": [Condition(36)],
    "tilted": [Condition(tilt=20), Condition(tilt=35)],
    "blurred": [Condition(blur=0.7), Condition(blur=1.2)],
    "dark": [Condition(light=0.25), Condition(light=0.12)],
}
# Of the offsets' squares, so that nothing is lost on held-back faces.
PENALTY = 0.1
SHOWN = 0.765  # of the plain held-back faces that are sure, at least
PEOPLE_WEIGH = 10  # times as much as a face of FER2013, for how much a label can be trusted
AT_ONCE = 64  # faces


def main(arguments: list[str] | None = None) -> int:
    """Fit and print. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="fit_confidence", description=__doc__.partition("\n")[0])
    for name in ("fer2013", "people"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args(arguments)
    model = FacialExpressionModel(many=True)
    others = find_faces(options.people)
    strangers = _mirrored(model, others.crops)
    offset = fit_offset(strangers, others.labels, PENALTY)
    print("offsets", _by_expression(offset))
    images, labels = load_dataset(options.fer2013).split("Training")
    _, held = hold_back(len(images))
    shown: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # calibrated probabilities and labels, by condition
    for name, conditions in CONDITIONS.items():
        answers, truth = [], []
        for condition in conditions:
            found, crops = find_and_crop(condition.shown(images[held]), condition.side / FACE_SIZE, condition.tilt)
            answers.append(with_offset(_mirrored(model, crops), offset))
            truth.append(labels[held][found])
        shown[name] = _calibrated(name, np.concatenate(answers), np.concatenate(truth))
    of_strangers = _calibrated("strangers (not used)", with_offset(strangers, offset), others.labels)
    trust = fit_trust([*shown.values(), *[of_strangers] * PEOPLE_WEIGH])
    print("trust", _by_expression(trust))
    probabilities = shown["plain"][0]
    best = probabilities.argmax(axis=1)
    odds = np.exp(trust[best]) / (1 / probabilities.max(axis=1) - 1)
    print(f"sure from {np.quantile(odds / (1 + odds), 1 - SHOWN):.2f}")
    each = [others.people == person for person in np.unique(others.people[others.judged])]
    kept = np.concatenate([by_other_pictures(others.crops[own], model) for own in each])
    _calibrated("adapted", with_offset(kept, offset), np.concatenate([others.labels[own] for own in each]))
    return 0


def fit_trust(answers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """How much surer one may be of each label than its probability says, in log odds: (7,).

    answers: pairs of calibrated probabilities (n, 7) and labels (n,).
    """
    probabilities, labels = (np.concatenate(each) for each in zip(*answers))
    best, highest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    log_odds = np.log(highest / np.maximum(1 - highest, LEAST))[:, np.newaxis]
    columns = np.concatenate([log_odds, np.eye(len(EMOTIONS))[best]], axis=1)
    fitted = LogisticRegression(C=3, fit_intercept=False).fit(columns, best == labels)
    return fitted.coef_[0][1:]


def _by_expression(values: np.ndarray) -> dict[str, float]:
    return {emotion: round(float(value), 2) for emotion, value in zip(EMOTIONS, values)}


def _calibrated(name: str, probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities with the temperature that fits them best, which is printed, and the labels."""
    temperature = fit_temperature(probabilities, labels)
    print(f"{name}: temperature {temperature:.2f} on {len(labels)} faces", flush=True)
    return _tempered(probabilities, temperature), labels


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The number by which the logarithms of probabilities, (n, 7), are to be divided to fit labels, (n,), best."""

    def loss(temperature: float) -> float:
        rows = np.arange(len(labels))
        return -float(np.mean(np.log(np.maximum(_tempered(probabilities, temperature)[rows, labels], LEAST))))

    return float(minimize_scalar(loss, bounds=(0.3, 3), method="bounded").x)


def _tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    shares = np.maximum(probabilities, LEAST) ** (1 / temperature)
    return shares / shares.sum(axis=1, keepdims=True)


def _mirrored(model: FacialExpressionModel, crops: np.ndarray) -> np.ndarray:
    parts = [crops[first : first + AT_ONCE] for first in range(0, len(crops), AT_ONCE)]
    return np.concatenate([model.predict(part, mirrored=True) for part in parts])


if __name__ == "__main__":
    sys.exit(main())
