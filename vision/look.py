"""A look at a place where a face is expected: whether it is there, where exactly, and how it is tilted."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from paths import CASCADE, PROFILE_CASCADE
from vision.cascades import hits
from vision.opencv import cv2
from vision.patches import FACE_IN_PATCH, Patch, Place, middle

TILT_STEP = 12  # degrees to both sides, at which a face is looked at to tell its tilt
TILT_SPREAD = 12  # degrees: the standard deviation of the tilts at which the cascade sees an upright face
UPRIGHT_BELOW = 15  # degrees of tilt below which a face counts as upright, as the network knows such faces
SCALE_FACTOR, FINER = 1.1, 1.05  # how much the search window grows between passes
SMALLEST, LARGEST = 0.8, 1.3  # of the side that is expected
# The same for the smallest where faces take turns: without the pass for the smallest windows, which are the most, a
# look takes three quarters of the time.
SMALLEST_IN_CROWD = 0.85
ALIKE = 0.8  # correlation from which on what is seen is what was seen before
OFF = 0.35  # of the side, by which the middle of a face may be off from where it is expected

Side = Literal["", "left", "right"]  # where a face in profile looks, as the viewer sees it; "" is a frontal face


@dataclass(frozen=True)
class Sight:
    """What a cascade sees where a face is expected."""

    place: Place
    agreed: int  # how many windows agreed


def look(
    patch: Patch,
    side: Side = "",
    cascade: Path = CASCADE,
    neighbours: int = 1,
    scale_factor: float = SCALE_FACTOR,
    smallest: float = SMALLEST,
) -> Sight | None:
    """The face in the middle of a patch, or None. cascade: for frontal faces. neighbours: windows that must agree.

    smallest: the side of a face, as a share of the side that is expected.
    """
    grey = patch.grey
    if side:
        cascade = PROFILE_CASCADE  # which knows faces that look to the left
        grey = cv2.flip(grey, 1) if side == "right" else grey
    boxes, agreed = hits(
        cascade, grey, scale_factor, neighbours, int(smallest * FACE_IN_PATCH), int(LARGEST * FACE_IN_PATCH) + 1
    )
    if side == "right":
        boxes[:, 0] = grey.shape[1] - boxes[:, 0] - boxes[:, 2]
    near = np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - len(grey) / 2).max(axis=1, initial=0) < OFF * FACE_IN_PATCH
    if not near.any():
        return None
    best = int(np.where(near, agreed, 0).argmax())
    return Sight(patch.place_of(boxes[best]), int(agreed[best]))


def look_alike(patch: Patch, earlier: Patch) -> Sight | None:
    """Where in a patch the face is that was in the middle of an earlier one, going by how it looked; or None."""
    face = middle(earlier.grey)
    likeness = cv2.matchTemplate(patch.grey, face, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(likeness)
    return Sight(patch.place_of((x, y, *face.shape)), 1) if best > ALIKE else None


def agreed_on(sight: Sight | None) -> int:
    """How many windows saw a face."""
    return sight.agreed if sight else 0


def tilt(left: int, right: int) -> float:
    """Degrees clockwise by which a face is tilted that so many windows see from TILT_STEP to the left and the right.

    The number that see it is taken for a normal distribution over the tilt, whose deviation is TILT_SPREAD.
    """
    return TILT_SPREAD**2 / (2 * TILT_STEP) * float(np.log((right + 1) / (left + 1)))


def turned(place: Place, degrees: float) -> Place:
    """The same place, turned clockwise."""
    return replace(place, angle=place.angle + degrees)
