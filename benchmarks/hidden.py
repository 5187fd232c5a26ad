"""Whether hidden faces can still be found: `pipenv run bench-hidden CLIPS`. Exits with 1 where a figure misses its bar.

CLIPS holds the clips of marks.json. Each is analysed with --hide-faces, and watched live with faces hidden. Four of
OpenCV's cascades then search the marked frames, more thoroughly than the app does.
"""

import argparse
import bisect
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import skimage.data

import camera
from analyze import analyze
from benchmarks.clips import rate_of, read_frames
from benchmarks.figures import Figure, measure
from model import FacialExpressionModel
from paths import BENCHMARKS, CASCADE, PROFILE_CASCADE, SECOND_CASCADE
from vision.opencv import cv2
from vision.planes import Planes, brightness, from_bgr

SCALE_FACTOR, NEIGHBOURS = 1.05, 2
MOST_PASSES = 12  # of a clip that is watched live, until each marked frame was shown
NEAR = 2  # frames by which one that is shown live may be off from a marked one; faces move little in these

Boxes = Sequence[Sequence[int]]  # x, y, width, height in pixels, a row for each face


class Cascades:
    """The frontal, second, LBP and profile cascades; the last also sees profiles that look to the right."""

    def __init__(self) -> None:
        self._frontal = {path.stem: cv2.CascadeClassifier(str(path)) for path in (CASCADE, SECOND_CASCADE)}
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as mended:
            # In scikit-image's file a name is misspelt, so that OpenCV cannot read it.
            text = Path(skimage.data.lbp_frontal_face_cascade_filename()).read_text(encoding="utf-8")
            mended.write(text.replace("featuhreParams", "featureParams"))
            mended.flush()
            self._frontal["lbp"] = cv2.CascadeClassifier(mended.name)
        self._profile = cv2.CascadeClassifier(str(PROFILE_CASCADE))

    def finds(self, grey: np.ndarray) -> list[tuple[str, Sequence[int]]]:
        """What they see in a frame, (height, width) uint8: the cascade's name and the box of each find."""
        found: list[tuple[str, Sequence[int]]] = []
        for name, cascade in self._frontal.items():
            found += [(name, box) for box in _search(cascade, grey)]
        found += [("profile", box) for box in _search(self._profile, grey)]
        for x, y, width, height in _search(self._profile, cv2.flip(grey, 1)):
            found.append(("profile", (grey.shape[1] - x - width, y, width, height)))
        return found

    def at(self, grey: np.ndarray, boxes: Boxes) -> list[tuple[str, Sequence[int]]]:
        """Those finds of which the middle is in one of the boxes, or that contain the middle of one."""
        return [(name, box) for name, box in self.finds(grey) if any(_is_at(box, each) for each in boxes)]


def _is_at(find: Sequence[int], box: Sequence[int]) -> bool:
    """Whether the middle of one of two boxes lies in the other."""
    middles = [(x + width / 2, y + height / 2) for x, y, width, height in (find, box)]
    return any(
        x <= at_x <= x + width and y <= at_y <= y + height
        for (x, y, width, height), (at_x, at_y) in zip((box, find), middles)
    )


def _search(cascade: cv2.CascadeClassifier, grey: np.ndarray) -> list[list[int]]:
    return np.asarray(cascade.detectMultiScale(grey, SCALE_FACTOR, NEIGHBOURS), int).reshape(-1, 4).tolist()


def saved(clips: Path, cascades: Cascades) -> list[Figure]:
    """Finds at marked faces in the annotated videos of the clips."""
    figures = []
    for clip, marked in _marked_frames().items():
        with tempfile.TemporaryDirectory() as folder:
            analyze(clips / clip, folder, hide=True)
            [video] = Path(folder).glob("*_annotated.mp4")
            frames = {index: frame for index, frame in enumerate(read_frames(video)) if index in marked}
        greys = {index: cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for index, frame in frames.items()}
        figures.append(_count(f"{clip}, saved", greys, marked, cascades))
    return figures


def live(clips: Path, cascades: Cascades, model: FacialExpressionModel) -> list[Figure]:
    """Finds at marked faces in the live picture of the clips, and how many frames a second it has."""
    figures = []
    for clip, marked in _marked_frames().items():
        greys, rate = watch(clips / clip, set(marked), model)
        figures += [
            _count(f"{clip}, live", greys, marked, cascades),
            Figure(f"{clip}, live", rate, 1, " frames a second"),
        ]
    return figures


def _marked_frames() -> dict[str, dict[int, Boxes]]:
    """The boxes of the marked faces, by clip and number of the frame."""
    clips = json.loads((BENCHMARKS / "marks.json").read_text(encoding="utf-8"))
    return {
        clip: {int(index): [mark["box"] for mark in marks] for index, marks in frames.items()}
        for clip, frames in clips.items()
    }


def _count(what: str, greys: dict[int, np.ndarray], marked: dict[int, Boxes], cascades: Cascades) -> Figure:
    """greys: the frames, (height, width) uint8, by their numbers."""
    count = 0
    for index, grey in sorted(greys.items()):
        for name, box in cascades.at(grey, marked[index]):
            print(f"  {what}, frame {index}: {name} at {box}", flush=True)
            count += 1
    faces = sum(len(marked[index]) for index in greys)
    return Figure(f"{what}: finds at {faces} marked faces", count, 0, at_most=True)


def watch(clip: Path, wanted: set[int], model: FacialExpressionModel) -> tuple[dict[int, np.ndarray], float]:
    """Watch a clip live, over and over, with faces hidden, until each wanted frame was shown.

    Returns those frames in grey, by their numbers, and how many frames a second were shown.
    """
    frames, rate = list(read_frames(clip)), rate_of(clip)
    given: list[float] = []  # time.time() just before each frame left the source
    over = threading.Event()

    def play(_: object, is_wanted: Callable[[], bool]) -> Iterator[Planes]:
        started = time.monotonic()
        for number, frame in zip(range(MOST_PASSES * len(frames)), itertools.cycle(frames)):
            time.sleep(max(0, started + number / rate - time.monotonic()))
            if not is_wanted():
                return
            given.append(time.time())
            yield from_bgr(frame)
        over.set()

    seen: dict[int, np.ndarray] = {}
    shown: list[float] = []
    with patch.object(camera, "read_frames", play):
        watched = camera.VideoCamera("clip", model)
        watched.change_settings({"hide": True})
        for shot in watched.shots():
            number = (bisect.bisect(given, shot.timestamp) - 1) % len(frames)
            if not shot.is_card and (not shown or shot.timestamp != shown[-1]):
                shown.append(shot.timestamp)
                near = min(wanted, key=lambda each: abs(each - number))
                if abs(near - number) <= NEAR and near not in seen:
                    seen[near] = brightness(shot.planes).copy()
            if over.is_set() or len(seen) == len(wanted):
                break
        watched.close()
    if len(seen) < len(wanted):
        print(f"  {clip.name}, live: the frames {sorted(wanted - set(seen))} were never shown")
    return seen, (len(shown) - 1) / (shown[-1] - shown[0])


def main(arguments: list[str] | None = None) -> int:
    """Measure and print. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="bench-hidden", description=__doc__.partition("\n")[0])
    parser.add_argument("clips", type=Path, help="a folder with the clips of marks.json")
    clips, cascades, model = parser.parse_args(arguments).clips, Cascades(), FacialExpressionModel()
    model.settle()
    return measure(
        {"Saved videos": lambda: saved(clips, cascades), "Live": lambda: live(clips, cascades, model)},
        "results_hidden",
    )


if __name__ == "__main__":
    sys.exit(main())
