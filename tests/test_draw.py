import numpy as np
import pytest

from vision.draw import draw_faces, draw_on_planes
from vision.expressions import EMOTIONS
from vision.faces import Face
from vision.opencv import cv2

HAPPY, SAD = EMOTIONS.index("Happy"), EMOTIONS.index("Sad")


@pytest.mark.parametrize(
    "boxes",
    [
        [(100, 120, 60, 60)],
        [(90, 3, 40, 40)],  # whose label is moved into the picture
        [(5, 151, 71, 83), (250, 40, 33, 33)],
        [(290, 200, 60, 60)],  # partly outside
    ],
)
def test_drawing_on_planes_looks_like_drawing_on_the_image(boxes):
    coarse = np.random.default_rng(0).integers(60, 200, (9, 12, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)
    planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    before = planes.copy()
    faces = [
        Face(number, box, smoothed=np.eye(7)[label] * 0.9, label=label)
        for number, (box, label) in enumerate(zip(boxes, (HAPPY, SAD)), 1)
    ]
    draw_faces(image, faces)
    draw_on_planes(planes, faces)
    drawn = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    assert np.abs(planes.astype(int) - drawn).max() <= 6  # what rounding twice makes
    assert (planes != before).any()
    below = max(y + height for _, y, _, height in boxes) + 5
    assert (planes[below:240] == before[below:240]).all()


def test_an_unsure_face_is_called_so():
    images = []
    for sure in (True, False):
        image = np.full((240, 320, 3), 90, np.uint8)
        draw_faces(image, [Face(1, (60, 80, 90, 90), smoothed=np.eye(7)[HAPPY] * 0.4, label=HAPPY, sure=sure)])
        images.append(image)
    label, unsure = ((image[:78] != 90).any(axis=2) for image in images)
    assert label.sum() > 1.2 * unsure.sum() > 500  # "1  Unsure" is shorter than "1  Happy 40%"
    assert (images[0][81:] == images[1][81:]).all()
