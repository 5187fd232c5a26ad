"""Runs a compiled network: in eight bits on LiteRT; in 32 bits on MNN, or on LiteRT where MNN is not available.

Called with faces (n, 48, 48, 1) float32 of 0..255, n at least 1, and people (n, 2 * channels) float32, a network
returns probabilities (n, 7) and measures (n, 2 * channels), both float32; see adaptable.py. `channels` is 0
for a network that cannot be set to a person. None is safe to call from two threads at once; each releases Python's
lock meanwhile.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from inference.terminal import quiet_terminal, stdout_without
from vision.expressions import EMOTIONS

MOST_THREADS = min(4, os.cpu_count() or 1)  # of LiteRT; more are hardly faster
# MNN's number for how much memory its fast convolutions (Winograd) may take, and two of the values. LITTLE takes 65 MB
# less, a fifth of the time to load, and less time for a single face, but nearly twice the time for each of many.
MEMORY_FOR_WINOGRAD, LITTLE, MUCH = 3, 1, 3
OF_PEOPLE = 2  # dimensions of that input, by which it is told from the faces
AT_ONCE = 24  # faces through MNN at once; more are no faster, and take more memory
# The beginnings of the lines that MNN writes on import, and when a file is not one of its own.
MNN_WRITES = b"The device supports", b"Invalidate buffer", b"Create interpreter failed"
IN_FULL = "This network loses too much in eight bits, so it runs in 32: right, but it may be slower."
EIGHT_BITS = ".int8.tflite"
# How the names of compiled networks end, and the sentence that a person should read about each form.
FORMS = {EIGHT_BITS: None, ".faster.mnn": None, ".exact.mnn": IN_FULL, ".exact.tflite": IN_FULL}


class LiteRTNetwork:
    """The content of a .tflite file on LiteRT."""

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        """threads: to compute on; None for as many as are useful. Raises ValueError for the content of another file."""
        with quiet_terminal():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_content=content, num_threads=threads or MOST_THREADS)
            self._interpreter.allocate_tensors()
        self._inputs = {len(each["shape"]): each for each in self._interpreter.get_input_details()}
        self._outputs = {int(each["shape"][1]): each["index"] for each in self._interpreter.get_output_details()}
        self.channels = int(self._inputs[OF_PEOPLE]["shape"][1]) // 2 if OF_PEOPLE in self._inputs else 0

    def __call__(self, faces: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the module."""
        # One by one: several at once take as long for each, more memory, and 2 ms more whenever their number changes.
        answers = [self._classify(faces[at : at + 1], people[at : at + 1]) for at in range(len(faces))]
        probabilities, measures = (np.concatenate(each) for each in zip(*answers))
        return probabilities, measures

    def _classify(self, face: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        for values in [face, person] if self.channels else [face]:
            self._interpreter.set_tensor(self._inputs[values.ndim]["index"], values)
        self._interpreter.invoke()
        probabilities = self._interpreter.get_tensor(self._outputs[len(EMOTIONS)])
        return probabilities, self._interpreter.get_tensor(self._outputs[person.shape[1]]) if self.channels else person


class MNNNetwork:
    """A .mnn file on MNN, on one thread: more of MNN's take more processor time than they save."""

    def __init__(self, path: Path, many: bool) -> None:
        """many: see FacialExpressionModel. Raises ImportError without MNN, and ValueError for another file."""
        with stdout_without(MNN_WRITES):
            import MNN

            try:
                self._interpreter = MNN.Interpreter(str(path))
            except Exception as error:  # MNN has no exception of its own
                raise ValueError(f"{path} is not a network for MNN.") from error
        self._mnn = MNN
        self._interpreter.setSessionHint(MEMORY_FOR_WINOGRAD, MUCH if many else LITTLE)
        self._session = self._interpreter.createSession({"numThread": 1})
        inputs = self._interpreter.getSessionInputAll(self._session).values()
        self._inputs = {len(each.getShape()): each for each in inputs}
        self.channels = self._inputs[OF_PEOPLE].getShape()[1] // 2 if OF_PEOPLE in self._inputs else 0
        self._count = 0

    def __call__(self, faces: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the module."""
        count = -(-len(faces) // AT_ONCE)
        parts = zip(np.array_split(faces, count), np.array_split(people, count))  # a few take almost as long as many
        answers = [self._classify(*part) for part in parts]
        probabilities, measures = (np.concatenate(each) for each in zip(*answers))
        return probabilities, measures

    def _classify(self, faces: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = [faces, people] if self.channels else [faces]
        if len(faces) != self._count:
            for values in given:
                self._interpreter.resizeTensor(self._inputs[values.ndim], values.shape)
            self._interpreter.resizeSession(self._session)
            self._count = len(faces)
        for values in given:
            self._inputs[values.ndim].copyFrom(self._tensor(values))
        self._interpreter.runSession(self._session)
        outputs = self._interpreter.getSessionOutputAll(self._session).values()
        answers = {output.getShape()[1]: self._copy(output) for output in outputs}
        return answers[len(EMOTIONS)], answers[people.shape[1]] if self.channels else people

    def _copy(self, output: Any) -> np.ndarray:
        values = self._tensor(np.empty(output.getShape(), np.float32))
        output.copyToHostTensor(values)
        return values.getNumpyData().copy()

    def _tensor(self, values: np.ndarray):  # type: ignore[no-untyped-def] # MNN has no types
        kind, layout = self._mnn.Halide_Type_Float, self._mnn.Tensor_DimensionType_Tensorflow
        return self._mnn.Tensor(values.shape, kind, np.ascontiguousarray(values), layout)


CompiledNetwork = LiteRTNetwork | MNNNetwork


def form_of(path: Path) -> str:
    """The one of FORMS that the file's name ends with."""
    return next(form for form in FORMS if path.name.endswith(form))


def open_compiled(path: Path, many: bool = False, threads: int | None = None) -> CompiledNetwork:
    """A file of one of the FORMS as a network. many, threads: see FacialExpressionModel.

    Raises OSError, ValueError, and ImportError where MNN is needed and not installed.
    """
    return MNNNetwork(path, many) if path.suffix == ".mnn" else LiteRTNetwork(path.read_bytes(), threads)
