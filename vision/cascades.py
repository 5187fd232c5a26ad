"""OpenCV's Haar cascades (Viola and Jones, CVPR 2001): where a grey picture looks like a face."""

import functools
import threading
from pathlib import Path

import numpy as np

from vision.opencv import cv2

CASCADE_WINDOW = 24  # pixels, the smallest face that the frontal cascade knows

_thread = threading.local()


def hits(
    cascade: Path,
    grey: np.ndarray,
    scale_factor: float,
    neighbours: int,
    smallest: int,
    largest: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """The squares of a grey picture, (height, width) uint8, in which a cascade sees a face.

    scale_factor: how much the search window grows between passes, above 1. neighbours: how many windows must agree.
    smallest, largest: the side of a square in pixels; 0 is no limit. Returns (n, 4) int32, a row of x, y, width,
    height in pixels for each, and (n,) int32, how many windows agreed.
    """
    found, agreed = _loaded(cascade).detectMultiScale2(
        grey, scale_factor, neighbours, 0, (smallest, smallest), (largest, largest)
    )
    return np.asarray(found, np.int32).reshape(-1, 4), np.asarray(agreed, np.int32).ravel()


def _loaded(cascade: Path) -> cv2.CascadeClassifier:
    """This thread's own, since two threads may not use one at once; reading a file takes 20 ms."""
    if not hasattr(_thread, "load"):
        _thread.load = functools.cache(lambda path: cv2.CascadeClassifier(str(path)))
    return _thread.load(cascade)
