"""The stages between a frame and its faces with labels: find, follow, classify, smooth."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from vision.crop import crop_faces
from vision.faces import STILL_SCALE_FACTOR, Face, FaceDetector, FaceFollower, as_box, halvings
from vision.opencv import cv2
from vision.smoothing import ExpressionSmoother


class Classifier(Protocol):
    """The network, as this package sees it; `model.FacialExpressionModel` is one."""

    def predict(self, faces: np.ndarray, /) -> np.ndarray:
        """Probabilities (n, 7) float32 of faces (n, 48, 48) uint8."""


def with_probabilities(faces: Sequence[Face], probabilities: np.ndarray) -> list[Face]:
    """The faces with their probabilities (n, 7), a row each, filled in."""
    return [replace(face, probabilities=row) for face, row in zip(faces, probabilities, strict=True)]


def classify(grey: np.ndarray, faces: Sequence[Face], model: Classifier) -> list[Face]:
    """The faces in a grey frame, (height, width) uint8, with their probabilities filled in."""
    return with_probabilities(faces, model.predict(crop_faces(grey, [face.box for face in faces])))


def find_in_picture(image: np.ndarray, model: Classifier) -> list[Face]:
    """The faces in a single picture, (height, width, 3) uint8 BGR, from left to right; nothing is smoothed."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    boxes = FaceDetector(STILL_SCALE_FACTOR).detect(grey)
    faces = classify(grey, [Face(number, as_box(box)) for number, box in enumerate(boxes, 1)], model)
    return ExpressionSmoother().smooth(faces, 0.0)


class LiveAnnotator:
    """Finds the faces in frames as they come, one by one. Not safe to call from two threads at once."""

    def __init__(self) -> None:
        self._follower = FaceFollower()
        self._smoother = ExpressionSmoother()

    def annotate(
        self,
        grey: np.ndarray,
        moment: float,
        model: Classifier | None,
        found: np.ndarray | None = None,
        searched: float | None = None,
    ) -> list[Face]:
        """The faces in the next frame, from left to right.

        grey: the frame, (height, width) uint8. moment: its time in seconds, of any clock. model: None while it is being
        prepared; the faces then have no probabilities. found: boxes (n, 4) that a search found in this frame, or in
        that of the moment `searched`.
        """
        faces = self._follower.follow(halvings(grey), moment, found, searched)
        return self._smoother.smooth(classify(grey, faces, model), moment) if model else faces
