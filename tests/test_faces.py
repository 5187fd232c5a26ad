import cv2
import numpy as np

from faces import FaceDetector


def test_a_real_face_is_found_where_it_is(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    boxes = FaceDetector().detect(grey)
    assert boxes.dtype == np.int32
    assert len(boxes) == 1
    x, y, width, height = boxes[0]
    assert x < 205 < 240 < x + width  # her eyes
    assert y < 110 < 150 < y + height  # from eyes to mouth


def test_every_face_is_found_from_left_to_right(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)[:300]
    boxes = FaceDetector().detect(np.hstack([grey, grey[:, ::-1], grey]))
    assert len(boxes) == 3
    assert (np.diff(boxes[:, 0]) > 100).all()


def test_a_small_face_in_a_large_frame_is_found(astronaut):
    frame = np.full((720, 1280), 128, np.uint8)
    frame[300:400, 700:800] = cv2.resize(cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)[20:220, 120:320], (100, 100))
    boxes = FaceDetector().detect(frame)  # about 45 pixels wide
    assert len(boxes) == 1


def test_no_face_gives_no_row():
    assert FaceDetector().detect(np.full((240, 320), 90, np.uint8)).shape == (0, 4)
