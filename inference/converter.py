"""Has a pair of files compiled. That takes TensorFlow, seconds and most of a gigabyte: a process of its own does it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from inference.errors import CompileError, ModelError
from paths import ROOT

CONVERTER = "inference.convert"  # a module, run by a process of its own


def run_converter(model_json_file: str | Path, model_weights_file: str | Path, made: Path) -> Path:
    """Have the files compiled. Returns the path of what was made: `made` with one of FORMS at its end.

    Other forms may be left beside it. Raises ModelError where the files cannot be used, CompileError where this machine
    cannot compile them.
    """
    files = (str(Path(path).resolve()) for path in (model_json_file, model_weights_file, made))
    command = [sys.executable, "-m", CONVERTER, *files]
    others = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    path = os.pathsep.join([str(ROOT), *map(os.path.abspath, others)])
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",  # whatever this process uses
        "PYTHONPATH": path,
        "CUDA_VISIBLE_DEVICES": "-1",  # training may have taken all of a GPU's memory
    }
    with tempfile.TemporaryFile() as complaints:
        # It runs in this checkout's folder, since Python looks for modules in the working folder first. Its standard
        # input ends when this process does, and that ends it too.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, cwd=ROOT, env=environment
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
    return made.with_name(answer["made"])
