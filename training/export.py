"""From a trained network to the two files that the app reads, which only a pair that works replaces."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from inference.errors import ModelError
from inference.keras_files import load_network
from model import build_model
from paths import MODEL_JSON, MODEL_WEIGHTS, ROOT

BATCH = 256  # faces
PAIR = (MODEL_WEIGHTS.name, MODEL_JSON.name)


def float32_copy(network):
    """A network of build_model's layers that computes in float32, with the weights of one of any precision."""
    copy = build_model()
    copy.set_weights(network.get_weights())
    return copy


def write_pair(network, folder):
    """Write `network`, one that build_model made, as model.json and model_weights.h5 into a folder of its own."""
    plain = float32_copy(network)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_JSON.name).write_text(plain.to_json(), encoding="utf-8")
    # save_weights refuses this name; save writes a file that load_weights reads, with a warning about its age.
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        plain.save(folder / MODEL_WEIGHTS.name, include_optimizer=False)
    finally:
        logger.setLevel(level)


def try_pair(folder, images):
    """Load a folder's pair into Keras, as the app does before it compiles it, and classify images (n, 48, 48).

    Returns the probabilities (n, 7). Raises ModelError where the pair does not load or gives no probabilities.
    """
    folder = Path(folder)
    network = load_network(folder / MODEL_JSON.name, folder / MODEL_WEIGHTS.name)
    probabilities = network.predict(images[..., np.newaxis].astype(np.float32), batch_size=BATCH, verbose=0)
    if not np.isfinite(probabilities).all():
        raise ModelError(f"The pair in {folder} gives no probabilities; train again, with a lower learning rate.")
    return probabilities


def install_pair(folder, images, destination=ROOT):
    """Replace the destination's pair by a copy of the folder's, once that has been tried on images (n, 48, 48).

    Returns the probabilities (n, 7) that it gave. Raises ModelError, and then replaces nothing.
    """
    probabilities = try_pair(folder, images)
    # Copied next to the old files first, because only a rename within one file system is all or nothing. The weights
    # go first: should the second rename fail, the old JSON describes the same layers.
    with tempfile.TemporaryDirectory(dir=destination, prefix=".new-") as waiting:
        for name in PAIR:
            shutil.copyfile(Path(folder) / name, Path(waiting) / name)
        for name in PAIR:
            os.replace(Path(waiting) / name, Path(destination) / name)
    return probabilities
