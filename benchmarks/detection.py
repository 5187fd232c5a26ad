"""Whether no face is lost to speed, against a search of every whole frame, and whether the label stands still."""

import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import camera
from benchmarks.clips import HD, back_and_forth, rate_of, read_frames
from benchmarks.figures import Figure
from vision import annotate
from vision.annotate import annotate_recording
from vision.faces import CASCADE, overlaps

SMALLEST = 0.05  # of the frame's height
SAME, NEAR = 0.5, 0.3  # overlap of a face with its reference, and from which on a box is no stray
STEADY_OF, STEADY = 5, 3  # a reference box counts where this many of the frames around have one there
GRACE = 0.3  # seconds after a face came that a live picture may take
MOMENT = 20  # frames, of one expression
FEW = 100  # clips with fewer steady boxes are pooled


@dataclass
class Reference:
    """A clip, and the boxes that searches of its whole frames find."""

    name: str
    path: Path
    size: tuple | None  # to which it is scaled
    rate: float
    boxes: list  # for each frame (n, 4)
    steady: list  # those of them that count, for each frame (n, 4)

    def frames(self):
        return read_frames(self.path, self.size)


@dataclass
class Score:
    """How many of the steady boxes were matched, and how many of ours were strays."""

    matched: int
    steady: int
    strays: int
    boxes: int

    def __add__(self, other):
        return Score(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values())))


def reference(path, size):
    """Search every whole frame of a clip, as the course does."""
    cascade, boxes, height = cv2.CascadeClassifier(str(CASCADE)), [], 0
    for frame in read_frames(path, size):
        height = frame.shape[0]
        found = cascade.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 1.3, 5)
        boxes.append(np.asarray(found, int).reshape(-1, 4))
    steady = []
    for index, found in enumerate(boxes):
        around = boxes[max(0, index - STEADY_OF // 2) : index + STEADY_OF // 2 + 1]
        steady.append(
            [
                box
                for box in found
                if box[3] >= SMALLEST * height and sum(_matches(box, other, SAME) for other in around) >= STEADY
            ]
        )
    return Reference(f"{path.stem} {size[1] if size else height}p", path, size, rate_of(path), boxes, steady)


def _matches(box, boxes, least):
    return len(boxes) > 0 and bool(overlaps(box, boxes).max() > least)


def score(clip, shown, grace=0.0):
    """Compare the boxes shown in each frame with the clip's steady ones that are older than the grace, in seconds."""
    result, second = Score(0, 0, 0, 0), round(clip.rate)
    begun = []  # of each steady box of the frame before, the frame in which its run began
    for index, steady in enumerate(clip.steady):
        before, begun_before = (clip.steady[index - 1] if index else []), begun
        begun = []
        for box in steady:
            shares = overlaps(box, before)
            continues = len(shares) > 0 and shares.max() > SAME
            begun.append(begun_before[int(shares.argmax())] if continues else index)
            if index - begun[-1] > math.ceil(grace * clip.rate) or not grace:
                result.steady += 1
                result.matched += _matches(box, shown[index], SAME)
        near = np.concatenate(clip.boxes[max(0, index - second) : index + second + 1])
        result.boxes += len(shown[index])
        result.strays += sum(not _matches(box, near, NEAR) for box in shown[index])
    return result


def without_clock(clip, model):
    """The boxes of every frame, as the analysis of a recording has them."""
    frames = ((frame, index / clip.rate) for index, frame in enumerate(clip.frames()))
    return [frame.boxes for frame in annotate_recording(frames, model)]


def live(clip, model):
    """The boxes that were on show at each frame, with the clip at its own speed."""
    frames = list(clip.frames())
    shown, numbers, played = {}, {}, threading.Event()

    def play(source, wanted):
        started = time.monotonic()
        for number, frame in enumerate(frames):
            time.sleep(max(0, started + number / clip.rate - time.monotonic()))
            numbers[id(frame)] = number
            yield frame
        time.sleep(0.3)
        played.set()

    def note(annotator, image, *arguments):
        number = numbers[id(image)]
        grey = annotate_one(annotator, image, *arguments)
        shown[number] = list(annotator.boxes)
        return grey

    annotate_one, annotate.LiveAnnotator.annotate = annotate.LiveAnnotator.annotate, note
    read, camera.read_frames = camera.read_frames, play
    watched = camera.VideoCamera("clip", model)
    try:
        for _ in watched.shots():
            if played.is_set():
                break
    finally:
        watched.close()
        annotate.LiveAnnotator.annotate, camera.read_frames = annotate_one, read
    latest = []
    return [latest := shown.get(number, latest) for number in range(len(frames))]


def faces(paths, model):
    """The figures on faces, over clips as they are and scaled."""
    clips = [reference(path, size) for path in paths for size in (None, HD)]
    figures = []
    for title, run, grace in (("every frame", without_clock, 0.0), ("live", live, GRACE)):
        scores = {clip.name: score(clip, run(clip, model), grace) for clip in clips}
        few = [name for name, each in scores.items() if each.steady < FEW]
        if few:
            pooled = sum((scores.pop(name) for name in few), Score(0, 0, 0, 0))
            scores["clips with few faces" if scores else "all clips"] = pooled
        for name, each in scores.items():
            share = each.matched / max(1, each.steady)
            figures.append(Figure(f"{title}, {name}: faces kept", 100 * share, 95, " %"))
        everything = sum(scores.values(), Score(0, 0, 0, 0))
        strays = 100 * everything.strays / max(1, everything.boxes)
        figures.append(Figure(f"{title}: strays", strays, 5, " %", most=True))
    return figures


def _other_moment(frames, model):
    """Where the last MOMENT of a clip begins that has one label, and another than the clip begins with."""
    annotated = annotate_recording(((frame, index / 30) for index, frame in enumerate(frames)), model)
    labels = [frame.expressions[0].label for frame in annotated]
    steady = (index for index in range(len(labels) - MOMENT, 0, -1) if len(set(labels[index : index + MOMENT])) == 1)
    return next(index for index in steady if labels[index] != labels[0])


def stillness(path, model, seconds=20):
    """Changes of label while nothing but noise and a tremor changes, and the frames until a new expression shows."""
    rng, frames = np.random.default_rng(0), list(read_frames(path))
    first, last = (back_and_forth(frames[begin : begin + MOMENT]) for begin in (0, _other_moment(frames, model)))
    count = 30 * seconds

    def shaken():
        for index in range(count + 150):
            some = first if index < count else last
            frame = some[index % len(some)]
            shift = np.float32([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]])
            frame = cv2.warpAffine(frame, shift, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
            noisy = frame.astype(np.int16) + rng.integers(-3, 4, frame.shape)
            yield np.clip(noisy, 0, 255).astype(np.uint8), index / 30

    labels = [frame.expressions[0].label for frame in annotate_recording(shaken(), model)]
    before, after = labels[:count], labels[count:]
    changes = sum(one != other for one, other in zip(before, before[1:]))
    settled = next(index for index in range(len(after)) if len(set(after[index:])) == 1)
    return [
        Figure("changes of label in 20 s of tremor and noise", changes, 2, most=True),
        Figure("frames until a new expression is shown for good", settled + 1, 9, most=True),
    ]
