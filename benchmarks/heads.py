"""Whether faces are found and followed when the head tilts: pictures and clips, turned by known angles."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.clips import read_frames
from benchmarks.detection import faces_in_recording, faces_shown_live
from benchmarks.figures import Figure
from model import EMOTIONS, FacialExpressionModel
from paths import CASCADE
from vision.annotate import find_in_picture
from vision.cascades import hits
from vision.faces import Face
from vision.opencv import cv2
from vision.patches import Place
from vision.pictures import decode_picture

OFF = 0.35  # of the head's side, by which the centre of a face's box may be off from the head's
NARROWEST, WIDEST = 0.6, 1.6  # times the head's side, that a face's box may be wide
UPRIGHT_SCALE_FACTOR, UPRIGHT_NEIGHBOURS = 1.1, 5  # of the search that finds upright heads

SWINGING = {"neutral_to_happy.mp4": None, "face_then_no_face.mov": 70}  # clips, and how many first frames show a face
PEOPLE, EVERY_PERSON = 20, 5  # how many people swing, and that every fifth of them is taken
PERIOD, SECONDS, RATE = 6.0, 6, 30  # seconds of a swing, how long heads swing, frames per second
ANGLES = (20, 30, 40)  # degrees, by which pictures are turned
FOUND, LABELS_WORSE = 98, 2  # bars for turned pictures: per cent, and points
LOWEST = 3  # clips, named in print

Find = Callable[[Sequence[np.ndarray], float, FacialExpressionModel], Sequence[Sequence[Face]]]


@dataclass(frozen=True)
class Clip:
    """Frames of a head, and where it is in each."""

    name: str
    frames: list[np.ndarray]  # (height, width, 3) uint8 BGR
    heads: list[Place | None]  # None where it is not known

    @classmethod
    def of(cls, name: str, frames: Sequence[np.ndarray]) -> "Clip":
        """A clip of heads that an upright search sees."""
        return cls(name, list(frames), [upright_head(frame) for frame in frames])

    def swinging(self, degrees: float) -> "Clip":
        """The clip, played back and forth for SECONDS, while it is turned by up to so many degrees to both sides."""
        there_and_back = [*range(len(self.frames)), *range(len(self.frames) - 2, 0, -1)]
        swing = Clip(self.name, [], [])
        for index in range(RATE * SECONDS):
            at = there_and_back[index % len(there_and_back)]
            angle = degrees * np.sin(2 * np.pi * index / RATE / PERIOD)
            frame, head = turn(self.frames[at], self.heads[at], angle)
            swing.frames.append(frame)
            swing.heads.append(head)
        return swing

    def kept(self, faces: Sequence[Sequence[Face]]) -> float:
        """The share of the heads, in per cent, on which the faces of their frame have a box."""
        kept = [face_of(head, faces_here) is not None for head, faces_here in zip(self.heads, faces) if head]
        return 100 * float(np.mean(kept))


def upright_head(frame: np.ndarray) -> Place | None:
    """The largest face that a search of the frame, (height, width, 3) uint8 BGR, sees upright, as the course's does."""
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    boxes, _ = hits(CASCADE, grey, UPRIGHT_SCALE_FACTOR, UPRIGHT_NEIGHBOURS, 0)
    return Place.of_box(max(boxes, key=lambda box: box[2])) if len(boxes) else None


def turn(frame: np.ndarray, head: Place | None, angle: float) -> tuple[np.ndarray, Place | None]:
    """A frame turned about its middle, its edges going on, and the head in it. angle: degrees clockwise."""
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1)
    turned = cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    if head is None:
        return turned, None
    x, y = matrix @ (head.x, head.y, 1)
    return turned, Place(float(x), float(y), head.side, head.angle + angle)


def face_of(head: Place, faces: Sequence[Face]) -> Face | None:
    """The face whose box is nearest to a head and about as large; None where there is none."""

    def off(face: Face) -> float:
        return float(np.hypot(face.place.x - head.x, face.place.y - head.y))

    like = [face for face in faces if NARROWEST <= face.place.side / head.side <= WIDEST]
    return min((face for face in like if off(face) <= OFF * head.side), key=off, default=None)


