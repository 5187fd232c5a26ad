"""Single pictures: those without faces, in which none may be seen, and a large one, full of small faces."""

import itertools
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import skimage.data

from benchmarks.figures import Figure
from benchmarks.heads import face_of, upright_head
from model import FacialExpressionModel
from paths import ROOT
from vision.annotate import LiveAnnotator, find_in_picture
from vision.faces import Face
from vision.opencv import cv2
from vision.patches import Box, Place, as_box, halvings
from vision.pictures import decode_picture
from vision.search import FrameSearch

PHOTOGRAPHS = ("coffee", "rocket", "brick", "grass", "gravel", "page", "text", "moon")
TEXTURES, EACH = 50, 5  # of which so many are of each kind
WIDTHS = 320, 1280, 4000  # pixels
LIVE_FRAMES, LIVE_RATE, SEARCH_EVERY = 250, 25, 10  # frames, frames per second, frames from one search to the next

LARGE = (8660, 5774)  # width and height in pixels
CELL = (262, 230)  # the same of the cells into which it is divided, with a face in each
FACE = 24  # pixels, the side of these faces
FOUND, LONGEST, MOST_MEMORY = 90, 15, 500  # bars: per cent, seconds, MB
# A script that searches the picture of its first argument, after a small one has made everything ready, and writes the
# boxes to its second. It prints the seconds and by how many MB the most memory was above that before the search.
SEARCH = """
import sys, time
from pathlib import Path
import numpy as np
from model import FacialExpressionModel
from vision.annotate import find_in_picture

def memory(field):
    status = Path("/proc/self/status").read_text()
    return int(status.partition(field + ":")[2].split()[0]) / 1024

model, picture = FacialExpressionModel(), np.load(sys.argv[1])
find_in_picture(picture[:500, :500], model)
before, began = memory("VmRSS"), time.perf_counter()
faces = find_in_picture(picture, model)
print(time.perf_counter() - began, memory("VmHWM") - before)
np.save(sys.argv[2], [face.box for face in faces])
"""


def without_faces(model: FacialExpressionModel) -> list[Figure]:
    """How many boxes there are in pictures without faces: as pictures, and in ten seconds of the live view of each.

    Live, each is one frame that stands still, and there is one texture of each kind.
    """
    boxes: Counter[str] = Counter()
    for width in WIDTHS:
        for name, picture, is_live in faceless(width):
            found = {"as pictures": [face.box for face in find_in_picture(picture, model)]}
            if is_live:
                found["live"] = list(_seen_live(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)).values())
            for way, each in found.items():
                boxes[way] += len(each)
                if each:
                    print(f"  no face: {name}, {width} wide, {way}: {each}", flush=True)
    return [
        Figure(f"pictures without faces: boxes {way}", boxes[way], 0, at_most=True) for way in ("as pictures", "live")
    ]


def faceless(width: int) -> Iterator[tuple[str, np.ndarray, bool]]:
    """Yield pictures without faces: a name, (height, width, 3) uint8 BGR, and whether it is for the live view too."""
    for name in PHOTOGRAPHS:
        picture = getattr(skimage.data, name)()
        height = round(width * picture.shape[0] / picture.shape[1])
        smaller = width < picture.shape[1]
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        yield name, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR if picture.ndim == 3 else cv2.COLOR_GRAY2BGR), True
    for seed in range(TEXTURES):
        name, picture = texture(seed, width)
        yield name, cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), seed % EACH == 0


