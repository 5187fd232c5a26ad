"""The one way from a face in a frame to the network's input, for training, live view, uploads and analysis alike."""

from collections.abc import Iterable, Sequence

import numpy as np

from vision.opencv import cv2

FACE_SIZE = 48  # pixels, the side of a FER2013 picture


def crop_face(grey: np.ndarray, box: Sequence[int] | np.ndarray) -> np.ndarray:
    """The network's view of one face: the box cut out of a grey frame and resized.

    grey: (height, width) uint8. box: x, y, width, height in pixels; what lies outside the frame is left out.
    Returns (48, 48) uint8. A Haar box has FER2013's own framing, so there is no margin.
    """
    x, y, width, height = (int(value) for value in box)
    bottom, right = grey.shape
    top, left = min(max(y, 0), bottom - 1), min(max(x, 0), right - 1)  # at least a pixel, wherever the box lies
    face = grey[top : max(y + height, top + 1), left : max(x + width, left + 1)]
    while min(face.shape) >= 4 * FACE_SIZE:  # halving is many times faster than averaging in one go
        face = cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    # Averaging over the area keeps a large face from aliasing; it cannot enlarge.
    interpolation = cv2.INTER_AREA if min(face.shape) > FACE_SIZE else cv2.INTER_CUBIC
    return cv2.resize(face, (FACE_SIZE, FACE_SIZE), interpolation=interpolation)


def crop_faces(grey: np.ndarray, boxes: Iterable[Sequence[int] | np.ndarray]) -> np.ndarray:
    """The network's view of every face in a grey frame: boxes (n, 4) to (n, 48, 48) uint8; see crop_face."""
    return np.array([crop_face(grey, box) for box in boxes], np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)
