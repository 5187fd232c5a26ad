"""Whether the faces that are marked in clips are found, and whether people keep their numbers.

marks.json has, for some frames of each clip, a list of marks: who it is, the box of the face, and whether it is frontal
or turned away.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.clips import rate_of, read_frames
from benchmarks.detection import faces_in_recording
from benchmarks.figures import Figure
from model import FacialExpressionModel
from paths import BENCHMARKS, DEMO
from vision.faces import Face, State
from vision.patches import Place

OFF = 0.5  # of a mark's side, by which the centre of a box may be off from the mark's, across and down
SMALLEST, LARGEST = 0.5, 2.0  # times a mark's side, that a box may be wide
FRONTAL_BEFORE = {  # how many frontal faces the version before this benchmark found in the marked frames of each clip
    "crowd_1080p.mp4": 40,
    "face_then_no_face.mov": 4,
    "neutral_to_happy.mp4": 10,
    "stage_many_faces.mp4": 5,
}
FALSE_BOXES, AWAY, NUMBERS = 2, 60, 1.2  # bars: boxes, per cent, numbers of a person


@dataclass(frozen=True)
class Mark:
    """A face that is marked in a frame."""

    person: str
    place: Place
    state: State

    def is_of(self, face: Face) -> bool:
        """Whether a face's box is on this face."""
        return self.off(face) < OFF and SMALLEST < face.place.side / self.place.side < LARGEST

    def off(self, face: Face) -> float:
        """How far the centre of a face's box is off, as a share of the mark's side."""
        return max(abs(face.place.x - self.place.x), abs(face.place.y - self.place.y)) / self.place.side


@dataclass(frozen=True)
class MarkedFrame:
    """A frame's marks, and the faces that the analysis of the clip found in it."""

    clip: str
    index: int
    marks: list[Mark]
    faces: list[Face]


def analyse(clips: Path, model: FacialExpressionModel) -> Iterator[MarkedFrame]:
    """Yield the marked frames of all clips. clips: the folder with the clips of marks.json."""
    for clip, frames in json.loads((BENCHMARKS / "marks.json").read_text(encoding="utf-8")).items():
        found = _faces_of(clips / clip, model)
        for index, marks in frames.items():
            read = [Mark(each["person"], Place.of_box(each["box"]), each["state"]) for each in marks]
            yield MarkedFrame(clip, int(index), read, found[int(index)])


def marked(clips: Path, model: FacialExpressionModel) -> list[Figure]:
    """How many marked faces are found, how many boxes are on none, and how many numbers people have.

    clips: the folder with the clips of marks.json.
    """
    frames = list(analyse(clips, model))
    return [*_found(frames), *_numbers(frames), _numbers_in_demo(model)]


def _found(frames: Sequence[MarkedFrame]) -> list[Figure]:
    figures = []
    for clip, before in FRONTAL_BEFORE.items():
        frontal = _are_found([frame for frame in frames if frame.clip == clip], "frontal")
        name = f"{clip}: frontal faces found of {len(frontal)} marked"
        figures.append(Figure(name, sum(frontal), before))
    away = 100 * float(np.mean(_are_found(frames, "turned away")))
    strays = 0
    for frame in frames:
        for face in frame.faces:
            if not any(mark.is_of(face) for mark in frame.marks):
                print(f"  no face: {frame.clip}, frame {frame.index}, {face.state} at {face.box}")
                strays += 1
    return [
        *figures,
        Figure("marked faces that are turned away: found", away, AWAY, " %"),
        Figure(f"boxes on no face, in {len(frames)} marked frames", strays, FALSE_BOXES, at_most=True),
    ]


def _are_found(frames: Sequence[MarkedFrame], state: State) -> list[bool]:
    """Of each mark with this state, whether a box is on the face."""
    return [any(map(mark.is_of, frame.faces)) for frame in frames for mark in frame.marks if mark.state == state]


def _numbers(frames: Sequence[MarkedFrame]) -> list[Figure]:
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)  # by clip and person
    people: dict[tuple[str, int], set[str]] = defaultdict(set)  # by clip and number
    for frame in frames:
        for face in frame.faces:
            if marks := [mark for mark in frame.marks if mark.is_of(face)]:
                person = min(marks, key=lambda mark: mark.off(face)).person
                numbers[frame.clip, person].add(face.number)
                people[frame.clip, face.number].add(person)
    for (clip, person), several in numbers.items():
        if len(several) > 1:
            print(f"  {clip}: {person} has the numbers {sorted(several)}")
    shared = {key: each for key, each in people.items() if len(each) > 1}
    for (clip, number), each in shared.items():
        print(f"  {clip}: number {number} is of {', '.join(sorted(each))}")
    mean = float(np.mean([len(each) for each in numbers.values()]))
    return [
        Figure(f"numbers of a person, mean of {len(numbers)} marked ones", mean, NUMBERS, at_most=True),
        Figure("numbers that two people have", len(shared), 0, at_most=True),
    ]


def _numbers_in_demo(model: FacialExpressionModel) -> Figure:
    numbers = {face.number for faces in _faces_of(DEMO, model) for face in faces}
    return Figure("numbers of the one person in the demo", len(numbers), NUMBERS, at_most=True)


def _faces_of(path: Path, model: FacialExpressionModel) -> list[list[Face]]:
    return faces_in_recording(read_frames(path), rate_of(path), model)
