"""A face and what is around it, cut out of a frame, turned upright and shrunk, in microseconds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vision.opencv import cv2

FACE_IN_PATCH = 36  # pixels, the side of the face: OpenCV takes four times as many steps for windows of over 48
MARGIN = 0.3  # of the face's side, around it
PATCH = round(FACE_IN_PATCH * (1 + 2 * MARGIN))  # pixels, the side of a patch
SKETCH = (32, 18)  # pixels, of a frame
# There was a cut between two frames if their sketches correlate less and differ by more grey levels, on average.
CUT_CORRELATION, CUT_DIFFERENCE = 0.5, 15
LONGEST = 32_766  # pixels, the sides of the largest picture that OpenCV turns
SAME_FACE = 0.3  # overlap (IoU) from which on two boxes are of one face
UNCHANGED = 2  # grey levels, on average: where a patch has changed by less, the face has not moved
# A frame is dark if less than this share of its pixels reaches this grey level. It is made up to so many times lighter.
BRIGHTEST, DARK, MOST_LIGHTER = 0.01, 85, 8

Box = tuple[int, int, int, int]  # x, y, width, height in pixels


@dataclass(frozen=True)
class Place:
    """Where a face is in a frame: a square, turned."""

    x: float  # of its centre, in pixels
    y: float
    side: float
    angle: float = 0.0  # degrees by which it is turned clockwise

    @classmethod
    def of_box(cls, box: Sequence[float] | np.ndarray, angle: float = 0.0) -> "Place":
        """The place in the middle of a box."""
        x, y, width, height = (float(value) for value in box)
        return cls(x + width / 2, y + height / 2, width, angle)

    def scaled(self, scale: float) -> "Place":
        """The same place in a frame that is `scale` times as large."""
        return Place(scale * self.x, scale * self.y, scale * self.side, self.angle)

    @property
    def box(self) -> Box:
        """The upright square with the same centre and side."""
        x, y = round(self.x - self.side / 2), round(self.y - self.side / 2)
        return x, y, round(self.side), round(self.side)


@dataclass(frozen=True, eq=False)
class Patch:
    """A place and what is around it, upright."""

    grey: np.ndarray  # (PATCH, PATCH) uint8
    place: Place
    scale: float  # its pixels to one of the frame

    def place_of(self, box: Sequence[float] | np.ndarray) -> Place:
        """Where in the frame a square of the patch lies, given as its x, y, width, height."""
        x, y, side, _ = (float(value) for value in box)
        right, down = ((at + side / 2 - PATCH / 2) / self.scale for at in (x, y))
        cosine, sine = np.cos(np.deg2rad(self.place.angle)), np.sin(np.deg2rad(self.place.angle))
        return Place(
            self.place.x + right * cosine - down * sine,
            self.place.y + right * sine + down * cosine,
            side / self.scale,
            self.place.angle,
        )

    def changed(self, earlier: "Patch") -> bool:
        """Whether the same place looks different from how it did in an earlier frame."""
        if self.place != earlier.place:
            return True
        return cv2.norm(self.grey, earlier.grey, cv2.NORM_L1) > UNCHANGED * self.grey.size


def halvings(grey: np.ndarray) -> list[np.ndarray]:
    """A grey frame (height, width) uint8, the same at half its size, at a quarter and so on; dark ones lightened.

    OpenCV's cascades skip windows whose grey levels have a standard deviation below ten: they miss faces in the dark.
    """
    sizes = [grey]
    while min(sizes[-1].shape) >= 2 * FACE_IN_PATCH:
        sizes.append(cv2.resize(sizes[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    if np.count_nonzero(sizes[-1] >= DARK) >= BRIGHTEST * sizes[-1].size:
        return sizes
    brightest = max(float(np.quantile(sizes[-1], 1 - BRIGHTEST)), 1.0)
    lighter = min(2 ** int(np.log2(255 / brightest)), MOST_LIGHTER)  # in doublings, so that it is steady
    return [cv2.convertScaleAbs(size, alpha=lighter) for size in sizes]


def sketch_of(sizes: list[np.ndarray]) -> np.ndarray:
    """A frame in a few pixels, (18, 32) uint8, by which to tell scenes apart; sizes: its halvings."""
    return cv2.resize(sizes[-1], SKETCH, interpolation=cv2.INTER_AREA)


def is_another_scene(sketch: np.ndarray, earlier: np.ndarray) -> bool:
    """Whether two frames, of which these are the sketches, show different scenes."""
    if cv2.norm(sketch, earlier, cv2.NORM_L1) < CUT_DIFFERENCE * sketch.size:
        return False
    return cv2.matchTemplate(sketch, earlier, cv2.TM_CCOEFF_NORMED)[0, 0] < CUT_CORRELATION


def cut(sizes: list[np.ndarray], place: Place) -> Patch:
    """The patch of a place; sizes: the frame's halvings."""
    halved = min(len(sizes) - 1, max(0, (int(place.side) // FACE_IN_PATCH).bit_length() - 1))
    scale = FACE_IN_PATCH / place.side
    grey = upright(sizes[halved], place, scale, PATCH, 2**halved)
    return Patch(grey, place, scale)


def middle(grey: np.ndarray) -> np.ndarray:
    """The face in a patch's picture, (FACE_IN_PATCH, FACE_IN_PATCH) uint8."""
    edge = (len(grey) - FACE_IN_PATCH) // 2
    return grey[edge : edge + FACE_IN_PATCH, edge : edge + FACE_IN_PATCH]


def upright(grey: np.ndarray, place: Place, scale: float, side: int, shrunk: float = 1) -> np.ndarray:
    """A square around a place, turned upright: (side, side) uint8. Beyond the frame, its edge goes on.

    grey: (height, width) uint8, a frame that was shrunk to 1 / shrunk of its size. scale: pixels of the square to one
    of the frame.
    """
    x, y = (at / shrunk - 0.5 for at in (place.x, place.y))  # OpenCV counts from the middle of the first pixel
    if max(grey.shape) > LONGEST:
        grey, x, y = _around(grey, x, y, side / (scale * shrunk))
    matrix = cv2.getRotationMatrix2D((x, y), place.angle, scale * shrunk)
    matrix[:, 2] += np.array([side / 2 - 0.5 - x, side / 2 - 0.5 - y])
    return cv2.warpAffine(grey, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _around(grey: np.ndarray, x: float, y: float, reach: float) -> tuple[np.ndarray, float, float]:
    """The part of a frame within `reach` pixels of a point, at least a pixel of it, and the point's x, y in it."""
    height, width = grey.shape
    left, top = (int(min(max(at - reach, 0), size - 1)) for at, size in ((x, width), (y, height)))
    right, bottom = max(int(x + reach), left) + 1, max(int(y + reach), top) + 1
    return grey[top:bottom, left:right], x - left, y - top


def overlaps(
    box: Sequence[float] | np.ndarray, boxes: Sequence[Sequence[float] | np.ndarray] | np.ndarray
) -> np.ndarray:
    """Intersection over union, 0..1, of a box (4,) with each of boxes (n, 4): (n,) floats."""
    box, boxes = np.asarray(box, float), np.asarray(boxes, float).reshape(-1, 4)
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / (box[2:].prod() + boxes[:, 2:].prod(axis=1) - shared)


def is_part(place: Place, others: Sequence[Place]) -> bool:
    """Whether a place may show but a part of a face that one of the others shows: a mouth, say.

    Of two faces, the middle of the smaller is seldom within the larger: one would hide the other.
    """
    within = [
        other.box
        for other in others
        if place.side < other.side and math.hypot(place.x - other.x, place.y - other.y) < other.side / 2
    ]
    return bool(within) and bool(overlaps(place.box, within).min() <= SAME_FACE)


def as_box(values: Iterable[float]) -> Box:
    """Four numbers as a box of whole pixels."""
    x, y, width, height = (round(float(value)) for value in values)
    return x, y, width, height
