"""The stages that turn a frame into an annotated one: find the faces, follow them, classify, smooth, draw."""

import itertools
import math
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

import numpy as np

from draw import draw_faces
from faces import DOUBLE_FACE, STILL_SCALE_FACTOR, FaceDetector, FaceFollower, halvings, overlaps
from model import crop_faces
from opencv import cv2
from smooth import Expression, ExpressionSmoother

# Of a recording, a whole frame is searched when the picture has changed by so many grey levels, on average, since the
# last search, after a pause of so many frames. Faces of less than a share of the frame's height take most of the time;
# where there are none, they are not looked for each time.
CHANGED = 6
SHORTEST_PAUSE, LONGEST_PAUSE, LONGEST_WAIT = 3, 24, 0.9  # the last in seconds, within which a face is confirmed
SMALL_FACE, SMALL_FACE_PAUSE = 0.1, 72
SKETCH = (64, 36)  # pixels, of a frame, to tell change by
FRAMES_AHEAD = 32  # that are decoded before they are needed


@dataclass(frozen=True)
class Seen:
    """A face in a frame."""

    number: int  # stays its own while it is in the picture
    box: tuple  # x, y, width, height in pixels
    raw: tuple | None  # seven probabilities of this frame alone, 0..1; None while there is no model
    probabilities: tuple | None  # the same, smoothed
    label: int | None  # index into EMOTIONS


def seen_faces(found, scale=1):
    """A tuple of Seen of what a LiveAnnotator or find_in_picture found; its boxes are multiplied by scale."""
    return tuple(
        Seen(
            number,
            tuple(round(scale * int(value)) for value in box),
            found.expressions and tuple(float(value) for value in found.probabilities[index]),
            found.expressions and tuple(float(value) for value in found.expressions[index].probabilities),
            found.expressions and found.expressions[index].label,
        )
        for index, (number, box) in enumerate(zip(found.identities, found.boxes))
    )


