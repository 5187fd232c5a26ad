import itertools
import json
import time

import av
import numpy as np
import pytest

from benchmarks.hidden import Cascades
from test_browser_cameras import cameras, frames  # noqa: F401
from vision.annotate import LiveAnnotator
from vision.candidates import CandidateSearch
from vision.opencv import cv2
from vision.planes import brightness
from waiting import wait_until
from web_client import ask, opened, opened_events, read_parts

FACE = (75, 20, 140, 180)  # the part of the clip in which the face moves: x, y, width, height
FACE_IN_PICTURE = (60, 40, 150, 150)


@pytest.fixture(scope="module")
def cascades():
    return Cascades()


def grey(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)


@pytest.fixture
def shows_face(cascades):
    """A function that says whether a cascade sees the face in a grey picture."""

    def look(image, place=FACE):
        return bool(cascades.at(image, [place]))

    return look


def switch(address, **settings):
    answer = ask(address, "/settings", "POST", json.dumps(settings), Content_Type="application/json")
    assert answer.status == 200, answer.body


def test_from_the_switch_on_every_shot_is_hidden_and_late_and_labels_stay(watch, sway, shows_face):
    video = watch(str(sway))
    shots = video.shots(plain=True)
    wait_until(lambda: any(face.label is not None for face in next(shots).faces))
    assert shows_face(grey(next(shots).plain))
    video.change_settings({"hide": True, "boxes": False, "labels": False})
    numbers, labelled = set(), set()

    def look_at_next():
        shot = next(shots)
        if not shot.is_card and shot.number not in numbers:
            assert time.time() - shot.timestamp >= 0.5
            assert not any(map(shows_face, (grey(shot.jpeg), grey(shot.plain), brightness(shot.planes))))
            numbers.add(shot.number)
            labelled.update(shot.number for face in shot.faces if face.label is not None)
        return len(numbers) >= 4 and labelled

    wait_until(look_at_next)
    video.change_settings({"hide": False})
    wait_until(lambda: shows_face(grey(next(shots).plain)))


def test_snapshots_streams_and_recordings_over_http_are_hidden(serve, sway, shows_face, tmp_path):
    address = serve(str(sway))
    wait_until(lambda: shows_face(grey(ask(address, "/snapshot.jpg?plain").body)))
    with opened(address, "/video_feed?plain") as feed:
        read_parts(feed)
        switch(address, hide=True)
        for path in ("/snapshot.jpg", "/snapshot.jpg?plain"):
            assert not shows_face(grey(ask(address, path).body))
        parts = read_parts(feed, 20)
    # What was under way at the switch may still arrive; nothing after that shows the face.
    assert not any(shows_face(grey(body)) for _, body in parts[-3:])
    with opened_events(address) as events:
        wait_until(lambda: json.loads(next(events))["faces"])
    headers = {"Content_Type": "application/json"}
    assert ask(address, "/recording", "POST", '{"video": true}', **headers).status == 201
    wait_until(lambda: ask(address, "/state").json()["recording"]["seconds"] > 0.7)
    ask(address, "/recording", "DELETE")
    wait_until(lambda: ask(address, "/state").json()["recording"]["status"] == "done", 60)
    video = tmp_path / "video.mp4"
    video.write_bytes(ask(address, "/recording/video.mp4").body)
    with av.open(str(video)) as content:
        images = [frame.to_ndarray(format="gray") for frame in content.decode(video=0)]
    assert images
    assert not any(map(shows_face, images[:: max(1, len(images) // 3)]))
    assert len(ask(address, "/recording/table.csv").body.splitlines()) > 1


def test_a_still_picture_is_hidden_too(watch, picture, shows_face):
    video = watch(str(picture))
    shots = video.shots()
    wait_until(lambda: next(shots).faces)
    assert shows_face(brightness(next(shots).planes), FACE_IN_PICTURE)
    video.change_settings({"hide": True})
    shot = next(shots)
    assert not shows_face(brightness(shot.planes), FACE_IN_PICTURE)
    assert wait_until(lambda: next(shots).faces)


def test_not_even_the_first_picture_shows_a_face(watch, clip, shows_face):
    video = watch(str(clip))
    video.change_settings({"hide": True})
    shot = video.snapshot(early=True)
    assert not shot.is_card
    assert not shows_face(grey(shot.jpeg))


def test_frames_that_are_never_shown_take_little_time(watch, clip, monkeypatch):
    followed = []

    def follow(self, *arguments, follow=LiveAnnotator.follow):
        followed.append(time.monotonic())
        return follow(self, *arguments)

    def search(self, sizes, search=CandidateSearch.search):
        time.sleep(0.4)  # in which ten frames come
        return search(self, sizes)

    monkeypatch.setattr(LiveAnnotator, "follow", follow)
    monkeypatch.setattr(CandidateSearch, "search", search)
    video = watch(str(clip))
    video.change_settings({"hide": True})
    shots = video.shots()
    wait_until(lambda: next(shots).faces)
    followed.clear()
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        next(shots)
    assert 4 < len(followed) < 18  # of 30, so that faces keep their numbers


def test_the_message_of_a_lost_source_has_nothing_of_the_last_frame(watch, clip, tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.read_bytes())
    video = watch(str(path))
    video.change_settings({"hide": True})
    shots = video.shots()
    wait_until(lambda: next(shots).faces)
    path.unlink()
    card = wait_until(lambda: (shot := next(shots)).is_card and shot)
    assert set(np.unique(brightness(card.planes)[:60])) == {0}


def test_the_recording_of_a_browsers_camera_can_be_hidden(cameras, recordings, astronaut, shows_face):  # noqa: F811
    images = [astronaut[:240, 80 - shift : 400 - shift] for shift in (0, 4, 8, 4)]
    jpegs = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
    assert shows_face(grey(jpegs[0]))
    cameras.analyze("page", jpegs[0])
    cameras.record("page", "anna", True, hide=True)
    for jpeg in itertools.chain(*[jpegs] * 3):
        cameras.analyze("page", jpeg)
        time.sleep(0.12)  # so that each is searched
    id = cameras.recording("page")["id"]
    cameras.stop_recording("page")
    folder = wait_until(lambda: recordings.find(id, "anna"), 60)
    with av.open(str(folder / "video.mp4")) as content:
        images = [frame.to_ndarray(format="gray") for frame in content.decode(video=0)]
    table = (folder / "table.csv").read_text(encoding="utf-8").splitlines()
    assert 8 <= len(images) <= 12
    assert len(table) == 1 + len(images)  # a row for the face in each frame
    assert not any(map(shows_face, images[::3]))
