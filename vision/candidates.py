"""All that may be a face in a frame, to be hidden: many more places than are shown as faces.

Where faces are hidden, one that is missed is seen by everybody, and a place that shows none costs a few blocks.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paths import CASCADE, PROFILE_CASCADE, SECOND_CASCADE
from vision.cascades import CASCADE_WINDOW, hits
from vision.opencv import cv2
from vision.patches import Place, halvings, is_another_scene, sketch_of
from vision.planes import Planes, brightness
from vision.search import LEANING, PROFILES, TILTED, UPRIGHT, View, as_seen, search_still

HELD = 1.0  # seconds for which a place stays hidden after a face may have been there; in saved videos also before
SCALE_FACTOR = 1.2  # how much the search window grows between passes
FINER = 1.1  # the same for single pictures, of which nothing is known from others
CONTRAST, TILES = 4.0, (8, 8)  # how far contrast is raised, apart in each tile, so that faces in dark corners are seen
NEIGHBOURS = 1  # windows that must agree besides the first: a single one is most often none


@dataclass(frozen=True)
class _Search:
    """What is looked for in a whole frame."""

    cascade: Path
    view: View
    smallest: float = 0.045  # side of a face, as a share of the frame's height
    largest: float = 0.0  # 0 is no limit

    def places(self, sizes: list[np.ndarray], scale_factor: float) -> Iterator[Place]:
        """Where it is seen in a frame; sizes: its halvings."""
        height = sizes[0].shape[0]
        smallest, largest = max(CASCADE_WINDOW, round(self.smallest * height)), round(self.largest * height)
        if self.largest and largest <= smallest:
            return
        shrunk, scale = _shrunk(sizes, smallest / CASCADE_WINDOW)
        seen, back = as_seen(shrunk, self.view)
        boxes, _ = hits(self.cascade, seen, scale_factor, NEIGHBOURS, CASCADE_WINDOW, round(largest / scale))
        for x, y, side, _ in boxes.tolist():
            middle_x, middle_y = (float(at) for at in back @ (x + side / 2, y + side / 2, 1))
            yield Place(middle_x, middle_y, side, self.view.angle).scaled(scale)


_UPRIGHT = _Search(CASCADE, UPRIGHT)
_SECOND = _Search(SECOND_CASCADE, UPRIGHT)
_LEFT, _RIGHT = (_Search(PROFILE_CASCADE, view) for view in PROFILES)
_SMALL = tuple(replace(each, smallest=0.022, largest=each.smallest) for each in (_UPRIGHT, _SECOND, _LEFT, _RIGHT))
_TILTED = tuple(_Search(CASCADE, view, 0.09) for view in TILTED)
_LEANING = tuple(_Search(PROFILE_CASCADE, view, 0.135) for view in LEANING)
_IN_TURN = (
    (_SECOND, *_TILTED[:2]),
    (_LEFT, *_LEANING[:2]),
    (_RIGHT, *_LEANING[2:]),
    (_SMALL[0], *_TILTED[2:]),
    (_SMALL[1],),
)
TURNS = len(_IN_TURN)  # searches, after which everything was looked for
_ALL = (_UPRIGHT, _SECOND, _LEFT, _RIGHT, *_SMALL, *_TILTED, *_LEANING)


class CandidateSearch:
    """Searches one frame after another for all that may be a face."""

    def __init__(self) -> None:
        self._turns = itertools.cycle(_IN_TURN)
        self._sketch: np.ndarray | None = None  # of the frame that was searched last

    def search(self, sizes: list[np.ndarray]) -> list[Place]:
        """Where a frame may show faces; sizes: its halvings.

        Upright faces are looked for in every frame; profiles and small and tilted faces in turn, since all at once
        would take five times as long. In the first frame of a scene, all are: it may be shown before the next search.
        """
        sketch = sketch_of(sizes)
        is_new = self._sketch is None or is_another_scene(sketch, self._sketch)
        self._sketch = sketch
        searches = _ALL if is_new else next(self._turns)
        clearer = halvings(_clearer(sizes[0]))
        return [*_places((_UPRIGHT,), sizes, SCALE_FACTOR), *_places(searches, clearer, SCALE_FACTOR)]


def candidates_in_picture(grey: np.ndarray) -> list[Place]:
    """Where a single picture, (height, width) uint8, may show faces."""
    sizes = halvings(grey)
    clearer = halvings(_clearer(grey))
    return [*(each.place for each in search_still(sizes)), *_places(_ALL, sizes, FINER), *_places(_ALL, clearer, FINER)]


def candidates_in_planes(planes: Planes) -> list[Place]:
    """As candidates_in_picture, of a frame's planes."""
    return candidates_in_picture(brightness(planes))


def _shrunk(sizes: list[np.ndarray], times: float) -> tuple[np.ndarray, float]:
    """A frame so many times smaller, at least 1, of its halvings; and how many times it is."""
    halved = min(int(math.log2(times)), len(sizes) - 1)
    height, width = (max(1, round(side / times)) for side in sizes[0].shape)
    shrunk = cv2.resize(sizes[halved], (width, height), interpolation=cv2.INTER_AREA)
    return shrunk, sizes[0].shape[0] / height


def _clearer(grey: np.ndarray) -> np.ndarray:
    """A grey frame with more contrast where it has little."""
    return cv2.createCLAHE(CONTRAST, TILES).apply(grey)


def _places(searches: Iterable[_Search], sizes: list[np.ndarray], scale_factor: float) -> list[Place]:
    return [place for search in searches for place in search.places(sizes, scale_factor)]


# Candidates with their moments: (n, 5) float32, a row of the moment in seconds, x, y, side and angle for each.
Candidates = np.ndarray
NONE: Candidates = np.empty((0, 5), np.float32)


def at_moment(moment: float, places: Iterable[Place]) -> Candidates:
    """The places with a moment."""
    rows = [(moment, place.x, place.y, place.side, place.angle) for place in places]
    return np.array(rows, np.float32).reshape(-1, 5)


def joined(parts: Iterable[Candidates]) -> Candidates:
    """The candidates of parts of a video, one after another."""
    return np.concatenate([NONE, *parts])


def around(candidates: Candidates, since: float, until: float) -> Candidates:
    """The candidates that are hidden in a saved video between two moments: also those of a second before and after.

    candidates: in the order of their moments.
    """
    begin, end = np.searchsorted(candidates[:, 0], (since - HELD, until + HELD))
    return candidates[begin:end]


def held(candidates: Candidates, moment: float) -> list[Place]:
    """The places that are hidden in a saved video at a moment; see `around`."""
    rows = around(candidates, moment, moment)
    return [Place(*row) for row in np.unique(np.rint(rows[:, 1:]), axis=0).tolist()]
