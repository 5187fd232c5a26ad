"""The network in its fastest form: compiled once for every pair of files, and kept in the user's cache folder.

Compiling takes TensorFlow, seconds and most of a gigabyte, so a process of its own does it (`convert.py`). A lock file
lets one process compile while the others wait for the result; whoever starts later with the same two files reads it.
"""

import atexit
import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from inference.compiled import CompiledNetwork, LiteRTNetwork, MNNNetwork
from inference.errors import CompileError, ModelError
from inference.pair import content_of
from paths import ROOT

CONVERTER = "inference.convert"  # a module, run by a process of its own
CACHE_NAME = "facial-expressions"
FORMAT = "3"  # counts up when convert.py makes something else of the same files
KEPT = 4  # networks in the cache; the oldest go first
IN_FULL = "This network loses too much in eight bits, so it runs in 32: right, but it may be slower."
# How the names of compiled networks end, and the sentence that a person should read about each form.
FORMS = {".int8.tflite": None, ".faster.mnn": None, ".exact.mnn": IN_FULL, ".exact.tflite": IN_FULL}


def form_of(path: Path) -> str:
    """The one of FORMS that the file's name ends with."""
    return next(form for form in FORMS if path.name.endswith(form))


def open_compiled(path: Path, many: bool = False, threads: int | None = None) -> CompiledNetwork:
    """A file of one of the FORMS as a network. many, threads: see FacialExpressionModel.

    Raises OSError, ValueError, and ImportError where MNN is needed and not installed.
    """
    return MNNNetwork(path, many) if path.suffix == ".mnn" else LiteRTNetwork(path, threads)


def load_compiled(
    model_json_file: str | Path, model_weights_file: str | Path, many: bool = False, threads: int | None = None
) -> tuple[CompiledNetwork, str | None]:
    """The pair of files as a compiled network, and a sentence about its form where there is something to say.

    many, threads: see FacialExpressionModel. It comes from the cache, or is compiled now. Raises ModelError where the
    files cannot be used, CompileError where this machine cannot compile them.
    """
    name = _content_name(model_json_file, model_weights_file)
    folder = cache_folder()
    if cached := _open_cached(folder, name, many, threads):
        return cached
    with FileLock(folder / "compiling.lock"):
        if cached := _open_cached(folder, name, many, threads):  # another process or thread has compiled it meanwhile
            return cached
        with tempfile.TemporaryDirectory(dir=folder, prefix="compiling-") as work:
            made = Path(work) / _convert(model_json_file, model_weights_file, Path(work) / name)
            os.replace(made, folder / made.name)
        _prune(folder)
        return open_compiled(folder / made.name, many, threads), FORMS[form_of(made)]


def _open_cached(folder: Path, name: str, many: bool, threads: int | None) -> tuple[CompiledNetwork, str | None] | None:
    for cached in sorted(folder.glob(f"{name}.*")):
        try:
            network = open_compiled(cached, many, threads)
            cached.touch()
            return network, FORMS[form_of(cached)]
        except (OSError, ValueError):
            pass  # cut short by a full disk: it is made anew
    return None


def _content_name(*files: str | Path) -> str:
    """A name that only the same contents, compiled in the same way, have. Raises ModelError, CompileError."""
    try:
        compiler = importlib.metadata.version("ai-edge-litert")
    except importlib.metadata.PackageNotFoundError as error:
        raise CompileError("LiteRT is not installed.") from error
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # it is not for every system
        compiler += " " + importlib.metadata.version("mnn")
    digest = hashlib.sha256(f"{FORMAT} {compiler}".encode())
    for file in files:
        digest.update(content_of(file))
    return digest.hexdigest()[:32]


def cache_folder() -> Path:
    """The user's cache folder, or where nothing can be written there, one that this process deletes at its end."""
    folder = user_cache_path(CACHE_NAME, appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _own_folder()
    return folder if os.access(folder, os.W_OK) else _own_folder()


@functools.cache
def _own_folder() -> Path:
    folder = tempfile.mkdtemp(prefix=f"{CACHE_NAME}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _prune(folder: Path) -> None:
    """Leave the networks that were used last."""
    networks = [path for form in FORMS for path in folder.glob(f"*{form}")]
    for path in sorted(networks, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        path.unlink(missing_ok=True)


def _convert(model_json_file: str | Path, model_weights_file: str | Path, made: Path) -> str:
    """Have the files compiled. Returns the name of what was made: `made` with one of FORMS at its end.

    Raises ModelError, CompileError.
    """
    files = (str(Path(path).resolve()) for path in (model_json_file, model_weights_file, made))
    command = [sys.executable, "-m", CONVERTER, *files]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": path}  # whatever this process uses
    with tempfile.TemporaryFile() as complaints:
        # Its standard input ends when this process does, and that ends it too.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, env=environment
        ) as process:
            assert process.stdout
            lines = process.stdout.read().decode(errors="replace").splitlines()
        complaints.seek(0)
        reasons = complaints.read().decode(errors="replace").splitlines()
    if process.returncode != 0 or not lines:
        raise CompileError(f"The network cannot be compiled here ({(reasons or ['no reason given'])[-1]}).")
    answer = json.loads(lines[-1])
    if answer["error"]:
        raise ModelError(answer["error"])
    return answer["made"]
