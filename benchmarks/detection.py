"""Whether faces are lost to speed, compared with a search of every whole frame, and whether labels hold still."""

import bisect
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

import camera
from benchmarks.clips import HD, Size, back_and_forth, rate_of, read_frames
from benchmarks.figures import Figure
from model import FacialExpressionModel
from paths import CASCADE
from videos.annotate_video import annotate_video, without_tails
from vision.faces import Face
from vision.opencv import cv2
from vision.patches import overlaps
from vision.planes import Planes, from_bgr
from vision.smoothing import ExpressionSmoother

Boxes = Sequence[Sequence[int] | np.ndarray]  # of a frame: x, y, width, height in pixels, a row for each face

SMALLEST = 0.05  # of the frame's height: smaller faces are not counted
SAME = 0.5  # overlap (IoU) above which two boxes are of one face
NEAR = 0.3  # overlap with any box of the reference above which a box is no stray
STEADY_OF, STEADY = 5, 3  # a reference box counts if this many of the frames around it have a box in the same place
GRACE = 0.3  # seconds that the live view may take to show a face that has just appeared
MOMENT = 20  # frames of a clip that show one expression
FEW = 100  # steady boxes: clips with fewer are counted together
RATE = 30  # frames per second of the clips for stillness


@dataclass
class Reference:
    """A clip, and the boxes that searches of its whole frames find."""

    name: str
    path: Path
    size: Size | None  # to which its frames are scaled; None for their own
    rate: float  # frames per second
    boxes: list[Boxes]  # of each frame
    steady: list[Boxes]  # of each frame, those that count

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the clip's frames, (height, width, 3) uint8 BGR."""
        return read_frames(self.path, self.size)


@dataclass
class Score:
    """How many of the steady boxes were matched, and how many of the shown boxes were strays."""

    matched: int = 0
    steady: int = 0
    strays: int = 0
    boxes: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values())))


