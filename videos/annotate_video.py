"""Finds the faces in every frame of a saved video, as fast as the machine allows."""

import itertools
import math
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vision.classify import Classifier, classified, faces_believed, with_probabilities
from vision.crop import FACE_SIZE, cut_faces
from vision.faces import Face
from vision.follow import DOUBLE_FACE, FaceFollower, face_of
from vision.judge import Found
from vision.opencv import cv2
from vision.patches import Place, halvings, overlaps
from vision.search import SMALLEST_FACE, FrameSearch

# A whole frame is searched when the picture has changed by so many grey levels, on average, since the last search, or
# after a pause of so many frames. Faces smaller than a share of the frame's height take most of the time; where there
# are none, they are not looked for each time.
CHANGED = 6
SHORTEST_PAUSE, LONGEST_PAUSE, LONGEST_WAIT = 3, 24, 0.9  # the last in seconds, within which a face is confirmed
SMALL_FACE, SMALL_FACE_PAUSE = 0.1, 72
SKETCH = (64, 36)  # pixels, of a frame, to tell change by
# A new face changes the picture where it comes, by more grey levels than this in some pixel of the sketch. If nothing
# has changed but the known faces, with so much around them in shares of their sides, there is nothing to be found.
CHANGED_THERE, AROUND = 8, 0.6
FRAMES_AHEAD = 32  # that are decoded before they are needed


@dataclass
class AnnotatedFrame:
    """A frame and the faces in it, not smoothed."""

    image: np.ndarray  # (height, width, 3) uint8 BGR, or (height, width) grey; not drawn on
    sizes: list[np.ndarray]  # its halvings: in grey, (height, width) uint8, then at half the size, and so on
    moment: float  # seconds
    faces: list[Face] = field(default_factory=list)
    # (n, 48, 48) uint8, of those that can be classified, each in its own light.
    crops: np.ndarray = field(default_factory=lambda: np.empty((0, FACE_SIZE, FACE_SIZE), np.uint8))
    found: Sequence[Found] = ()  # all that may be a face, where the whole frame was searched


def annotate_video(
    frames: Iterable[tuple[np.ndarray, float]],
    model: Classifier | None,
    threads: bool = True,
    mirrored: bool = False,
) -> Iterator[AnnotatedFrame]:
    """Yield an AnnotatedFrame for each frame of a video, none skipped.

    frames: pairs of an image, in colour or grey, and its moment. model: classifies the faces as they come, mirrored or
    not; None where that is done later, when all of the video is known. Whole frames are searched a stretch ahead, and a
    face that is found is traced back through its stretch to where it first was. threads: whether reading and searching
    have threads of their own; with or without, and however fast the machine is, the same video gives the same result.
    What `frames` raises is raised after the frames that came before it; without threads at once.
    """
    follower = FaceFollower()
    frame_search: FrameSearch | None = None
    with ExitStack() as stack:
        if threads:
            submit: Callable[..., Future] = stack.enter_context(ThreadPoolExecutor(1)).submit
            ahead = stack.enter_context(closing(_ReadAhead(frames)))
            ready: Iterable[AnnotatedFrame] = ahead
        else:
            submit, ready = _done, itertools.starmap(_prepare, frames)
        waiting: tuple[list[AnnotatedFrame], Future | None] | None = None
        unsearched = SMALL_FACE_PAUSE  # frames since small faces were looked for
        small = False  # whether there were any
        searched: np.ndarray | None = None  # the sketch of the frame that was searched last
        for stretch in itertools.chain(_stretches(ready), [None]):
            if stretch:
                frame_search = frame_search or FrameSearch(stretch[0].moment)
                sizes, unsearched = stretch[-1].sizes, unsearched + len(stretch)
                smallest = SMALLEST_FACE if small or unsearched >= SMALL_FACE_PAUSE else SMALL_FACE
                sketch, known = _sketch_of(sizes), follower.places()
                search = None
                if unsearched >= SMALL_FACE_PAUSE or _may_have_another(sketch, searched, known, sizes[0].shape):
                    unsearched = 0 if smallest == SMALLEST_FACE else unsearched
                    is_rare = len(stretch) > SHORTEST_PAUSE
                    searched, search = sketch, submit(frame_search.search, sizes, known, smallest, is_rare)
            if waiting:
                current, found = waiting
                current[-1].found = found.result() if found else ()
                _follow_stretch(follower, current, current[-1].found if found else None)
                small = any(face.box[3] < SMALL_FACE * len(current[-1].image) for face in current[-1].faces)
                _crop_stretch(current)
                if model:
                    _classify_stretch(current, model, mirrored)
                yield from current
            waiting = (stretch, search) if stretch else None
        if threads:
            ahead.check()


def without_tails(frames: Sequence[Sequence[Face]]) -> list[list[Face]]:
    """The faces of consecutive frames without those that are only held and are not seen again: those have gone.

    In the last frame, nobody knows yet; there all stay.
    """
    kept: list[list[Face]] = []
    there = {face.number for face in frames[-1]} if frames else set()
    for faces in reversed(frames):
        there = {face.number for face in faces if face.is_seen or face.number in there}
        kept.append([face for face in faces if face.number in there])
    kept.reverse()
    return kept


