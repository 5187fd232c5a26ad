"""What the network's BatchNorm layers are set to for one person: how far their faces are from the average face."""

from collections.abc import Sequence

import numpy as np

from vision.expressions import EMOTIONS

# Share of a person's own statistics in what the layers take for average, of very many faces; of so many, half of it.
# The rest are those of all people. Chosen on pictures of the press, see docs/model-card.md.
SHARE, HALF_AT = 0.4, 10
PASSES = 6  # each sets one layer more; the course's network has six
LEAST = 0.01  # probability, so that no sum is 0
EPSILON = 1e-3  # of Keras' BatchNorm, so that nothing is divided by 0

# (2 * channels,) float32: what the normalised values of each channel are multiplied by, then what is added to each.
Person = np.ndarray


def nobody(count: int, channels: int) -> np.ndarray:
    """So many people of whom nothing is known, (count, 2 * channels) float32: with them, the network stays as it is."""
    people = np.zeros((count, 2 * channels), np.float32)
    people[:, :channels] = 1
    return people


def people_of(known: Sequence[Person | None], channels: int) -> np.ndarray:
    """Some persons, of whom None are unknown, as the network takes them: (n, 2 * channels) float32."""
    people = nobody(len(known), channels)
    for row, person in zip(people, known):
        if person is not None:
            row[:] = person
    return people


def share_of(count: int) -> float:
    """The share, 0..1, that so many faces of one person have in what the layers take for average."""
    return SHARE * count / (count + HALF_AT)


def weights_of(probabilities: np.ndarray) -> np.ndarray:
    """How much each face counts, (n,) that sum to 1: those that look neutral as much as all others together.

    probabilities: (n, 7), as answered for an unknown person. So one expression that lasts does not become the average.
    """
    neutral = np.clip(probabilities[:, EMOTIONS.index("Neutral")], LEAST, 1 - LEAST)
    return 0.5 * neutral / neutral.sum() + 0.5 * (1 - neutral) / (1 - neutral).sum()


def person_of(measures: np.ndarray, weights: np.ndarray, share: float) -> Person:
    """The person whose faces gave the measures, (n, 2 * channels), means and then mean squares; see adaptable.py.

    weights: see weights_of. share: see share_of.
    """
    mean, square = np.split(weights @ measures, 2)
    scale = 1 / np.sqrt((1 - share) + share * np.maximum(square - mean**2, 0) + EPSILON)
    return np.concatenate([scale, -share * mean * scale]).astype(np.float32)
