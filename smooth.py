"""Expressions that stand still: probabilities smoothed over time for each face, and a label that seldom changes."""

import math
from dataclasses import dataclass

import numpy as np

TIME_CONSTANT = 0.2  # seconds in which a change has come through by 63 %
MARGIN = 0.15  # of probability that another expression must lead by before the label changes
FORGET_AFTER = 2.0  # seconds


@dataclass
class Expression:
    """What is shown of a face: smoothed probabilities (7,) that sum to 1, and the index of the label."""

    probabilities: np.ndarray
    label: int
    moment: float


class ExpressionSmoother:
    """Smooths the probabilities of each followed face."""

    def __init__(self):
        self._expressions = {}  # by identity

    def smooth(self, identities, probabilities, moment):
        """The Expression of each face.

        identities: n of them. probabilities: (n, 7), those of this frame. moment: its time in seconds, of any clock.
        """
        for identity, row in zip(identities, probabilities, strict=True):
            known = self._expressions.get(identity)
            if known is None:
                self._expressions[identity] = Expression(row, int(np.argmax(row)), moment)
                continue
            share = 1 - math.exp(-max(0, moment - known.moment) / TIME_CONSTANT)
            known.probabilities = known.probabilities + share * (row - known.probabilities)
            known.moment = moment
            best = int(np.argmax(known.probabilities))
            if known.probabilities[best] - known.probabilities[known.label] > MARGIN:
                known.label = best
        self._expressions = {
            identity: known for identity, known in self._expressions.items() if moment - known.moment < FORGET_AFTER
        }
        return [self._expressions[identity] for identity in identities]
