"""Writes a trained network as the two files that the app reads, and replaces the app's own once the new ones work."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inference.errors import ModelError
from inference.keras_files import load_network
from model import build_model
from paths import MODEL_JSON, MODEL_WEIGHTS, ROOT

BATCH = 256  # faces
PAIR = (MODEL_WEIGHTS.name, MODEL_JSON.name)


def float32_copy(network: Any, build: Callable[[], Any] = build_model) -> Any:
    """A copy of a network that computes in float32. build: makes a network of the same layers, such as build_model."""
    copy = build()
    copy.set_weights(network.get_weights())
    return copy


def write_pair(network: Any, folder: str | Path) -> None:
    """Write a network of build_model's layers into a folder, as model.json and model_weights.h5."""
    plain = float32_copy(network)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_JSON.name).write_text(plain.to_json(), encoding="utf-8")
    # save_weights refuses this file name. save takes it, and writes what load_weights reads, but warns that the format
    # is old.
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        plain.save(folder / MODEL_WEIGHTS.name, include_optimizer=False)
    finally:
        logger.setLevel(level)


def try_pair(folder: str | Path, images: np.ndarray) -> np.ndarray:
    """Load a folder's pair of files, as the app does before it compiles them, and classify images (n, 48, 48) uint8.

    Returns the probabilities, (n, 7) float32. Raises ModelError where the pair does not load or gives no probabilities.
    """
    folder = Path(folder)
    network = load_network(folder / MODEL_JSON.name, folder / MODEL_WEIGHTS.name)
    probabilities = network.predict(images[..., np.newaxis].astype(np.float32), batch_size=BATCH, verbose=0)
    if not np.isfinite(probabilities).all():
        raise ModelError(f"The pair in {folder} gives no probabilities; train again, with a lower learning rate.")
    return probabilities


def install_pair(folder: str | Path, images: np.ndarray, destination: str | Path = ROOT) -> np.ndarray:
    """Replace the pair of files in `destination` by a copy of a folder's, once that has classified images (n, 48, 48).

    Returns the probabilities, (n, 7) float32. Raises ModelError where the new pair does not work, and OSError; the old
    pair then stays.
    """
    probabilities = try_pair(folder, images)
    # The copies are made beside the old files, because only a rename within one file system is all or nothing. The
    # weights go first: if the second rename fails, the old JSON describes the same layers.
    with tempfile.TemporaryDirectory(dir=destination, prefix=".new-") as waiting:
        for name in PAIR:
            shutil.copyfile(Path(folder) / name, Path(waiting) / name)
        for name in PAIR:
            os.replace(Path(waiting) / name, Path(destination) / name)
    return probabilities
