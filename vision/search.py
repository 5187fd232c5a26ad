"""Finds faces in whole frames: upright, tilted and turned away."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paths import CASCADE, PROFILE_CASCADE
from vision.cascades import CASCADE_WINDOW, hits
from vision.judge import SHOWN, SURE, Found, judge
from vision.look import Side
from vision.opencv import cv2
from vision.patches import SAME_FACE, Place, halvings, is_another_scene, is_part, overlaps, sketch_of

# How much the search window grows between passes: the course's value for live frames, and OpenCV's own, which takes two
# and a half times as long and finds a quarter more of the faces in stills.
LIVE_SCALE_FACTOR, STILL_SCALE_FACTOR = 1.3, 1.1
FINER_SCALE_FACTOR = 1.2  # for faces that are tilted or turned away, where there are no others
MIN_NEIGHBOURS = 3  # how many hits make a find; fewer than the course's 5, as each find is judged
# Of the frame's height, so that faces of a twentieth are found surely; smaller ones hold too few pixels to be read.
SMALLEST_FACE = 0.045
TURNED_PIXELS = 1_200_000  # a larger picture is searched at a smaller size for faces that are tilted or turned away
# A picture of more pixels is searched in tiles of this side for small faces, at half its size for larger ones, and so
# on: searched at once, each pixel takes 50 bytes of memory.
WHOLE_PIXELS, TILE = 6_000_000, 1000
LARGEST_IN_TILE = 120  # pixels, the side of a face
# Pixels, the side of a face: the cascade looks at every pixel for larger ones, which is where halvings come in, and at
# every second one for smaller ones, so in tiles fewer hits make a find.
SPARSE_BELOW, SPARSE_NEIGHBOURS = 2 * CASCADE_WINDOW, 2
SHOWN_IN_LARGE = 0.85  # score from which on such small finds count: a large picture has many more places to err in
TURNED_EVERY = 8  # searches, where there are faces
SEARCHES_A_SECOND = 1.25  # about so many in a saved video in which little changes
# Of the frame's shorter side, for faces that are tilted or turned away: where there are no others, and where there are,
# since the smallest sizes take most of the time.
SMALLEST_TURNED, SMALLEST_AMONG_OTHERS = 0.09, 0.10
LEAST_SIDE = 29  # pixels: where the smallest faces are twice as large, the frame is searched at half its size
SMALLEST_PORTRAIT = 0.2  # of the picture's height, for the tilted face of a picture that shows one person


@dataclass(frozen=True)
class View:
    """How a frame is searched: for faces tilted by an angle, or in profile."""

    angle: float = 0.0  # degrees clockwise
    side: Side = ""  # where faces in profile look


UPRIGHT = View()
TILTED = (View(25), View(-25), View(50), View(-50))
PROFILES = (View(side="left"), View(side="right"))
LEANING = (View(15, "left"), View(-15, "left"), View(15, "right"), View(-15, "right"))
IN_TURN = (PROFILES, TILTED[:2], (UPRIGHT,), LEANING[:2], PROFILES, TILTED[:2], TILTED[2:], LEANING[2:])


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of a frame, and the faces that are looked for in it. All but `shrunk` is in pixels of the part."""

    grey: np.ndarray  # (height, width) uint8
    left: int  # where it is in the frame
    top: int
    smallest: int  # side of a face
    largest: int = 0  # 0 is no limit
    neighbours: int = MIN_NEIGHBOURS
    shrunk: int = 1  # pixels of the frame to one of the part


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

        sizes: the frame's halvings, of which the smallest is searched that shows the smallest face. smallest: its side
        in pixels of the frame. known: where faces are known to be; they get no second look.
        """
        found: list[Found] = []
        halved = min(max(smallest // LEAST_SIDE, 1).bit_length(), len(sizes)) - 1
        sizes, scale = sizes[halved:], 2.0**halved
        known = [place.scaled(1 / scale) for place in known]
        candidates = self.candidates(sizes[0], smallest >> halved, views)
        boxes = np.zeros((len(candidates), 4))  # of what was found
        # Which of those are faces, and in which view they were found: what is no face in one may be one in another.
        is_face, views_of = np.zeros(len(candidates), bool), np.zeros(len(candidates), int)
        known_boxes = np.array([place.box for place in known])
        for view, place in candidates:
            number = views.index(view)
            there = is_face[: len(found)] | (views_of[: len(found)] == number)
            if _is_among(place, boxes[: len(found)][there]):
                continue
            is_known = _is_among(place, known_boxes)
            found.append(Found(place, 0.0, view.side) if is_known else judge(sizes, place, view.side))
            boxes[len(found) - 1] = found[-1].place.box
            is_face[len(found) - 1], views_of[len(found) - 1] = is_known or found[-1].score >= SHOWN, number
        return [replace(each, place=each.place.scaled(scale)) for each in _without_parts(found, known)]

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
        smallest = max(smallest, CASCADE_WINDOW)
        for part in _parts_to_turn(grey, smallest) if view.angle else _parts(grey, smallest):
            seen, back = as_seen(part.grey, view)
            boxes, agreed = hits(cascade, seen, self._scale_factor, part.neighbours, part.smallest, part.largest)
            height, width = part.grey.shape
            for (x, y, side, _), count in zip(boxes.tolist(), agreed.tolist()):
                if count <= MIN_NEIGHBOURS and side >= SPARSE_BELOW:
                    continue
                middle_x, middle_y = (float(at) for at in back @ (x + side / 2, y + side / 2, 1))
                if 0 <= middle_x < width and 0 <= middle_y < height:
                    place = Place(part.left + middle_x, part.top + middle_y, side, view.angle)
                    yield place.scaled(part.shrunk), count


def search_still(sizes: list[np.ndarray]) -> list[Found]:
    """All that may be a face in a single picture, in any order, each with its score. sizes: its halvings.

    Upright faces are found from 24 pixels on. The others are looked for in a halving of at most TURNED_PIXELS, so in a
    large picture only if they are larger.
    """
    return _best(_upright_in_still(sizes) + _turned_in_still(sizes, (*TILTED, *PROFILES)))


def search_portrait(sizes: list[np.ndarray]) -> Found | None:
    """The frontal face of a single picture that shows one person, or None. sizes: the picture's halvings.

    Tilted faces are looked for only where no upright one is found, and only large ones. This takes a fifth of the time
    of `search_still`.
    """
    faces = [each for each in _upright_in_still(sizes) if each.score >= SHOWN]
    if not faces:
        tilted = _turned_in_still(sizes, TILTED, round(SMALLEST_PORTRAIT * sizes[0].shape[0]))
        faces = [each for each in tilted if each.score >= SHOWN]
    return max(faces, key=lambda face: face.score, default=None)


def _upright_in_still(sizes: list[np.ndarray]) -> list[Found]:
    """What may be an upright face in a single picture; see search_still."""
    upright = FaceDetector(STILL_SCALE_FACTOR).detect(sizes, CASCADE_WINDOW)
    if sizes[0].size > WHOLE_PIXELS:
        return [each for each in upright if each.place.side >= SPARSE_BELOW or each.score >= SHOWN_IN_LARGE]
    return upright


def _turned_in_still(sizes: list[np.ndarray], views: Sequence[View], smallest: int = CASCADE_WINDOW) -> list[Found]:
    """What may be a face that is tilted or turned away in a single picture; see search_still.

    smallest: the side of the smallest face, in pixels of the picture.
    """
    halved = next((index for index, grey in enumerate(sizes) if grey.size <= TURNED_PIXELS), len(sizes) - 1)
    turned = FaceDetector(STILL_SCALE_FACTOR).detect(sizes[halved:], smallest >> halved, views)
    return [replace(each, place=each.place.scaled(2.0**halved)) for each in turned]


def _best(found: Sequence[Found]) -> list[Found]:
    """Of finds of one face, the one that shows it best: frontal before in profile."""
    kept: list[Found] = []
    boxes = np.zeros((len(found), 4))  # of those
    for each in sorted(found, key=lambda each: (not each.side and each.score >= SHOWN, each.score), reverse=True):
        if not _is_among(each.place, boxes[: len(kept)]):
            boxes[len(kept)] = each.place.box
            kept.append(each)
    return _without_parts(kept)


def _without_parts(found: Sequence[Found], known: Sequence[Place] = ()) -> list[Found]:
    """The finds without those of a part of a face that was found or is known.

    What is known, or surely a face, is no part: a larger find may be of two faces at once.
    """
    faces = [*known, *(each.place for each in found if each.score >= SHOWN)]
    known_boxes = np.array([place.box for place in known])
    return [
        each
        for each in found
        if each.score >= SURE or _is_among(each.place, known_boxes) or not is_part(each.place, faces)
    ]


def _is_among(place: Place, boxes: np.ndarray) -> bool:
    """Whether one of the boxes (n, 4) is of the same face as a place."""
    return bool(overlaps(place.box, boxes).max(initial=0) > SAME_FACE)


class FrameSearch:
    """Searches one frame after another: for upright faces, and in turn for tilted ones and those turned away."""

    def __init__(self, began: float = 0.0) -> None:
        """began: the moment of the first frame in seconds, so that parts of a video begin with different views."""
        self._detector, self._finer = FaceDetector(), FaceDetector(FINER_SCALE_FACTOR)
        before = int(began * SEARCHES_A_SECOND)
        turn = before // TURNED_EVERY % len(IN_TURN)
        self._searches, self._views = itertools.count(before), itertools.cycle(IN_TURN[turn:] + IN_TURN[:turn])
        self._sketch: np.ndarray | None = None  # of the frame that was searched last

    def search(
        self,
        sizes: list[np.ndarray],
        known: Sequence[Place] = (),
        smallest: float = SMALLEST_FACE,
        is_rare: bool = False,
    ) -> list[Found]:
        """The faces in a frame. sizes, known: see FaceDetector.detect. smallest: as a share of the frame's height.

        is_rare: whether searches are so rare that all views are wanted at once where there are no faces.
        """
        found = self._detector.detect(sizes, round(smallest * sizes[0].shape[0]), (UPRIGHT,), known)
        views = self._views_for(sizes, bool(known) or any(each.score >= SHOWN for each in found), is_rare)
        if not views:
            return found
        there = [*known, *(each.place for each in found if each.score >= SHOWN)]
        smallest_turned = (SMALLEST_AMONG_OTHERS if there else SMALLEST_TURNED) * min(sizes[0].shape)
        detector = self._detector if there else self._finer
        return found + detector.detect(sizes, round(smallest_turned), views, there)

    def search_upright(self, sizes: list[np.ndarray]) -> list[Found]:
        """The upright faces alone, for a frame that is waited for; the next search takes it for a new scene."""
        self._sketch = None
        return self._detector.detect(sizes, round(SMALLEST_FACE * sizes[0].shape[0]))

    def _views_for(self, sizes: list[np.ndarray], has_faces: bool, is_rare: bool) -> Sequence[View]:
        """The views for this search, besides that for upright faces."""
        sketch = sketch_of(sizes)
        is_new = self._sketch is None or is_another_scene(sketch, self._sketch)
        self._sketch = sketch
        if (is_new or is_rare) and not has_faces:
            return (UPRIGHT, *TILTED, *PROFILES, *LEANING)
        return next(self._views) if next(self._searches) % TURNED_EVERY == 0 or not has_faces else ()


def _parts(grey: np.ndarray, smallest: int) -> Iterator[_Part]:
    """The whole of a frame, or where it is large, tiles of it for small faces, and of its halvings for larger ones.

    The tiles overlap by the largest face that is looked for in them.
    """
    if grey.size <= WHOLE_PIXELS:
        yield _Part(grey, 0, 0, smallest)
        return
    for halved, shrunk in enumerate(halvings(grey)):
        least = max(smallest >> halved, SPARSE_BELOW if halved else CASCADE_WINDOW)
        if shrunk.size <= WHOLE_PIXELS:
            yield _Part(shrunk, 0, 0, least, shrunk=1 << halved)
            return
        for top, left in _corners(shrunk, TILE, LARGEST_IN_TILE):
            tile = shrunk[top : top + TILE + LARGEST_IN_TILE, left : left + TILE + LARGEST_IN_TILE]
            yield _Part(tile, left, top, least, LARGEST_IN_TILE, SPARSE_NEIGHBOURS, 1 << halved)


def _parts_to_turn(grey: np.ndarray, smallest: int) -> Iterator[_Part]:
    """A frame in parts that are at most three times as long as wide.

    Turned as a whole, a long one would need many times its own room. The parts overlap by the frame's shorter side.
    """
    shorter = min(grey.shape)
    if shorter < CASCADE_WINDOW:
        return
    for top, left in _corners(grey, 2 * shorter, shorter):
        yield _Part(grey[top : top + 3 * shorter, left : left + 3 * shorter], left, top, smallest)


def _corners(grey: np.ndarray, step: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The top and left of each tile of a frame, when tiles are `step` apart and overlap by `overlap`."""
    height, width = grey.shape
    return itertools.product(range(0, max(1, height - overlap), step), range(0, max(1, width - overlap), step))


def as_seen(grey: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """A frame turned so that the faces stand upright, or mirrored, and the matrix (2, 3) of the way back."""
    height, width = grey.shape
    if view.side == "right":  # the cascade knows faces that look to the left
        turned, back = as_seen(grey, View(view.angle))
        return cv2.flip(turned, 1), back @ np.array([[-1.0, 0, turned.shape[1]], [0, 1, 0], [0, 0, 1]])
    if not view.angle:
        return grey, np.array([[1.0, 0, 0], [0, 1, 0]])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), view.angle, 1)
    cosine, sine = np.abs(matrix[0, :2])
    size = int(width * cosine + height * sine), int(width * sine + height * cosine)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    turned = cv2.warpAffine(grey, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned, cv2.invertAffineTransform(matrix)
