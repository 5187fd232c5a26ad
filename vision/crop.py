"""The one way from a face in a frame to the network's input, for training, live view, uploads and analysis alike."""

from collections.abc import Iterable, Sequence

import numpy as np

from vision.faces import Face
from vision.opencv import cv2
from vision.patches import Place, upright

FACE_SIZE = 48  # pixels, the side of a FER2013 picture
LIGHT = 129  # grey levels, the mean of FER2013's faces
# Standard deviations of grey levels. A face below the first lacks contrast, like one in thirteen of FER2013's; below
# the second it is mostly noise, which is not to be made as strong as a face.
CONTRAST, NOISE = 35, 4
LEVELS = np.arange(256) / 255


def crop_face(grey: np.ndarray, box: Sequence[int] | np.ndarray, angle: float = 0.0) -> np.ndarray:
    """The network's view of one face, (48, 48) uint8: as `cut_face` gives it, in good light."""
    return in_good_light(cut_face(grey, box, angle))


def cut_face(grey: np.ndarray, box: Sequence[int] | np.ndarray, angle: float = 0.0) -> np.ndarray:
    """One face in its own light: the box cut out of a grey frame, turned upright and resized.

    grey: (height, width) uint8. box: x, y, width, height in pixels; what lies outside the frame is left out. angle:
    degrees clockwise by which the face is tilted; beyond the frame, its edge goes on. Returns (48, 48) uint8. A Haar
    box has FER2013's own framing, so there is no margin.
    """
    x, y, width, height = (int(value) for value in box)
    if angle:
        side = max(width, height)  # of a box that reaches out of the frame, only a part is left
        grey = upright(grey, Place(x + width / 2, y + height / 2, side, angle), 1.0, side)
        x, y, width, height = 0, 0, side, side
    bottom, right = grey.shape
    top, left = min(max(y, 0), bottom - 1), min(max(x, 0), right - 1)  # at least a pixel, wherever the box lies
    face = grey[top : max(y + height, top + 1), left : max(x + width, left + 1)]
    while min(face.shape) >= 4 * FACE_SIZE:  # halving is many times faster than averaging in one go
        face = cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    # Averaging over the area keeps a large face from aliasing; it cannot enlarge.
    interpolation = cv2.INTER_AREA if min(face.shape) > FACE_SIZE else cv2.INTER_CUBIC
    return cv2.resize(face, (FACE_SIZE, FACE_SIZE), interpolation=interpolation)


def in_good_light(face: np.ndarray) -> np.ndarray:
    """A face, (height, width) uint8, made lighter if it is darker than LIGHT, and given contrast if it has little.

    The network learned from FER2013's faces, and faces in other pictures are often darker.
    """
    mean, deviation = light_of(face)
    if mean < LIGHT:
        lighter = 255 * LEVELS ** (np.log(LIGHT / 255) / np.log(max(mean, 1) / 255))
        face = cv2.LUT(face, lighter.astype(np.uint8))
        mean, deviation = light_of(face)
    if deviation < CONTRAST:
        clearer = (255 * LEVELS - mean) * (CONTRAST / max(deviation, NOISE)) + mean
        face = cv2.LUT(face, np.clip(clearer, 0, 255).astype(np.uint8))
    return face


def light_of(face: np.ndarray) -> tuple[float, float]:
    """The mean and the standard deviation of a face's grey levels."""
    mean, deviation = cv2.meanStdDev(face)
    return float(mean[0, 0]), float(deviation[0, 0])


def cut_faces(grey: np.ndarray, faces: Iterable[Face]) -> np.ndarray:
    """Some faces in a grey frame, each in its own light: (n, 48, 48) uint8; see cut_face."""
    crops = [cut_face(grey, face.box, face.angle) for face in faces]
    return np.array(crops, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)


def all_in_good_light(crops: np.ndarray) -> np.ndarray:
    """Faces, (n, 48, 48) uint8, as the network is to see them; see in_good_light."""
    return np.array([in_good_light(crop) for crop in crops], np.uint8).reshape(crops.shape)
