"""From faces to probabilities that can be believed: one way, for the live view, pictures and saved videos."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from vision.confidence import calibrated, conditions_of
from vision.crop import all_in_good_light, cut_faces
from vision.faces import Face

AT_ONCE = 32  # faces, so that those of a whole segment take little memory
Person = np.ndarray  # what a face's own network is set to; see inference/person.py


class Classifier(Protocol):
    """The network, as this package sees it; `model.FacialExpressionModel` is one."""

    def predict(self, faces: np.ndarray, people: Sequence[Person | None] | None, mirrored: bool, /) -> np.ndarray:
        """Probabilities (n, 7) float32 of faces (n, 48, 48) uint8; people: whose each is; mirrored: see the model."""

    def learn(self, faces: np.ndarray, resting: bool = False, /) -> Person | None:
        """What a person's faces, (n, 48, 48) uint8, say of them; None where the network cannot be set to a person."""


def classified(faces: Sequence[Face]) -> list[Face]:
    """Those of the faces that the network can classify."""
    return [face for face in faces if face.state == "frontal"]


def believed(
    crops: np.ndarray,
    sides: Sequence[int] | np.ndarray,
    angles: Sequence[int] | np.ndarray,
    model: Classifier,
    people: Sequence[Person | None] | None = None,
    mirrored: bool = True,
) -> np.ndarray:
    """Calibrated probabilities, (n, 7) float32, of n faces.

    crops: (n, 48, 48) uint8, of the faces as they are in the frame, in its own light. sides: of their boxes, in pixels.
    angles: degrees by which they are tilted. people: what was learned of each, or None. mirrored: whether each face is
    averaged with its mirror image.
    """
    known = [None] * len(crops) if people is None else people
    conditions = conditions_of(crops, sides, angles, [person is not None for person in known])
    parts = [slice(begin, begin + AT_ONCE) for begin in range(0, max(len(crops), 1), AT_ONCE)]
    answers = [model.predict(all_in_good_light(crops[part]), known[part], mirrored) for part in parts]
    return calibrated(np.concatenate(answers), conditions)


def faces_believed(
    crops: np.ndarray,
    faces: Sequence[Face],
    model: Classifier,
    people: Sequence[Person | None] | None = None,
    mirrored: bool = True,
) -> np.ndarray:
    """As `believed`, for n Faces."""
    sides, angles = [max(face.box[2:]) for face in faces], [face.angle for face in faces]
    return believed(crops, sides, angles, model, people, mirrored)


def with_probabilities(faces: Sequence[Face], probabilities: np.ndarray) -> list[Face]:
    """The faces with their probabilities, a row of (n, 7) for each that can be classified, filled in."""
    rows = iter(probabilities)
    return [replace(face, probabilities=next(rows)) if face.state == "frontal" else face for face in faces]


def classify(grey: np.ndarray, faces: Sequence[Face], model: Classifier) -> list[Face]:
    """The faces in a grey picture, (height, width) uint8, with their probabilities filled in, mirrored."""
    frontal = classified(faces)
    return with_probabilities(faces, faces_believed(cut_faces(grey, frontal), frontal, model))
