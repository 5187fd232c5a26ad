"""Whether what a search found is a face: a second look, with another cascade and a check of its own.

The score is the share of such finds that are faces. `tools/fit_score.py` fits it, on pictures with and without faces.
"""

import functools
import json
from dataclasses import dataclass, replace

import numpy as np

from paths import FACE_CHECK, SECOND_CASCADE
from vision.look import TILT_STEP, UPRIGHT_BELOW, Side, agreed_on, look, tilt, turned
from vision.opencv import cv2
from vision.patches import Patch, Place, cut, middle

MOST_LOOKS = 3  # at the tilt, until it is known
SHOWN = 0.75  # score from which on a face is shown
SURE = 0.9  # and from which on at once
# A tilted head that scores at least so much, but is not shown, is looked at again from where it was seen, up to so many
# times: there, a search is often off by more than the second look forgives.
DOUBTFUL, MORE_LOOKS = 0.1, 3
# The same for a face in profile: a logistic regression on the logarithm of how many windows see it, set by hand so that
# seven windows give a half: nothing else than faces had more in the frames of four clips and in fifteen photographs.
PROFILE_BIAS, PROFILE_WEIGHT = -6.2, 3.0
CHECKED = 32  # pixels, the side of what is checked: the face with a little less around it than in its box

_gradients = cv2.HOGDescriptor((CHECKED, CHECKED), (16, 16), (8, 8), (8, 8), 9)


@dataclass(frozen=True)
class Found:
    """A face that a search found in a frame."""

    place: Place
    score: float  # the share of such finds that are faces, 0..1
    side: Side = ""


def judge(sizes: list[np.ndarray], place: Place, side: Side = "") -> Found:
    """A second look at what a search found. sizes: the frame's halvings. side: where a face in profile looks."""
    if side:
        leans = [turned(place, degrees) for degrees in (0, -TILT_STEP, TILT_STEP)]
        windows = [agreed_on(look(cut(sizes, lean), side)) for lean in leans]
        score = _share(PROFILE_BIAS + PROFILE_WEIGHT * np.log1p(sum(windows)))
        return Found(leans[int(np.argmax(windows))], score, side)
    best = latest = _judge_frontal(sizes, place)
    for _ in range(MORE_LOOKS):
        is_tilted = abs(latest.place.angle) >= UPRIGHT_BELOW
        if best.score >= SHOWN or latest.score < DOUBTFUL or not is_tilted:
            break
        latest = _judge_frontal(sizes, latest.place)
        best = max(best, latest, key=lambda found: found.score)
    return best


def _judge_frontal(sizes: list[np.ndarray], place: Place) -> Found:
    place, sights = sights_of(sizes, place)
    weights = _fitted()["frontal"]
    return Found(place, _share(weights[0] + weights[1:] @ (*sights, check(cut(sizes, place)))))


def sights_of(sizes: list[np.ndarray], place: Place) -> tuple[Place, np.ndarray]:
    """A frontal face's place with its tilt, and how many windows of the cascade, and of a second one, see it.

    The numbers are logarithms, (2,) float64 from 0.
    """
    found, total = place, 0
    for _ in range(MOST_LOOKS):
        left, middle, right = (look(cut(sizes, turned(found, degrees))) for degrees in (-TILT_STEP, 0, TILT_STEP))
        total = agreed_on(left) + agreed_on(middle) + agreed_on(right)
        correction = tilt(agreed_on(left), agreed_on(right))
        found = turned(found, correction)
        if abs(correction) < TILT_STEP / 2:
            break
    patch = cut(sizes, found)
    second = agreed_on(look(patch, cascade=SECOND_CASCADE))
    sights = np.log1p([total, second])
    if max(abs(found.angle), abs(place.angle)) < UPRIGHT_BELOW:  # the search saw it as it is
        return replace(place, angle=found.angle), sights
    sight = look(patch)
    return sight.place if sight else found, sights


def check(patch: Patch) -> float:
    """How much the gradients in a patch are those of a frontal face: above 0 where that is likelier than not.

    A network of one hidden layer on histograms of oriented gradients (Dalal and Triggs, CVPR 2005).
    """
    hidden, output = _fitted()["hidden"], _fitted()["output"]
    return float(np.maximum(hidden[:, 1:] @ gradients(patch.grey) + hidden[:, 0], 0) @ output[1:] + output[0])


def gradients(grey: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients of the middle of a patch, (324,) float32."""
    return np.ravel(_gradients.compute(cv2.resize(middle(grey), (CHECKED, CHECKED), interpolation=cv2.INTER_AREA)))


def _share(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


@functools.cache
def _fitted() -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in json.loads(FACE_CHECK.read_text()).items()}
