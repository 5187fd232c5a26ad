import numpy as np
import pytest
import skimage.data

from paths import CASCADE, PROFILE_CASCADE
from vision.annotate import LiveAnnotator
from vision.cascades import hits
from vision.follow import FaceFollower
from vision.judge import SHOWN, SURE, Found
from vision.opencv import cv2
from vision.patches import Place, halvings, overlaps
from vision.search import FaceDetector

RATE = 25
RARE = 5  # frames a second, where it is seconds that count
SMALLEST = 24


@pytest.fixture
def grey(astronaut):
    return cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)[:300]


def search(grey):
    return FaceDetector().detect(halvings(grey), SMALLEST)


def follow_all(frames, search_every=10, rate=RATE):
    """The faces of each frame, where a search of the whole frame comes with every tenth."""
    follower = FaceFollower()
    return [
        follower.follow(halvings(frame), index / rate, search(frame) if index % search_every == 0 else None)
        for index, frame in enumerate(frames)
    ]


def turn(grey, degrees):
    height, width = grey.shape
    matrix = cv2.getRotationMatrix2D((225, 120), -degrees, 1)
    return cv2.warpAffine(grey, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def test_a_moving_face_is_followed_between_searches(grey):
    frames = [grey[:, 100 - 3 * index : 460 - 3 * index] for index in range(30)]
    for frame, faces in zip(frames, follow_all(frames)):
        [face] = faces
        assert face.number == 1
        assert overlaps(face.box, [each.place.box for each in search(frame)]).max() > 0.5


def test_many_live_faces_are_followed_though_few_are_looked_at_in_a_frame(grey):
    """Fifteen faces that move in circles; a search finds them in the first two frames alone."""
    face, columns = cv2.resize(grey[20:200, 130:310], (120, 120), interpolation=cv2.INTER_AREA), 5
    follower, numbers = FaceFollower(is_live=True), []
    for index in range(2 * RATE):
        frame, truth = np.full((600, 1000), 90, np.uint8), []
        for place in range(15):
            angle = 2 * np.pi * (index / RATE / 2 + place / 15)
            x = round(40 + 200 * (place % columns) + 35 * np.cos(angle))
            y = round(40 + 200 * (place // columns) + 35 * np.sin(angle))
            frame[y : y + 120, x : x + 120] = face
            truth.append((x, y, 120, 120))
        found = search(frame) if index < 2 else None
        faces = follower.follow(halvings(frame), index / RATE, found)
        numbers.append([each.number for each in faces])
        middles = np.array([(x + width / 2, y + height / 2) for x, y, width, height in (each.box for each in faces)])
        centres = np.array([(x + 60, y + 60) for x, y, *_ in truth])
        off = np.abs(centres[:, None] - middles[None]).max(axis=2).min(axis=1)
        assert off.max() < 25
    assert all(len(set(each)) == 15 for each in numbers)
    assert set(sum(numbers, [])) == set(numbers[0])


@pytest.mark.parametrize("steepest", [35, 60])
def test_a_swinging_head_keeps_box_and_number_and_tells_its_tilt(grey, steepest):
    tilts = steepest * np.sin(2 * np.pi * np.arange(6 * RATE) / (6 * RATE))
    followed = follow_all([turn(grey, tilt) for tilt in tilts], search_every=1000)
    assert [len(faces) for faces in followed] == [1] * len(tilts)
    assert {face.number for faces in followed for face in faces} == {1}
    errors = np.array([face.angle for [face] in followed]) - tilts
    assert np.abs(errors).mean() < 10


def test_a_box_does_not_tremble_where_only_noise_changes(grey):
    rng = np.random.default_rng(2)
    frames = [np.clip(grey + rng.normal(0, 3, grey.shape), 0, 255).astype(np.uint8) for _ in range(20)]
    boxes = [face.box for faces in follow_all(frames) for face in faces]
    assert len(boxes) == 20
    assert np.ptp(boxes, axis=0).max() == 0


def test_what_is_no_face_is_dropped_although_it_stands_still(grey, monkeypatch):
    follower = FaceFollower()
    assert follower.follow(halvings(grey), 0.0, search(grey))
    monkeypatch.setattr("vision.follow.judge", lambda sizes, place, side: Found(place, 0.0))
    counts = [len(follower.follow(halvings(grey), index / 10, [])) for index in range(1, 25)]
    assert counts[0] == 1
    assert counts[-1] == 0


@pytest.fixture
def looks_aside(monkeypatch):
    """A function after whose call a frontal face is seen as one in profile is."""

    def hits_aside(cascade, *others):
        return hits(CASCADE, *others) if cascade == PROFILE_CASCADE else (np.empty((0, 4), np.int32), np.empty(0, int))

    return lambda: monkeypatch.setattr("vision.look.hits", hits_aside)


def test_who_looks_aside_keeps_box_and_number_and_is_not_classified(grey, looks_aside):
    class Network:
        def predict(self, faces, people=None, mirrored=False):
            return np.full((len(faces), 7), 1 / 7, np.float32)

    annotator, sizes = LiveAnnotator(), halvings(grey)
    [before] = annotator.annotate(sizes, 0.0, Network(), search(grey))
    looks_aside()
    aside = [annotator.annotate(halvings(np.roll(grey, step, axis=1)), step / 10, Network()) for step in range(1, 15)]
    for [face] in aside:
        assert (face.number, face.state) == (before.number, "turned away")
        assert overlaps(face.box, [before.box])[0] > 0.5
        assert face.label is face.probabilities is None


def test_two_followed_faces_that_become_one_are_one(grey):
    [found] = search(grey)
    beside = [Found(Place(found.place.x + right, found.place.y, found.place.side), 1.0) for right in (0, 35, -35)]
    faces = FaceFollower().follow(halvings(grey), 0.0, beside)
    assert [face.number for face in faces] == [1]


def test_live_a_doubtful_face_is_shown_when_a_second_search_agrees(grey):
    [found] = search(grey)
    doubtful = [Found(found.place, (SHOWN + SURE) / 2)]
    follower = FaceFollower(is_live=True)
    assert follower.follow(halvings(grey), 0.0, doubtful) == []
    assert follower.follow(halvings(grey), 0.1) == []
    assert [face.number for face in follower.follow(halvings(grey), 0.2, doubtful)] == [1]


def test_after_a_cut_nobody_inherits_a_number(grey):
    other = np.full_like(grey, 40)
    other[:, 200:] = 220
    other[30:230, 120:320] = grey[30:230, 120:320]  # a face in the same place
    follower = FaceFollower()
    [before] = follower.follow(halvings(grey), 0.0, search(grey))
    [after] = follower.follow(halvings(np.ascontiguousarray(other[:, ::-1])), 0.04, search(other[:, ::-1].copy()))
    assert before.number != after.number


def numbers_of(parts):
    """The numbers that are given, in the order of their first frame; parts: pairs of a frame and seconds of it."""
    frames = [frame for frame, seconds in parts for _ in range(round(seconds * RARE))]
    followed = follow_all(frames, search_every=2, rate=RARE)
    return list(dict.fromkeys(face.number for faces in followed for face in faces))


@pytest.fixture
def covered(grey):
    """Her picture with something before her face."""
    covered = grey.copy()
    cv2.rectangle(covered, (120, 10), (330, 230), 90, -1)
    return covered


def test_who_is_covered_keeps_the_number(grey, covered):
    assert numbers_of([(grey, 1), (covered, 8), (grey, 1)]) == [1]


def test_who_comes_back_elsewhere_keeps_the_number(grey, covered):
    gone, elsewhere = covered[:, 100:400], np.roll(grey, -60, axis=1)[:, :300]
    assert numbers_of([(grey[:, 100:400], 1), (gone, 8), (elsewhere, 1)]) == [1]


def test_who_stays_away_for_longer_is_a_new_face(grey, covered):
    assert numbers_of([(grey, 1), (covered, 11), (grey, 1)]) == [1, 2]


@pytest.mark.parametrize("person", [1, 5, 6, 10])
def test_somebody_else_in_the_same_place_gets_a_number_of_their_own(grey, covered, person):
    face = (255 * skimage.data.lfw_subset()[person]).astype(np.uint8)
    other = covered.copy()
    other[40:190, 150:300] = cv2.resize(face, (150, 150), interpolation=cv2.INTER_CUBIC)
    assert numbers_of([(grey, 1), (covered, 1), (other, 1), (covered, 1), (grey, 1)]) == [1, 2]


def test_overlap_is_shared_area_over_all_area():
    assert overlaps([0, 0, 10, 10], [[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5]]).tolist() == [1, 1 / 3, 0]
