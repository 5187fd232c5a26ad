"""The network: its layers, its labels, the one way from a face to its input, and the class that answers with labels.

The layers are those of the course "Facial Expression Recognition with Keras" (Coursera Project Network).
Keras is imported where it is used, because that takes seconds which reading a label does not need.
"""

import json
import os
from functools import cached_property
from pathlib import Path

import numpy as np

from compiled import quiet_terminal
from opencv import cv2
from runtime import CompileError, ModelError, load_compiled

# The course's order, which is alphabetical: column i of every array of probabilities is EMOTIONS[i].
EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
FACE_SIZE = 48  # pixels, the side of a FER2013 picture

ROOT = Path(__file__).resolve().parent
MODEL_JSON = ROOT / "model.json"
MODEL_WEIGHTS = ROOT / "model_weights.h5"


def import_keras():
    """Keras, without the half page that TensorFlow's C++ part writes on loading."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_terminal():
        import keras
    return keras


def build_model(policy="float32"):
    """The untrained network as a `keras.Sequential`: uint8 or float faces (n, 48, 48, 1) of 0..255 to (n, 7).

    4,478,727 parameters, 4,474,759 of them trainable. Scaling to -1..1 is part of it, so that nobody who feeds it
    can scale differently from those who trained it. policy: Keras' name for the precision to compute in, such as
    "mixed_bfloat16" to train faster; the probabilities are float32 in any case.
    """
    keras = import_keras()
    layers = keras.layers
    blocks = [keras.Input((FACE_SIZE, FACE_SIZE, 1)), layers.Rescaling(1 / 127.5, offset=-1, dtype=policy)]
    for filters, kernel in ((64, 3), (128, 5), (512, 3), (512, 3)):
        blocks += [
            layers.Conv2D(filters, kernel, padding="same", dtype=policy),
            layers.BatchNormalization(dtype=policy),
            layers.Activation("relu", dtype=policy),
            layers.MaxPooling2D(2, dtype=policy),
            layers.Dropout(0.25, dtype=policy),
        ]  # the picture: 24, 12, 6, then 3 pixels wide
    blocks.append(layers.Flatten(dtype=policy))  # (n, 3 * 3 * 512)
    for units in (256, 512):
        blocks += [
            layers.Dense(units, dtype=policy),
            layers.BatchNormalization(dtype=policy),
            layers.Activation("relu", dtype=policy),
            layers.Dropout(0.25, dtype=policy),
        ]
    blocks.append(layers.Dense(len(EMOTIONS), activation="softmax", dtype="float32"))
    return keras.Sequential(blocks)


def crop_face(grey, box):
    """The network's view of one face: the box cut out of a grey frame and resized.

    grey: (height, width) uint8. box: x, y, width, height in pixels, at least partly inside the frame.
    Returns (48, 48) uint8. A Haar box matches FER2013's own framing, so there is no margin.
    """
    x, y, width, height = (int(value) for value in box)
    face = grey[max(y, 0) : y + height, max(x, 0) : x + width]
    while min(face.shape) >= 4 * FACE_SIZE:  # halving is many times faster than averaging in one go
        face = cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    # Averaging over the area keeps a large face from aliasing; it cannot enlarge.
    interpolation = cv2.INTER_AREA if min(face.shape) > FACE_SIZE else cv2.INTER_CUBIC
    return cv2.resize(face, (FACE_SIZE, FACE_SIZE), interpolation=interpolation)


def crop_faces(grey, boxes):
    """The network's view of every face in a grey frame: boxes (n, 4) to (n, 48, 48) uint8; see crop_face."""
    return np.array([crop_face(grey, box) for box in boxes], np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)


def load_network(model_json_file, model_weights_file):
    """The Keras network that the two files describe.

    Files written by Keras 3 and by Keras 2 (the course's own) both load. Raises ModelError.
    """
    keras = import_keras()
    config = _read_json(model_json_file)
    remedy = "Restore it with `git checkout`, or export both files again with train.ipynb."
    try:
        if "module" in config:
            network = keras.models.model_from_json(json.dumps(config))
        else:
            network = keras.Sequential.from_config(_translate_keras2(config["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{model_json_file} does not describe a Keras network. {remedy}") from error
    if not Path(model_weights_file).is_file():
        raise ModelError(f"{model_weights_file} does not exist. {remedy}")
    try:
        network.load_weights(model_weights_file)
    except (KeyError, OSError, ValueError) as error:
        raise ModelError(
            f"{model_weights_file} is damaged or does not belong to {model_json_file}. {remedy}"
        ) from error
    if network.output_shape != (None, len(EMOTIONS)):
        raise ModelError(f"{model_json_file} does not give {len(EMOTIONS)} probabilities a face. {remedy}")
    return network


def _translate_keras2(config):
    """What keras.Sequential.from_config of Keras 3 takes, from what Keras 2 wrote for a Sequential network."""
    layers = []
    for layer in config["layers"]:
        settings = dict(layer["config"])
        shape = settings.pop("batch_input_shape", None)  # on the first layer; Keras 3 wants an InputLayer
        if shape and not layers:
            layers.append({"class_name": "InputLayer", "config": {"batch_shape": shape}})
        if isinstance(settings.get("axis"), list):
            (settings["axis"],) = settings["axis"]
        if layer["class_name"] != "InputLayer":
            layers.append({"class_name": layer["class_name"], "config": settings})
    return {"name": config["name"], "layers": layers}


def _read_json(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist. Restore it with `git checkout`, or train with train.ipynb.") from None
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read as JSON. Restore it with `git checkout`, or export it again with train.ipynb."
        ) from error


class FacialExpressionModel:
    """The trained network, ready to classify faces, in the fastest form that this machine runs.

    note: a sentence about that form where it is not the usual one, else None.
    Not safe to call from two threads at once.
    """

    EMOTIONS_LIST = list(EMOTIONS)

    def __init__(self, model_json_file=MODEL_JSON, model_weights_file=MODEL_WEIGHTS, many=False):
        """Load the network, which the first time takes some seconds to compile.

        many: whether it is for many faces at once, as a recording has them: on some processors it takes 65 MB more
        then, and half the time for each.

        Raises ModelError where a file is missing, damaged or does not match the other.
        """
        self._files = model_json_file, model_weights_file
        try:
            self._classify = load_compiled(*self._files, many)
            self.note = self._classify.note
        except CompileError as error:
            self._classify, self.note = self.network.predict_on_batch, f"{error} Keras itself classifies, slowly."
        self.predict(np.zeros((1, FACE_SIZE, FACE_SIZE), np.uint8))  # so that the first face need not wait

    @cached_property
    def network(self):
        """The Keras network of the two files, which is loaded when it is first asked for."""
        return load_network(*self._files)

    def predict(self, faces):
        """Probabilities of a batch of faces.

        faces: (n, 48, 48) or (n, 48, 48, 1), values 0..255. Returns (n, 7) float32, each row summing to 1,
        columns in the order of EMOTIONS_LIST.
        """
        faces = np.asarray(faces, np.float32).reshape(-1, FACE_SIZE, FACE_SIZE, 1)
        if len(faces) == 0:
            return np.empty((0, len(EMOTIONS)), np.float32)
        return self._classify(faces)

    def predict_emotion(self, img):
        """The label of one face, given as (48, 48), (48, 48, 1) or (1, 48, 48, 1) with values 0..255."""
        return self.EMOTIONS_LIST[int(np.argmax(self.predict(img)[0]))]
