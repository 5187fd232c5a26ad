"""Gives a face that comes back within ten seconds its number again, by its place, its size and how it looks.

Nobody is identified: what is remembered is a few small pictures a face, in memory, for as long as it may come back.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from vision.faces import Face
from vision.opencv import cv2
from vision.patches import FACE_IN_PATCH, PATCH, Place, cut

REMEMBERED = 10.0  # seconds for which a face that has gone may come back
LOOKS, LOOK_EVERY = 6, 0.5  # pictures that are kept of a face, and seconds between them
NEAR, RESIZED = 1.0, 1.6  # of the side, and times the side: a face that comes back so is where it was
# Correlation of two pictures from which on they are of one face: where it was, elsewhere in the scene, and after a cut.
# In pictures of 94 people, one pair of different people in twenty is above the first, in 150 above the second; somebody
# before a webcam stays above the third.
ALIKE_THERE, ALIKE_ELSEWHERE, ALIKE_AFTER_CUT = 0.66, 0.8, 0.85
SHIFT = 6  # pixels of a patch by which two pictures of a face may be off


@dataclass
class Sighting:
    """A face over the time for which it was followed."""

    first: float  # the moment when it was first seen, in seconds
    origin: Place  # and where it was then
    last: float  # the moment when it was last seen
    place: Place  # and where it was then
    scene: int = 0  # changes with every cut
    looks: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=LOOKS))  # (PATCH, PATCH) uint8 each
    looked: float = -np.inf  # the moment of the last of them

    def go_on(self, later: "Sighting") -> None:
        """Take over what is known of the same face later."""
        self.last, self.place, self.scene = later.last, later.place, later.scene
        self.looks.extend(later.looks)


def see(
    sightings: dict[int, Sighting], faces: Iterable[Face], sizes: list[np.ndarray], moment: float, scene: int = 0
) -> None:
    """Add a frame's faces to the sightings, by number. sizes: the frame's halvings. moment: its time in seconds."""
    for face in faces:
        if not face.is_seen:
            continue
        known = sightings.setdefault(face.number, Sighting(moment, face.place, moment, face.place))
        known.last, known.place, known.scene = moment, face.place, scene
        if moment - known.looked >= LOOK_EVERY:
            known.looks.append(cut(sizes, face.place).grey)
            known.looked = moment


def returning(newcomer: Sighting, gone: Iterable[tuple[int, Sighting]]) -> int | None:
    """The number of the face that comes back as a newcomer, or None; gone: faces by their numbers."""
    best: tuple[float, int] | None = None
    for number, earlier in gone:
        if 0 < newcomer.first - earlier.last <= REMEMBERED:
            lead = likeness(earlier.looks, newcomer.looks) - _least(earlier, newcomer)
            if lead > 0 and (best is None or lead > best[0]):
                best = lead, number
    return best[1] if best else None


def likeness(looks: Iterable[np.ndarray], others: Iterable[np.ndarray]) -> float:
    """The highest correlation, -1..1, of the faces in any of some patches with those in any of others."""
    edge, others = (PATCH - FACE_IN_PATCH) // 2, list(others)
    around, face = slice(edge - SHIFT, PATCH - edge + SHIFT), slice(edge, PATCH - edge)
    correlations = (
        cv2.matchTemplate(look[around, around], other[face, face], cv2.TM_CCOEFF_NORMED).max()
        for look in looks
        for other in others
    )
    return float(max(correlations, default=-1.0))


def _least(earlier: Sighting, newcomer: Sighting) -> float:
    """The likeness that two sightings must exceed to be of one face."""
    if earlier.scene != newcomer.scene:
        return ALIKE_AFTER_CUT
    apart = np.hypot(newcomer.origin.x - earlier.place.x, newcomer.origin.y - earlier.place.y)
    resized = newcomer.origin.side / earlier.place.side
    is_there = apart <= NEAR * earlier.place.side and 1 / RESIZED <= resized <= RESIZED
    return ALIKE_THERE if is_there else ALIKE_ELSEWHERE
