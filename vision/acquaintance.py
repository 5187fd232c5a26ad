"""Gets to know the faces that are watched: a few small pictures of each, and what the network learned from them.

All of it is in memory, for as long as the source is watched and the face may come back.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vision.classify import Classifier, Person
from vision.crop import all_in_good_light
from vision.faces import Adapted, Face
from vision.opencv import cv2
from vision.sightings import REMEMBERED

MOST = 20  # pictures that are kept of a face; of the two that are most alike the older goes
LOOK_EVERY = 1.5  # seconds from one look at a face to the next: what lasts a moment says little of the person
ALIKE = 0.95  # correlation of two pictures from which on the later one says nothing new
NEWS = 4  # new pictures after which a face is learned again; each time takes a twentieth of a second
SKETCH = 16  # pixels, of a picture, to compare it by
RESTING = 2.0  # seconds for which a resting face is looked at


class Album:
    """A few pictures of a face, each of which differs from the others."""

    def __init__(self, look_every: float) -> None:
        """look_every: seconds from one look at the face to the next, at least."""
        self.crops: list[np.ndarray] = []  # (48, 48) uint8 each, in the frame's own light
        self._look_every = look_every
        self._looked = -np.inf  # the moment of the last look

    def look(self, crop: np.ndarray, moment: float) -> bool:
        """Look at the face again, if it is time. Returns whether it is news.

        crop: (48, 48) uint8, see cut_face. moment: in seconds, of any clock.
        """
        if moment - self._looked < self._look_every:
            return False
        self._looked = moment
        sketches = _sketches([*self.crops, crop])
        alike = sketches @ sketches.T - 2 * np.eye(len(sketches))
        if alike[-1].max() >= ALIKE:
            return False
        self.crops.append(crop)
        if len(self.crops) > MOST:
            del self.crops[min(np.unravel_index(alike.argmax(), alike.shape))]
        return True


@dataclass
class _Known:
    """A face that is known by its number."""

    seen: float  # the moment when it was last there
    album: Album = field(default_factory=lambda: Album(LOOK_EVERY))
    news: int = 0  # pictures since it was last learned
    resting_until: float | None = None  # the moment at which its resting face has been looked at, while it is
    resting: list[np.ndarray] = field(default_factory=list)  # pictures of that
    person: Person | None = None
    adapted: Adapted | None = None


class Acquaintances:
    """The faces that are followed, as far as they are known. Frames may come from one thread, and another may learn."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}  # by the face's number
        self._lock = threading.Lock()

    def people(self, faces: Iterable[Face]) -> list[Person | None]:
        """What was learned of each of the faces."""
        return [known.person if (known := self._known.get(face.number)) else None for face in faces]

    def adapted(self, face: Face) -> Adapted | None:
        """From what the face was learned, if it was."""
        known = self._known.get(face.number)
        return known.adapted if known else None

    def see(self, faces: Sequence[Face], crops: np.ndarray, moment: float) -> None:
        """Look at the faces of a frame. crops: (n, 48, 48) uint8, see cut_faces. moment: in seconds, of any clock."""
        with self._lock:
            for face, crop in zip(faces, crops, strict=True):
                known = self._known.setdefault(face.number, _Known(moment))
                known.seen = moment
                if not face.is_seen:
                    continue
                if known.resting_until is None:
                    known.news += known.album.look(crop, moment)
                elif moment < known.resting_until:
                    known.resting.append(crop)
                else:
                    known.resting_until = None
            self._known = {number: known for number, known in self._known.items() if moment - known.seen <= REMEMBERED}

    def rest(self, number: int, moment: float) -> bool:
        """Take how a face looks in the next two seconds for its resting face. Returns whether it is there."""
        with self._lock:
            known = self._known.get(number)
            if known is None:
                return False
            known.resting_until, known.resting = moment + RESTING, []
            return True

    def learn(self, model: Classifier) -> None:
        """Learn the one face of which there is most news, if there is any."""
        with self._lock:
            known = max(self._known.values(), key=_urgency, default=None)
            if known is None or not _urgency(known):
                return
            adapted: Adapted = "resting" if known.resting else "seen"
            crops = np.array(known.resting[:: -(-len(known.resting) // MOST)] if known.resting else known.album.crops)
            known.news, known.resting = 0, []
        person = model.learn(all_in_good_light(crops), adapted == "resting")
        if person is not None:
            known.person, known.adapted = person, adapted


def _urgency(known: _Known) -> int:
    """How much there is to be learned of a face; 0 for nothing."""
    if known.resting and known.resting_until is None:
        return MOST + 1
    return known.news if known.news >= NEWS and known.adapted != "resting" else 0


def _sketches(crops: Sequence[np.ndarray]) -> np.ndarray:
    """The crops as small pictures whose products are their correlations, (n, SKETCH * SKETCH) float64."""
    small = np.array(
        [cv2.resize(crop, (SKETCH, SKETCH), interpolation=cv2.INTER_AREA).ravel() for crop in crops], float
    )
    centred = small - small.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1)
