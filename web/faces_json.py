"""What was found, as JSON: faces as the package `fer` gives them, with a number and a label besides."""

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from flask import request

from camera import Shot
from vision.expressions import EMOTIONS
from vision.faces import Face
from web.errors import RequestError

NO_SUCH_FACE = "There is no face of that number now."


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
            "sure": None if face.label is None else face.sure,
            "adapted": face.adapted,
        }
        for face in faces
    ]


def wanted_face() -> int:
    """The number of a face in the request that is answered, {"face": 1}. Raises RequestError."""
    body = request.get_json(silent=True)
    number = body.get("face") if isinstance(body, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise RequestError('Send a JSON object with the number of a face, such as {"face": 1}.', 400)
    return number


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
