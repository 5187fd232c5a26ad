"""Fits how a find is judged, and writes vision/face_check.json: `python -m tools.fit_score FER2013 FACES OTHERS`.

FER2013: its Training faces teach the check what a face looks like. FACES: a folder of pictures, each with one face, in
its middle. OTHERS: a folder of pictures without faces; what the searches find there is what the check must refuse.
The committed file was fitted in this way, on 1,451 finds in 930 wallpapers and textures (from Debian's packages
gnome-backgrounds, mate-backgrounds, plasma-workspace-wallpapers, ukui-wallpapers and supertuxkart-data) and on 123
photographs of people from the press.
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
from vision.patches import Box, Patch, Place, cut, halvings, overlaps
from vision.search import SAME_PLACE, STILL_SCALE_FACTOR, TILTED, UPRIGHT, FaceDetector
from vision.source import SourceError, read_picture

LONGEST_SIDE = 1000  # pixels, to which pictures are shrunk
MOST_OF_PICTURE = 60  # finds that are taken from one picture
FACES, HIDDEN = 14_000, 32  # faces of FER2013 that are learned from, and units in the hidden layer
VARIANTS = 7  # of each find that is no face, besides itself
IN_MIDDLE = 0.6  # of the shorter side, by which a face's middle may be off the picture's
SEED = 17


def main(arguments: list[str] | None = None) -> int:
    """Fit and write. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="fit_score", description=__doc__.partition("\n")[0])
    for name in ("fer2013", "faces", "others"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(SEED)
    finds = [find for grey in _pictures(options.others) for find in _finds(grey)]
    data = load_dataset(options.fer2013)
    images = data.images[data.splits == "Training"]
    images = images[rng.permutation(len(images))[:FACES]]
    faces = [gradients(cut([_worn(image, rng)], _about(24, 24, 48, rng)).grey) for image in images]
    refused = [gradients(patch.grey) for patch, _ in finds]
    refused += [gradients(_shaken(patch, rng)) for patch, _ in finds for _ in range(VARIANTS)]
    hidden, output = _fit_check(np.array(faces), np.array(refused))
    shown = [find for grey in _pictures(options.faces) if (find := _middle_find(grey))]
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
        if len(kept) < MOST_OF_PICTURE and (not kept or overlaps(seen.box, kept).max() <= SAME_PLACE):
            kept.append(seen.box)
            place, sights = sights_of(sizes, seen)
            yield cut(sizes, place), sights


def _middle_find(grey: np.ndarray) -> tuple[Patch, np.ndarray] | None:
    """The find that is nearest to the middle of a picture."""
    middle = np.array(grey.shape[::-1]) / 2

    def off(find: tuple[Patch, np.ndarray]) -> float:
        place = find[0].place
        return float(np.hypot(*(np.array([place.x, place.y]) - middle)))

    nearest = min(_finds(grey), key=off, default=None)
    return nearest if nearest and off(nearest) < IN_MIDDLE * min(middle) else None


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
