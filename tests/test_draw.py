import numpy as np
import pytest

from vision.draw import draw_faces, draw_on_planes
from vision.expressions import EMOTIONS
from vision.faces import Face
from vision.opencv import cv2
from vision.planes import from_bgr

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
@pytest.mark.parametrize("is_narrow", [False, True])
def test_drawing_on_planes_looks_like_drawing_on_the_image(boxes, is_narrow):
    def to_planes(image):
        return cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420) if is_narrow else from_bgr(image)

    coarse = np.random.default_rng(0).integers(60, 200, (9, 12, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)
    planes = to_planes(image)
    before = planes.copy()
    faces = [
        Face(number, box, smoothed=np.eye(7)[label] * 0.9, label=label)
        for number, (box, label) in enumerate(zip(boxes, (HAPPY, SAD)), 1)
    ]
    draw_faces(image, faces)
    draw_on_planes(planes, faces, is_narrow=is_narrow)
    off = np.abs(planes.astype(int) - to_planes(image))
    assert off[:240].max() <= 6  # what rounding twice makes
    touched = (planes != before)[240:]
    assert off[240:].mean() < 2  # of the colours, at half the size, letters and lines are a little wider
    assert off[240:][touched].mean() < 0.6 * np.abs(planes.astype(int) - before)[240:][touched].mean()
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
