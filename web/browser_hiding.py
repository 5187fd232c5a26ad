"""Hides the faces in the recording of a browser's camera."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vision.candidates import CandidateSearch
from vision.faces import Face
from vision.hidden_frames import HiddenFrames
from vision.hide import hide
from vision.judge import Found
from vision.patches import Place
from vision.planes import Planes


@dataclass(frozen=True, eq=False)
class BrowserFrame:
    """A frame of a browser's camera, analysed."""

    moment: float  # seconds, of any clock
    planes: Planes
    faces: list[Face]
    sizes: list[np.ndarray]  # its halvings
    places: list[Place]  # where faces are followed, shown or not
    found: Sequence[Found] | None  # what a search of the whole frame found; None where it was not searched


class BrowserHiding:
    """Frames wait until it is known where faces are to be hidden; those that were not searched are left out."""

    def __init__(self) -> None:
        self._search = CandidateSearch()
        self._frames: HiddenFrames[BrowserFrame] = HiddenFrames()

    def add(self, frame: BrowserFrame) -> None:
        """Add the next frame."""
        view = frame.planes.shape
        self._frames.see(view, frame.moment, frame.places)
        if frame.found is not None:
            candidates = [*(each.place for each in frame.found), *self._search.search(frame.sizes)]
            self._frames.add(view, frame.moment, frame, candidates)

    def take(self, now: float) -> Iterator[BrowserFrame]:
        """The frames that wait no more at a moment, each with its faces hidden in its planes."""
        while self._frames and self._frames.left(now) <= 0:
            frame, places = self._frames.take()
            hide(frame.planes, places)
            yield frame
