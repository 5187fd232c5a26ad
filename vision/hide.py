"""Makes faces unrecognisable: a mosaic of a few blocks over every place where there may be one.

The blocks of one size lie on one grid over the whole frame, and each size is twice the next smaller one. So places that
overlap share their blocks, and blocks do not shift by a few pixels from frame to frame, which would tell more.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from vision.opencv import cv2
from vision.patches import Place
from vision.planes import Planes, parts_of

# Blocks across a face, at most. With six, cascades still see faces in some mosaics; with four and this margin in none.
BLOCKS = 4
MARGIN = 0.5  # of a face's side, that is hidden around it on each side
SMALLEST_BLOCK = 4  # pixels; a power of two, as all sizes are

Layer = tuple[np.ndarray, int]  # an image, and how many pixels of the frame are one of it


def hide(planes: Planes, places: Iterable[Place]) -> None:
    """Cover what is at the places of a frame with a mosaic, in the planes themselves."""
    grey, blue, red = parts_of(planes)
    _hide([(grey, 1), (blue, 2), (red, 2)], places)


def hide_in_picture(image: np.ndarray, places: Iterable[Place]) -> None:
    """As `hide`, in an image (height, width, 3) uint8 BGR."""
    _hide([(image, 1)], places)


def reach_of(place: Place) -> float:
    """Pixels from the middle of a place to the sides of the upright square that hides it."""
    turn = math.radians(place.angle)
    return place.side * ((abs(math.cos(turn)) + abs(math.sin(turn))) / 2 + MARGIN)


def _hide(layers: Sequence[Layer], places: Iterable[Place]) -> None:
    height, width = layers[0][0].shape[:2]
    # The largest blocks come last: what they cover is never seen in smaller ones.
    for block, cells in sorted(_cells(places, height, width).items()):
        if cells.any():
            for image, shrunk in layers:
                _cover(image, cells, block // shrunk)


def _cells(places: Iterable[Place], height: int, width: int) -> dict[int, np.ndarray]:
    """Which blocks of the frame are to be covered, (rows, columns) bool, by the side of the blocks in pixels."""
    cells: dict[int, np.ndarray] = {}
    for place in places:
        block = max(SMALLEST_BLOCK, 2 ** math.ceil(math.log2(max(1.0, place.side / BLOCKS))))
        if block not in cells:
            cells[block] = np.zeros((math.ceil(height / block), math.ceil(width / block)), bool)
        reach = reach_of(place)
        top, left = (max(0, math.floor((at - reach) / block)) for at in (place.y, place.x))
        bottom, right = (max(0, math.ceil((at + reach) / block)) for at in (place.y, place.x))
        cells[block][top:bottom, left:right] = True
    return cells


def _cover(image: np.ndarray, cells: np.ndarray, block: int) -> None:
    """Give every pixel of these blocks the mean of its block. block: its side in pixels of the image."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    wanted = cells[top:bottom, left:right]
    part = image[top * block : bottom * block, left * block : right * block]
    height, width = part.shape[:2]
    missing = wanted.shape[0] * block - height, wanted.shape[1] * block - width  # beyond the edge of the frame
    whole = cv2.copyMakeBorder(part, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    means = cv2.resize(whole, wanted.shape[::-1], interpolation=cv2.INTER_AREA)
    mask = _enlarged(wanted, block)[:height, :width]
    np.copyto(part, _enlarged(means, block)[:height, :width], where=mask if image.ndim == 2 else mask[..., None])


def _enlarged(cells: np.ndarray, block: int) -> np.ndarray:
    return cells.repeat(block, axis=0).repeat(block, axis=1)
