"""Fits how a find is judged, and writes vision/face_check.json: `python -m tools.fit_score FER2013 OTHERS`.

FER2013: its Training faces teach the check what a face looks like; some of the others are put into pictures, where the
searches find them. OTHERS: a folder of pictures without faces; what the searches find there is what the check must
refuse. The committed file was fitted in this way, with 499 wallpapers and textures (from Debian's packages
gnome-backgrounds, mate-backgrounds, plasma-workspace-wallpapers, ukui-wallpapers and supertuxkart-data) and with 240
textures drawn as in benchmarks/stills.py, with other seeds.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from paths import FACE_CHECK
from training.dataset import load_dataset
from vision.cascades import CASCADE_WINDOW
from vision.judge import gradients, sights_of
from vision.opencv import cv2
from vision.patches import SAME_FACE, Box, Patch, Place, cut, halvings, overlaps
from vision.search import STILL_SCALE_FACTOR, TILTED, UPRIGHT, FaceDetector
from vision.source import SourceError, read_picture

LONGEST_SIDE = 1000  # pixels, to which pictures are shrunk
MOST_OF_PICTURE = 60  # finds that are taken from one picture
PASTED = 300  # faces that are put into pictures, a picture each
SMALLEST_PASTED, LARGEST_PASTED = 28, 200  # pixels, their sides
FACES, HIDDEN = 14_000, 32  # faces of FER2013 that are learned from, and units in the hidden layer
VARIANTS = 7  # of each find that is no face, besides itself
NEAR = 0.3  # of its side, by which a find's middle may be off the middle of a face that was put there
SEED = 17


def main(arguments: list[str] | None = None) -> int:
    """Fit and write. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="fit_score", description=__doc__.partition("\n")[0])
    for name in ("fer2013", "others"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(SEED)
    pictures = list(_pictures(options.others))
    finds = [find for grey in pictures for find in _finds(grey)]
    data = load_dataset(options.fer2013)
    images = rng.permutation(data.images[data.splits == "Training"])
    faces = [gradients(cut([_worn(image, rng)], _about(24, 24, 48, rng)).grey) for image in images[:FACES]]
    refused = [gradients(patch.grey) for patch, _ in finds]
    refused += [gradients(_shaken(patch, rng)) for patch, _ in finds for _ in range(VARIANTS)]
    hidden, output = _fit_check(np.array(faces), np.array(refused))
    backgrounds = rng.choice(len(pictures), PASTED)
    pasted = (_pasted(pictures[index], image, rng) for index, image in zip(backgrounds, images[FACES:]))
    shown = [find for each in pasted if (find := _find_at(*each))]
    rows = np.array([[*sights, _checked(patch, hidden, output)] for patch, sights in shown + finds])
    model = LogisticRegression().fit(rows, np.arange(len(rows)) < len(shown))
    frontal = np.array([model.intercept_[0], *model.coef_[0]])
    share = model.score(rows, np.arange(len(rows)) < len(shown))
    print(f"{len(shown)} faces, {len(finds)} finds that are none: {share:.1%} judged right")
    fitted: dict[str, np.ndarray] = {"hidden": hidden, "output": output, "frontal": frontal}
    lines = (f' "{name}": {json.dumps(np.round(values, 3).tolist())}' for name, values in fitted.items())
    FACE_CHECK.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return 0


def _pictures(folder: Path) -> Iterator[np.ndarray]:
    """The pictures of a folder and those below it, in grey, shrunk."""
    for path in sorted(folder.rglob("*")):
        try:
            grey = cv2.cvtColor(read_picture(path), cv2.COLOR_BGR2GRAY)
        except SourceError:
            continue  # another kind of file
        scale = min(1.0, LONGEST_SIDE / max(grey.shape))
        yield cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _finds(grey: np.ndarray) -> Iterator[tuple[Patch, np.ndarray]]:
    """What searches find in a picture: the patch, and judge.sights_of it."""
    sizes = halvings(grey)
    kept: list[Box] = []
    for _, seen in FaceDetector(STILL_SCALE_FACTOR).candidates(grey, CASCADE_WINDOW, (UPRIGHT, *TILTED)):
        if len(kept) < MOST_OF_PICTURE and (not kept or overlaps(seen.box, kept).max() <= SAME_FACE):
            kept.append(seen.box)
            place, sights = sights_of(sizes, seen)
            yield cut(sizes, place), sights


def _pasted(grey: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Place]:
    """A part of a picture, (height, width) uint8, with a face in its middle that fades into it, and where that is."""
    side = float(np.exp(rng.uniform(np.log(SMALLEST_PASTED), np.log(LARGEST_PASTED))))
    size, angle = round(3 * side), rng.normal(0, 8)
    left, top = (rng.integers(0, max(1, length - size)) for length in grey.shape[::-1])
    around = cv2.resize(grey[top : top + size, left : left + size], (size, size))
    matrix = cv2.getRotationMatrix2D((23.5, 23.5), -angle, side / 48)
    matrix[:, 2] += np.full(2, size / 2 - 23.5)
    face = cv2.warpAffine(_worn(image, rng), matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    edge = np.clip(1 - (np.maximum(np.abs(x), np.abs(y)) - 0.5 * side) / (0.2 * side), 0, 1)
    blended = edge * face + (1 - edge) * around
    return blended.astype(np.uint8), Place(size / 2, size / 2, side, angle)


def _find_at(grey: np.ndarray, face: Place) -> tuple[Patch, np.ndarray] | None:
    """The find that is nearest to a face in a picture, if it is near enough."""

    def off(find: tuple[Patch, np.ndarray]) -> float:
        return float(np.hypot(find[0].place.x - face.x, find[0].place.y - face.y))

    nearest = min(_finds(grey), key=off, default=None)
    return nearest if nearest and off(nearest) < NEAR * face.side else None


def _about(x: float, y: float, side: float, rng: np.random.Generator) -> Place:
    """A place near another, as finds are off the face a little."""
    right, down = rng.normal(0, 0.03 * side, 2)
    return Place(x + right, y + down, side * rng.uniform(0.9, 1.12), rng.normal(0, 6))


def _worn(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture as cameras have it: sometimes blurred, sometimes dark and noisy."""
    if rng.random() < 0.4:
        grey = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.5, 1.8))
    if rng.random() < 0.3:
        dark = rng.uniform(0.2, 1) * grey.astype(float) + rng.normal(0, rng.uniform(0, 6), grey.shape)
        grey = np.clip(dark, 0, 255).astype(np.uint8)
    return grey


def _shaken(patch: Patch, rng: np.random.Generator) -> np.ndarray:
    """A patch's picture, worn, and moved a little."""
    middle, side = len(patch.grey) / 2, len(patch.grey) / 1.6
    return cut([_worn(patch.grey, rng)], _about(middle, middle, side, rng)).grey


def _fit_check(faces: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights of judge.check: of the hidden layer, a row a unit, and of the output, each with its bias first."""
    model = MLPClassifier((HIDDEN,), alpha=0.1, max_iter=60, early_stopping=True, random_state=SEED)
    model.fit(np.concatenate([faces, others]), np.arange(len(faces) + len(others)) < len(faces))
    (into, out), (bias, last) = model.coefs_, model.intercepts_
    return np.column_stack([bias, into.T]), np.concatenate([last, out.ravel()])


def _checked(patch: Patch, hidden: np.ndarray, output: np.ndarray) -> float:
    return float(np.maximum(hidden[:, 1:] @ gradients(patch.grey) + hidden[:, 0], 0) @ output[1:] + output[0])


if __name__ == "__main__":
    sys.exit(main())
