"""The network with its BatchNorm layers open, so that it can be set to one person's face.

Schneider et al., "Improving robustness against common corruptions by covariate shift adaptation", NeurIPS 2020.
"""

from typing import Any

import numpy as np

from inference.keras_files import import_keras


def channels_of(network: Any) -> int:
    """How many channels the BatchNorm layers of a Sequential network have together; 0 where none can be set."""
    normalise = import_keras().layers.BatchNormalization
    return sum(layer.gamma.shape[0] for layer in _layers_of(network) if isinstance(layer, normalise))


def _layers_of(network: Any) -> list[Any]:
    """The layers of a Sequential network, and of those in it, in the order in which they work; else none."""
    sequential = import_keras().Sequential
    if not isinstance(network, sequential):
        return []
    parts = ([layer] if not isinstance(layer, sequential) else _layers_of(layer) for layer in network.layers)
    return [layer for part in parts for layer in part]


def adaptable(network: Any) -> Any:
    """A `keras.Model` that answers as the network does, for faces of which each has a person's scale and shift.

    Its inputs are faces (n, 48, 48, 1) and people (n, 2 * channels_of(network)): what the normalised values of each
    channel, from the first layer to the last, are multiplied by, and then what is added to each, before BatchNorm's own
    gamma and beta; ones and zeros change nothing. Its outputs are probabilities (n, 7) and measures (n, 2 * channels):
    the mean of the normalised values of each channel for this face, and then their mean squares. A network without such
    channels is given back.
    """
    keras = import_keras()
    layers, ops = keras.layers, keras.ops
    channels = channels_of(network)
    if not channels:
        return network
    faces = values = keras.Input(network.input_shape[1:], name="faces")
    people = keras.Input((2 * channels,), name="people")  # not (2, channels), which costs 5 % of a face's time more
    means, squares, at = [], [], 0
    for layer in _layers_of(network):
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = (
                ops.convert_to_numpy(weight)
                for weight in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
            )
            values = (values - mean) / np.sqrt(variance + layer.epsilon)
            end, whole = at + len(gamma), list(range(1, len(values.shape) - 1))  # of a picture, its height and width
            means.append(ops.mean(values, axis=whole) if whole else values)
            squares.append(ops.mean(values * values, axis=whole) if whole else values * values)
            shape = (-1, *[1] * len(whole), len(gamma))
            scale = ops.reshape(people[:, at:end] * gamma, shape)
            shift = ops.reshape(people[:, channels + at : channels + end] * gamma + beta, shape)
            values, at = values * scale + shift, end
        elif not isinstance(layer, layers.Dropout):
            values = layer(values)
    return keras.Model([faces, people], [values, ops.concatenate(means + squares, axis=1)])


class KerasNetwork:
    """A Keras network, called as a compiled one is; see compiled.py."""

    def __init__(self, network: Any) -> None:
        """network: as `load_network` gives it."""
        self.channels = channels_of(network)
        self._network = adaptable(network)

    def __call__(self, faces: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See compiled.py."""
        if not self.channels:
            return self._network.predict_on_batch(faces), people
        probabilities, measures = self._network.predict_on_batch([faces, people])
        return probabilities, measures
