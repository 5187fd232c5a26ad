import numpy as np
import pytest

from vision.opencv import cv2
from vision.planes import brightness, from_bgr, mirrored, parts_of, shrink, size_of, to_bgr, to_jpeg, widened


@pytest.fixture
def image(astronaut):
    return np.ascontiguousarray(astronaut[:240, 60:380])


def decode(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_an_image_comes_back_as_it_was(image):
    planes = from_bgr(image)
    assert (brightness(planes) == cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)).all()
    for seen in (to_bgr(planes), decode(to_jpeg(planes))):
        assert np.abs(seen.astype(int) - image).mean() < 4


def test_a_video_s_planes_are_widened_to_those_of_jpeg(image):
    narrow = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    assert np.abs(widened(parts_of(narrow)).astype(int) - from_bgr(image)).mean() < 1
    black, white = np.full((6, 4), 16, np.uint8), np.full((6, 4), 235, np.uint8)
    black[4:] = white[4:] = 128
    for planes, level in ((black, 0), (white, 255)):
        assert [int(part.mean()) for part in parts_of(widened(parts_of(planes)))] == [level, 128, 128]
    assert brightness(widened(parts_of(np.zeros((6, 4), np.uint8)))).max() == 0  # blacker than black is black


def test_mirrored_twice_is_the_same(image):
    planes = from_bgr(image)
    assert np.abs(to_bgr(mirrored(planes)).astype(int) - to_bgr(planes)[:, ::-1]).mean() < 1
    assert (mirrored(mirrored(planes)) == planes).all()


@pytest.mark.parametrize(("size", "longest", "expected"), [((7, 301), 100, (2, 100)), ((240, 320), 320, (240, 320))])
def test_shrinking_keeps_sides_even(size, longest, expected):
    assert size_of(shrink(from_bgr(np.zeros((*size, 3), np.uint8)), longest)) == expected


def test_odd_sides_lose_nothing():
    image = np.zeros((5, 7, 3), np.uint8)
    image[:, -1] = 255
    assert size_of(from_bgr(image)) == (6, 8)
    assert (brightness(from_bgr(image))[:, -2:] == 255).all()
