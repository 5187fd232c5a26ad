"""All that may be a face in a frame, to be hidden: many more places than are shown as faces.

Where faces are hidden, one that is missed is seen by everybody, and a place that shows none costs a few blocks.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from paths import CASCADE, PROFILE_CASCADE, SECOND_CASCADE
from vision.cascades import CASCADE_WINDOW, hits
from vision.patches import Place, halvings, is_another_scene, sketch_of
from vision.planes import Planes, brightness
from vision.search import LEANING, PROFILES, TILTED, UPRIGHT, View, as_seen, search_still

HELD = 1.0  # seconds for which a place stays hidden after a face may have been there; in saved videos also before
SCALE_FACTOR = 1.2  # how much the search window grows between passes
NEIGHBOURS = 1  # windows that must agree besides the first: a single one is most often none
# Of the frame's height: the side of the smallest face that every search sees, and that one search in four sees.
SMALLEST, SMALL = 0.045, 0.022
FINER = 1.1  # the scale factor for single pictures, of which nothing is known from others

Search = tuple[Path, View]  # a cascade and a view
EVERY: tuple[Search, ...] = (
    (CASCADE, UPRIGHT),
    (SECOND_CASCADE, UPRIGHT),
    *((PROFILE_CASCADE, view) for view in PROFILES),
)
# In turn with each search: faces that are tilted, and small ones upright or in profile.
TURNED: tuple[tuple[Search, ...], ...] = (
    tuple((CASCADE, view) for view in TILTED[:2]),
    tuple((PROFILE_CASCADE, view) for view in LEANING),
    tuple((CASCADE, view) for view in TILTED[2:]),
)


class CandidateSearch:
    """Searches one frame after another for all that may be a face."""

    def __init__(self) -> None:
        self._turns = itertools.count()
        self._sketch: np.ndarray | None = None  # of the frame that was searched last

    def search(self, sizes: list[np.ndarray]) -> list[Place]:
        """Where a frame may show faces; sizes: its halvings.

        Upright faces and profiles are looked for in every frame, small and tilted ones in turn, and all in the first
        frame of a scene.
        """
        sketch = sketch_of(sizes)
        is_new = self._sketch is None or is_another_scene(sketch, self._sketch)
        self._sketch = sketch
        if is_new:
            return _all_in(sizes, SCALE_FACTOR)
        turn = next(self._turns)
        return [
            *_seen(sizes, EVERY, SMALLEST, SCALE_FACTOR),
            *_seen(sizes, (EVERY[turn % len(EVERY)],), SMALL, SCALE_FACTOR, largest=SMALLEST),
            *_seen(sizes, TURNED[turn % len(TURNED)], 2 * SMALLEST, SCALE_FACTOR),
        ]


def candidates_in_picture(grey: np.ndarray) -> list[Place]:
    """Where a single picture, (height, width) uint8, may show faces."""
    sizes = halvings(grey)
    return [*(each.place for each in search_still(sizes)), *_all_in(sizes, FINER)]


def candidates_in_planes(planes: Planes) -> list[Place]:
    """As candidates_in_picture, of a frame's planes."""
    return candidates_in_picture(brightness(planes))


def _all_in(sizes: list[np.ndarray], scale_factor: float) -> list[Place]:
    turned = tuple(itertools.chain(*TURNED))
    return [*_seen(sizes, EVERY, SMALL, scale_factor), *_seen(sizes, turned, 2 * SMALLEST, scale_factor)]


def _seen(
    sizes: list[np.ndarray], searches: Iterable[Search], smallest: float, scale_factor: float, largest: float = 0.0
) -> list[Place]:
    """What searches of a frame see. smallest, largest: a face's side as a share of the frame's height; 0: no limit."""
    height = sizes[0].shape[0]
    side = max(CASCADE_WINDOW, round(smallest * height))
    limit = round(largest * height)
    if limit and limit <= side:  # every search sees these
        return []
    halved = min((side // CASCADE_WINDOW).bit_length(), len(sizes)) - 1
    grey, scale = sizes[halved], 2.0**halved
    places = []
    for cascade, view in searches:
        seen, back = as_seen(grey, view)
        boxes, _ = hits(cascade, seen, scale_factor, NEIGHBOURS, side >> halved, limit >> halved)
        for x, y, wide, _ in boxes.tolist():
            middle_x, middle_y = (float(at) for at in back @ (x + wide / 2, y + wide / 2, 1))
            places.append(Place(middle_x, middle_y, wide, view.angle).scaled(scale))
    return places


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
