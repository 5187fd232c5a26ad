"""A larger network, whose answers the app's network learns from.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from typing import Any

from inference.keras_files import import_keras
from vision.crop import FACE_SIZE
from vision.expressions import EMOTIONS

keras = import_keras()
# The filters of each block's convolutions. After Simonyan and Zisserman, "Very Deep Convolutional Networks for
# Large-Scale Image Recognition", ICLR 2015.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512))
UNITS = 384


def build_teacher(policy: str = "float32") -> Any:
    """The untrained network as a `keras.Sequential`; what it takes and gives, and policy, are as for build_model.

    7,054,535 parameters in nine convolutions and two dense layers. A step of training takes nearly twice as long.
    """
    layers = keras.layers
    teacher = keras.Sequential(
        [keras.Input((FACE_SIZE, FACE_SIZE, 1)), layers.Rescaling(1 / 127.5, offset=-1, dtype=policy)]
    )
    for block in BLOCKS:
        for filters in block:
            teacher.add(layers.Conv2D(filters, 3, padding="same", use_bias=False, dtype=policy))
            _add_activation(teacher, policy)
        teacher.add(layers.MaxPooling2D(2, dtype=policy))
        teacher.add(layers.Dropout(0.25, dtype=policy))
    teacher.add(layers.Flatten(dtype=policy))
    teacher.add(layers.Dense(UNITS, use_bias=False, dtype=policy))
    _add_activation(teacher, policy)
    teacher.add(layers.Dropout(0.25, dtype=policy))
    teacher.add(layers.Dense(len(EMOTIONS), activation="softmax", dtype="float32"))
    return teacher


def _add_activation(network: Any, policy: str) -> None:
    network.add(keras.layers.BatchNormalization(dtype=policy))
    network.add(keras.layers.Activation("relu", dtype=policy))
