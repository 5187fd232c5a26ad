"""Runs a compiled network: in eight bits on LiteRT; in 32 bits on MNN, or on LiteRT where MNN is not available.

Called with faces (n, 48, 48, 1) float32 of 0..255, n at least 1, a network returns probabilities (n, 7) float32.
None is safe to call from two threads at once; each releases Python's lock meanwhile.
"""

import os
from pathlib import Path

import numpy as np

from inference.terminal import quiet_terminal, stdout_without

MOST_THREADS = min(4, os.cpu_count() or 1)  # of LiteRT; more are hardly faster
# MNN's number for how much memory its fast convolutions (Winograd) may take, and two of the values. LITTLE takes 65 MB
# less, a fifth of the time to load, and less time for a single face, but nearly twice the time for each of many.
MEMORY_FOR_WINOGRAD, LITTLE, MUCH = 3, 1, 3
AT_ONCE = 24  # faces through MNN at once; more are no faster, and take more memory
# The beginnings of the lines that MNN writes on import, and when a file is not one of its own.
MNN_WRITES = b"The device supports", b"Invalidate buffer", b"Create interpreter failed"


class LiteRTNetwork:
    """A .tflite file on LiteRT."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """threads: to compute on; None for as many as are useful. Raises OSError, and ValueError for another file."""
        with quiet_terminal():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_content=path.read_bytes(), num_threads=threads or MOST_THREADS)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._count = 1

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities (n, 7) float32 of faces (n, 48, 48, 1) float32."""
        if len(faces) != self._count:
            self._interpreter.resize_tensor_input(self._input, faces.shape)
            self._interpreter.allocate_tensors()
            self._count = len(faces)
        self._interpreter.set_tensor(self._input, faces)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


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
        self._input = self._interpreter.getSessionInput(self._session)
        self._count = 0

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities (n, 7) float32 of faces (n, 48, 48, 1) float32."""
        parts = np.array_split(faces, -(-len(faces) // AT_ONCE))  # of about one size: a few take almost as long as many
        return np.concatenate([self._classify(part) for part in parts])

    def _classify(self, faces: np.ndarray) -> np.ndarray:
        if len(faces) != self._count:
            self._interpreter.resizeTensor(self._input, faces.shape)
            self._interpreter.resizeSession(self._session)
            self._count = len(faces)
        self._input.copyFrom(self._tensor(faces))
        self._interpreter.runSession(self._session)
        output = self._interpreter.getSessionOutput(self._session)
        probabilities = self._tensor(np.empty(output.getShape(), np.float32))
        output.copyToHostTensor(probabilities)
        return probabilities.getNumpyData().copy()

    def _tensor(self, values: np.ndarray):  # type: ignore[no-untyped-def] # MNN has no types
        kind, layout = self._mnn.Halide_Type_Float, self._mnn.Tensor_DimensionType_Tensorflow
        return self._mnn.Tensor(values.shape, kind, np.ascontiguousarray(values), layout)


CompiledNetwork = LiteRTNetwork | MNNNetwork