def find_reference(path: Path, size: Size | None) -> Reference:
    """Search every whole frame of a clip, scaled to `size` if it is given, as the course's app does."""
    cascade, height = cv2.CascadeClassifier(str(CASCADE)), 0
    boxes: list[Boxes] = []
    for frame in read_frames(path, size):
        height = frame.shape[0]
        found = cascade.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 1.3, 5)
        boxes.append(np.asarray(found, int).reshape(-1, 4).tolist())
    steady: list[Boxes] = []
    for index, boxes_here in enumerate(boxes):
        around = boxes[max(0, index - STEADY_OF // 2) : index + STEADY_OF // 2 + 1]
        steady.append(
            [
                box
                for box in boxes_here
                if box[3] >= SMALLEST * height and sum(_matches(box, others, SAME) for others in around) >= STEADY
            ]
        )
    return Reference(f"{path.stem} {size[1] if size else height}p", path, size, rate_of(path), boxes, steady)


def _matches(box: Sequence[int] | np.ndarray, boxes: Boxes, least: float) -> bool:
    return len(boxes) > 0 and bool(overlaps(box, boxes).max() > least)


def score(clip: Reference, shown: Sequence[Boxes], grace: float = 0.0) -> Score:
    """Compare the boxes shown in each frame with the clip's steady ones.

    grace: seconds; steady boxes of a face that appeared more recently do not count.
    """
    result, second = Score(), round(clip.rate)
    before: Boxes = []
    begun_before: list[int] = []
    for index, steady in enumerate(clip.steady):
        begun = []  # of each steady box, the frame in which its face appeared
        for box in steady:
            shares = overlaps(box, before)
            continues = len(shares) > 0 and shares.max() > SAME
            begun.append(begun_before[int(shares.argmax())] if continues else index)
            if index - begun[-1] > math.ceil(grace * clip.rate) or not grace:
                result.steady += 1
                result.matched += _matches(box, shown[index], SAME)
        before, begun_before = steady, begun
        near = list(itertools.chain(*clip.boxes[max(0, index - second) : index + second + 1]))
        result.boxes += len(shown[index])
        result.strays += sum(not _matches(box, near, NEAR) for box in shown[index])
    return result


def boxes_of_every_frame(clip: Reference, model: FacialExpressionModel) -> list[Boxes]:
    """The boxes of each frame, as the analysis of a saved video finds them."""
    found = faces_in_recording(clip.frames(), clip.rate, model)
    return [[face.box for face in faces_here] for faces_here in found]


def faces_in_recording(frames: Iterable[np.ndarray], rate: float, model: FacialExpressionModel) -> list[list[Face]]:
    """The faces of each frame, as the analysis of a saved video finds them.

    frames: (height, width, 3) uint8 BGR each, `rate` a second.
    """
    timed = ((frame, index / rate) for index, frame in enumerate(frames))
    return without_tails([annotated.faces for annotated in annotate_video(timed, model)])


def boxes_shown_live(clip: Reference, model: FacialExpressionModel) -> list[Boxes]:
    """The boxes that the live view showed while each frame was due, with the clip played at its own speed."""
    shown = faces_shown_live(list(clip.frames()), clip.rate, model)
    return [[face.box for face in faces_here] for faces_here in shown]


def faces_shown_live(frames: Sequence[np.ndarray], rate: float, model: FacialExpressionModel) -> list[Sequence[Face]]:
    """The faces that the live view showed while each frame was due, with the frames played at `rate` a second.

    frames: (height, width, 3) uint8 BGR each.
    """
    over = threading.Event()
    given: list[float] = []  # time.time() just before each frame left the source

    def play(_: object, wanted: Callable[[], bool]) -> Iterator[Planes]:
        started = time.monotonic()
        for number, frame in enumerate(frames):
            time.sleep(max(0, started + number / rate - time.monotonic()))
            if not wanted():
                return
            given.append(time.time())
            yield from_bgr(frame)
        time.sleep(0.3)  # for which the last frame is on show
        over.set()

    shown: dict[int, Sequence[Face]] = {}
    with patch.object(camera, "read_frames", play):
        watched = camera.VideoCamera("clip", model)
        for shot in watched.shots():
            if over.is_set():
                break
            # The camera stamps a frame when it has left the source: after it was given, and before the next one was.
            shown[bisect.bisect(given, shot.timestamp) - 1] = shot.faces
        watched.close()
    latest: Sequence[Face] = []
    return [latest := shown.get(number, latest) for number in range(len(frames))]


def faces(paths: Sequence[Path], model: FacialExpressionModel) -> list[Figure]:
    """How many faces are kept, and how many boxes are strays, over clips in their own size and scaled to 720p."""
    clips = [find_reference(path, size) for path in paths for size in (None, HD)]
    figures = []
    ways: list[tuple[str, Callable[[Reference, FacialExpressionModel], list[Boxes]], float]] = [
        ("every frame", boxes_of_every_frame, 0.0),
        ("live", boxes_shown_live, GRACE),
    ]
    for title, find_boxes, grace in ways:
        scores = {clip.name: score(clip, find_boxes(clip, model), grace) for clip in clips}
        few = [name for name, each in scores.items() if each.steady < FEW]
        if few:
            pooled = sum((scores.pop(name) for name in few), Score())
            scores["clips with few faces" if scores else "all clips"] = pooled
        for name, each in scores.items():
            share = each.matched / max(1, each.steady)
            figures.append(Figure(f"{title}, {name}: faces kept", 100 * share, 95, " %"))
        everything = sum(scores.values(), Score())
        strays = 100 * everything.strays / max(1, everything.boxes)
        figures.append(Figure(f"{title}: strays", strays, 5, " %", at_most=True))
    return figures


def first_faces(frames: Iterable[np.ndarray], model: FacialExpressionModel) -> list[Face]:
    """The first face in each of the frames, 30 a second, with smoothed probabilities and a label."""
    timed = ((frame, index / RATE) for index, frame in enumerate(frames))
    smoother = ExpressionSmoother()
    return [smoother.smooth(frame.faces, frame.moment)[0] for frame in annotate_video(timed, model)]


def _other_moment(frames: Sequence[np.ndarray], model: FacialExpressionModel) -> int:
    """Where the last MOMENT of a clip begins that shows one expression, and not the one at the clip's beginning."""
    # By the probabilities of each frame alone, since the label that is shown lags behind the expression.
    expressions = [_expression(face) for face in first_faces(frames, model)]
    starts = range(len(expressions) - MOMENT, 0, -1)
    steady = (start for start in starts if len(set(expressions[start : start + MOMENT])) == 1)
    return next(start for start in steady if expressions[start] != expressions[0])


def _expression(face: Face) -> int:
    """A face's most probable expression in its frame alone, as an index into EMOTIONS."""
    assert face.probabilities is not None
    return int(face.probabilities.argmax())


def stillness(path: Path, model: FacialExpressionModel, seconds: int = 20) -> list[Figure]:
    """Changes of label while only noise and a tremor change, and the frames until a new expression is shown."""
    rng, frames = np.random.default_rng(0), list(read_frames(path))
    first, last = (back_and_forth(frames[begin : begin + MOMENT]) for begin in (0, _other_moment(frames, model)))
    count = RATE * seconds

    def shaken() -> Iterator[np.ndarray]:
        for index in range(count + 5 * RATE):
            moment = first if index < count else last
            frame = moment[index % len(moment)]
            shift = np.array([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]], np.float32)
            height, width = frame.shape[:2]
            frame = cv2.warpAffine(frame, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
            noisy = frame.astype(np.int16) + rng.integers(-3, 4, frame.shape)
            yield np.clip(noisy, 0, 255).astype(np.uint8)

    labels = [face.label for face in first_faces(shaken(), model)]
    before, after = labels[:count], labels[count:]
    changes = sum(one != other for one, other in itertools.pairwise(before))
    settled = next(index for index in range(len(after)) if len(set(after[index:])) == 1)
    return [
        Figure(f"changes of label in {seconds} s of tremor and noise", changes, 2, at_most=True),
        Figure("frames until a new expression is shown for good", settled + 1, 9, at_most=True),
    ]
