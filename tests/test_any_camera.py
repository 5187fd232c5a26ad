"""Cameras and files as people have them: sizes that change, slow ones, odd clocks, addresses, names."""

import io
import logging
import os
import threading
import time

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.cameras import MjpegCamera, every
from camera import VideoCamera
from vision.addresses import host_of, is_address, show_address, to_ffmpeg
from vision.annotate import LiveAnnotator
from vision.planes import brightness, size_of, to_bgr
from vision.source import SourceError, check_source, is_picture, read_frames, source_name
from waiting import wait_until


def scene(astronaut, size, x, y, side=160):
    """A grey-green frame of the size (width, height) with her face in a square that begins at x, y."""
    frame = np.full((size[1], size[0], 3), (90, 110, 90), np.uint8)
    frame[y : y + side, x : x + side] = cv2.resize(astronaut[40:220, 135:315], (side, side))
    return frame


def noisy(image, seed):
    """The image as a camera would give it again, so that no two frames are the same."""
    noise = np.random.default_rng(seed).integers(-3, 4, image.shape)
    return np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)


def shots_for(video, seconds):
    """The distinct shots that a VideoCamera gives in so many seconds."""
    end, shots = time.monotonic() + seconds, {}
    for shot in video.shots():
        shots[shot.number] = shot
        if time.monotonic() > end:
            return list(shots.values())
    raise AssertionError("the camera is closed")


def test_a_camera_may_come_back_smaller(watch, astronaut):
    large = [noisy(scene(astronaut, (1280, 720), 1100, 540), seed) for seed in range(2)]
    small = [noisy(scene(astronaut, (320, 240), 80, 60, 120), seed) for seed in range(2)]

    def frames(connection):
        yield from every(0.05, *(large if connection == 0 else small), count=30 if connection == 0 else 10_000)(0)

    with MjpegCamera(frames) as camera:
        video = watch(camera.address)
        shots = video.shots()
        wait_until(lambda: next(shots).faces)
        wait_until(lambda: next(shots).size == (320, 240) and next(shots).faces)
        x, y, width, height = next(shots).faces[0].box
        assert 0 <= x < x + width <= 320
        assert 0 <= y < y + height <= 240
        assert video.state()["fault"] is None