SWINGS: list[tuple[int, str, Find, float]] = [  # degrees, how faces are found, and the bar in per cent
    (35, "recordings", faces_in_recording, 95),
    (35, "live", faces_shown_live, 90),
    (60, "recordings", faces_in_recording, 80),
    (60, "live", faces_shown_live, 80),
]


def swinging(clips: Path | None, pictures: Path | None, model: FacialExpressionModel) -> list[Figure]:
    """How many frames of heads that swing to both sides have a box on the head, in the clip that has the fewest.

    clips: a folder with those of SWINGING. pictures: a folder beside one of pictures by person, `press_people`.
    Prints the mean, and the clips that have the fewest.
    """
    upright = [*(_clips(clips) if clips else ()), *(_people(pictures.parent / "press_people") if pictures else ())]
    figures = []
    for degrees, way, find, bar in SWINGS:
        shares = {}
        for clip in upright:
            swing = clip.swinging(degrees)
            shares[clip.name] = swing.kept(find(swing.frames, RATE, model))
        mean = float(np.mean([*shares.values()]))
        lowest = ", ".join(f"{name} {shares[name]:.1f} %" for name in sorted(shares, key=shares.__getitem__)[:LOWEST])
        print(f"  swinging by {degrees}°, {way}: mean of {len(shares)} {mean:.1f} %, least {lowest}", flush=True)
        figures.append(Figure(f"swinging by {degrees}°, {way}: faces kept, least", min(shares.values()), bar, " %"))
    return figures


def _clips(folder: Path) -> Iterator[Clip]:
    for name, count in SWINGING.items():
        yield Clip.of(name, list(islice(read_frames(folder / name), count)))


def _people(folder: Path) -> Iterator[Clip]:
    """A picture of each of PEOPLE, the first by its name."""
    for person in sorted(path for path in folder.iterdir() if path.is_dir())[: PEOPLE * EVERY_PERSON : EVERY_PERSON]:
        picture = decode_picture(min(person.glob("*/*.jpg")).read_bytes())
        yield Clip.of(f"person {person.name}", [picture])


@dataclass(frozen=True, eq=False)
class _Upright:
    """A picture in which an upright search finds a face."""

    path: Path
    picture: np.ndarray  # (height, width, 3) uint8 BGR
    head: Place
    face: Face | None  # as the app finds it

    def is_right(self, face: Face) -> bool:
        """Whether a face's label is the expression in whose folder the picture is."""
        return face.label == EMOTIONS.index(self.path.parent.name.capitalize())


def tilted(pictures: Path, model: FacialExpressionModel) -> list[Figure]:
    """How many faces are found in pictures that are turned, and how much less often their labels are right.

    pictures: a folder with a folder for each expression. A picture counts where an upright search finds a face. Labels
    are compared on the faces that are found both upright and turned; one without a label is taken for wrong.
    """
    upright = []
    for path in sorted(pictures.glob("*/*.jpg")):
        picture = decode_picture(path.read_bytes())
        if head := upright_head(picture):
            upright.append(_Upright(path, picture, head, face_of(head, find_in_picture(picture, model))))
    return [figure for angle in ANGLES for figure in _turned_by(angle, upright, model)]


def _turned_by(angle: float, upright: Sequence[_Upright], model: FacialExpressionModel) -> list[Figure]:
    missed, right = [], []  # names; whether the labels are right: upright, turned
    unlabelled = 0
    for each in upright:
        picture, head = turn(each.picture, each.head, angle)
        assert head
        face = face_of(head, find_in_picture(picture, model))
        if face is None:
            missed.append(f"{each.path.parent.name}/{each.path.stem}")
        elif each.face:
            right.append((each.is_right(each.face), each.is_right(face)))
            unlabelled += face.label is None
    before, after = 100 * np.mean(right, axis=0)
    print(f"  turned by {angle}°: of {len(upright)} faces not found: {', '.join(missed) or 'none'}")
    print(f"    labels of {len(right)}: {after:.1f} % right, upright {before:.1f} %; {unlabelled} without a label")
    share = 100 * (1 - len(missed) / len(upright))
    name = f"pictures turned by {angle}°"
    return [
        Figure(f"{name}: faces found", share, FOUND, " %"),
        Figure(f"{name}: labels right, below upright", float(before - after), LABELS_WORSE, " points", at_most=True),
    ]