def find_in_picture(image, model):
    """A single picture, (height, width, 3) uint8 BGR, as an AnnotatedFrame whose expressions are as they are."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    boxes = FaceDetector(STILL_SCALE_FACTOR).detect(grey)
    probabilities = model.predict(crop_faces(grey, boxes))
    expressions = [Expression(row, int(np.argmax(row)), 0.0) for row in probabilities]
    return AnnotatedFrame(image, [grey], 0.0, list(range(1, len(boxes) + 1)), list(boxes), probabilities, expressions)


def labels_of(expressions):
    """What draw_faces writes of expressions, or None."""
    return expressions and [(each.label, each.probabilities[each.label]) for each in expressions]


class LiveAnnotator:
    """Annotates frames as they come, one by one. Not safe to call from two threads at once."""

    def __init__(self):
        self._follower = FaceFollower()
        self._smoother = ExpressionSmoother()
        # Of the latest frame's faces; see AnnotatedFrame.
        self.identities, self.boxes, self.probabilities, self.expressions = [], [], None, None

    def annotate(self, image, moment, model, found=None, searched=None):
        """Find the faces and expressions in a frame, (height, width, 3) uint8 BGR, and return it in grey.

        moment: its time in seconds, of any clock. model: a FacialExpressionModel, or None, and then the faces have no
        expressions yet. found: boxes (n, 4) that a search found in this frame, or in that of the moment `searched`.
        """
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        faces = self._follower.follow(halvings(grey), moment, found, searched)
        self.identities, self.boxes = [face.identity for face in faces], [face.box for face in faces]
        self.probabilities = self.expressions = None
        if model:
            self.probabilities = model.predict(crop_faces(grey, self.boxes))
            self.expressions = self._smoother.smooth(self.identities, self.probabilities, moment)
        return grey


@dataclass
class AnnotatedFrame:
    """A frame of a recording, not drawn on, and what was found in it, a row a face."""

    image: np.ndarray  # (height, width, 3) uint8 BGR, or (height, width) grey
    sizes: list  # it in grey, (height, width) uint8, and that halved again and again
    moment: float  # seconds
    identities: list = field(default_factory=list)  # n ints; a face keeps its own while it is in the picture
    boxes: list = field(default_factory=list)  # n of (4,) int32
    probabilities: np.ndarray = None  # (n, 7) of this frame alone
    expressions: list = None  # n of smooth.Expression

    def draw(self):
        """Draw boxes and expressions on the image, and return it."""
        draw_faces(self.image, self.boxes, self.identities, labels_of(self.expressions))
        return self.image


def annotate_recording(frames, model, threads=True):
    """Yield an AnnotatedFrame for each frame of a recording, none skipped, as fast as the machine allows.

    frames: an iterable of (image, moment), images in colour or grey. Whole frames are searched a segment ahead, and a
    face that is found is traced back through its segment to where it first was. threads: whether reading and searching
    have threads of their own; with or without, and however fast the machine is, the same recording gives the same
    result. What `frames` raises is raised after the frames that came before it, without threads at once.
    """
    follower, smoother, detector = FaceFollower(), ExpressionSmoother(), FaceDetector()
    with ExitStack() as stack:
        if threads:
            submit = stack.enter_context(ThreadPoolExecutor(1)).submit
            ready = stack.enter_context(closing(_ReadAhead(frames)))
        else:
            submit, ready = _done, itertools.starmap(_prepare, frames)
        segments, waiting = _segments(ready), None
        unsearched = SMALL_FACE_PAUSE  # frames since small faces were looked for
        small = False  # whether there were any
        for segment in itertools.chain(segments, [None]):
            if segment:
                grey, unsearched = segment[-1].sizes[0], unsearched + len(segment)
                if small or unsearched >= SMALL_FACE_PAUSE:
                    search, unsearched = submit(detector.detect, grey), 0
                else:
                    search = submit(detector.detect, grey, SMALL_FACE)
            if waiting:
                current, found = waiting
                _follow_segment(follower, current, found.result())
                small = any(box[3] < SMALL_FACE * len(current[-1].image) for box in current[-1].boxes)
                _classify_segment(smoother, current, model)
                yield from current
            waiting = segment and (segment, search)
        if threads:
            ready.check()


def _done(work, *arguments):
    """A Future of work that is done at once."""
    future = Future()
    future.set_result(work(*arguments))
    return future


def _prepare(image, moment):
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return AnnotatedFrame(image, halvings(grey), moment)


class _ReadAhead:
    """The frames of a recording as AnnotatedFrames, which a thread gets ready before they are asked for."""

    def __init__(self, frames):
        self._ready = queue.Queue(FRAMES_AHEAD)
        self._stop = threading.Event()
        self._reader = ThreadPoolExecutor(1)
        self._reading = self._reader.submit(self._read, frames)

    def __iter__(self):
        while frame := self._ready.get():
            yield frame

    def check(self):
        """Raise what reading raised."""
        self._reading.result()

    def close(self):
        self._stop.set()
        while not self._reading.done():  # it may wait for room
            with suppress(queue.Empty):
                self._ready.get(timeout=0.05)
        self._reader.shutdown()

    def _read(self, frames):
        try:
            for image, moment in frames:
                self._ready.put(_prepare(image, moment))
                if self._stop.is_set():
                    return
        finally:
            self._ready.put(None)


def _segments(frames):
    """Cut a recording into segments, lists of frames, the last of each of which is to be searched."""
    segment, searched, searched_at = [], None, -math.inf
    for frame in frames:
        segment.append(frame)
        sketch = cv2.resize(frame.sizes[-1], SKETCH, interpolation=cv2.INTER_AREA)
        changed = searched is None or cv2.norm(sketch, searched, cv2.NORM_L1) > CHANGED * sketch.size
        pause = SHORTEST_PAUSE if changed else LONGEST_PAUSE
        if frame.moment - searched_at >= LONGEST_WAIT or len(segment) >= pause:
            yield segment
            segment, searched, searched_at = [], sketch, frame.moment
    if segment:
        yield segment


def _follow_segment(follower, segment, found):
    """Fill in identities and boxes; found: the boxes (n, 4) in the last frame."""
    known = set()
    for frame in segment:
        last = frame is segment[-1]
        faces = follower.follow(frame.sizes, frame.moment, found if last else None)
        frame.identities, frame.boxes = [face.identity for face in faces], [face.box for face in faces]
        if not last:
            known.update(frame.identities)
    new = [pair for pair in zip(segment[-1].identities, segment[-1].boxes) if pair[0] not in known]
    before = segment[-2::-1]
    for identity, box in new:
        for frame, earlier in zip(before, follower.trace(box, (frame.sizes for frame in before))):
            if earlier is None:
                continue
            if frame.boxes and overlaps(earlier, frame.boxes).max() > DOUBLE_FACE:
                break
            frame.identities.append(identity)
            frame.boxes.append(earlier)


def _classify_segment(smoother, segment, model):
    """Fill in probabilities and expressions, with one call of the model for all faces of the segment."""
    crops = np.concatenate([crop_faces(frame.sizes[0], frame.boxes) for frame in segment])
    counts = np.cumsum([len(frame.boxes) for frame in segment])[:-1]
    for frame, probabilities in zip(segment, np.split(model.predict(crops), counts)):
        frame.probabilities = probabilities
        frame.expressions = smoother.smooth(frame.identities, probabilities, frame.moment)
