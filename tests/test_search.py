import subprocess
import sys

import numpy as np
import pytest
import skimage.data

from paths import ROOT
from vision.annotate import find_in_picture
from vision.expressions import EMOTIONS
from vision.judge import SHOWN, Found, judge
from vision.opencv import cv2
from vision.patches import Place, halvings, is_part
from vision.search import LEANING, PROFILES, TILTED, FaceDetector, FrameSearch, View, search_portrait, search_still

SMALLEST = 24


def grey_of(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def turn(image, degrees):
    """The image turned clockwise, with its edge going on outside it."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def shown(grey):
    return [found for found in search_still(halvings(grey)) if found.score >= SHOWN]


def test_a_real_face_is_found_where_it_is(astronaut):
    [found] = FaceDetector().detect(halvings(grey_of(astronaut)), SMALLEST)
    x, y, width, height = found.place.box
    assert x < 205 < 240 < x + width  # her eyes
    assert y < 110 < 150 < y + height  # from eyes to mouth
    assert found.score > 0.9


def test_every_face_is_found(astronaut):
    grey = grey_of(astronaut)[:300]
    found = FaceDetector().detect(halvings(np.hstack([grey, grey[:, ::-1], grey])), SMALLEST)
    lefts = sorted(each.place.x for each in found if each.score >= SHOWN)
    assert len(lefts) == 3
    assert np.diff(lefts).min() > 100


@pytest.mark.parametrize("side", [27, 45])
def test_a_small_face_in_a_large_picture_is_found(astronaut, side):
    frame = np.full((720, 1280), 128, np.uint8)
    size = round(2.2 * side)
    head = cv2.resize(grey_of(astronaut)[20:220, 120:320], (size, size), interpolation=cv2.INTER_AREA)
    frame[300 : 300 + size, 700 : 700 + size] = head
    assert len(shown(frame)) == 1


@pytest.mark.parametrize("degrees", [-60, -40, -20, 20, 40, 60])
def test_a_tilted_face_is_found_with_its_tilt_and_keeps_its_label(astronaut, model, degrees):
    upright = find_in_picture(astronaut, model)[0]
    [tilted] = find_in_picture(turn(astronaut, degrees), model)
    assert tilted.angle == pytest.approx(degrees, abs=10)
    assert tilted.label == upright.label


@pytest.mark.parametrize("degrees", [0, 40])
def test_the_one_face_of_a_portrait_is_found(astronaut, degrees):
    portrait = grey_of(turn(astronaut[:300, 80:380], degrees))
    assert search_portrait(halvings(portrait)).place.angle == pytest.approx(degrees, abs=10)
    assert search_portrait(halvings(np.full((300, 300), 128, np.uint8))) is None


@pytest.mark.parametrize("light", [0.3, 0.12])
def test_a_face_in_the_dark_is_found_and_keeps_its_label(astronaut, model, light):
    dark = (astronaut * light).astype(np.uint8)
    [face] = find_in_picture(dark, model)
    assert EMOTIONS[face.label] == "Happy"


def test_a_part_of_a_face_is_no_face():
    face = Place(200, 150, 130)
    assert is_part(Place(195, 190, 60), [face])  # the mouth
    assert not is_part(Place(205, 155, 110), [face])  # the same face again
    assert not is_part(Place(270, 190, 60), [face])  # somebody behind the shoulder
    assert not is_part(face, [face, Place(195, 190, 60)])


def test_a_known_face_gets_no_second_look(astronaut, monkeypatch):
    sizes = halvings(grey_of(astronaut))
    [found] = FaceDetector().detect(sizes, SMALLEST)
    monkeypatch.setattr("vision.search.judge", None)
    [again] = FaceDetector().detect(sizes, SMALLEST, known=[found.place])
    assert again.place == Place(again.place.x, again.place.y, again.place.side)


@pytest.mark.parametrize("name", ["coffee", "rocket", "brick", "grass", "gravel", "page", "text", "moon"])
@pytest.mark.parametrize("width", [320, 640])  # benchmarks/stills.py has larger ones, and more textures
def test_pictures_without_faces_have_none(name, width):
    image = getattr(skimage.data, name)()
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert shown(cv2.resize(grey, (width, round(width * grey.shape[0] / grey.shape[1])))) == []


def test_textures_have_no_faces():
    rng = np.random.default_rng(17)
    for blur in (1, 3, 9, 27):
        noise = cv2.GaussianBlur(rng.normal(0, 1, (240, 320)), (0, 0), blur)
        grey = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
        assert shown(grey) == []


def test_what_is_no_face_has_a_low_score(astronaut):
    grey = grey_of(astronaut)
    sizes = halvings(grey)
    [face] = FaceDetector().detect(sizes, SMALLEST)
    beside = Place(face.place.x, face.place.y + 1.5 * face.place.side, face.place.side)
    assert judge(sizes, beside).score < 0.05 < 0.9 < judge(sizes, face.place).score


def test_a_tilted_face_in_a_poor_picture_is_looked_at_again_where_a_search_was_off(astronaut):
    matrix = cv2.getRotationMatrix2D((225, 114), -30, 1)
    pale = 0.3 * cv2.GaussianBlur(cv2.warpAffine(grey_of(astronaut), matrix, (512, 512)), (0, 0), 4)
    noisy = np.clip(pale + np.random.default_rng(1).normal(0, 4, pale.shape), 0, 255).astype(np.uint8)
    assert judge(halvings(noisy), Place(211, 128, 115, 45)).score >= SHOWN


def test_what_one_view_takes_for_no_face_may_be_one_in_another(astronaut, monkeypatch):
    judged = []

    def judge_second(sizes, place, side):
        judged.append(place.angle)
        return Found(place, float(len(judged) == 2), side)

    monkeypatch.setattr("vision.search.judge", judge_second)
    found = FaceDetector().detect(halvings(grey_of(turn(astronaut, 12))), SMALLEST, (View(), View(25)))
    assert sorted(judged) == [0, 25]
    assert [each.score for each in found] == [0, 1]


def test_a_new_scene_is_searched_in_every_way_at_once(astronaut):
    tilted, search = grey_of(turn(astronaut, 50)), FrameSearch()
    assert [each for each in search.search(halvings(tilted)) if each.score >= SHOWN]
    upside_down = halvings(np.ascontiguousarray(grey_of(astronaut)[::-1]))
    assert not [each for each in search.search(upside_down) if each.score >= SHOWN]
    assert [each for each in search.search(halvings(tilted)) if each.score >= SHOWN]


def test_parts_of_a_video_are_searched_in_every_view_between_them(astronaut, monkeypatch):
    frame, seen = halvings(grey_of(astronaut)), []
    monkeypatch.setattr(FaceDetector, "detect", lambda self, sizes, smallest, views, known: seen.extend(views) or [])
    for part in range(60):  # of three seconds each
        search = FrameSearch(3.0 * part)
        for _ in range(4):
            search.search(frame, [Place(225, 113, 95)])
    assert set(seen) == {View(), *TILTED, *PROFILES, *LEANING}
    assert len([view for view in seen if view != View()]) < 0.4 * len(seen)


def test_a_tilted_face_among_others_is_found_in_a_portrait(astronaut):
    portrait = np.full((768, 432), 128, np.uint8)
    head = cv2.resize(grey_of(turn(astronaut[:300, 80:380], 40)), (200, 200), interpolation=cv2.INTER_AREA)
    portrait[540:740, 100:300] = head
    search, sizes, other = FrameSearch(), halvings(portrait), Place(100, 100, 60)
    found = [each for _ in range(60) for each in search.search(sizes, [other]) if each.score >= SHOWN]
    assert found
    assert all(each.place.angle == pytest.approx(40, abs=15) for each in found)


def test_tilted_faces_all_along_a_panorama_are_found(astronaut):
    head = cv2.resize(grey_of(turn(astronaut, 40))[:300], (225, 150), interpolation=cv2.INTER_AREA)
    panorama = np.full((150, 3000), 128, np.uint8)
    places = (0, 1100, 2700)
    for left in places:
        panorama[:, left : left + 225] = head
    assert sorted(round(found.place.x - 125, -2) for found in shown(panorama)) == [0, 1100, 2700]


def test_small_faces_all_over_a_large_picture_are_found(astronaut):
    picture = np.full((2100, 3400), 128, np.uint8)
    head = cv2.resize(grey_of(astronaut)[20:220, 120:320], (57, 57), interpolation=cv2.INTER_AREA)  # a face of 26
    middles = {(x, y) for x in (50, 1000, 1050, 2000, 3000) for y in (50, 1000, 1950)}  # some on the edges of tiles
    for x, y in middles:
        picture[y - 28 : y + 29, x - 28 : x + 29] = head
    found = [each.place for each in shown(picture)]
    assert len(found) == len(middles)
    assert {(round(place.x / 50) * 50, round(place.y / 50) * 50) for place in found} == middles


def test_a_face_that_fills_a_large_picture_is_found(astronaut):
    [found] = shown(cv2.resize(grey_of(astronaut)[60:200, 160:300], (2500, 2500)))
    assert 1500 < found.place.side < 1800


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems count memory in other ways.")
def test_a_large_picture_is_searched_with_little_memory():
    script = """if True:
        import resource, numpy as np
        from vision.patches import halvings
        from vision.search import search_still
        sizes = halvings(np.full((3000, 4000), 128, np.uint8))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        search_still(sizes)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 300_000  # KB; searched whole, the picture takes twice as much


def test_faces_in_a_panorama_of_any_length_are_found(astronaut):
    panorama = np.full((90, 40_000), 128, np.uint8)
    panorama[:, 39_000:39_090] = cv2.resize(grey_of(astronaut)[20:220, 120:320], (90, 90))
    [found] = shown(panorama)
    assert 39_000 < found.place.x < 39_090


def test_a_picture_of_a_few_rows_takes_no_time():
    assert shown(np.full((5, 20_000), 90, np.uint8)) == []
