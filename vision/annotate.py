"""The stages between a frame and its faces with labels: find, follow, classify, smooth."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from vision.crop import crop_faces
from vision.faces import Face
from vision.follow import FaceFollower, face_of
from vision.judge import SHOWN, Found
from vision.opencv import cv2
from vision.patches import Place, halvings
from vision.search import search_still
from vision.smoothing import ExpressionSmoother

CLASSIFIED_AT_ONCE = 64  # faces of a picture: the network needs 0.7 MB of memory for each


class Classifier(Protocol):
    """The network, as this package sees it; `model.FacialExpressionModel` is one."""

    def predict(self, faces: np.ndarray, /) -> np.ndarray:
        """Probabilities (n, 7) float32 of faces (n, 48, 48) uint8."""


def classified(faces: Sequence[Face]) -> list[Face]:
    """Those of the faces that the network can classify."""
    return [face for face in faces if face.state == "frontal"]


def with_probabilities(faces: Sequence[Face], probabilities: np.ndarray) -> list[Face]:
    """The faces with their probabilities, a row of (n, 7) for each that can be classified, filled in."""
    rows = iter(probabilities)
    return [replace(face, probabilities=next(rows)) if face.state == "frontal" else face for face in faces]


def classify(grey: np.ndarray, faces: Sequence[Face], model: Classifier) -> list[Face]:
    """The faces in a grey frame, (height, width) uint8, with their probabilities filled in."""
    return with_probabilities(faces, model.predict(crop_faces(grey, classified(faces))))


def find_in_picture(image: np.ndarray, model: Classifier) -> list[Face]:
    """The faces in a single picture, (height, width, 3) uint8 BGR, from left to right; nothing is smoothed."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    found = [each for each in search_still(halvings(grey)) if each.score >= SHOWN]
    found.sort(key=lambda each: each.place.box)
    faces = [face_of(number, each.place, each.score, each.side, grey) for number, each in enumerate(found, 1)]
    parts = [faces[first : first + CLASSIFIED_AT_ONCE] for first in range(0, len(faces), CLASSIFIED_AT_ONCE)]
    return ExpressionSmoother().smooth([face for part in parts for face in classify(grey, part, model)], 0.0)


class LiveAnnotator:
    """Finds the faces in frames as they come, one by one. Not safe to call from two threads at once."""

    def __init__(self) -> None:
        self._follower = FaceFollower(is_live=True)
        self._smoother = ExpressionSmoother()

    def annotate(
        self,
        sizes: list[np.ndarray],
        moment: float,
        model: Classifier | None,
        found: Sequence[Found] | None = None,
        searched: float | None = None,
    ) -> list[Face]:
        """The faces in the next frame, from left to right.

        sizes: the frame's halvings. moment: its time in seconds, of any clock. model: None while it is being prepared;
        the faces then have no probabilities. found: what a search found in this frame, or in that of the moment
        `searched`.
        """
        faces = self._follower.follow(sizes, moment, found, searched)
        return self._smoother.smooth(classify(sizes[0], faces, model), moment) if model else faces

    def places(self) -> list[Place]:
        """Where the faces are that are followed."""
        return self._follower.places()