def _done(work: Any, *arguments: Any) -> Future:
    """A Future of work that is done at once."""
    future: Future = Future()
    future.set_result(work(*arguments))
    return future


def _prepare(image: np.ndarray, moment: float) -> AnnotatedFrame:
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return AnnotatedFrame(image, halvings(grey), moment)


class _ReadAhead:
    """The frames of a video as AnnotatedFrames, which a thread gets ready before they are asked for."""

    def __init__(self, frames: Iterable[tuple[np.ndarray, float]]) -> None:
        self._ready: queue.Queue[AnnotatedFrame | None] = queue.Queue(FRAMES_AHEAD)
        self._stop = threading.Event()
        self._reader = ThreadPoolExecutor(1)
        self._reading = self._reader.submit(self._read, frames)

    def __iter__(self) -> Iterator[AnnotatedFrame]:
        while frame := self._ready.get():
            yield frame

    def check(self) -> None:
        """Raise what reading raised."""
        self._reading.result()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        while not self._reading.done():  # it may wait for room
            with suppress(queue.Empty):
                self._ready.get(timeout=0.05)
        self._reader.shutdown()

    def _read(self, frames: Iterable[tuple[np.ndarray, float]]) -> None:
        try:
            for image, moment in frames:
                self._ready.put(_prepare(image, moment))
                if self._stop.is_set():
                    return
        finally:
            self._ready.put(None)


def _stretches(frames: Iterable[AnnotatedFrame]) -> Iterator[list[AnnotatedFrame]]:
    """Cut a video into stretches of frames, the last of each of which is to be searched."""
    stretch: list[AnnotatedFrame] = []
    searched, searched_at = None, -math.inf
    for frame in frames:
        stretch.append(frame)
        sketch = _sketch_of(frame.sizes)
        changed = searched is None or cv2.norm(sketch, searched, cv2.NORM_L1) > CHANGED * sketch.size
        pause = SHORTEST_PAUSE if changed else LONGEST_PAUSE
        if frame.moment - searched_at >= LONGEST_WAIT or len(stretch) >= pause:
            yield stretch
            stretch, searched, searched_at = [], sketch, frame.moment
    if stretch:
        yield stretch


def _sketch_of(sizes: list[np.ndarray]) -> np.ndarray:
    return cv2.resize(sizes[-1], SKETCH, interpolation=cv2.INTER_AREA)


def _may_have_another(
    sketch: np.ndarray, searched: np.ndarray | None, known: Sequence[Place], shape: tuple[int, ...]
) -> bool:
    """Whether there may be a face in a frame besides the known, by the sketches of it and of the one searched last.

    known: their places as they were lately. shape: the frame's height and width.
    """
    if searched is None or not known:
        return True
    changed = cv2.absdiff(sketch, searched) > CHANGED_THERE
    down, across = (side / pixels for side, pixels in zip(sketch.shape, shape))
    for place in known:
        reach = (0.5 + AROUND) * place.side
        top, bottom = (max(0, math.floor(down * at)) for at in (place.y - reach, place.y + reach))
        left, right = (max(0, math.floor(across * at)) for at in (place.x - reach, place.x + reach))
        changed[top : bottom + 1, left : right + 1] = False
    return bool(changed.any())


def _follow_stretch(follower: FaceFollower, stretch: list[AnnotatedFrame], found: Sequence[Found] | None) -> None:
    """Fill in the faces' numbers and boxes; found: what a search found in the last frame, if there was one."""
    *before, last = stretch
    for frame in before:
        frame.faces = follower.follow(frame.sizes, frame.moment)
    last.faces = follower.follow(last.sizes, last.moment, found)
    known = {face.number for frame in before for face in frame.faces}
    before.reverse()
    for face in last.faces:
        if face.number in known:
            continue
        side = follower.side(face.number)
        for frame, earlier in zip(before, follower.trace(face.place, side, (frame.sizes for frame in before))):
            if earlier is None:
                continue
            place, side = earlier
            if frame.faces and overlaps(place.box, [other.box for other in frame.faces]).max() > DOUBLE_FACE:
                break
            frame.faces.append(face_of(face.number, place, face.score, side, frame.sizes[0]))


def _crop_stretch(stretch: list[AnnotatedFrame]) -> None:
    for frame in stretch:
        frame.crops = cut_faces(frame.sizes[0], classified(frame.faces))


def _classify_stretch(stretch: list[AnnotatedFrame], model: Classifier, mirrored: bool) -> None:
    """Fill in the faces' probabilities, with one call of the model for all of them."""
    faces = [face for frame in stretch for face in classified(frame.faces)]
    probabilities = faces_believed(np.concatenate([frame.crops for frame in stretch]), faces, model, mirrored=mirrored)
    counts = np.cumsum([len(frame.crops) for frame in stretch])[:-1]
    for frame, rows in zip(stretch, np.split(probabilities, counts)):
        frame.faces = with_probabilities(frame.faces, rows)
