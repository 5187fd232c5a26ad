"""What compiled networks are tried on, and how long they take for it."""

import time
from collections.abc import Iterator

import numpy as np

from inference.person import nobody
from inference.pool import Network
from vision.crop import FACE_SIZE
from vision.opencv import cv2

COUNT = 256  # faces, and people
# Processor seconds a face: where eight bits take less, no other form is tried. With instructions for such networks
# (AVX-512 VNNI, for one) they take less than this, without them several times as much.
FAST = 0.002
TIMED_FACES, TIMES = 8, 5
SEED = 3
SPREAD = 0.2  # standard deviations by which a person's faces differ from the average of all, in one channel


def patterns() -> np.ndarray:
    """Grey patterns (256, 48, 48, 1) float32 from coarse to fine, to compare two forms of a network on."""
    rng = np.random.default_rng(SEED)
    sides = rng.integers(3, 13, COUNT)
    coarse = [rng.uniform(0, 255, (side, side)).astype(np.float32) for side in sides]
    fine = [cv2.resize(pattern, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_CUBIC) for pattern in coarse]
    return np.clip(fine, 0, 255)[..., np.newaxis].astype(np.float32)


def some_people(channels: int) -> np.ndarray:
    """People (256, 2 * channels) float32: nobody in turn with somebody, as far from the average face as people are."""
    rng = np.random.default_rng(SEED)
    people = nobody(COUNT, channels)
    people[1::2] += rng.normal(0, SPREAD, people[1::2].shape)
    return people


def seconds_a_face(network: Network) -> float:
    """Processor seconds that the network takes for one of several faces; the least of some times.

    network: one that computes on one thread, so that what others do meanwhile does not count.
    """
    return min(_times(network))


def is_fast(network: Network) -> bool:
    """Whether a face takes less than FAST at least once. network: see seconds_a_face."""
    return any(seconds < FAST for seconds in _times(network))


def _times(network: Network) -> Iterator[float]:
    faces = np.random.default_rng(SEED).uniform(0, 255, (TIMED_FACES, FACE_SIZE, FACE_SIZE, 1)).astype(np.float32)
    people = nobody(TIMED_FACES, network.channels)
    for _ in range(TIMES):
        began = time.thread_time()
        network(faces, people)
        yield (time.thread_time() - began) / TIMED_FACES
