"""Compiles the pair of files for LiteRT, in the fastest form that answers as the Keras network does.

`runtime.py` starts this in a process of its own: python convert.py MODEL_JSON MODEL_WEIGHTS MADE. The last line that
it prints is JSON with an `error`, a sentence or null.
"""

import json
import os
import sys
import threading
from pathlib import Path

import numpy as np

from model import FACE_SIZE, load_network
from opencv import cv2
from runtime import CompiledNetwork, ModelError

CHECKED_FACES = 256
# Rounding to int8 costs a tenth of this; a network with a weight far off the others, for example, costs more.
LARGEST_MEAN_DIFFERENCE, LARGEST_DIFFERENCE = 0.005, 0.05
SEED = 3


def patterns():
    """Grey patterns (256, 48, 48, 1) float32 from coarse to fine, to compare two forms of a network on."""
    rng = np.random.default_rng(SEED)
    sides = rng.integers(3, 13, CHECKED_FACES)
    coarse = [rng.uniform(0, 255, (side, side)).astype(np.float32) for side in sides]
    fine = [cv2.resize(pattern, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_CUBIC) for pattern in coarse]
    return np.clip(fine, 0, 255)[..., np.newaxis].astype(np.float32)


def answers_alike(compiled, network):
    """Whether the compiled network gives the Keras network's probabilities, but for rounding."""
    faces = patterns()
    differences = np.abs(compiled(faces) - network.predict_on_batch(faces))
    return bool(differences.mean() <= LARGEST_MEAN_DIFFERENCE and differences.max() <= LARGEST_DIFFERENCE)


def convert(network, int8):
    """The Keras network as the bytes of a .tflite file; int8: with its weights rounded to eight bits."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]  # weights as int8, activations as they come
    return converter.convert()


def compile_pair(model_json_file, model_weights_file, made):
    """Write the two files' network, compiled, to `made`. Raises ModelError."""
    network = load_network(model_json_file, model_weights_file)
    content = convert(network, int8=True)
    if not answers_alike(CompiledNetwork(content), network):
        content = convert(network, int8=False)
        if not answers_alike(CompiledNetwork(content), network):
            raise ModelError(f"{model_weights_file} gives no usable probabilities; train again with train.ipynb.")
    Path(made).write_bytes(content)


def end_with_parent():
    """End when standard input does, that is, when whoever started this is gone."""
    sys.stdin.read()
    os._exit(1)


def main(arguments):
    threading.Thread(target=end_with_parent, daemon=True).start()
    error = None
    try:
        compile_pair(*arguments)
    except ModelError as problem:
        error = str(problem)
    print("\n" + json.dumps({"error": error}), flush=True)
    os._exit(0)  # TensorFlow takes its time to leave


if __name__ == "__main__":
    main(sys.argv[1:])
