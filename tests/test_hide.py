import numpy as np
import pytest

from benchmarks.hidden import Cascades
from paths import DEMO
from vision.candidates import CandidateSearch, at_moment, candidates_in_picture, held
from vision.hidden_frames import DELAY, HiddenFrames
from vision.hide import BLOCKS, hide, hide_in_picture
from vision.opencv import cv2
from vision.patches import Place, halvings
from vision.planes import from_bgr, to_bgr


@pytest.fixture(scope="module")
def cascades():
    return Cascades()


def grey_of(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def frame_of_demo(scale=1.0, shift=0):
    """A frame of the demo in another size, moved to the right by some pixels: (height, width, 3) uint8 BGR."""
    _, frame = cv2.VideoCapture(str(DEMO)).read()
    return np.roll(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), shift, axis=1)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0), (0.5, 31), (1.2, 118)])
def test_a_hidden_face_is_seen_by_no_cascade(cascades, scale, shift):
    image = frame_of_demo(scale, shift)
    found = [box for _, box in cascades.finds(grey_of(image))]
    assert found
    hide_in_picture(image, candidates_in_picture(grey_of(image)))
    assert cascades.at(grey_of(image), found) == []


def test_a_search_of_one_frame_after_another_sees_the_face_in_each(astronaut):
    search = CandidateSearch()
    for shift in range(0, 60, 12):
        places = search.search(halvings(grey_of(np.roll(astronaut, shift, axis=1))))
        assert any(abs(place.x - 222 - shift) < 30 and abs(place.y - 115) < 30 for place in places)


def test_the_first_frame_of_a_scene_is_searched_for_small_faces_too(astronaut):
    scene, small = np.full((1080, 1920), 128, np.uint8), cv2.resize(grey_of(astronaut), (154, 154))
    scene[400:554, 800:954] = small
    places = CandidateSearch().search(halvings(scene))
    assert any(abs(place.x - 867) < 10 and abs(place.y - 434) < 10 for place in places)


def test_every_block_is_of_one_colour_and_no_face_has_more_than_six():
    image = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    before, place = image.copy(), Place(190, 140, 90)
    hide_in_picture(image, [place])
    left, top, side, _ = place.box
    across = image[top + side // 2, left : left + side].astype(int)
    changes = np.flatnonzero(np.any(across[1:] != across[:-1], axis=1))
    assert 1 <= len(changes) <= BLOCKS < 6
    assert (np.diff(changes) >= side / 6).all()
    assert (image[:30] == before[:30]).all()  # far from the face nothing changes
    means = image[top : top + side, left : left + side].mean(axis=(0, 1))
    assert np.abs(means - before[top : top + side, left : left + side].mean(axis=(0, 1))).max() < 10


def test_a_place_at_the_edge_and_a_tilted_one_are_covered_whole():
    rng = np.random.default_rng(1)
    for place in (Place(2, 3, 60), Place(199, 120, 80, 45)):
        image = rng.integers(0, 255, (122, 202, 3), np.uint8)
        hide_in_picture(image, [place])
        reach = place.side * (0.7 if place.angle else 0.5)
        top, left = (round(max(0, at - reach)) for at in (place.y, place.x))
        there = image[top : round(place.y + reach), left : round(place.x + reach)].astype(int)
        differs = np.any(there[:, 1:] != there[:, :-1], axis=2)
        assert differs.any(axis=0).sum() <= there.shape[1] / 8  # between blocks alone


def test_a_small_place_over_a_large_one_brings_nothing_back(astronaut):
    once, again = astronaut.copy(), astronaut.copy()
    face = Place(222, 115, 110)
    hide_in_picture(once, [face])
    hide_in_picture(again, [Place(222, 115, 20), face, Place(230, 100, 12)])
    assert np.abs(once.astype(int) - again).max() <= 1  # a mean of means is rounded twice


def test_brightness_and_both_colours_of_a_frame_are_hidden(astronaut):
    planes = from_bgr(astronaut[:301, :399])
    before = to_bgr(planes)
    hide(planes, [Place(222, 115, 110)])
    after = to_bgr(planes)
    there = np.s_[75:155, 185:260]
    for image in cv2.split(cv2.cvtColor(after[there], cv2.COLOR_BGR2YCrCb)):
        assert len(np.unique(image[10:-10])) < 200
    assert np.abs(after[there].astype(int) - before[there]).mean() > 8
    hidden_again = planes.copy()
    hide(hidden_again, [Place(222, 115, 110)])
    assert (hidden_again == planes).all()


def test_a_saved_face_is_hidden_for_a_second_before_and_after():
    candidates = at_moment(5.0, [Place(10, 20, 30, 25)])
    assert [bool(held(candidates, moment)) for moment in (3.9, 4.1, 5.0, 5.9, 6.1)] == [False, True, True, True, False]
    assert held(candidates, 5.0) == [Place(10, 20, 30, 25)]


def test_a_live_frame_waits_and_has_the_places_of_before_and_after():
    frames = HiddenFrames()
    near, early, late = Place(1, 1, 10), Place(2, 2, 10), Place(3, 3, 10)
    frames.see("view", 8.5, [Place(9, 9, 10)])
    frames.see("view", 9.2, [early])
    frames.see("view", 10.0, [])
    frames.add("view", 10.0, "frame", [near])
    assert frames.left(10.1) > DELAY  # until a later frame was searched
    frames.see("view", 10.3, [late])
    frames.add("view", 10.3, "later", [])
    assert frames.left(10.1) == pytest.approx(DELAY - 0.1)
    assert frames.left(10.6) < 0
    picture, places = frames.take()
    assert picture == "frame"
    assert [place.x for place in places] == [2, 1, 3]


def test_frames_of_another_view_are_dropped():
    frames = HiddenFrames()
    frames.see("view", 1.0, [Place(1, 1, 10)])
    frames.add("view", 1.0, "frame", [])
    frames.see("mirrored", 1.1, [])
    assert not frames
    frames.add("view", 1.05, "searched too late", [])
    assert not frames
    frames.add("mirrored", 1.1, "frame", [])
    assert frames.take() == ("frame", [])
