"""Writes a trained network as the two files that the app reads, and replaces the app's own once the new ones work.

A third file lies beside them, the network compiled in eight bits, with which the app shows labels from its first start.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.compiled import EIGHT_BITS, FORMS, form_of
from inference.converter import run_converter
from inference.errors import CompileError, ModelError
from inference.keras_files import load_network
from inference.pair import hash_of
from inference.shipped import read_shipped, write_shipped
from model import build_model
from paths import MODEL_INT8, MODEL_JSON, MODEL_WEIGHTS, ROOT

BATCH = 256  # faces
PAIR = (MODEL_WEIGHTS.name, MODEL_JSON.name)

log = logging.getLogger(__name__)


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


def compile_beside(folder: str | Path) -> bool:
    """Write model_int8.tflite beside a folder's pair, in half a minute, unless the one there belongs to the pair.

    Returns whether there is one: a network that loses too much in eight bits has none. Raises ModelError where the pair
    cannot be used, CompileError where this machine cannot compile it, and OSError.
    """
    folder = Path(folder)
    files, path = (folder / MODEL_JSON.name, folder / MODEL_WEIGHTS.name), folder / MODEL_INT8.name
    pair = hash_of(*files)
    if read_shipped(path, pair) is not None:
        return True
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as work:
        made = run_converter(*files, Path(work) / "made")
        if FORMS[form_of(made)] is not None:
            return False
        write_shipped((Path(work) / f"made{EIGHT_BITS}").read_bytes(), path, pair)
    return True


def install_pair(folder: str | Path, images: np.ndarray, destination: str | Path = ROOT) -> np.ndarray:
    """Replace the pair of files in `destination` by a copy of a folder's, once that has classified images (n, 48, 48).

    The compiled network goes with it; see compile_beside. Returns the probabilities, (n, 7) float32. Raises ModelError
    where the new pair does not work, and OSError; the old pair then stays.
    """
    probabilities = try_pair(folder, images)
    # The weights go first: if the second rename fails, the old JSON describes the same layers.
    _replace(PAIR, Path(folder), Path(destination))
    _install_compiled(Path(folder), Path(destination))
    return probabilities


def _install_compiled(folder: Path, destination: Path) -> None:
    """Install the pair's compiled network. Where that fails a sentence says so, and the app compiles the pair itself.

    Until it is there, the app does not use the old one, which holds the hash of another pair.
    """
    try:
        if compile_beside(folder):
            _replace([MODEL_INT8.name], folder, destination)
        else:
            (destination / MODEL_INT8.name).unlink(missing_ok=True)
    except (CompileError, ModelError, OSError) as error:
        reason = str(error).rstrip(".")
        log.warning("%s was not made: %s. The app compiles the network at its next start.", MODEL_INT8.name, reason)


def _replace(names: Sequence[str], folder: Path, destination: Path) -> None:
    """Replace files in `destination` by copies of a folder's. Raises OSError."""
    # The copies are made beside the old files, because only a rename within one file system is all or nothing.
    with tempfile.TemporaryDirectory(dir=destination, prefix=".new-") as waiting:
        for name in names:
            shutil.copyfile(folder / name, Path(waiting) / name)
        for name in names:
            os.replace(Path(waiting) / name, destination / name)
