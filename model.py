"""The network: its layers, and `FacialExpressionModel`, the class that answers with probabilities and labels.

The layers are those of the course "Facial Expression Recognition with Keras" (Coursera Project Network).
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from inference.adaptable import KerasNetwork
from inference.cache import choose
from inference.compiled import MOST_THREADS
from inference.errors import CompileError, ModelError
from inference.keras_files import import_keras, load_network
from inference.person import PASSES, REST_SHARE, Person, person_of, share_of, weights_of
from inference.pool import Form, Pool
from paths import MODEL_JSON, MODEL_WEIGHTS
from vision.crop import FACE_SIZE, crop_face
from vision.expressions import EMOTIONS

LEARNED_AT_ONCE = 24  # faces, so that any number takes little memory

log = logging.getLogger(__name__)

__all__ = [
    "EMOTIONS",
    "FACE_SIZE",
    "FacialExpressionModel",
    "ModelError",
    "build_model",
    "crop_face",
    "load_network",
]


def build_model(policy: str = "float32") -> Any:
    """The untrained network as a `keras.Sequential`: uint8 or float faces (n, 48, 48, 1) of 0..255 to (n, 7).

    4,478,727 parameters, 4,474,759 of them trainable. Scaling to -1..1 is its first layer, so that training and use
    cannot scale differently. policy: Keras' name for the precision to compute in, such as "mixed_bfloat16" to train
    faster; the probabilities are float32 in any case.
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


def _as_batch(faces: np.ndarray) -> np.ndarray:
    return np.asarray(faces, np.float32).reshape(-1, FACE_SIZE, FACE_SIZE, 1)


class FacialExpressionModel:
    """The trained network, ready to classify faces, in the fastest form that this machine runs.

    Safe to call from any number of threads: each call has a compiled network to itself.
    """

    EMOTIONS_LIST = list(EMOTIONS)

    def __init__(
        self,
        model_json_file: str | Path = MODEL_JSON,
        model_weights_file: str | Path = MODEL_WEIGHTS,
        many: bool = False,
        threads: int | None = None,
    ) -> None:
        """Load the network, which some pairs of files must first be compiled for: that takes some seconds, once.

        Where another form may be faster on this machine than the one beside the files, it is compiled in the background
        and takes over. many: whether many faces are classified at once, as in saved videos: then nothing takes over
        later, and on some processors the network takes 65 MB more, and half the time a face. threads: of the processor
        for one call; None for as many as are useful. Raises ModelError where a file is missing, damaged or does not
        match the other.
        """
        self._files = model_json_file, model_weights_file
        self._background: threading.Thread | None = None
        try:
            form, compile_faster = choose(*self._files, many, threads)
        except CompileError as error:
            form, compile_faster = self._keras_form(f"{error} Keras itself classifies, slowly."), None
        # In MNN, a face's last digits depend on how many are beside it; a video's are to be the same with any workers.
        self._cores = 1 if many or threads == 1 else MOST_THREADS
        self._pool = Pool(form, self._cores)
        if compile_faster:
            self._background = threading.Thread(target=self._take_over, args=(compile_faster,), daemon=True)
            self._background.start()

    @property
    def note(self) -> str | None:
        """A sentence about the network's form where it is not the usual one."""
        return self._pool.form.note

    @property
    def seconds_a_face(self) -> float:
        """How long the network takes for a single face."""
        return self._pool.seconds_a_face

    def settle(self) -> None:
        """Wait until the network runs in the form that stays, as for a measurement."""
        if self._background:
            self._background.join()

    @cached_property
    def network(self) -> Any:
        """The `keras.Model` of the two files, which is loaded when it is first asked for."""
        return load_network(*self._files)

    def predict(
        self, faces: np.ndarray, people: Sequence[Person | None] | None = None, mirrored: bool = False
    ) -> np.ndarray:
        """Probabilities of a batch of faces.

        faces: (n, 48, 48) or (n, 48, 48, 1), values 0..255. people: whose face each is, as `learn` gave them, or None
        where nothing is known. mirrored: whether each face is averaged with its mirror image, which takes twice the
        time and is right a little more often. Returns (n, 7) float32, each row summing to 1, columns in the order of
        EMOTIONS_LIST.
        """
        faces = _as_batch(faces)
        if len(faces) == 0:
            return np.empty((0, len(EMOTIONS)), np.float32)
        known: list[Person | None] = [None] * len(faces) if people is None else list(people)
        run = self._pool.run
        if not mirrored:
            return run(faces, known)[0]
        probabilities, _ = run(np.concatenate([faces, faces[:, :, ::-1]]), known + known)
        return (probabilities[: len(faces)] + probabilities[len(faces) :]) / 2

    def learn(self, faces: np.ndarray, resting: bool = False) -> Person | None:
        """What the network is to be set to for a person, from some of their faces; for `predict`.

        faces: as for `predict`, at least one; the more there are, the further the network is set to them. resting:
        whether they show the face at rest, for which one is enough. Returns None for a network that cannot be set.
        """
        faces, person, weights = _as_batch(faces), None, None
        run = self._pool.run  # the same network for all passes
        for _ in range(PASSES):  # each sets one layer more, since what a layer gets depends on those before it
            parts = [faces[first : first + LEARNED_AT_ONCE] for first in range(0, len(faces), LEARNED_AT_ONCE)]
            answers = [run(part, [person] * len(part)) for part in parts]
            probabilities, measures = (np.concatenate(each) for each in zip(*answers))
            if not measures.shape[1]:
                return None
            if weights is None:
                weights = weights_of(probabilities)
                share = REST_SHARE if resting else share_of(probabilities)
            person = person_of(measures, weights, share)
        return person

    def predict_emotion(self, img: np.ndarray) -> str:
        """The label of one face, given as (48, 48), (48, 48, 1) or (1, 48, 48, 1) with values 0..255."""
        return self.EMOTIONS_LIST[int(np.argmax(self.predict(img)[0]))]

    def _keras_form(self, note: str) -> Form:
        return Form(KerasNetwork(self.network), lambda: KerasNetwork(self.network), note)

    def _take_over(self, compile_faster: Callable[[], Form]) -> None:
        """Have later calls use another form; those under way end with the one that they began with."""
        try:
            form = compile_faster()
            if form is not self._pool.form:
                self._pool = Pool(form, self._cores)
        except Exception as error:  # whatever it is, the form in use stays
            log.info("The network stays in the form in which it came: %s", error)
