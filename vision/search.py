"""Finds faces in whole frames: upright, tilted and turned away."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paths import CASCADE, PROFILE_CASCADE
from vision.cascades import CASCADE_WINDOW, hits
from vision.judge import SHOWN, Found, judge
from vision.look import Side
from vision.opencv import cv2
from vision.patches import Place, is_another_scene, overlaps, sketch_of

# How much the search window grows between passes: the course's value for live frames, and OpenCV's own, which takes two
# and a half times as long and finds a quarter more of the faces in stills.
LIVE_SCALE_FACTOR, STILL_SCALE_FACTOR = 1.3, 1.1
FINER_SCALE_FACTOR = 1.2  # for what is looked for now and then
MIN_NEIGHBOURS = 3  # how many hits make a find; fewer than the course's 5, as each find is judged
SAME_PLACE = 0.3  # overlap (IoU) from which on two finds are one face
# Of the frame's height, so that faces of a twentieth are found surely; smaller ones hold too few pixels to be read.
SMALLEST_FACE = 0.045
TURNED_PIXELS = 1_200_000  # a larger picture is searched at a smaller size for faces that are tilted or turned away
TURNED_EVERY = 3  # searches, where there are faces
SMALLEST_TURNED = 0.09  # the same for faces that are tilted or turned away, in a frame of half the size


@dataclass(frozen=True)
class View:
    """How a frame is searched: for faces tilted by an angle, or in profile."""

    angle: float = 0.0  # degrees clockwise
    side: Side = ""  # where faces in profile look


UPRIGHT = View()
TILTED = (View(25), View(-25), View(50), View(-50))
PROFILES = (View(side="left"), View(side="right"))
IN_TURN = (PROFILES, TILTED[:2], (UPRIGHT,), PROFILES, TILTED[:2], TILTED[2:])


class FaceDetector:
    """Finds faces in a whole frame."""

    def __init__(self, scale_factor: float = LIVE_SCALE_FACTOR) -> None:
        """scale_factor: how much the search window grows between passes, above 1."""
        self._scale_factor = scale_factor

    def detect(
        self,
        sizes: list[np.ndarray],
        smallest: int,
        views: Sequence[View] = (UPRIGHT,),
        known: Sequence[Place] = (),
    ) -> list[Found]:
        """The faces in a frame, those that are seen best first, each with its score.

        sizes: the frame's halvings. smallest: the side of the smallest face in pixels. known: where faces are known to
        be; they get no second look.
        """
        found: list[Found] = []
        for view, place in self.candidates(sizes[0], smallest, views):
            if len(found) and overlaps(place.box, [other.place.box for other in found]).max() > SAME_PLACE:
                continue
            if len(known) and overlaps(place.box, [other.box for other in known]).max() > SAME_PLACE:
                found.append(Found(place, 0.0, view.side))
            else:
                found.append(judge(sizes, place, view.side))
        return found

    def candidates(self, grey: np.ndarray, smallest: int, views: Sequence[View]) -> list[tuple[View, Place]]:
        """Where searches of a frame, (height, width) uint8, see what may be a face, those seen best first.

        smallest: see detect. One face may be among them several times: it is often seen in profile too, and in several
        tilts.
        """
        seen = [(view, *each) for view in views for each in self._search(grey, view, smallest)]
        seen.sort(key=lambda each: (bool(each[0].side), -each[2]))
        return [(view, place) for view, place, _ in seen]

    def _search(self, grey: np.ndarray, view: View, smallest: int) -> Iterator[tuple[Place, int]]:
        """Where one search of a frame sees faces, and how many windows agree on each."""
        cascade = PROFILE_CASCADE if view.side else CASCADE
        for left, top, tile in _tiles(grey) if view.angle else [(0, 0, grey)]:
            seen, back = _as_seen(tile, view)
            boxes, agreed = hits(cascade, seen, self._scale_factor, MIN_NEIGHBOURS, max(smallest, CASCADE_WINDOW))
            height, width = tile.shape
            for (x, y, side, _), count in zip(boxes.tolist(), agreed.tolist()):
                middle_x, middle_y = back @ (x + side / 2, y + side / 2, 1)
                if 0 <= middle_x < width and 0 <= middle_y < height:
                    yield Place(left + float(middle_x), top + float(middle_y), side, view.angle), count


def search_still(sizes: list[np.ndarray]) -> list[Found]:
    """All that may be a face in a single picture, in any order, each with its score. sizes: its halvings."""
    detector = FaceDetector(STILL_SCALE_FACTOR)
    halved = next((index for index, grey in enumerate(sizes) if grey.size <= TURNED_PIXELS), len(sizes) - 1)
    turned = detector.detect(sizes[halved:], CASCADE_WINDOW, (*TILTED, *PROFILES))
    turned = [replace(each, place=each.place.scaled(2.0**halved)) for each in turned]
    return _best(detector.detect(sizes, CASCADE_WINDOW) + turned)


def _best(found: Sequence[Found]) -> list[Found]:
    """Of finds of one face, the one that shows it best: frontal before in profile."""
    kept: list[Found] = []
    for each in sorted(found, key=lambda each: (not each.side and each.score >= SHOWN, each.score), reverse=True):
        if not kept or overlaps(each.place.box, [other.place.box for other in kept]).max() <= SAME_PLACE:
            kept.append(each)
    return kept


class FrameSearch:
    """Searches one frame after another: for upright faces, and in turn for tilted ones and those turned away."""

    def __init__(self) -> None:
        self._detector, self._finer = FaceDetector(), FaceDetector(FINER_SCALE_FACTOR)
        self._views = itertools.cycle(IN_TURN)
        self._searches = itertools.count()
        self._sketch: np.ndarray | None = None  # of the frame that was searched last

    def search(
        self, sizes: list[np.ndarray], known: Sequence[Place] = (), smallest: float = SMALLEST_FACE
    ) -> list[Found]:
        """The faces in a frame. sizes, known: see FaceDetector.detect. smallest: as a share of the frame's height."""
        height = sizes[0].shape[0]
        found = self._detector.detect(sizes, round(smallest * height), (UPRIGHT,), known)
        views = self._views_for(sizes, bool(known or found))
        if not views:
            return found
        half = 1 if len(sizes) > 1 else 0
        scale = 2.0**half
        there = [place.scaled(1 / scale) for place in [*known, *(each.place for each in found)]]
        smallest_there = round(SMALLEST_TURNED * height / scale)
        turned = self._finer.detect(sizes[half:], smallest_there, views, there)
        return found + [replace(each, place=each.place.scaled(scale)) for each in turned]

    def _views_for(self, sizes: list[np.ndarray], has_faces: bool) -> Sequence[View]:
        """The views for this search, besides that for upright faces."""
        sketch = sketch_of(sizes)
        is_new = self._sketch is None or is_another_scene(sketch, self._sketch)
        self._sketch = sketch
        if is_new:
            return (UPRIGHT, *TILTED, *PROFILES)
        return next(self._views) if next(self._searches) % TURNED_EVERY == 0 or not has_faces else ()


def _tiles(grey: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """A frame in parts that are at most three times as long as wide: left, top, part.

    Turned as a whole, a long one would need many times its own room. The parts overlap by the frame's shorter side.
    """
    shorter = min(grey.shape)
    if shorter < CASCADE_WINDOW:
        return
    for top in range(0, max(1, grey.shape[0] - shorter), 2 * shorter):
        for left in range(0, max(1, grey.shape[1] - shorter), 2 * shorter):
            yield left, top, grey[top : top + 3 * shorter, left : left + 3 * shorter]


def _as_seen(grey: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """A frame turned so that the faces stand upright, or mirrored, and the matrix (2, 3) of the way back."""
    height, width = grey.shape
    if view.side == "right":
        return cv2.flip(grey, 1), np.array([[-1.0, 0, width], [0, 1, 0]])
    if not view.angle:
        return grey, np.array([[1.0, 0, 0], [0, 1, 0]])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), view.angle, 1)
    cosine, sine = np.abs(matrix[0, :2])
    size = int(width * cosine + height * sine), int(width * sine + height * cosine)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    turned = cv2.warpAffine(grey, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned, cv2.invertAffineTransform(matrix)
