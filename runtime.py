"""The network in its fastest form: compiled once for every pair of files, and kept in the cache.

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

from compiled import LiteRTNetwork, MNNNetwork

CONVERTER = Path(__file__).resolve().parent / "convert.py"
CACHE_NAME = "facial-expressions"
FORMAT = "2"  # counts up when convert.py makes something else of the same files
KEPT = 4  # networks in the cache; the oldest go first
IN_FULL = "This network loses too much in eight bits, so it runs in 32: right, but it may be slower."
# How the names of compiled networks end, and what there is to say about each form.
FORMS = {".int8.tflite": None, ".faster.mnn": None, ".exact.mnn": IN_FULL, ".exact.tflite": IN_FULL}


class ModelError(Exception):
    """A model file that cannot be used; the message is one sentence that names the file and what to do."""


class CompileError(Exception):
    """This machine cannot compile networks; the message is one sentence with the reason."""


def open_compiled(path, many=False):
    """A file of one of the FORMS as a network. many: see FacialExpressionModel.

    Raises OSError, ValueError, and ImportError where MNN is not there.
    """
    form = next(form for form in FORMS if path.name.endswith(form))
    network = MNNNetwork(path, many) if path.suffix == ".mnn" else LiteRTNetwork(path)
    network.note = FORMS[form]
    return network


def load_compiled(model_json_file, model_weights_file, many=False):
    """The pair of files as one of the networks of compiled.py, with a note: a sentence about its form, or None.

    many: see FacialExpressionModel. It comes from the cache, or is compiled now. Raises ModelError where the files
    cannot be used, CompileError where this machine cannot compile them.
    """
    name = _content_name(model_json_file, model_weights_file)
    folder = _cache_folder()
    for cached in sorted(folder.glob(f"{name}.*")) if folder else ():
        try:
            network = open_compiled(cached, many)
            cached.touch()
            return network
        except (OSError, ValueError):
            pass  # cut short by a full disk: it is made anew
    with tempfile.TemporaryDirectory(dir=folder, prefix="compiling-") as work:
        made = Path(work) / _convert(model_json_file, model_weights_file, Path(work) / name)
        network = open_compiled(made, many)
        if folder:
            os.replace(made, folder / made.name)
            _prune(folder)
    return network


def _content_name(*files):
    """A name that only the same contents, compiled in the same way, have. Raises ModelError, CompileError."""
    try:
        compiler = importlib.metadata.version("ai-edge-litert")
    except importlib.metadata.PackageNotFoundError as error:
        raise CompileError("LiteRT is not installed.") from error
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # it is not for every system
        compiler += " " + importlib.metadata.version("mnn")
    digest = hashlib.sha256(f"{FORMAT} {compiler}".encode())
    for file in files:
        try:
            digest.update(Path(file).read_bytes())
        except OSError as error:
            reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            raise ModelError(
                f"{file} {reason}. Restore it with `git checkout`, or export both files again with train.ipynb."
            ) from error
    return digest.hexdigest()[:32]


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
    networks = sorted(folder.glob("*.*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in networks[KEPT:]:
        path.unlink(missing_ok=True)


def _convert(model_json_file, model_weights_file, made):
    """Have the files compiled. Returns the name of what was made: `made` with one of FORMS at its end.

    Raises ModelError, CompileError.
    """
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
    answer = json.loads(lines[-1])
    if answer["error"]:
        raise ModelError(answer["error"])
    return answer["made"]