@pytest.mark.parametrize("sizes", [((640, 360), (360, 640)), ((320, 240), (1280, 720)), ((640, 480), (64, 48))])
def test_the_size_may_change_within_a_connection(watch, astronaut, sizes):
    images = [scene(astronaut, size, 8, 4, min(size) - 8) for size in sizes]

    def frames(_):
        for index in range(10_000):
            yield 0.04, noisy(images[index // 25 % 2], index)

    with MjpegCamera(frames) as camera:
        video = watch(camera.address)
        shots = video.shots()
        for size in (*sizes, sizes[0]):
            wait_until(lambda size=size: next(shots).size == size)
            if min(size) > 100:
                wait_until(lambda size=size: (shot := next(shots)).size == size and shot.faces)
        assert video.state()["fault"] is None


@pytest.mark.parametrize("step", ["follow", "label"])
def test_an_error_that_nobody_foresaw_costs_a_frame_and_is_told(watch, clip, make_app, monkeypatch, caplog, step):
    do, calls = getattr(LiveAnnotator, step), []

    def fail_sometimes(self, *arguments):
        calls.append(1)
        if len(calls) == 10:
            raise ZeroDivisionError("the tenth frame")
        return do(self, *arguments)

    def follow_slowly(self, *arguments):
        faces = follow(self, *arguments)
        time.sleep(0.05)  # so that the other step fails meanwhile
        return faces

    follow = LiveAnnotator.follow
    monkeypatch.setattr(LiveAnnotator, "follow", follow_slowly)
    monkeypatch.setattr(LiveAnnotator, step, fail_sometimes)
    caplog.set_level(logging.ERROR)
    video = watch(str(clip))
    app = make_app(video)
    page = app.test_client()
    shots = video.shots()
    wait_until(lambda: next(shots) and len(calls) > 10)
    assert "ZeroDivisionError" in page.get("/state").get_json()["fault"]
    assert page.get("/healthz").status_code == 503
    assert "the tenth frame" in caplog.text
    assert len(caplog.records) == 1
    number = next(shots).number
    wait_until(lambda: next(shots).number > number + 5)  # the picture goes on
    monkeypatch.setattr("camera.FAULT_TOLD", 0.0)
    assert page.get("/healthz").status_code == 200


@pytest.mark.parametrize("period", [0.4, 1.2])
def test_a_slow_camera_has_its_faces_and_no_message_between_its_frames(watch, astronaut, period):
    images = [noisy(scene(astronaut, (640, 360), 200 + 30 * index, 90), index) for index in range(3)]
    with MjpegCamera(every(period, *images)) as camera:
        video = watch(camera.address)
        video.snapshot()
        shots = shots_for(video, 5 * period)
    assert not any(shot.is_card for shot in shots)
    assert len(shots) >= 4
    assert all(len(shot.faces) == 1 for shot in shots)


def test_a_message_never_comes_after_a_later_frame(watch, astronaut, monkeypatch):
    def publish(video, picture, publish=VideoCamera._publish):
        if picture.is_card:
            time.sleep(0.6)  # in which the next frame comes
        publish(video, picture)

    def frames(_):
        for index in range(60):
            yield 1.5 if index == 12 else 0.1, noisy(scene(astronaut, (320, 240), 80, 60, 120), index)

    monkeypatch.setattr(VideoCamera, "_publish", publish)
    with MjpegCamera(frames) as camera:
        video = watch(camera.address)
        video.snapshot()
        shots = shots_for(video, 4)
    times = [shot.timestamp for shot in shots]
    assert any(shot.is_card for shot in shots)
    assert times == sorted(times)


def test_a_camera_that_stops_sending_says_so(watch, astronaut):
    def frames(_):
        for index in range(20):
            yield 0.05, noisy(scene(astronaut, (320, 240), 80, 60, 120), index)
        yield 60, None

    with MjpegCamera(frames) as camera:
        video = watch(camera.address)
        shots = video.shots()
        wait_until(lambda: next(shots).faces)
        wait_until(lambda: next(shots).is_card, 5)
        assert "No picture has come" in video.state()["problem"]


def test_a_single_picture_is_waited_for_while_the_camera_opens(watch, astronaut):
    def frames(_):
        yield 2.0, scene(astronaut, (320, 240), 80, 60, 120)
        yield from every(0.1, scene(astronaut, (320, 240), 80, 60, 120))(0)

    with MjpegCamera(frames) as camera:
        video = watch(camera.address)
        assert cv2.imdecode(np.frombuffer(video.get_frame(), np.uint8), 1).shape == (240, 320, 3)
        assert not video.snapshot().is_card


def test_a_single_picture_is_waited_for_while_the_first_frame_is_annotated(watch, astronaut, monkeypatch):
    def label_slowly(*arguments, label=LiveAnnotator.label):
        time.sleep(1)
        return label(*arguments)

    monkeypatch.setattr(LiveAnnotator, "label", label_slowly)

    def frames(_):
        yield 1.5, scene(astronaut, (320, 240), 80, 60, 120)
        yield from every(0.1, scene(astronaut, (320, 240), 80, 60, 120))(0)

    with MjpegCamera(frames) as camera:
        assert cv2.imdecode(np.frombuffer(watch(camera.address).get_frame(), np.uint8), 1).shape == (240, 320, 3)


def test_a_camera_whose_next_frame_is_seconds_away_is_opened(astronaut):
    with MjpegCamera(lambda _: iter([(6.0, scene(astronaut, (320, 240), 80, 60, 120))] * 2)) as camera:
        planes = next(read_frames(camera.address, lambda: True))
    assert size_of(planes) == (240, 320)


def test_a_file_without_a_clock_plays_at_its_rate(astronaut, tmp_path):
    path = tmp_path / "clip.h264"
    with av.open(str(path), "w", format="h264") as video:
        stream = video.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(100):
            image = noisy(scene(astronaut, (320, 240), index, 60, 120), index)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        video.mux(stream.encode(None))
    end = time.monotonic() + 2
    count = sum(1 for _ in read_frames(str(path), lambda: time.monotonic() < end))
    assert 25 <= count <= 60  # 50 frames are due


def test_a_file_of_two_frames_a_second_never_waits(watch, film, astronaut, tmp_path):
    images = [noisy(scene(astronaut, (320, 240), 60 + 10 * index, 60, 120), index) for index in range(6)]
    film(tmp_path / "slow.mp4", images, rate=1, times=[1500 * index for index in range(6)])
    video = watch(str(tmp_path / "slow.mp4"))
    video.snapshot()
    shots = shots_for(video, 5)
    assert not any(shot.is_card for shot in shots)
    assert all(len(shot.faces) == 1 for shot in shots)


@pytest.mark.parametrize(
    ("address", "shown", "opened"),
    [
        ("rtsp://ann:secret@10.0.0.2:554/live", "rtsp://10.0.0.2:554/live", "rtsp://ann:secret@10.0.0.2:554/live"),
        ("HTTP://Cam.local/video", "http://Cam.local/video", "http://Cam.local/video"),
        ("http://10.0.0.2/v?user=me&pwd=secret", "http://10.0.0.2/v?…", "http://10.0.0.2/v?user=me&pwd=secret"),
        ("rtsp://me:se/cret@10.0.0.2/a", "rtsp://10.0.0.2/a", "rtsp://me:se%2Fcret@10.0.0.2/a"),
        ("rtsp://me:se?cr#et@10.0.0.2/a", "rtsp://10.0.0.2/a", "rtsp://me:se%3Fcr%23et@10.0.0.2/a"),
        ("rtsp://me:secr@et@10.0.0.2/a", "rtsp://10.0.0.2/a", "rtsp://me:secr%40et@10.0.0.2/a"),
        ("rtsp://me:se[cret@10.0.0.2/a", "rtsp://10.0.0.2/a", "rtsp://me:se%5Bcret@10.0.0.2/a"),
        ("rtsp://me:secret%21@[fe80::1]:554/a", "rtsp://[fe80::1]:554/a", "rtsp://me:secret%21@[fe80::1]:554/a"),
        ("rtsp://10.0.0.2/user=me&password=secret&channel=1", "rtsp://10.0.0.2/…", None),
        ("http://10.0.0.2/#secret", "http://10.0.0.2/?…", None),
        ("http://10.0.0.2/token/secret=1/video", "http://10.0.0.2/…/…/video", None),
        ("http://[", "http://[", None),
        ("http://", "http://", None),
    ],
)
def test_an_address_is_opened_as_it_is_meant_and_shown_without_its_secrets(address, shown, opened):
    assert is_address(address)
    assert source_name(address) == shown
    assert "secr" not in show_address(address)
    assert to_ffmpeg(address) == (opened or address)


def test_hosts_are_told_from_addresses():
    assert host_of("rtsp://me:a@b@[fe80::1]:554/a") == ("fe80::1", 554)
    assert host_of("http://cam.local/a:1") == ("cam.local", None)


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "password is wrong"), (404, "nothing at this path"), (503, "error of its own")]
)
def test_the_reason_is_told(status, reason):
    with MjpegCamera(every(0.1), status) as camera, pytest.raises(SourceError, match=reason):
        next(read_frames(camera.address, lambda: True))


