"""The network with branches beside its convolutions, which help it learn and fold into those convolutions afterwards.

After Ding et al., "ACNet" (ICCV 2019) and "RepVGG" (CVPR 2021): beside each kernel are a row, a column and a single
pixel of it, and the picture itself where it has as many channels before as after. All of that is linear, so that one
convolution with the sum of the kernels gives the same.
"""

from typing import Any

import numpy as np

from inference.keras_files import import_keras
from model import build_model

keras = import_keras()
ops = keras.ops
Layer: Any = keras.layers.Layer
POINT_GAMMA, IDENTITY_GAMMA = 0.5, 0.25  # how strong these branches are at first


@keras.saving.register_keras_serializable("training")
class BranchedConv2D(Layer):
    """A convolution with its BatchNorm, and branches with theirs, added up."""

    def __init__(self, filters: int, size: int, **options: Any) -> None:
        """filters: how many. size: the side of their kernel in pixels, an odd number. options: of a Keras layer."""
        super().__init__(**options)
        self.filters, self.size = filters, size

    def get_config(self) -> dict[str, Any]:
        """What builds the same layer."""
        return super().get_config() | {"filters": self.filters, "size": self.size}

    def build(self, shape: Any) -> None:
        """Make the weights. shape: of a batch, (n, height, width, channels)."""
        channels, size = shape[-1], self.size
        layers, policy = keras.layers, self.dtype_policy
        self.kernel = self._weight("kernel", (size, size, channels, self.filters))
        self.row = self._weight("row", (1, size, channels, self.filters))
        self.column = self._weight("column", (size, 1, channels, self.filters))
        self.norm = layers.BatchNormalization(dtype=policy)
        self.point_norm = self.identity_norm = None
        if channels > 1:  # a single pixel of a grey picture says nothing about what is around it
            self.point = self._weight("point", (1, 1, channels, self.filters))
            self.point_norm = layers.BatchNormalization(gamma_initializer=_constant(POINT_GAMMA), dtype=policy)
        if channels == self.filters:
            self.identity_norm = layers.BatchNormalization(gamma_initializer=_constant(IDENTITY_GAMMA), dtype=policy)
        for norm in self._norms():
            norm.build((*shape[:-1], self.filters))

    def call(self, values: Any, training: bool = False) -> Any:
        """What the convolution and its branches give for a batch, (n, height, width, channels)."""
        total = 0
        for norm, value in self._branches(values):
            total = total + norm(value, training=training)
        return total

    def refresh_statistics(self, values: Any) -> None:
        """Take the means and variances of the BatchNorms again, on a batch."""
        for norm, value in self._branches(values):
            set_statistics(norm, value)

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """The convolution that does the same: kernel (size, size, channels, filters) and bias (filters,), float64."""
        middle = self.size // 2
        scale, bias = _scale_and_bias(self.norm)
        kernel = _array(self._whole_kernel()) * scale
        if self.point_norm is not None:
            scale, more = _scale_and_bias(self.point_norm)
            kernel[middle, middle] += _array(self.point)[0, 0] * scale
            bias = bias + more
        if self.identity_norm is not None:
            scale, more = _scale_and_bias(self.identity_norm)
            kernel[middle, middle] += np.diag(scale)
            bias = bias + more
        return kernel, bias

    def _weight(self, name: str, shape: tuple[int, ...]) -> Any:
        return self.add_weight(name=name, shape=shape, initializer="he_normal")

    def _norms(self) -> list[Any]:
        return [norm for norm in (self.norm, self.point_norm, self.identity_norm) if norm is not None]

    def _branches(self, values: Any) -> list[tuple[Any, Any]]:
        """The BatchNorms, each with what it is given for a batch."""
        values = ops.cast(values, self.compute_dtype)
        branches = [(self.norm, _convolved(values, ops.cast(self._whole_kernel(), self.compute_dtype)))]
        if self.point_norm is not None:
            branches.append((self.point_norm, _convolved(values, ops.cast(self.point, self.compute_dtype))))
        if self.identity_norm is not None:
            branches.append((self.identity_norm, values))
        return branches

    def _whole_kernel(self) -> Any:
        """The kernel with its row and column added, which is cheaper than a convolution for each."""
        edge = self.size // 2
        row = ops.pad(self.row, ((edge, edge), (0, 0), (0, 0), (0, 0)))
        column = ops.pad(self.column, ((0, 0), (edge, edge), (0, 0), (0, 0)))
        return self.kernel + row + column


def build_branched(policy: str = "float32") -> Any:
    """model.build_model's network, each convolution and the BatchNorm behind it replaced by a BranchedConv2D."""
    plain = build_model(policy)
    layers = [keras.Input(plain.input_shape[1:])]
    follows = False  # whether the BatchNorm of a convolution comes next, which the branches have
    for layer in plain.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layers.append(BranchedConv2D(layer.filters, layer.kernel_size[0], dtype=policy))
            follows = True
        elif not follows:
            layers.append(layer)
        else:
            follows = False
    return keras.Sequential(layers)


def fold(branched: Any) -> Any:
    """A network of build_model's layers, in float32, that gives what one of build_branched gives."""
    plain = build_model()
    layers = iter(plain.layers)
    for layer in branched.layers:
        if isinstance(layer, BranchedConv2D):
            _fold_into(next(layers), next(layers), layer)
        else:
            next(layers).set_weights([_array(weight) for weight in layer.weights])
    return plain


def set_statistics(norm: Any, values: Any) -> None:
    """Set a BatchNorm's mean and variance to those of the values that it is given, (…, channels)."""
    mean, variance = ops.moments(ops.cast(values, "float32"), axes=list(range(len(values.shape) - 1)))
    norm.moving_mean.assign(mean)
    norm.moving_variance.assign(variance)


def _fold_into(convolution: Any, norm: Any, layer: BranchedConv2D) -> None:
    """Give a convolution a layer's folded weights; the BatchNorm behind it is to leave them as they are."""
    convolution.set_weights(layer.folded())
    ones, zeros = np.ones(layer.filters), np.zeros(layer.filters)
    norm.set_weights([np.sqrt(ones + norm.epsilon), zeros, zeros, ones])  # gamma, beta, mean, variance


def _scale_and_bias(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a BatchNorm multiplies each channel by and then adds, in use: (channels,) float64 each."""
    gamma, beta, mean, variance = map(_array, (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance))
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _array(weight: Any) -> np.ndarray:
    return ops.convert_to_numpy(weight).astype(np.float64)


def _convolved(values: Any, kernel: Any) -> Any:
    return ops.conv(values, kernel, padding="same")


def _constant(value: float) -> Any:
    return keras.initializers.Constant(value)
