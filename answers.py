"""What was found, as dicts for JSON, with faces as the package `fer` gives them, and more."""

import time

from model import EMOTIONS


def describe_faces(faces):
    """A tuple of annotate.Seen as a list of dicts."""
    return [
        {
            "face": face.number,
            "box": face.box,
            "label": None if face.label is None else EMOTIONS[face.label],
            "emotions": face.probabilities and name_emotions(face.probabilities),
        }
        for face in faces
    ]


def describe_shot(shot):
    """A camera.Shot: time, milliseconds that it is behind, size and faces."""
    return {
        "time": shot.timestamp,
        "delay": round(1000 * (time.time() - shot.timestamp)),
        "size": shot.size,
        "faces": describe_faces(shot.faces),
    }


def name_emotions(probabilities):
    """Seven probabilities as a dict."""
    return {name.lower(): round(float(value), 3) for name, value in zip(EMOTIONS, probabilities)}
