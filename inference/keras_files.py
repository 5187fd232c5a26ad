"""Loads the Keras network that `model.json` and `model_weights.h5` describe.

Keras is imported where it is used: that takes seconds, which the app's usual start does without.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from inference.errors import ModelError
from inference.terminal import quiet_terminal
from vision.crop import FACE_SIZE
from vision.expressions import EMOTIONS

INPUT, OUTPUT = (None, FACE_SIZE, FACE_SIZE, 1), (None, len(EMOTIONS))  # shapes of a batch
REMEDY = "Restore it with `git checkout`, or export both files again with train.ipynb."


def import_keras() -> Any:
    """Keras, without the half page that TensorFlow writes to the terminal on loading."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_terminal():
        import keras
    return keras


def load_network(model_json_file: str | Path, model_weights_file: str | Path) -> Any:
    """The `keras.Model` that the two files describe, written by Keras 3 or by Keras 2 as in the course.

    Where its last layer gives logits, a softmax is added. Raises ModelError.
    """
    keras = import_keras()
    config = _read_json(model_json_file)
    if isinstance(config, dict) and "module" not in config and config.get("class_name") not in (None, "Sequential"):
        raise ModelError(
            f"{model_json_file} holds a {config['class_name']} network of Keras {config.get('keras_version', 2)}, of "
            "which only Sequential ones can be read; load it with that Keras and build it as a Sequential one."
        )
    try:
        if "module" in config:
            network = keras.models.model_from_json(json.dumps(config))
        else:
            network = keras.Sequential.from_config(_translate_keras2(config["config"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{model_json_file} does not describe a Keras network. {REMEDY}") from error
    _check_shapes(network, model_json_file)
    if not Path(model_weights_file).is_file():
        raise ModelError(f"{model_weights_file} does not exist. {REMEDY}")
    try:
        _load_weights(network, model_weights_file)
    except (KeyError, OSError, ValueError) as error:
        raise ModelError(
            f"{model_weights_file} is damaged or does not belong to {model_json_file}. {REMEDY}"
        ) from error
    if getattr(network.layers[-1], "activation", None) is keras.activations.linear:
        return keras.Sequential([network, keras.layers.Softmax()])
    return network


def _check_shapes(network: Any, model_json_file: str | Path) -> None:
    """Raise ModelError for a network that takes something else than the app's faces, or gives something else."""
    if network.input_shape != INPUT:
        raise ModelError(
            f"{model_json_file} takes {_shape_in_words(network.input_shape)}; the app has grey faces of "
            f"{FACE_SIZE}×{FACE_SIZE} pixels. Train it on those, or restore the file with `git checkout`."
        )
    if network.output_shape != OUTPUT:
        values = "×".join(map(str, network.output_shape[1:]))
        raise ModelError(
            f"{model_json_file} gives {values} values a face; the app needs {len(EMOTIONS)}, the probabilities of "
            f"{', '.join(EMOTIONS)}. Train it on those, or restore the file with `git checkout`."
        )


def _shape_in_words(shape: Any) -> str:
    match shape:
        case (_, height, width, 1):
            return f"grey pictures of {width}×{height} pixels"
        case (_, height, width, 3):
            return f"colour pictures of {width}×{height} pixels"
    return f"input of the shape {shape}"


def _load_weights(network: Any, file: str | Path) -> None:
    """Load weights, whose form Keras takes from the file's ending, going by what is in the file instead."""
    import h5py

    with h5py.File(file) as content:
        is_of_keras2 = "layer_names" in content.attrs or "model_weights" in content
    if is_of_keras2 != str(file).endswith(".weights.h5"):
        network.load_weights(file)
        return
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / ("model.h5" if is_of_keras2 else "model.weights.h5")
        shutil.copyfile(file, named)
        network.load_weights(named)


def _translate_keras2(config: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    """A Sequential network's configuration as Keras 2 wrote it, in the form that Keras 3 reads.

    config: before Keras 2.2.3, the layers alone.
    """
    if isinstance(config, list):
        config = {"name": "sequential", "layers": config}
    layers: list[dict[str, Any]] = []
    for layer in config["layers"]:
        settings = dict(layer["config"])
        shape = settings.pop("batch_input_shape", None)  # on the first layer; Keras 3 wants an InputLayer
        if shape and not layers:
            layers.append({"class_name": "InputLayer", "config": {"batch_shape": shape}})
        if isinstance(settings.get("axis"), list):
            (settings["axis"],) = settings["axis"]
        if layer["class_name"] != "InputLayer":
            layers.append({"class_name": layer["class_name"], "config": settings})
    return {"name": config["name"], "layers": layers}


def _read_json(path: str | Path) -> Any:
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        return json.loads(config) if isinstance(config, str) else config  # what to_json() gives, dumped once more
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist. {REMEDY}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON. {REMEDY}") from error
