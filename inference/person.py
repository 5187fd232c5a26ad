"""What the network's BatchNorm layers are set to for one person: how far their faces are from the average face."""

from collections.abc import Sequence

import numpy as np

from vision.expressions import EMOTIONS

# Share of a person's own statistics in what the layers take for average, of very many faces; of so many, half of it.
# The rest are those of all people. Chosen on pictures of the press and on the demo; docs/model-card.md has the figures.
SHARE, HALF_AT = 0.4, 14
ENOUGH = 0.5  # mean probability of all expressions but one, from which on faces are as various as they need to be
REST_SHARE = 0.35  # the share of a face at rest, which somebody has pointed out
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


def share_of(probabilities: np.ndarray) -> float:
    """The share, 0..1, that some faces of one person have in what the layers take for average.

    It grows with their number, and where they all show one expression, it is small: that is not to become the average.
    probabilities: (n, 7), as answered for an unknown person.
    """
    count, various = len(probabilities), 1 - probabilities.mean(axis=0).max()
    return float(SHARE * count**2 / (count**2 + HALF_AT**2) * min(1, various / ENOUGH))


def weights_of(probabilities: np.ndarray) -> np.ndarray:
    """How much each face counts, (n,) that sum to 1: those that look neutral as much as all others together.

    probabilities: (n, 7), as answered for an unknown person.
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
