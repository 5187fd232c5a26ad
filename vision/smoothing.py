"""Keeps labels from flickering: smooths each face's probabilities over time, and changes its label reluctantly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vision.faces import Face

TIME_CONSTANT = 0.2  # seconds in which 63 % of a change has come through
MARGIN = 0.15  # of probability by which another expression must lead before the label changes
FORGET_AFTER = 2.0  # seconds


@dataclass
class _Expression:
    """What is shown of a face: smoothed probabilities (7,) that sum to 1, and the index of the label."""

    probabilities: np.ndarray
    label: int
    moment: float


class ExpressionSmoother:
    """Smooths the probabilities of each followed face. Not safe to call from two threads at once."""

    def __init__(self) -> None:
        self._expressions: dict[int, _Expression] = {}  # by the face's number

    def smooth(self, faces: Sequence[Face], moment: float) -> list[Face]:
        """The faces of a frame, with `smoothed` and `label` filled in for those that have probabilities.

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
        return replace(face, smoothed=shown.probabilities, label=shown.label)

    def _update(self, number: int, probabilities: np.ndarray, moment: float) -> None:
        known = self._expressions.get(number)
        if known is None:
            self._expressions[number] = _Expression(probabilities, int(np.argmax(probabilities)), moment)
            return
        share = 1 - math.exp(-max(0, moment - known.moment) / TIME_CONSTANT)
        known.probabilities = known.probabilities + share * (probabilities - known.probabilities)
        known.moment = moment
        best = int(np.argmax(known.probabilities))
        if known.probabilities[best] - known.probabilities[known.label] > MARGIN:
            known.label = best
