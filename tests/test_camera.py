import threading
import time

import numpy as np
import pytest

import camera
from camera import VideoCamera
from vision import source
from vision.annotate import LiveAnnotator
from vision.opencv import cv2
from vision.planes import to_bgr
from vision.search import FrameSearch
from waiting import wait_until


def decode(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture
def opened(monkeypatch):
    """The sources that have been opened, in order, and "released" where one was."""
    names = []
    read_frames = camera.read_frames

    def counted(name, wanted):
        names.append(name)
        try:
            yield from read_frames(name, wanted)
        finally:
            names.append("released")

    monkeypatch.setattr(camera, "read_frames", counted)
    return names


def test_frames_are_annotated_jpegs(watch, clip):
    frame = decode(watch(str(clip)).get_frame())
    plain = to_bgr(next(source.read_frames(str(clip), lambda: True)))
    assert frame.shape == plain.shape
    assert np.abs(frame.astype(int) - plain).max() > 80  # the box and the label


def test_a_tilted_face_in_a_picture_has_a_box(watch, astronaut, tmp_path):
    turn = cv2.getRotationMatrix2D((225, 112), 40, 1)
    turned = cv2.warpAffine(astronaut, turn, (450, 300))
    cv2.imwrite(str(tmp_path / "turned.png"), turned)
    frame = decode(watch(str(tmp_path / "turned.png")).get_frame())
    assert np.abs(frame.astype(int) - turned).max() > 120  # a box all the same


def test_the_source_at_the_top_of_the_file_is_the_default(watch, clip, monkeypatch):
    monkeypatch.setattr(camera, "SOURCE", str(clip))
    video = watch()
    assert decode(video.get_frame()).shape == (240, 320, 3)
    assert video.state()["source"] == "clip.mp4"


def test_get_frame_waits_for_the_next_frame(watch, clip):
    video = watch(str(clip))
    video.get_frame()
    started = time.monotonic()
    frames = [video.get_frame() for _ in range(20)]
    assert len(set(frames)) == 20
    assert time.monotonic() - started > 0.4  # they are 0.8 seconds of the clip


def test_many_viewers_share_one_source_and_one_work(watch, clip, opened, model, monkeypatch):
    calls = []
    predict = model.predict
    monkeypatch.setattr(model, "predict", lambda *options: calls.append(1) or predict(*options))
    video = watch(str(clip))
    seen = [[] for _ in range(5)]

    def view(shots):
        for shot in video.shots():
            shots.append(shot)
            if len(shots) == 15:
                return

    threads = [threading.Thread(target=view, args=(shots,)) for shots in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [str(clip)]
    numbers = [[shot.number for shot in shots] for shots in seen]
    # The last frame is repeated while the next is late.
    assert all(len(row) == 15 and row == sorted(row) for row in numbers)
    assert len(calls) <= max(map(max, numbers)) + 2


def test_a_still_picture_is_given_again_and_again(watch, picture):
    shots = watch(str(picture)).shots()
    wait_until(lambda: next(shots).faces)
    first, *again = (next(shots) for _ in range(4))
    assert all(shot.jpeg == first.jpeg for shot in again)
    assert camera.REPEAT_AFTER <= 0.5  # seconds, as browsers need it


def test_a_slow_viewer_gets_the_newest_frame(watch, clip):
    video = watch(str(clip))
    slow, fast = video.shots(), video.shots()
    first, newest = next(slow), next(fast)
    while newest.number < first.number + 10:
        newest = next(fast)
    assert next(slow).number >= newest.number


def test_the_source_is_released_after_the_last_viewer_and_opened_for_the_next(watch, clip, opened, monkeypatch):
    monkeypatch.setattr(camera, "RELEASE_AFTER", 0.5)
    video = watch(str(clip))
    wait_until(lambda: next(video.shots()) and video.state()["fps"] > 0)  # watched until frames come
    old = next(video.shots())
    wait_until(lambda: opened[-1] == "released" and video.state()["fps"] == 0)
    started = time.time()
    new = next(video.shots())
    assert opened == [str(clip), "released", str(clip)]
    assert new.number > old.number
    assert new.timestamp >= started  # not a frame from before


def test_a_lost_source_says_so_and_carries_on_when_it_returns(watch, clip, tmp_path):
    path = tmp_path / "clip.mp4"
    content = clip.read_bytes()
    path.write_bytes(content)
    video = watch(str(path))
    shots = video.shots()
    bright = decode(next(shots).jpeg).mean()
    path.unlink()
    wait_until(lambda: next(shots) and "does not exist" in (video.state()["problem"] or ""))
    wait_until(lambda: decode(next(shots).jpeg).mean() < 0.6 * bright)  # the message, on the darkened picture
    path.write_bytes(content)
    wait_until(lambda: next(shots) and video.state()["problem"] is None)
    assert decode(next(shots).jpeg).mean() > 0.8 * bright


def test_a_source_that_never_comes_shows_a_message(watch):
    video = watch("http://127.0.0.1:9/video")
    assert decode(video.get_frame()).max() > 200
    wait_until(lambda: "gives no picture" in (video.state()["problem"] or ""))


def test_closing_ends_the_viewers(watch, clip):
    video = watch(str(clip))
    shots = video.shots()
    next(shots)
    video.close()
    assert list(shots) == []
    with pytest.raises(RuntimeError, match="closed"):
        video.get_frame()


def test_another_source_is_watched_by_all_with_faces_of_its_own(watch, clip, picture):
    video = watch(str(clip))
    shots = video.shots()
    wait_until(lambda: next(shots).faces)
    video.watch(str(picture))
    wait_until(lambda: next(shots).size == (240, 240))
    wait_until(lambda: next(shots).faces)
    assert video.state()["source"] == picture.name
    video.watch(str(clip))
    wait_until(lambda: next(shots).size == (320, 240))
    wait_until(lambda: next(shots).faces)
    assert [face.number for face in next(shots).faces] == [1]


def test_a_source_that_does_not_answer_can_be_left(watch, clip):
    video = watch("http://127.0.0.1:9/video")
    shots = video.shots()
    wait_until(lambda: next(shots) and video.state()["problem"])
    video.watch(str(clip))
    wait_until(lambda: next(shots).size == (320, 240))
    assert video.state()["problem"] is None


def test_what_is_skipped_is_told(watch, clip, monkeypatch):
    def label_slowly(*arguments, label=LiveAnnotator.label):
        time.sleep(0.2)  # in which five frames come
        return label(*arguments)

    monkeypatch.setattr(LiveAnnotator, "label", label_slowly)
    video = watch(str(clip))
    shots = video.shots()
    wait_until(lambda: next(shots) and video.state()["skipped"]["frames_total"] > 3)
    assert 0.2 < video.state()["skipped"]["frames"] < 1
    assert video.state()["skipped"]["label_age"] == 0  # what is shown has its own label


@pytest.mark.parametrize(
    ("later", "earlier"),
    [((LiveAnnotator, "label"), (LiveAnnotator, "follow")), ((VideoCamera, "_publish"), (LiveAnnotator, "label"))],
)
def test_a_frame_is_worked_on_while_the_one_before_is_further(watch, clip, monkeypatch, later, earlier):
    is_busy, met = threading.Event(), threading.Event()
    do_as_before = getattr(*later), getattr(*earlier)

    def do_later(*arguments):
        is_busy.set()
        met.wait(0.2)
        is_busy.clear()
        return do_as_before[0](*arguments)

    def do_earlier(*arguments):
        if is_busy.is_set():
            met.set()
        return do_as_before[1](*arguments)

    monkeypatch.setattr(*later, do_later)
    monkeypatch.setattr(*earlier, do_earlier)
    shots = watch(str(clip)).shots()
    wait_until(lambda: next(shots) and met.is_set())


@pytest.mark.parametrize("source", ["clip", "picture"])
def test_a_plain_picture_is_there_while_somebody_wants_it(watch, source, request):
    video = watch(str(request.getfixturevalue(source)))
    shots = video.shots()
    wait_until(lambda: next(shots).faces)
    assert next(shots).plain is None
    shot = next(video.shots(plain=True))
    assert shot.faces
    drawn, plain = decode(shot.jpeg).astype(int), decode(shot.plain).astype(int)
    x, y, width, height = shot.faces[0].box
    assert abs(drawn - plain)[max(0, y - 3) : y + 3, x : x + width].mean() > 20  # the box
    assert abs(drawn - plain)[y + height // 3 : y + height // 2, x + width // 3 : x + width // 2].mean() < 3


@pytest.mark.parametrize("source", ["clip", "picture"])
def test_an_early_snapshot_does_not_wait_for_the_faces(watch, source, request, monkeypatch):
    are_found = threading.Event()

    def held_up(find):
        return lambda *arguments: are_found.wait(20) and find(*arguments)

    monkeypatch.setattr(camera, "find_in_grey", held_up(camera.find_in_grey))
    monkeypatch.setattr(FrameSearch, "search_upright", held_up(FrameSearch.search_upright))
    video = watch(str(request.getfixturevalue(source)))
    shot = video.snapshot(early=True)
    assert not shot.is_card
    assert np.abs(decode(shot.jpeg).astype(int) - to_bgr(shot.planes)).mean() < 3  # nothing is drawn on it
    threading.Timer(0.3, are_found.set).start()
    assert video.snapshot().faces
    assert next(video.shots()).faces
    assert video.snapshot(early=True).faces
