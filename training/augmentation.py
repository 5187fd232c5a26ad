"""Changes faces at random in ways that leave their expression as it is: as heads, boxes, light and cameras vary."""

import math

import numpy as np

from vision.crop import FACE_SIZE
from vision.opencv import cv2

LOW_RESOLUTIONS, LOW_SHARE = (24, 34), 0.06  # pixels, the side of faces of few pixels, and the share of faces for each
# Shares of faces at full strength that are blurred, sharpened, given more or less local contrast, lit from one side,
# given another gamma, noise, and the marks of JPEG, and in which a rectangle is painted over.
BLURRED, SHARPENED, LOCAL, ONE_SIDED, GAMMA, NOISY, JPEG, COVERED = 0.35, 0.14, 0.25, 0.3, 0.35, 0.25, 0.25, 0.4


def augment(faces: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """Faces (n, 48, 48) uint8, each changed at random: the same shape.

    Half of them are mirrored. All are turned by up to 12°, scaled by up to 15 %, stretched by up to 5 %, and shifted by
    up to 9 % of their side, as a Haar box may be off; made lighter or darker by up to 25 grey levels, and given up to
    40 % more contrast or 30 % less. Some are blurred, sharpened, lit from one side and so on, as pictures in the world
    are and FER2013's are not. strength: 0..1, by which all but the mirroring is weakened.
    """
    augmented = np.empty_like(faces)
    for index, face in enumerate(faces):
        values = _moved(face, rng, strength)
        values = _of_few_pixels(values, rng, strength)
        values = _focused(values, rng, strength)
        values = _lit(values, rng, strength)
        augmented[index] = _taken(values, rng, strength)
        if rng.random() < COVERED * strength:  # so that the network does not rely on a single feature
            height, width = rng.integers(6, 18, 2)
            top, left = rng.integers(0, FACE_SIZE - height), rng.integers(0, FACE_SIZE - width)
            augmented[index, top : top + height, left : left + width] = rng.integers(256)
    return augmented


def _moved(face: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A face turned, scaled, stretched, shifted and perhaps mirrored: (48, 48) float32."""
    centre = FACE_SIZE / 2 - 0.5
    angle, scale, stretch = rng.uniform(-12, 12), rng.uniform(-0.14, 0.14), rng.uniform(-0.05, 0.05)
    turn: np.ndarray = cv2.getRotationMatrix2D((centre, centre), strength * angle, math.exp(strength * scale))
    turn[:, 0] *= math.exp(strength * stretch) * rng.choice((-1, 1))
    turn[:, 2] = centre - turn[:, :2] @ np.full(2, centre)
    turn[:, 2] += strength * rng.uniform(-0.09, 0.09, 2) * FACE_SIZE
    moved = cv2.warpAffine(face, turn, face.shape, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.float32)


def _of_few_pixels(values: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A face, shrunk and enlarged again if it is one of those."""
    chance = rng.random()
    for order, side in enumerate(LOW_RESOLUTIONS, 1):
        if chance < order * LOW_SHARE * strength:
            small = cv2.resize(values, (side, side), interpolation=cv2.INTER_AREA)
            return cv2.resize(small, values.shape, interpolation=cv2.INTER_CUBIC)
    return values


def _focused(values: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A face, blurred or sharpened if it is one of those."""
    chance, sigma, amount = rng.random(), rng.uniform(0.3, 1.15), rng.uniform(0.2, 1.2)
    if chance < BLURRED * strength:
        return cv2.GaussianBlur(values, (7, 7), sigma, borderType=cv2.BORDER_REPLICATE)
    if chance > 1 - SHARPENED * strength:
        return values + amount * (values - cv2.GaussianBlur(values, (7, 7), sigma, borderType=cv2.BORDER_REPLICATE))
    return values


def _lit(values: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A face in other light, and with other contrast, over all and within small parts: 0..255."""
    contrast, light = math.exp(strength * rng.uniform(-0.35, 0.35)), strength * rng.uniform(-25, 25)
    chances = rng.random(3) < np.array((LOCAL, ONE_SIDED, GAMMA)) * strength
    local, slope, towards = rng.uniform(-0.5, 0.5), rng.uniform(0, 55), rng.uniform(0, 2 * math.pi)
    gamma = math.exp(strength * rng.uniform(-0.5, 0.5))
    if chances[0]:
        wide = cv2.blur(values, (9, 9), borderType=cv2.BORDER_REPLICATE)
        values = values + (math.exp(strength * local) - 1) * (values - wide)
    if chances[1]:
        along = np.linspace(-1, 1, FACE_SIZE, dtype=np.float32)
        values = values + strength * slope * np.add.outer(math.sin(towards) * along, math.cos(towards) * along)
    values = np.clip((values - values.mean()) * contrast + values.mean() + light, 0, 255)
    return 255 * (values / 255) ** gamma if chances[2] else values


def _taken(values: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A face as a camera takes it and a file keeps it, perhaps with noise and the marks of JPEG: (48, 48) uint8."""
    chances, noise, quality = rng.random(2), rng.uniform(1, 12), int(rng.integers(25, 90))
    if chances[0] < NOISY * strength:
        values = values + strength * noise * rng.standard_normal(values.shape)
    face = np.clip(values, 0, 255).astype(np.uint8)
    if chances[1] < JPEG * strength:
        _, encoded = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])
        face = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    return face