def texture(seed: int, width: int) -> tuple[str, np.ndarray]:
    """A name and a texture of that seed, (3/4 of the width, width) uint8; it is the same one in every width."""
    rng, height = np.random.default_rng(seed), 3 * width // 4
    y, x = np.mgrid[:height, :width].astype(np.float32) / width
    period, angle = float(np.exp(rng.uniform(np.log(0.01), np.log(0.2)))), rng.uniform(0, np.pi)
    u = 2 * np.pi / period * (x * np.cos(angle) + y * np.sin(angle))
    v = 2 * np.pi / period * (y * np.cos(angle) - x * np.sin(angle))

    def noise(columns: float) -> np.ndarray:
        """Noise with so many random values from left to right."""
        values = rng.normal(size=(round(0.75 * columns), round(columns))).astype(np.float32)
        return cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)

    kinds = {
        "noise": lambda: noise(1 / period),
        "spots": lambda: np.sign(noise(1 / period)),
        "clouds": lambda: np.sum([noise(2**octave) / 2**octave for octave in range(2, 9)], axis=0),
        "stripes": lambda: np.sin(u),
        "wavy stripes": lambda: np.sin(u + 2 * noise(8)),
        "rough stripes": lambda: np.sin(u) + noise(200),
        "checks": lambda: np.sign(np.sin(u) * np.sin(v)),
        "dots": lambda: np.float32(np.cos(u) + np.cos(v) > 1),
        "waves across": lambda: np.sin(u) + np.sin(v),
        "rings": lambda: np.sin(2 * np.pi / period * np.hypot(x - 0.5, y - 0.375)),
    }
    name = list(kinds)[seed // EACH]
    values = kinds[name]()
    grey = 128 + 50 * (values - values.mean()) / values.std()
    return f"{name} {seed}", np.clip(grey, 0, 255).astype(np.uint8)


def _seen_live(grey: np.ndarray) -> dict[int, Box]:
    """The faces that the live view shows of a frame that stands still, by number, each with its last box."""
    annotator, search, sizes = LiveAnnotator(), FrameSearch(), halvings(grey)
    boxes = {}
    for index in range(LIVE_FRAMES):
        found = search.search(sizes, annotator.places()) if index % SEARCH_EVERY == 0 else None
        for face in annotator.annotate(sizes, index / LIVE_RATE, None, found):
            boxes[face.number] = face.box
    return boxes


def large(pictures: Path, model: FacialExpressionModel) -> list[Figure]:
    """How many small faces are found in a large picture, in which time and with how much memory.

    pictures: a folder with a folder of faces for each expression. Faces count that the same search finds in their cell
    alone.
    """
    picture, heads = many_faces(pictures)
    with tempfile.TemporaryDirectory() as temporary:
        saved, boxes = Path(temporary) / "picture.npy", Path(temporary) / "boxes.npy"
        np.save(saved, picture)
        command = [sys.executable, "-c", SEARCH, str(saved), str(boxes)]
        output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        faces = [Face(0, as_box(box)) for box in np.load(boxes)]
    seconds, memory = map(float, output.split()[-2:])
    found = []
    for head in heads:
        left, top = (int(at) // side * side for at, side in zip((head.x, head.y), CELL))
        alone = find_in_picture(picture[top : top + CELL[1], left : left + CELL[0]], model)
        if face_of(replace(head, x=head.x - left, y=head.y - top), alone):
            found.append(face_of(head, faces) is not None)
    strays = sum(not any(face_of(head, [face]) for head in heads) for face in faces)
    print(f"  {len(heads)} faces, {len(found)} found alone, {sum(found)} of them in the whole; {strays} other boxes")
    name = f"{FACE}-pixel faces in {picture.shape[0] * picture.shape[1] / 1e6:.0f} megapixels"
    return [
        Figure(f"{name}: found of those found alone", 100 * float(np.mean(found)), FOUND, " %"),
        Figure(f"{name}: time", seconds, LONGEST, " s", at_most=True),
        Figure(f"{name}: memory of the search", memory, MOST_MEMORY, " MB", at_most=True),
    ]


def many_faces(pictures: Path) -> tuple[np.ndarray, list[Place]]:
    """A large picture, (height, width, 3) uint8 BGR, with a face in each cell, and where the faces are.

    The pictures are pasted whole onto grey, so small that the box of the face is FACE pixels wide.
    """
    made, heads = np.full((LARGE[1], LARGE[0], 3), 128, np.uint8), []
    cells = itertools.product(range(0, LARGE[1] - CELL[1], CELL[1]), range(0, LARGE[0] - CELL[0], CELL[0]))
    for path in sorted(pictures.glob("*/*.jpg")):
        picture = decode_picture(path.read_bytes())
        head = upright_head(picture)
        if head is None:
            continue
        scale = FACE / head.side
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        if width > CELL[0] or height > CELL[1] or (cell := next(cells, None)) is None:
            continue
        top, left = cell[0] + (CELL[1] - height) // 2, cell[1] + (CELL[0] - width) // 2
        made[top : top + height, left : left + width] = small
        head = head.scaled(scale)
        heads.append(replace(head, x=left + head.x, y=top + head.y))
    return made, heads
