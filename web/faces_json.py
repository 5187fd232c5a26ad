"""What was found, as JSON: faces as the package `fer` gives them, with a number and a label besides."""

import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from camera import Shot
from vision.expressions import EMOTIONS
from vision.faces import Face


def faces_to_json(faces: Iterable[Face]) -> list[dict[str, Any]]:
    """Faces as dicts; without a model, and turned away, they have neither label nor emotions."""
    return [
        {
            "face": face.number,
            "box": face.box,
            "label": None if face.label is None else EMOTIONS[face.label],
            "emotions": None if face.smoothed is None else _name_emotions(face.smoothed),
            "angle": face.angle,
            "score": round(face.score, 3),
            "state": face.state,
        }
        for face in faces
    ]


def shot_to_json(shot: Shot) -> dict[str, Any]:
    """A camera.Shot's time, its age in milliseconds, its size and its faces."""
    return {
        "time": shot.timestamp,
        "delay": round(1000 * (time.time() - shot.timestamp)),
        "size": shot.size,
        "faces": faces_to_json(shot.faces),
    }


def _name_emotions(probabilities: np.ndarray) -> dict[str, float]:
    return {name.lower(): round(float(value), 3) for name, value in zip(EMOTIONS, probabilities)}
