"""How far the network's probabilities can be believed, by what a face looks like, and when a label is sure.

`tools/fit_confidence.py` fits what stands here.
"""

from collections.abc import Sequence

import numpy as np

from vision.crop import light_of
from vision.expressions import EMOTIONS
from vision.look import UPRIGHT_BELOW
from vision.opencv import cv2

# Added to the logarithms of the probabilities, for all people: what other people's pictures need beside FER2013's.
OFFSETS = {"Angry": -0.27, "Disgust": 0.54, "Fear": 0, "Happy": -0.03, "Neutral": -0.07, "Sad": 0.01, "Surprise": 0.25}
# What the logarithms are divided by: above 1, the network is surer than it is right. The first that fits a face.
TEMPERATURES = {"adapted": 0.8, "dark": 0.87, "small": 0.86, "tilted": 0.87, "blurred": 0.87, "plain": 0.86}
SMALL, DARK = 48, 50  # pixels of the side, and the mean grey level, below which a face is small and dark
BLURRED = 0.4  # sharpness below which it is blurred; see sharpness
# Added to the log odds of a label's probability: of labels that are as probable, some are right more often than others.
TRUST = {
    "Angry": -0.14,
    "Disgust": -0.36,
    "Fear": -0.04,
    "Happy": 0.45,
    "Neutral": -0.11,
    "Sad": -0.11,
    "Surprise": -0.38,
}
SURE = 0.55  # share of such labels that are right, from which on one is sure

LEAST = 1e-6  # probability, so that its logarithm exists


def conditions_of(
    crops: np.ndarray, sides: Sequence[int] | np.ndarray, angles: Sequence[int] | np.ndarray, adapted: Sequence[bool]
) -> list[str]:
    """For each of n faces the first of TEMPERATURES that it fits.

    crops: (n, 48, 48) uint8, of the faces as they are in the frame. sides: of their boxes, in pixels. angles: degrees
    by which they are tilted. adapted: whether the network was set to the face.
    """
    return [_condition(*each) for each in zip(crops, sides, angles, adapted, strict=True)]


def calibrated(probabilities: np.ndarray, conditions: Sequence[str]) -> np.ndarray:
    """Probabilities (n, 7) float32 as the network gives them, as they can be believed: of those at p, p are right.

    conditions: n keys of TEMPERATURES. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, with an
    offset for each expression.
    """
    temperatures = np.array([TEMPERATURES[condition] for condition in conditions], np.float32).reshape(-1, 1)
    offsets = np.array([OFFSETS[emotion] for emotion in EMOTIONS], np.float32)
    scores = (np.log(np.maximum(probabilities, LEAST)) + offsets) / temperatures
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def _condition(crop: np.ndarray, side: int, angle: int, adapted: bool) -> str:
    if adapted:
        return "adapted"
    if light_of(crop)[0] < DARK:
        return "dark"
    if side < SMALL:
        return "small"
    if abs(angle) >= UPRIGHT_BELOW:
        return "tilted"
    return "blurred" if sharpness(crop) < BLURRED else "plain"


def rightness(probabilities: np.ndarray) -> np.ndarray:
    """How often the best labels of faces with such calibrated probabilities, (n, 7), are right: (n,), 0..1."""
    best = probabilities.argmax(axis=1)
    return right_at(probabilities[np.arange(len(best)), best], best)


def right_at(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often labels, (n,) indices into EMOTIONS, with such calibrated probabilities, (n,), are right: 0..1."""
    trust = np.array([TRUST[emotion] for emotion in EMOTIONS])[labels]
    odds = np.exp(trust) * probabilities / np.maximum(1 - probabilities, LEAST)
    return odds / (1 + odds)


def sharpness(crop: np.ndarray) -> float:
    """How much finer detail there is in a crop, (48, 48) uint8, beside its contrast: from 0."""
    return light_of(cv2.Laplacian(crop, cv2.CV_32F))[1] / max(light_of(crop)[1], 1)
