"""Where the faces are: found by OpenCV's Haar cascade (Viola and Jones, CVPR 2001), and followed from frame to frame.

A search of the whole frame takes ten times as long as there is time for each frame. A search around a face's last place
takes a millisecond. So whole frames are searched now and then, and in between every face is looked for near its last
place. As in OpenCV, a box is x, y, width, height in pixels.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from paths import CASCADE
from vision.opencv import cv2

# How much the search window grows between passes: the course's value for live frames, and OpenCV's own, which takes two
# and a half times as long and finds a quarter more of the faces in stills.
LIVE_SCALE_FACTOR, STILL_SCALE_FACTOR = 1.3, 1.1
MIN_NEIGHBOURS = 5  # how many hits make a face; the course's
# Of the frame's height, so that faces of a twentieth are found surely; smaller ones hold too few pixels to be read.
SMALLEST_FACE = 0.045
CASCADE_WINDOW = 24  # pixels, the smallest face that the cascade knows

# Looking for a face near its last place:
NEAR_MARGIN = 0.3  # of its width on each side
NEAR_SIDE = 44  # pixels to which a larger face is shrunk, as the cascade needs no more
NEAR_SCALE_FACTOR, NEAR_NEIGHBOURS = 1.15, 3  # finer and more lenient than where nothing is known yet
NEAR_SMALLEST, NEAR_LARGEST = 0.7, 1.4  # of its last width
UNCHANGED = 2  # grey levels, on average: where the place of a face has changed by less, the face has not moved
SAME_FACE = 0.3  # overlap (IoU) from which on two boxes are of one face
DOUBLE_FACE = 0.4  # overlap from which on two followed faces are one
HOLD = 0.27  # seconds that a box stays where its face was last seen
REMEMBERED = 16  # frames: a search that takes longer than these last comes too late
UNCONFIRMED = 1.0  # seconds for which a face is followed that no search of a whole frame has found again

_thread = threading.local()


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a frame. Each stage returns it with more filled in: found, classified, smoothed."""

    number: int  # from 1; the face keeps it while it is followed
    box: tuple[int, int, int, int]  # x, y, width, height in pixels
    probabilities: np.ndarray | None = None  # (7,) float32 of this frame alone, 0..1; None while there is no model
    smoothed: np.ndarray | None = None  # (7,) the same, smoothed over time
    label: int | None = None  # index into EMOTIONS of the label that is shown


def as_box(values: Iterable[float]) -> tuple[int, int, int, int]:
    """Four numbers as a box of whole pixels."""
    x, y, width, height = (round(float(value)) for value in values)
    return x, y, width, height


def scale_faces(faces: Iterable[Face], scale: float) -> list[Face]:
    """The faces with their boxes in a picture that is `scale` times as large."""
    return [replace(face, box=as_box(scale * value for value in face.box)) for face in faces]


def _cascade() -> cv2.CascadeClassifier:
    """This thread's own cascade, since two threads may not use one at once; reading the file takes 20 ms."""
    if not hasattr(_thread, "cascade"):
        _thread.cascade = cv2.CascadeClassifier(str(CASCADE))
    return _thread.cascade


class FaceDetector:
    """Finds frontal faces in a whole frame."""

    def __init__(self, scale_factor: float = LIVE_SCALE_FACTOR) -> None:
        """scale_factor: how much the search window grows between passes, above 1."""
        self._scale_factor = scale_factor

    def detect(self, grey: np.ndarray, smallest: float = SMALLEST_FACE) -> np.ndarray:
        """The faces in a grey frame, from left to right.

        grey: (height, width) uint8. smallest: the side of the smallest face, as a share of the frame's height.
        Returns (n, 4) int32, a row of x, y, width, height in pixels for each face.
        """
        side = round(smallest * grey.shape[0])
        found = _cascade().detectMultiScale(grey, self._scale_factor, MIN_NEIGHBOURS, minSize=(side, side))
        boxes = np.asarray(found, np.int32).reshape(-1, 4)
        return boxes[np.lexsort((boxes[:, 1], boxes[:, 0]))]


def overlaps(
    box: Sequence[float] | np.ndarray, boxes: Sequence[Sequence[float] | np.ndarray] | np.ndarray
) -> np.ndarray:
    """Intersection over union, 0..1, of a box (4,) with each of boxes (n, 4): (n,) floats."""
    box, boxes = np.asarray(box, float), np.asarray(boxes, float).reshape(-1, 4)
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / (box[2:].prod() + boxes[:, 2:].prod(axis=1) - shared)


