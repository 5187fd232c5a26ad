"""Loads the Keras network that `model.json` and `model_weights.h5` describe.

Keras is imported where it is used: that takes seconds, which the app's usual start does without.
"""

import json
import os
from pathlib import Path
from typing import Any

from inference.errors import ModelError
from inference.terminal import quiet_terminal
from vision.expressions import EMOTIONS

REMEDY = "Restore it with `git checkout`, or export both files again with train.ipynb."


def import_keras() -> Any:
    """Keras, without the half page that TensorFlow writes to the terminal on loading."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_terminal():
        import keras
    return keras


def load_network(model_json_file: str | Path, model_weights_file: str | Path) -> Any:
    """The `keras.Model` that the two files describe, written by Keras 3 or by Keras 2 as in the course.

    Raises ModelError.
    """
    keras = import_keras()
    config = _read_json(model_json_file)
    try:
        if "module" in config:
            network = keras.models.model_from_json(json.dumps(config))
        else:
            network = keras.Sequential.from_config(_translate_keras2(config["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{model_json_file} does not describe a Keras network. {REMEDY}") from error
    if not Path(model_weights_file).is_file():
        raise ModelError(f"{model_weights_file} does not exist. {REMEDY}")
    try:
        network.load_weights(model_weights_file)
    except (KeyError, OSError, ValueError) as error:
        raise ModelError(
            f"{model_weights_file} is damaged or does not belong to {model_json_file}. {REMEDY}"
        ) from error
    if network.output_shape != (None, len(EMOTIONS)):
        raise ModelError(f"{model_json_file} does not give {len(EMOTIONS)} probabilities a face. {REMEDY}")
    return network


def _translate_keras2(config: dict[str, Any]) -> dict[str, Any]:
    """A Sequential network's configuration as Keras 2 wrote it, in the form that Keras 3 reads."""
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
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist. {REMEDY}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON. {REMEDY}") from error