def test_a_dead_port_and_an_unknown_name_are_told_apart():
    reasons = {"http://127.0.0.1:9/v": "nothing answers", "http://no.invalid/v": "no machine of this name"}
    for address, reason in reasons.items():
        with pytest.raises(SourceError, match=reason):
            next(read_frames(address, lambda: True))


def test_an_address_is_tried_before_everyone_sees_it(watch, clip, make_app, astronaut):
    image = scene(astronaut, (320, 240), 80, 60, 120)
    with MjpegCamera(every(0.1, image)) as camera:
        video = watch(str(clip))
        app = make_app(video)
        page = app.test_client()
        for wrong in ("http://127.0.0.1:9/video", "http://me:pa[ss@127.0.0.1:9/video", "rtsp://127.0.0.1:9/a"):
            answer = page.post("/source", json={"source": wrong})
            assert answer.status_code == 422
            assert "pa[ss" not in answer.get_json()["error"]
        assert video.state()["source"] == clip.name
        secret = camera.address + "?user=me&pwd=secret"
        assert page.post("/source", json={"source": secret}).status_code == 200
        offered = page.get("/sources").get_json()["sources"]
        assert f"{camera.address}?…" in offered
        assert page.post("/source", json={"source": clip.name}).status_code == 200
        assert page.post("/source", json={"source": f"{camera.address}?…"}).status_code == 200
        assert video.source == secret
        assert "secret" not in str(page.get("/state").get_json()) + str(offered)


