"""Keeps labels from flickering: smooths each face's probabilities over time, and changes its label reluctantly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vision.confidence import SURE, right_at
from vision.faces import Face

TIME_CONSTANT = 0.2  # seconds in which 63 % of a change has come through
MARGIN = 0.15  # of probability by which another expression must lead before the label changes
SURE_FOR_LESS = 0.05  # of that share, by which a label may fall below the line again
FORGET_AFTER = 2.0  # seconds


@dataclass
class _Expression:
    """What is shown of a face: smoothed probabilities (7,) that sum to 1, and the index of the label."""

    probabilities: np.ndarray
    label: int
    moment: float
    is_sure: bool = False


class ExpressionSmoother:
    """Smooths the probabilities of each followed face. Not safe to call from two threads at once."""

    def __init__(self, sure: float = SURE) -> None:
        """sure: the share of such labels that are right, 0..1, from which on one is sure; see vision/confidence.py."""
        self._sure = sure
        self._expressions: dict[int, _Expression] = {}  # by the face's number

    def smooth(self, faces: Sequence[Face], moment: float) -> list[Face]:
        """The faces of a frame, with `smoothed`, `label` and `sure` filled in for those that have probabilities.

        moment: the frame's time in seconds, of any clock.
        """
        for face in faces:
            if face.probabilities is not None:
                self._update(face.number, face.probabilities, moment)
        self._expressions = {
            number: known for number, known in self._expressions.items() if moment - known.moment < FORGET_AFTER
        }
        return [self._with_label(face) if face.probabilities is not None else face for face in faces]

    def _with_label(self, face: Face) -> Face:
        shown = self._expressions[face.number]
        return replace(face, smoothed=shown.probabilities, label=shown.label, sure=shown.is_sure)

    def _update(self, number: int, probabilities: np.ndarray, moment: float) -> None:
        known = self._expressions.get(number)
        if known is None:
            known = self._expressions[number] = _Expression(probabilities, int(np.argmax(probabilities)), moment)
        share = 1 - math.exp(-max(0, moment - known.moment) / TIME_CONSTANT)
        known.probabilities = known.probabilities + share * (probabilities - known.probabilities)
        known.moment = moment
        best = int(np.argmax(known.probabilities))
        if known.probabilities[best] - known.probabilities[known.label] > MARGIN:
            known.label = best
        # Once sure, it stays so until it is clearly not, so that the word does not flicker.
        least = self._sure - (SURE_FOR_LESS if known.is_sure else 0)
        right = right_at(known.probabilities[[known.label]], np.array([known.label]))
        known.is_sure = bool(right[0] >= least)
