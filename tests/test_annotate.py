import numpy as np
import pytest

from vision.annotate import LiveAnnotator, find_in_picture
from vision.expressions import EMOTIONS
from vision.opencv import cv2
from vision.patches import halvings
from vision.search import FaceDetector


def test_a_picture_gives_faces_with_labels(astronaut, model):
    [face] = find_in_picture(astronaut, model)
    assert face.number == 1
    assert EMOTIONS[face.label] == "Happy"
    assert face.probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert np.array_equal(face.smoothed, face.probabilities)


def test_a_live_frame_gives_what_was_found_in_it(astronaut, model):
    sizes = halvings(cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY))
    annotator, found = LiveAnnotator(), FaceDetector().detect(sizes, 24)
    [without_model] = annotator.annotate(sizes, 0.0, None, found)
    assert (without_model.label, without_model.probabilities) == (None, None)
    [face] = annotator.annotate(sizes, 0.1, model)
    assert face.number == without_model.number
    assert EMOTIONS[face.label] == "Happy"