def test_a_name_with_a_colon_is_a_file(clip, tmp_path, monkeypatch):
    if os.name == "nt":
        pytest.skip("no file of Windows has such a name")
    (tmp_path / "meeting-10:30.mp4").write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert size_of(next(read_frames("meeting-10:30.mp4", lambda: True))) == (240, 320)
    assert source_name("meeting-10:30.mp4") == "meeting-10:30.mp4"


@pytest.mark.parametrize("ending", ["jfif", "jpe", "heic", "avif", "webp", "tiff", "gif", "odd"])
def test_pictures_of_every_kind_are_pictures(astronaut, tmp_path, ending):
    path = tmp_path / f"photo.{ending}"
    kind = {"jfif": "JPEG", "jpe": "JPEG", "heic": "HEIF", "odd": "PNG"}.get(ending, ending.upper())
    Image.fromarray(np.ascontiguousarray(astronaut[:, :, ::-1])).save(path, kind)
    assert is_picture(str(path))
    image = to_bgr(next(read_frames(str(path), lambda: True)))
    assert np.abs(image.astype(int) - astronaut).mean() < 12


def test_an_animated_gif_is_a_video(astronaut, tmp_path):
    frames = [Image.fromarray(np.roll(astronaut[:240, 80:400, ::-1], 4 * index, 1).copy()) for index in range(5)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=100)
    assert not is_picture(str(tmp_path / "moving.gif"))
    assert size_of(next(read_frames(str(tmp_path / "moving.gif"), lambda: True))) == (240, 320)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_watched_while_something_is_written_into_it(clip, film, astronaut, tmp_path):
    content = film(tmp_path / "clip.ts", [astronaut[:240, 80:400]] * 30).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(content), daemon=True).start()
    check_source(str(tmp_path / "pipe"))  # which takes nothing out of it
    frames = read_frames(str(tmp_path / "pipe"), lambda: True)
    assert size_of(next(frames)) == (240, 320)
    frames.close()


def test_sixteen_bits_keep_their_greys(astronaut, tmp_path):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) * 257)
    planes = next(read_frames(str(tmp_path / "deep.png"), lambda: True))
    assert np.abs(brightness(planes).astype(int) - grey).max() <= 1


def test_the_middle_of_nowhere_in_an_uploaded_form_is_told_by_its_name(watch, clip, make_app, astronaut):
    app = make_app(watch(str(clip)))
    panorama = np.full((600, 9000, 3), 120, np.uint8)
    panorama[300:360, 8000:8060] = cv2.resize(astronaut[40:220, 135:315], (60, 60))
    line = np.full((5, 20_000, 3), 90, np.uint8)
    files = {
        name: (io.BytesIO(cv2.imencode(".png", image)[1].tobytes()), f"{name}.png")
        for name, image in {"panorama": panorama, "line": line}.items()
    }
    files["broken"] = (io.BytesIO(b"not a picture"), "broken.png")
    answer = app.test_client().post("/api/predict", data=files)
    images = {image["name"]: image for image in answer.get_json()["images"]}
    assert answer.status_code == 200
    assert len(images["panorama.png"]["faces"]) == 1
    assert images["line.png"]["faces"] == []
    assert "can't be read as a picture" in images["broken.png"]["error"]
