"""The stages between a frame and its faces with labels: find, follow, classify, smooth."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vision.acquaintance import Acquaintances
from vision.classify import Classifier, classified, classify, faces_believed
from vision.confidence import SURE
from vision.crop import cut_faces
from vision.faces import Face
from vision.follow import FaceFollower, face_of
from vision.judge import SHOWN, Found
from vision.opencv import cv2
from vision.patches import Place, halvings
from vision.search import search_still
from vision.smoothing import ExpressionSmoother
from vision.turns import Turns


def find_in_picture(image: np.ndarray, model: Classifier, sure: float = SURE) -> list[Face]:
    """As `find_in_grey`, in an image (height, width, 3) uint8 BGR."""
    return find_in_grey(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), model, sure)


def find_in_grey(grey: np.ndarray, model: Classifier, sure: float = SURE) -> list[Face]:
    """The faces in a single picture, (height, width) uint8, from left to right; nothing is smoothed.

    sure: see ExpressionSmoother.
    """
    faces = _faces_in(grey)
    return ExpressionSmoother(sure).smooth(classify(grey, faces, model), 0.0)


def _faces_in(grey: np.ndarray) -> list[Face]:
    found = [each for each in search_still(halvings(grey)) if each.score >= SHOWN]
    found.sort(key=lambda each: each.place.box)
    return [face_of(number, each.place, each.score, each.side, grey) for number, each in enumerate(found, 1)]


def largest_face(image: np.ndarray) -> np.ndarray | None:
    """The largest frontal face in a picture, as cut_face gives it, or None. image: (height, width, 3) uint8 BGR."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    faces = classified(_faces_in(grey))
    return cut_faces(grey, [max(faces, key=lambda face: face.box[2])])[0] if faces else None


class LiveAnnotator:
    """Finds the faces in frames as they come, one by one, and gets to know them.

    Each of `follow`, `label` and `learn` may have a thread of its own, but no two threads may be in the same one.
    """

    def __init__(self, sure: float = SURE) -> None:
        """sure: see ExpressionSmoother."""
        self._follower = FaceFollower(is_live=True)
        self._smoother = ExpressionSmoother(sure)
        self._acquaintances = Acquaintances()
        self._turns = Turns()
        self._moment = 0.0  # of the frame that was labelled last

    def annotate(
        self,
        sizes: list[np.ndarray],
        moment: float,
        model: Classifier | None,
        found: Sequence[Found] | None = None,
        adapt: bool = True,
        mirrored: bool = False,
    ) -> list[Face]:
        """The faces in the next frame with their labels, from left to right; see `follow` and `label`."""
        return self.label(self.follow(sizes, moment, found), sizes[0], moment, model, adapt, mirrored)

    def follow(
        self,
        sizes: list[np.ndarray],
        moment: float,
        found: Sequence[Found] | None = None,
        searched: float | None = None,
    ) -> list[Face]:
        """The faces in the next frame without labels, from left to right.

        sizes: the frame's halvings. moment: its time in seconds, of any clock. found: what a search found in this
        frame, or in that of the moment `searched`.
        """
        return self._follower.follow(sizes, moment, found, searched)

    def label(
        self,
        faces: Sequence[Face],
        grey: np.ndarray,
        moment: float,
        model: Classifier | None,
        adapt: bool = True,
        mirrored: bool = False,
    ) -> list[Face]:
        """The faces that were followed in the next frame with their probabilities, and whether those are sure.

        Where there is not time for all, they take turns; see turns.py. grey: the frame, (height, width) uint8. moment:
        as for `follow`. model: None while it is being prepared; the faces then have no probabilities. adapt: whether
        the network is set to each face, as far as it is known. mirrored: see `believed`.
        """
        self._moment = moment
        if not model:
            return list(faces)
        frontal = classified(faces)
        crops = cut_faces(grey, frontal)
        chosen = self._turns.choose(frontal, crops, moment)
        if chosen:
            self._classify([frontal[index] for index in chosen], crops[chosen], model, adapt, mirrored)
        self._acquaintances.see(frontal, crops, moment)
        faces = self._smoother.smooth([self._with_latest(face) for face in faces], moment)
        return [replace(face, adapted=self._acquaintances.adapted(face)) for face in faces] if adapt else faces

    def _classify(
        self, faces: Sequence[Face], crops: np.ndarray, model: Classifier, adapt: bool, mirrored: bool
    ) -> None:
        people = self._acquaintances.people(faces) if adapt else None
        began = time.perf_counter()
        probabilities = faces_believed(crops, faces, model, people, mirrored)
        self._turns.took(time.perf_counter() - began, len(faces))
        for each in zip(faces, crops, probabilities, strict=True):
            self._turns.keep(*each)

    def _with_latest(self, face: Face) -> Face:
        """The face with the probabilities of its latest turn, if it can be classified."""
        if face.state != "frontal" or (probabilities := self._turns.probabilities(face)) is None:
            return face
        return replace(face, probabilities=probabilities, classified=self._turns.classified(face))

    def places(self) -> list[Place]:
        """Where the faces are that are followed."""
        return self._follower.places()

    def rest(self, number: int) -> bool:
        """Take how a face looks in the next two seconds for its resting face. Returns whether it is there."""
        return self._acquaintances.rest(number, self._moment)

    def learn(self, model: Classifier) -> None:
        """Learn from what was seen of one of the faces, if enough is new; it takes about a twentieth of a second."""
        self._acquaintances.learn(model)
