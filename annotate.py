"""The stages that turn a frame into an annotated one: find the faces, follow them, classify, smooth, draw."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from draw import draw_faces
from faces import DOUBLE_FACE, STILL_SCALE_FACTOR, FaceDetector, FaceFollower, overlaps
from model import crop_faces
from opencv import cv2
from smooth import ExpressionSmoother

# In a recording, whole frames are searched at least once in so many frames, and sooner where the picture has changed
# by so many grey levels on average since the last search, but not in every frame.
SEARCH_EVERY, SEARCH_CHANGED, SEARCH_APART = 15, 6, 3
SKETCH = (64, 36)  # pixels, of a frame, to tell change by
SEGMENTS_AHEAD = 2  # that are decoded before they are needed


def annotate_picture(image, model):
    """Draw the faces and expressions of a single picture on it, (height, width, 3) uint8 BGR."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    boxes = FaceDetector(STILL_SCALE_FACTOR).detect(grey)
    probabilities = model.predict(crop_faces(grey, boxes))
    draw_faces(image, boxes, [(int(np.argmax(row)), max(row)) for row in probabilities])


class LiveAnnotator:
    """Annotates frames as they come, one by one. Not safe to call from two threads at once."""

    def __init__(self):
        self._follower = FaceFollower()
        self._smoother = ExpressionSmoother()

    def annotate(self, image, moment, found, model):
        """Draw the faces and expressions on a frame, (height, width, 3) uint8 BGR, and return it in grey, undrawn.

        moment: its time in seconds, of any clock. found: boxes (n, 4) of a search of this frame or one shortly before,
        or None. model: a FacialExpressionModel, or None, and then the faces have no expressions yet.
        """
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        faces = self._follower.follow(grey, moment, found)
        boxes = [face.box for face in faces]
        shown = None
        if model:
            identities = [face.identity for face in faces]
            shown = self._smoother.smooth(identities, model.predict(crop_faces(grey, boxes)), moment)
        draw_faces(image, boxes, shown and [(each.label, each.probabilities[each.label]) for each in shown])
        return grey


@dataclass
class AnnotatedFrame:
    """A frame of a recording, not drawn on, and what was found in it, a row a face."""

    image: np.ndarray  # (height, width, 3) uint8 BGR
    grey: np.ndarray  # (height, width) uint8
    moment: float  # seconds
    identities: list = field(default_factory=list)  # n ints; a face keeps its own while it is in the picture
    boxes: list = field(default_factory=list)  # n of (4,) int32
    probabilities: np.ndarray = None  # (n, 7) of this frame alone
    expressions: list = None  # n of smooth.Expression

    def draw(self):
        """Draw boxes and expressions on the image, and return it."""
        draw_faces(self.image, self.boxes, [(each.label, each.probabilities[each.label]) for each in self.expressions])
        return self.image


def annotate_recording(frames, model):
    """Yield an AnnotatedFrame for each frame of a recording, none skipped, as fast as the machine allows.

    frames: an iterable of (image, moment). One thread reads ahead, another searches whole frames, and a face that is
    found is traced back to where it first was, so that little is lost between two searches.
    """
    segments = queue.Queue(SEGMENTS_AHEAD)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as searcher, ThreadPoolExecutor(1) as reader:
        reading = reader.submit(_read_segments, frames, segments, stop, searcher)
        try:
            follower, smoother = FaceFollower(), ExpressionSmoother()
            while segment := segments.get():
                frames_of_segment, search = segment
                _follow_segment(follower, frames_of_segment, search.result())
                _classify_segment(smoother, frames_of_segment, model)
                yield from frames_of_segment
            reading.result()  # raises what reading raised
        finally:
            stop.set()
            while not reading.done():
                try:
                    segments.get(timeout=0.05)
                except queue.Empty:
                    continue


def _read_segments(frames, segments, stop, searcher):
    """Put segments, each a list of frames and the Future of the search of its last one, and None at the end."""
    detector, segment, sketch = FaceDetector(), [], None
    try:
        for image, moment in frames:
            if stop.is_set():
                return
            frame = AnnotatedFrame(image, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), moment)
            now = cv2.resize(frame.grey, SKETCH, interpolation=cv2.INTER_AREA)
            segment.append(frame)
            changed = sketch is None or (
                len(segment) >= SEARCH_APART and cv2.norm(now, sketch, cv2.NORM_L1) > SEARCH_CHANGED * now.size
            )
            if changed or len(segment) == SEARCH_EVERY:
                segments.put((segment, searcher.submit(detector.detect, frame.grey)))
                segment, sketch = [], now
        if segment:
            segments.put((segment, searcher.submit(detector.detect, segment[-1].grey)))
    finally:
        segments.put(None)


def _follow_segment(follower, segment, found):
    """Fill in identities and boxes; found: the boxes (n, 4) in the last frame of the segment."""
    known = set()
    for frame in segment:
        faces = follower.follow(frame.grey, frame.moment, found if frame is segment[-1] else None)
        frame.identities, frame.boxes = [face.identity for face in faces], [face.box for face in faces]
        if frame is not segment[-1]:
            known.update(frame.identities)
    before = segment[-2::-1]
    for identity, box in zip(segment[-1].identities, segment[-1].boxes):
        if identity in known:
            continue
        for frame, earlier in zip(before, follower.trace_back(box, (frame.grey for frame in before))):
            if earlier is None:
                continue
            if frame.boxes and overlaps(earlier, frame.boxes).max() > DOUBLE_FACE:
                break
            frame.identities.append(identity)
            frame.boxes.append(earlier)


def _classify_segment(smoother, segment, model):
    """Fill in probabilities and expressions, with one call of the model for all faces of the segment."""
    crops = np.concatenate([crop_faces(frame.grey, frame.boxes) for frame in segment])
    counts = np.cumsum([len(frame.boxes) for frame in segment])[:-1]
    for frame, probabilities in zip(segment, np.split(model.predict(crops), counts)):
        frame.probabilities = probabilities
        frame.expressions = smoother.smooth(frame.identities, probabilities, frame.moment)