def _inside(box: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """The part of a box (4,) that lies in the frame; at least a pixel of it."""
    height, width = grey.shape
    low = np.clip(box[:2], 0, (width - 1, height - 1))
    high = np.clip(box[:2] + box[2:], low + 1, (width, height))
    return np.concatenate([low, high - low])


@dataclass
class _Track:
    """A face that is followed."""

    number: int
    box: np.ndarray  # (4,) int32, the latest
    seen: float  # the moment when it was last found
    confirmed: float  # the moment when a search of the whole frame last found it
    surroundings: "Surroundings | None" = None  # of the frame in which it was last looked for


def halvings(grey: np.ndarray) -> list[np.ndarray]:
    """A grey frame (height, width) uint8, the same at half its size, at a quarter and so on."""
    sizes = [grey]
    while min(sizes[-1].shape) >= 2 * NEAR_SIDE:
        sizes.append(cv2.resize(sizes[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return sizes


@dataclass
class Surroundings:
    """A box and what is around it, shrunk so that the box is at most NEAR_SIDE pixels wide."""

    grey: np.ndarray  # (height, width) uint8
    corner: tuple[int, int]  # x and y of its upper left corner in the frame
    scale: float  # its pixels to one of the frame

    def changed(self, earlier: "Surroundings") -> bool:
        """Whether the same box looks different from how it did in an earlier frame."""
        if self.grey.shape != earlier.grey.shape or self.corner != earlier.corner:
            return True
        return cv2.norm(self.grey, earlier.grey, cv2.NORM_L1) > UNCHANGED * self.grey.size


def surroundings(sizes: list[np.ndarray], box: np.ndarray) -> Surroundings:
    """What is around a box (4,) in a frame; sizes: the frame's halvings."""
    x, y, width, height = (int(value) for value in box)
    margin = round(NEAR_MARGIN * width)
    left, right = (min(max(0, side), sizes[0].shape[1]) for side in (x - margin, x + width + margin))
    top, bottom = (min(max(0, side), sizes[0].shape[0]) for side in (y - margin, y + height + margin))
    halved = min(len(sizes) - 1, max(0, (width // NEAR_SIDE).bit_length() - 1))
    grey = sizes[halved][top >> halved : bottom >> halved, left >> halved : right >> halved]
    scale = min(1.0, NEAR_SIDE / (width >> halved))
    if scale < 1 and grey.size:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return Surroundings(grey, (left, top), scale / 2**halved)


class FaceFollower:
    """Follows faces from frame to frame. Not safe to call from two threads at once."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._tracks: list[_Track] = []
        # (moment, halvings, boxes by number) of the latest frames, the latest last
        self._past: deque[tuple[float, list[np.ndarray], dict[int, np.ndarray]]] = deque(maxlen=REMEMBERED)

    def follow(
        self,
        sizes: list[np.ndarray],
        moment: float,
        found: np.ndarray | None = None,
        searched: float | None = None,
    ) -> list[Face]:
        """The faces in the next frame, from left to right, with number and box.

        sizes: its halvings. moment: its time in seconds, of any clock. found: boxes (n, 4) that a FaceDetector found
        in this frame, or in that of the moment `searched`; None where there was no search.
        """
        if self._past and self._past[-1][1][0].shape != sizes[0].shape:  # the boxes are those of another picture
            self._tracks.clear()
            self._past.clear()
        if found is not None:
            self._welcome(found, moment if searched is None else searched, moment)
        for track in self._tracks:
            around = surroundings(sizes, track.box)
            if track.surroundings and not around.changed(track.surroundings):
                track.seen = moment
            elif (box := self._look_near(around, track.box)) is not None:
                track.box, track.seen = box, moment
                track.surroundings = surroundings(sizes, box)
        self._tracks = [
            track for track in self._tracks if moment - track.seen <= HOLD and moment - track.confirmed <= UNCONFIRMED
        ]
        self._drop_doubles()
        self._past.append((moment, sizes, {track.number: track.box for track in self._tracks}))
        faces = (Face(track.number, as_box(_inside(track.box, sizes[0]))) for track in self._tracks)
        return sorted(faces, key=lambda face: face.box)

    def trace(self, box: Sequence[int] | np.ndarray, frames: Iterable[list[np.ndarray]]) -> Iterator[np.ndarray | None]:
        """Where a face that stands at the box is in one frame after another, forwards or backwards, until it is lost.

        frames: their halvings. Yields a box (4,) int32 for each of the first of them; None for a frame in which the
        face was not seen, but was again after that.
        """
        missed, box = 0, np.asarray(box, np.int32)
        for sizes in frames:
            there = self._look_near(surroundings(sizes, box), box)
            if there is None:
                missed += 1
                continue
            yield from [None] * missed
            missed, box = 0, there
            yield box

    def _welcome(self, found: np.ndarray, searched: float, moment: float) -> None:
        """Confirm the faces that the search of a whole frame found again, and begin to follow the others."""
        since = [past for past in self._past if past[0] >= searched]
        # Where the faces were in the frame that was searched, which may be some frames ago.
        there = since[0][2] if since else {track.number: track.box for track in self._tracks}
        tracks = {track.number: track for track in self._tracks}
        for box in np.asarray(found, np.int32).reshape(-1, 4):
            shares = overlaps(box, list(there.values()))
            nearest = list(there)[shares.argmax()] if len(shares) and shares.max() > SAME_FACE else None
            if nearest in tracks:
                tracks[nearest].confirmed = moment
                if not since:
                    tracks[nearest].seen = moment
                continue
            seen = searched
            for (later, *_), box_then in zip(since[1:], self.trace(box, (past[1] for past in since[1:]))):
                if box_then is not None:
                    box, seen = box_then, later
            self._tracks.append(_Track(next(self._numbers), box, seen, moment))

    def _drop_doubles(self) -> None:
        """Where two followed faces have become one, keep the older."""
        kept: list[_Track] = []
        for track in self._tracks:
            if not kept or overlaps(track.box, [other.box for other in kept]).max() <= DOUBLE_FACE:
                kept.append(track)
        self._tracks = kept

    def _look_near(self, around: Surroundings, box: np.ndarray) -> np.ndarray | None:
        """The box (4,) int32 of the face that was at `box` a frame ago, or None."""
        if min(around.grey.shape) < CASCADE_WINDOW:
            return None
        width = around.scale * box[2]
        smallest, largest = max(CASCADE_WINDOW, int(NEAR_SMALLEST * width)), int(NEAR_LARGEST * width) + 1
        hits = _cascade().detectMultiScale(
            around.grey, NEAR_SCALE_FACTOR, NEAR_NEIGHBOURS, 0, (smallest, smallest), (largest, largest)
        )
        if len(hits) == 0:
            return None
        boxes = np.rint(np.asarray(hits) / around.scale).astype(np.int32) + np.array([*around.corner, 0, 0], np.int32)
        shares = overlaps(box, boxes)
        return boxes[shares.argmax()] if shares.max() > SAME_FACE else None
