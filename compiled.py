"""A compiled network: one in eight bits runs on LiteRT, one in 32 on MNN or, where that is not there, on LiteRT too.

Called with faces (n, 48, 48, 1) float32 of 0..255, n at least 1, each gives (n, 7) float32. None is safe to call from
two threads at once; each releases Python's lock meanwhile.
"""

import contextlib
import ctypes
import os
import sys
import tempfile
import threading

import numpy as np

THREADS = min(4, os.cpu_count() or 1)  # of LiteRT; more are hardly faster
# MNN's number for how much memory its fast convolutions (Winograd) may take, and two of the values. Little is 65 MB
# less, a fifth of the time to load, in which nothing else of this process runs, and less for a single face, but nearly
# twice the time for each of many.
MEMORY_FOR_WINOGRAD, LITTLE, MUCH = 3, 1, 3
AT_ONCE = 24  # faces through MNN, at most; more are no faster, and take more memory
# How the lines begin that MNN writes when it is imported, and beside the exception for a file that is none of its own.
MNN_WRITES = b"The device supports", b"Invalidate buffer", b"Create interpreter failed"
_terminal = threading.RLock()  # whoever has it may turn the process' output elsewhere


@contextlib.contextmanager
def quiet_terminal():
    """Keep what C++ libraries write on loading, and what none of their settings stops, off the terminal."""
    sys.stderr.flush()
    with open(os.devnull, "w") as nowhere, _turned(2, nowhere):
        yield


@contextlib.contextmanager
def _stdout_without(beginnings):
    """Keep lines that begin so off standard output, and nothing that other threads may write meanwhile."""
    with tempfile.TemporaryFile() as written:
        sys.stdout.flush()
        try:
            with _turned(1, written):
                yield
                sys.stdout.flush()
                ctypes.CDLL("ucrtbase" if os.name == "nt" else None).fflush(None)  # C has a buffer of its own
        finally:
            written.seek(0)
            for line in written:
                if not line.startswith(beginnings):
                    os.write(1, line)


@contextlib.contextmanager
def _turned(descriptor, file):
    """What is written to the descriptor goes into the file."""
    with _terminal:
        original = os.dup(descriptor)
        os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            os.dup2(original, descriptor)
            os.close(original)


class LiteRTNetwork:
    def __init__(self, path):
        """path: a .tflite file. Raises OSError, and ValueError where it is none."""
        with quiet_terminal():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_content=path.read_bytes(), num_threads=THREADS)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._count = 1

    def __call__(self, faces):
        if len(faces) != self._count:
            self._interpreter.resize_tensor_input(self._input, faces.shape)
            self._interpreter.allocate_tensors()
            self._count = len(faces)
        self._interpreter.set_tensor(self._input, faces)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


class MNNNetwork:
    """On one thread, since more of MNN's take more time of the processor than they save."""

    def __init__(self, path, many):
        """path: a .mnn file. many: see FacialExpressionModel. Raises ValueError where it is none, and ImportError."""
        with _stdout_without(MNN_WRITES):
            import MNN

            try:
                self._interpreter = MNN.Interpreter(str(path))
            except Exception as error:  # MNN has no kind of its own
                raise ValueError(f"{path} is no network for MNN.") from error
        self._mnn = MNN
        self._interpreter.setSessionHint(MEMORY_FOR_WINOGRAD, MUCH if many else LITTLE)
        self._session = self._interpreter.createSession({"numThread": 1})
        self._input = self._interpreter.getSessionInput(self._session)
        self._count = None

    def __call__(self, faces):
        parts = np.array_split(faces, -(-len(faces) // AT_ONCE))  # of about one size, since a few take almost as long
        return np.concatenate([self._some(part) for part in parts])

    def _some(self, faces):
        if len(faces) != self._count:
            self._interpreter.resizeTensor(self._input, faces.shape)
            self._interpreter.resizeSession(self._session)
            self._count = len(faces)
        self._input.copyFrom(self._tensor(faces))
        self._interpreter.runSession(self._session)
        output = self._interpreter.getSessionOutput(self._session)
        answers = self._tensor(np.empty(output.getShape(), np.float32))
        output.copyToHostTensor(answers)
        return answers.getNumpyData().copy()

    def _tensor(self, values):
        kind, layout = self._mnn.Halide_Type_Float, self._mnn.Tensor_DimensionType_Tensorflow
        return self._mnn.Tensor(values.shape, kind, np.ascontiguousarray(values), layout)
