"""Compiles the pair of files in the fastest form on this machine that answers as the Keras network does.

`converter.py` runs this in a process of its own: python -m inference.convert MODEL_JSON MODEL_WEIGHTS MADE. The last
line that it prints is JSON with an `error`, a sentence or null, and the name of what was `made`: MADE with one of
compiled.FORMS.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from inference.adaptable import KerasNetwork, adaptable
from inference.compiled import FORMS, CompiledNetwork, open_compiled
from inference.errors import ModelError
from inference.keras_files import load_network
from inference.trial import FAST, patterns, seconds_a_face, some_people

# A process of its own, since TensorFlow and MNN's converter cannot share one; and not MNN's own command, which installs
# a package to report its use with.
TO_MNN = """
import sys, MNN, _tools
_tools.mnnconvert(["", "-f", "TFLITE", "--modelFile", sys.argv[1], "--MNNModel", sys.argv[2], "--bizCode", "faces"])
"""
# Rounding to int8 costs a tenth of this; a network with one weight far from the others, for example, costs more.
LARGEST_MEAN_DIFFERENCE, LARGEST_DIFFERENCE = 0.005, 0.05


def answers_alike(compiled: CompiledNetwork, network: KerasNetwork) -> bool:
    """Whether the compiled network gives the Keras network's probabilities, but for rounding."""
    faces, people = patterns(), some_people(network.channels)
    differences = np.abs(compiled(faces, people)[0] - network(faces, people)[0])
    return bool(differences.mean() <= LARGEST_MEAN_DIFFERENCE and differences.max() <= LARGEST_DIFFERENCE)


def convert(network: Any, path: Path, int8: bool) -> None:
    """Write the Keras network as a .tflite file; int8: with its weights rounded to eight bits."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]  # weights as int8, activations as they come
    path.write_bytes(converter.convert())


def convert_for_mnn(tflite: Path, path: Path) -> bool:
    """Write a .tflite file of 32 bits as a .mnn file. Returns whether that could be done."""
    command = [sys.executable, "-c", TO_MNN, str(tflite), str(path)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def compile_pair(model_json_file: str | Path, model_weights_file: str | Path, made: str | Path) -> Path:
    """Compile the two files' network. Returns the path of what was made: `made` with one of FORMS. Raises ModelError.

    Other forms may be left beside it.
    """
    loaded = load_network(model_json_file, model_weights_file)
    opened, network = adaptable(loaded), KerasNetwork(loaded)
    eight, faster, exact, plain = (Path(f"{made}{form}") for form in FORMS)
    convert(opened, eight, int8=True)
    compiled = open_compiled(eight, threads=1)
    right, seconds = answers_alike(compiled, network), seconds_a_face(compiled)
    if right and seconds < FAST:
        return eight
    convert(opened, plain, int8=False)
    if convert_for_mnn(plain, exact) and answers_alike(compiled := open_compiled(exact, many=True), network):
        if not right:
            return exact
        if seconds_a_face(compiled) < seconds:
            return exact.rename(faster)
    if right:
        return eight
    if not answers_alike(open_compiled(plain), network):
        raise ModelError(f"{model_weights_file} gives no usable probabilities; train again with train.ipynb.")
    return plain


def end_with_parent() -> None:
    """Wait for the end of standard input, which is when the process that started this one is gone, and end."""
    sys.stdin.read()
    os._exit(1)


def main(arguments: list[str]) -> None:
    """Compile, and print the answer described above."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    answer: dict[str, str | None] = {"error": None}
    try:
        answer["made"] = compile_pair(*arguments).name
    except ModelError as problem:
        answer["error"] = str(problem)
    print("\n" + json.dumps(answer), flush=True)
    os._exit(0)  # TensorFlow takes seconds to leave


if __name__ == "__main__":
    main(sys.argv[1:])
