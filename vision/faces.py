"""A face in a frame, on its way from being found to its label."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vision.patches import Box, Place

State = Literal["frontal", "turned away"]
Adapted = Literal["seen", "resting"]


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a frame. Each stage returns it with more filled in: found, classified, smoothed."""

    number: int  # from 1; the face keeps it while it is followed
    box: Box  # x, y, width, height in pixels, upright
    # (7,) float32 of this frame alone, 0..1, or live of the latest in which it was classified; None without a model.
    probabilities: np.ndarray | None = None
    smoothed: np.ndarray | None = None  # (7,) the same, smoothed over time
    label: int | None = None  # index into EMOTIONS of the label that is shown
    angle: int = 0  # degrees by which it is tilted clockwise; 0 where it is about upright
    score: float = 1.0  # the share of such finds that are faces, 0..1
    state: State = "frontal"  # one that is turned away is not classified: the network knows frontal faces alone
    sure: bool = True  # whether the label is right often enough to be shown; where not, the face is unsure
    adapted: Adapted | None = None  # what the network was set to for it: all that was seen of it, or its resting face
    classified: float | None = None  # the moment of the live frame that the probabilities are of, in seconds
    name: str = ""  # what people call it, if they do
    is_seen: bool = True  # in this very frame; if not, this is where it was last, or what looks like it

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place.of_box(self.box, self.angle)
