import threading

import numpy as np
import pytest

from videos.analysis import EDITS
from videos.edits import read_edits
from vision.opencv import cv2
from waiting import wait_until
from web import browser_cameras
from web.browser_cameras import BrowserCameras
from web.errors import RequestError


@pytest.fixture
def frames(astronaut):
    """Five JPEG frames in which a face moves to the right."""
    images = (astronaut[:240, 80 - 4 * shift : 400 - 4 * shift] for shift in range(5))
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in images]


@pytest.fixture
def cameras(model, recordings):
    cameras = BrowserCameras(lambda: model, recordings)
    yield cameras
    cameras.close()


def test_a_face_keeps_its_number_for_its_page_and_moves_with_the_frames(frames, cameras):
    seen = [cameras.analyze("page", frame) for frame in frames]
    assert [size for size, _ in seen] == [(320, 240)] * 5
    assert [[face.number for face in faces] for _, faces in seen] == [[1]] * 5
    places = [faces[0].box[0] for _, faces in seen]
    assert places[-1] - places[0] == pytest.approx(16, abs=5)
    (_, (other,)) = cameras.analyze("another page", frames[0])
    assert other.number == 1
    assert len(cameras) == 2


def test_pages_are_forgotten_and_bounded(frames, monkeypatch, cameras):
    monkeypatch.setattr(browser_cameras, "MOST_PAGES", 2)
    for name in ("one", "two"):
        cameras.analyze(name, frames[0])
    with pytest.raises(RequestError, match="Too many pages") as refused:
        cameras.analyze("three", frames[0])
    assert refused.value.status == 503
    monkeypatch.setattr(browser_cameras, "FORGOTTEN_AFTER", 0.0)
    cameras.analyze("three", frames[0])


def test_frames_that_are_no_pictures_or_too_large_are_refused(frames, cameras):
    for content, status in ((b"", 415), (cv2.imencode(".png", np.zeros((10, 2000, 3), np.uint8))[1].tobytes(), 413)):
        with pytest.raises(RequestError) as refused:
            cameras.analyze("page", content)
        assert refused.value.status == status
    assert len(cameras) == 0


def test_pages_may_send_at_once(frames, cameras):
    seen = {}

    def send(name):
        seen[name] = [cameras.analyze(name, frame)[1] for frame in frames]

    threads = [threading.Thread(target=send, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert all(len(faces) == 1 for each in seen.values() for faces in each)


def test_a_page_can_say_that_its_face_is_at_rest(frames, cameras, monkeypatch):
    monkeypatch.setattr("vision.acquaintance.RESTING", 0.0)
    assert not cameras.rest("page", 1)
    for frame in frames:
        cameras.analyze("page", frame)
    assert not cameras.rest("another page", 1)
    assert not cameras.rest("page", 2)
    assert cameras.rest("page", 1)


def test_a_page_is_recorded_for_its_browser_alone_until_it_sends_nothing(frames, cameras, recordings, monkeypatch):
    with pytest.raises(RequestError, match="sends no frames"):
        cameras.record("page", "anna", True)
    cameras.analyze("page", frames[0])
    cameras.record("page", "anna", True)
    with pytest.raises(RequestError, match="runs already"):
        cameras.record("page", "anna", True)
    for frame in frames:
        cameras.analyze("page", frame)
        cameras.analyze("another page", frame)
    cameras.mark("page", "laughs", 0.0)
    assert cameras.recording("page")["status"] == "recording"
    assert cameras.recording("another page")["status"] == "none"
    monkeypatch.setattr(browser_cameras, "FORGOTTEN_AFTER", 0.0)
    wait_until(lambda: any(each["status"] == "done" for each in recordings.list("anna")), 60)
    assert recordings.list("bert") == []
    [recording] = recordings.list("anna")
    assert (recording["own"], recording["kept"], recording["video"], recording["faces"]) == (True, False, True, 1)
    [marker] = read_edits(recordings.path(recording["id"]) / EDITS).markers
    assert marker.name == "laughs"
