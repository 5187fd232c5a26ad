"""Whose turn it is to be classified, where there is not time for every face in every frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.faces import Face
from vision.opencv import cv2
from vision.sightings import REMEMBERED

LONGEST = 0.15  # seconds from one turn of a face to its next, at most
SHARE = 0.15  # of the time from one frame to the next, for which faces are classified if there are more than that takes
USUAL_PERIOD = 1 / 30  # seconds from one frame to the next, until it is known
STEADY = 0.9  # share of what was known in a new mean
MUCH_CHANGED = 20  # grey levels, on average: a face that has changed by so much is as urgent as one that has waited


@dataclass(eq=False)
class _Latest:
    """A face when it was last classified."""

    moment: float  # in seconds; of a face that never was, when it was first seen
    crop: np.ndarray | None = None  # (48, 48) uint8
    probabilities: np.ndarray | None = None  # (7,) float32


class Turns:
    """Chooses faces, and keeps their probabilities until their next turn. Not safe to call from two threads at once."""

    def __init__(self) -> None:
        self._latest: dict[int, _Latest] = {}  # by the face's number
        self._moment: float | None = None  # of the latest frame
        self._period = USUAL_PERIOD  # seconds from one frame to the next, on average
        self._cost = 0.0  # seconds that a face takes, on average

    def choose(self, faces: Sequence[Face], crops: np.ndarray, moment: float) -> list[int]:
        """The indices of those faces of the next frame that are to be classified, in any order.

        Those that are new or cannot wait for another frame come first, since none waits longer than LONGEST; then those
        that have waited long or have changed. crops: (n, 48, 48) uint8, of the faces. moment: of the frame, in seconds
        of any clock.
        """
        if self._moment is not None:
            period = min(max(moment - self._moment, 0.0), LONGEST)
            self._period = STEADY * self._period + (1 - STEADY) * period
        self._moment = moment
        for face in faces:
            self._latest.setdefault(face.number, _Latest(moment))
        there = {face.number for face in faces}  # who may have waited for as long, where frames are rare
        self._latest = {
            number: latest
            for number, latest in self._latest.items()
            if number in there or moment - latest.moment <= REMEMBERED
        }
        known = [self._latest[face.number] for face in faces]
        # In turn, so that they do not all become due in one frame.
        share = math.ceil(len(faces) * self._period / LONGEST)
        most = max(share, int(SHARE * self._period / self._cost)) if self._cost else len(faces)
        if most >= len(faces):
            return list(range(len(faces)))
        following = moment + self._period
        urgency = [_urgency(*each, moment, following) for each in zip(known, crops, strict=True)]
        order = sorted(range(len(faces)), key=lambda index: urgency[index], reverse=True)
        return order[: max(most, urgency.count(math.inf))]

    def took(self, seconds: float, count: int) -> None:
        """Take note that so many faces took so long."""
        cost = seconds / count
        self._cost = STEADY * self._cost + (1 - STEADY) * cost if self._cost else cost

    def keep(self, face: Face, crop: np.ndarray, probabilities: np.ndarray) -> None:
        """Take note of what came of a face's turn in the latest frame. probabilities: (7,) float32."""
        assert self._moment is not None
        self._latest[face.number] = _Latest(self._moment, crop, probabilities)

    def probabilities(self, face: Face) -> np.ndarray | None:
        """(7,) float32 of the face's latest turn; None before its first."""
        return self._latest[face.number].probabilities

    def classified(self, face: Face) -> float:
        """The moment of that turn."""
        return self._latest[face.number].moment


def _urgency(latest: _Latest, crop: np.ndarray, moment: float, following: float) -> float:
    """How urgent a face's turn is, in a frame: infinitely so if it is new or cannot wait for the following one."""
    if latest.crop is None or following - latest.moment > LONGEST:
        return math.inf
    change = cv2.norm(crop, latest.crop, cv2.NORM_L1) / crop.size
    return (moment - latest.moment) / LONGEST + change / MUCH_CHANGED
