"""The network in its fastest form: compiled for LiteRT once for every pair of files, and kept in the cache.

Compiling takes TensorFlow, seconds and most of a gigabyte, so a process of its own does it (`convert.py`), and whoever
starts later with the same two files reads the result.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CONVERTER = Path(__file__).resolve().parent / "convert.py"
CACHE_NAME = "facial-expressions"
FORMAT = "1"  # counts up when convert.py makes something else of the same files
KEPT = 4  # networks in the cache; the oldest go first
THREADS = min(4, os.cpu_count() or 1)  # more are hardly faster
IN_FULL = "This network loses too much in eight bits, so it runs in 32: right, but four times slower."


class ModelError(Exception):
    """A model file that cannot be used; the message is one sentence that names the file and what to do."""


class CompileError(Exception):
    """This machine cannot compile networks; the message is one sentence with the reason."""


@contextlib.contextmanager
def quiet_terminal():
    """Keep what C++ libraries write on loading, and what none of their settings stops, off the terminal."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


class CompiledNetwork:
    """A LiteRT network: call it with faces (n, 48, 48, 1) float32 of 0..255, n at least 1, for (n, 7) float32.

    note: a sentence about its form where it is not the usual one, weights of eight bits, else None.
    Not safe to call from two threads at once.
    """

    def __init__(self, content):
        """content: the bytes of a .tflite file. Raises ValueError where they are none."""
        with quiet_terminal():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_content=content, num_threads=THREADS)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._count = 1
        in_eight_bits = any(tensor["dtype"] is np.int8 for tensor in self._interpreter.get_tensor_details())
        self.note = None if in_eight_bits else IN_FULL

    def __call__(self, faces):
        if len(faces) != self._count:
            self._interpreter.resize_tensor_input(self._input, faces.shape)
            self._interpreter.allocate_tensors()
            self._count = len(faces)
        self._interpreter.set_tensor(self._input, faces)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


def load_compiled(model_json_file, model_weights_file):
    """The pair of files as a CompiledNetwork, from the cache or compiled now.

    Raises ModelError where the files cannot be used, CompileError where this machine cannot compile them.
    """
    name = _content_name(model_json_file, model_weights_file)
    folder = _cache_folder()
    if folder:
        cached = folder / name
        try:
            network = CompiledNetwork(cached.read_bytes())
            cached.touch()
            return network
        except (OSError, ValueError):
            pass  # not there, or cut short by a full disk: it is made anew
    with tempfile.TemporaryDirectory(dir=folder, prefix="compiling-") as work:
        made = Path(work) / name
        _convert(model_json_file, model_weights_file, made)
        network = CompiledNetwork(made.read_bytes())
        if folder:
            os.replace(made, folder / name)
            _prune(folder)
    return network


def _content_name(*files):
    """A file name that only the same contents, compiled in the same way, have. Raises ModelError, CompileError."""
    try:
        compiler = importlib.metadata.version("ai-edge-litert")
    except importlib.metadata.PackageNotFoundError as error:
        raise CompileError("LiteRT is not installed.") from error
    digest = hashlib.sha256(f"{FORMAT} {compiler}".encode())
    for file in files:
        try:
            digest.update(Path(file).read_bytes())
        except OSError as error:
            reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            raise ModelError(
                f"{file} {reason}. Restore it with `git checkout`, or export both files again with train.ipynb."
            ) from error
    return f"{digest.hexdigest()[:32]}.tflite"


def _cache_folder():
    """The cache folder, or None where nothing can be written."""
    from platformdirs import user_cache_path

    folder = user_cache_path(CACHE_NAME, appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _prune(folder):
    """Leave the networks that were used last."""
    networks = sorted(folder.glob("*.tflite"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in networks[KEPT:]:
        path.unlink(missing_ok=True)


def _convert(model_json_file, model_weights_file, made):
    """Have the files compiled into the file `made`. Raises ModelError, CompileError."""
    command = [
        sys.executable,
        CONVERTER,
        *(Path(path).resolve() for path in (model_json_file, model_weights_file, made)),
    ]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}  # whatever this process uses
    with tempfile.TemporaryFile() as complaints:
        # Its standard input ends when this process does, and that ends it too.
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": complaints}
        with subprocess.Popen(command, **pipes, env=environment) as process:
            lines = process.stdout.read().decode(errors="replace").splitlines()
        complaints.seek(0)
        reasons = complaints.read().decode(errors="replace").splitlines()
    if process.returncode != 0 or not lines:
        raise CompileError(f"The network cannot be compiled here ({(reasons or ['no reason given'])[-1]}).")
    if error := json.loads(lines[-1])["error"]:
        raise ModelError(error)
