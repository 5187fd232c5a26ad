import numpy as np
import pytest

from vision.acquaintance import LOOK_EVERY, MOST, NEWS, RESTING, Acquaintances, Album
from vision.annotate import LiveAnnotator
from vision.faces import Face
from vision.opencv import cv2
from vision.patches import halvings
from vision.search import FaceDetector
from vision.sightings import REMEMBERED


def pictures(count, seed=0):
    """Coarse patterns (count, 48, 48) uint8, each unlike the others."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 6, 6)).astype(np.uint8)
    return np.array([cv2.resize(each, (48, 48), interpolation=cv2.INTER_CUBIC) for each in small])


class Learner:
    """A network that learns nothing but what it was given: a person is the faces and whether they were at rest."""

    def __init__(self):
        self.learned, self.people = [], []

    def learn(self, faces, resting=False):
        self.learned.append((len(faces), resting))
        return np.array([faces.mean(), float(resting)])

    def predict(self, faces, people=None, mirrored=False):
        self.people.append(people)
        return np.full((len(faces), 7), 1 / 7, np.float32)


def watch(known, number, crops, moment=0.0, every=LOOK_EVERY + 0.01):
    """Show a face's pictures one after another; the moment after the last of them."""
    for crop in crops:
        known.see([Face(number, (0, 0, 60, 60))], crop[np.newaxis], moment)
        moment += every
    return moment


def test_only_pictures_that_differ_are_kept_and_only_now_and_then():
    album, (first, second) = Album(1.0), pictures(2)
    assert album.look(first, 0.0)
    assert not album.look(second, 0.5)
    assert not album.look(first, 1.0)
    assert album.look(second, 2.0)
    assert len(album.crops) == 2


def test_of_two_that_are_most_alike_the_older_goes():
    album, crops = Album(1.0), pictures(MOST)
    for moment, crop in enumerate(crops):
        album.look(crop, moment)
    alike = cv2.addWeighted(crops[5], 0.65, crops[6], 0.35, 0)
    assert album.look(alike, MOST)
    assert len(album.crops) == MOST
    assert album.crops[-1] is alike
    assert not any(np.array_equal(crop, crops[5]) for crop in album.crops)


def test_a_face_is_learned_once_enough_of_it_is_new():
    known, model = Acquaintances(), Learner()
    face, crops = Face(1, (0, 0, 60, 60)), pictures(NEWS)
    moment = watch(known, 1, crops[:-1])
    known.learn(model)
    assert known.people([face]) == [None]
    moment = watch(known, 1, crops, moment)
    for _ in range(3):
        known.learn(model)
    assert model.learned == [(NEWS, False)]
    assert (known.adapted(face), known.people([face])[0] is None) == ("seen", False)


def test_one_expression_that_lasts_is_not_learned():
    known, model, crops = Acquaintances(), Learner(), pictures(1)
    watch(known, 1, np.repeat(crops, 2000, axis=0))
    known.learn(model)
    assert model.learned == []


def test_a_resting_face_beats_what_is_learned_unasked():
    known, model, face = Acquaintances(), Learner(), Face(1, (0, 0, 60, 60))
    moment = watch(known, 1, pictures(NEWS))
    assert not known.rest(2, moment)
    assert known.rest(1, moment)
    moment = watch(known, 1, pictures(25, seed=1), moment, every=RESTING / 20)
    known.learn(model)
    assert known.adapted(face) == "resting"
    [person] = known.people([face])
    moment = watch(known, 1, pictures(9, seed=2), moment)
    known.learn(model)
    assert known.people([face])[0] is person
    assert [resting for _, resting in model.learned] == [True]


def test_whoever_has_gone_is_forgotten():
    known, model = Acquaintances(), Learner()
    moment = watch(known, 1, pictures(NEWS))
    known.learn(model)
    watch(known, 2, pictures(1), moment + REMEMBERED + 1)
    assert known.people([Face(1, (0, 0, 60, 60))]) == [None]
    assert not known.rest(1, moment)


def test_a_network_that_cannot_be_set_to_a_person_adapts_to_nobody():
    known, model = Acquaintances(), Learner()
    model.learn = lambda faces, resting=False: None
    watch(known, 1, pictures(NEWS))
    known.learn(model)
    assert known.adapted(Face(1, (0, 0, 60, 60))) is None


@pytest.mark.parametrize("adapt", [True, False])
def test_who_swap_places_keep_what_was_learned_of_them(astronaut, monkeypatch, adapt):
    """Two faces, one the mirror image of the other, pass each other; what is learned is on which side each is light."""

    class Sides(Learner):
        def learn(self, faces, resting=False):
            return np.sign([faces[:, :, :24].mean() - faces[:, :, 24:].mean()])

        def predict(self, faces, people=None, mirrored=False):
            self.people = list(zip((self.learn(face[np.newaxis])[0] for face in faces), people))
            return np.full((len(faces), 7), 1 / 7, np.float32)

    face = cv2.cvtColor(astronaut[:260, 100:340], cv2.COLOR_BGR2GRAY)
    monkeypatch.setattr("vision.acquaintance.LOOK_EVERY", 0.3)
    annotator, model, detector, numbers = LiveAnnotator(), Sides(), FaceDetector(), []
    for index in range(150):
        frame = np.full((600, 900), 128, np.uint8)
        left = round(600 * min(1, index / 100))
        frame[20:280, left : left + 240] = face
        frame[320:580, 640 - left : 880 - left] = face[:, ::-1]
        frame = cv2.warpAffine(frame, cv2.getRotationMatrix2D((450, 300), 12 * np.sin(index / 5), 1), (900, 600))
        sizes = halvings(frame)
        found = detector.detect(sizes, 60) if index % 10 == 0 else None
        faces = annotator.annotate(sizes, index / 10, model, found, adapt=adapt)
        annotator.learn(model)
        numbers.append([each.number for each in sorted(faces, key=lambda each: each.box[1])])
    assert numbers[-1] == numbers[20] == [1, 2] or numbers[-1] == numbers[20] == [2, 1]
    assert [each.adapted for each in faces] == ["seen" if adapt else None] * 2
    assert all((person is not None) == adapt for _, person in model.people)
    assert all(person[0] == side for side, person in model.people if person is not None)
    assert {side for side, _ in model.people} == {-1, 1}
