"""demo.mp4: drawn by tools/make_demo.py, and good enough for the app to show what it does."""

import itertools

import cv2
import numpy as np
import pytest

from model import EMOTIONS, crop_face
from tools import make_demo
from vision.patches import halvings
from vision.search import FaceDetector

EVERY = 3  # of so many frames, one is searched for faces


@pytest.fixture(scope="module")
def frames():
    """All frames of the clip, (height, width, 3) uint8 BGR."""
    video, frames = cv2.VideoCapture(str(make_demo.DEMO)), []
    while True:
        decoded, frame = video.read()
        if not decoded:
            return frames
        frames.append(frame)


@pytest.fixture(scope="module")
def faces(frames):
    """The largest face of each frame that is searched and has one, (n, 48, 48) uint8."""
    detector, crops = FaceDetector(), []
    for frame in frames[::EVERY]:
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        if places := [found.place for found in detector.detect(halvings(grey), 24)]:
            crops.append(crop_face(grey, max(places, key=lambda place: place.side).box))
    return np.array(crops)


def test_the_clip_is_small_and_whole(frames):
    assert make_demo.DEMO.stat().st_size <= 3_000_000
    assert len(frames) == make_demo.SECONDS * make_demo.FPS
    assert frames[0].shape == (make_demo.HEIGHT, make_demo.WIDTH, 3)


def test_the_face_is_found_in_nearly_every_frame(frames, faces):
    assert len(faces) >= 0.9 * len(frames[::EVERY])


def test_the_network_sees_several_expressions_each_for_a_while(faces, model):
    labels = model.predict(faces).argmax(axis=1)
    steady = {EMOTIONS[label] for label, run in itertools.groupby(labels) if len(list(run)) * EVERY >= 15}
    assert len(steady) >= 4, steady


@pytest.mark.parametrize("expression", range(len(make_demo.EXPRESSIONS)))
def test_the_clip_is_what_the_script_draws(frames, expression):
    index = round((expression + 0.3) * make_demo.HOLD * make_demo.FPS)
    # Because of the codec, averages over tiles of 8×8 pixels differ by up to 10 grey levels. From those three frames
    # later they differ by 25 or more.
    drawn, read = (
        cv2.resize(frame, (80, 45), interpolation=cv2.INTER_AREA).astype(float)
        for frame in (make_demo.draw_frame(index), frames[index])
    )
    assert np.abs(drawn - read).max() < 20


def test_the_end_leads_into_the_beginning(frames):
    def step(one, other):
        return np.abs(frames[one].astype(float) - frames[other]).mean()

    assert step(-1, 0) <= 1.5 * max(step(index, index + 1) for index in range(50))
