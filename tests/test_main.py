import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import main
from paths import ROOT
from web import live_routes, server, viewers
from web.app import close_app, create_app


def get(address, path="/", host=None):
    """The open response to a request as a browser makes it."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    return connection.getresponse()


def watch_feed(address):
    """An open stream, read up to its first part."""
    response = get(address, "/video_feed")
    assert response.status == 200
    assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
    assert response.readline() == b"--frame\r\n"
    return response


def parts(response, count):
    """The next `count` parts of a stream as (headers, body), each read up to the boundary that follows it at once."""
    read = []
    for _ in range(count):
        headers = http.client.parse_headers(response)
        read.append((headers, response.read(int(headers["Content-Length"]))))
        assert response.readline() == b"\r\n"
        assert response.readline() == b"--frame\r\n"
    return read


@pytest.fixture
def launch(tmp_path):
    """A function that runs the program with arguments; whatever still runs afterwards is killed."""
    started = []

    def run(*arguments, folder=ROOT):
        command = [sys.executable, str(Path(folder) / "main.py"), "--no-browser", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def address_of(process):
    """Where a started program serves, from what it prints."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if serving := re.search(r"http://127\.0\.0\.1:\d+", line):
            return serving[0], lines
    raise AssertionError(f"it ended: {lines} {process.stderr.read()}")


def test_stream_is_multipart_jpeg_at_the_pace_of_the_clip(serve, clip):
    response = watch_feed(serve(str(clip)))
    parts(response, 1)
    started = time.time()
    read = parts(response, 25)
    assert 0.5 < time.time() - started < 5  # one second of the clip
    for headers, body in read:
        assert headers["Content-Type"] == "image/jpeg"
        assert cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR).shape == (240, 320, 3)
    stamps = [float(headers["X-Timestamp"]) for headers, _ in read]
    assert stamps == sorted(set(stamps))
    assert time.time() - stamps[-1] < 1


def test_a_still_picture_is_complete_at_once_and_comes_again(serve, picture):
    response = watch_feed(serve(str(picture)))
    started = time.monotonic()
    (_, first), (_, second), (_, third) = parts(response, 3)
    assert first == second == third
    assert time.monotonic() - started < 3


def test_twenty_viewers_get_every_frame(serve, clip):
    address = serve(str(clip))
    rates = []

    def view():
        response = watch_feed(address)
        parts(response, 1)
        started = time.monotonic()
        parts(response, 40)
        rates.append(40 / (time.monotonic() - started))

    threads = [threading.Thread(target=view) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rates) == 20
    assert min(rates) > 8  # of 25; the benchmarks hold it to more, where nothing else runs


def test_a_viewer_that_goes_is_no_viewer(serve, clip):
    address = serve(str(clip))
    response = watch_feed(address)
    parts(response, 1)
    assert json.loads(get(address, "/state").read())["viewers"] == 1
    response.close()
    end = time.monotonic() + 5
    while json.loads(get(address, "/state").read())["viewers"]:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_viewer_that_stops_reading_holds_nobody_up_and_is_dropped(serve, clip, monkeypatch):
    monkeypatch.setattr(viewers, "STALL_TIMEOUT", 2)
    address = serve(str(clip))
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(("127.0.0.1", urlsplit(address).port))
    stalled.sendall(b"GET /video_feed HTTP/1.1\r\nHost: localhost\r\n\r\n")
    response = watch_feed(address)
    started = time.monotonic()
    parts(response, 30)
    assert time.monotonic() - started < 6
    end = time.monotonic() + 15
    while json.loads(get(address, "/state").read())["viewers"] > 1:
        assert time.monotonic() < end
        time.sleep(0.2)
    stalled.close()


def test_one_viewer_too_many_is_told_to_come_back(serve, clip, monkeypatch):
    monkeypatch.setattr(live_routes, "MAX_VIEWERS", 1)
    address = serve(str(clip))
    first = watch_feed(address)  # held, or the connection would be closed
    parts(first, 1)
    second = get(address, "/video_feed")
    assert second.status == 503
    assert int(second.headers["Retry-After"]) > 0


def test_page_shows_the_stream_what_is_watched_and_why(serve, clip):
    response = get(serve(str(clip), note="No camera; the demo plays instead."))
    page = response.read().decode()
    assert 'src="/video_feed"' in page
    assert "clip.mp4" in page
    assert "No camera; the demo plays instead." in page
    assert "Nothing to see" in page


def test_page_and_its_files_come_from_this_host_alone(serve, clip):
    address = serve(str(clip))
    page = get(address).read().decode()
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) >= 4
    for link in links:
        assert link.startswith("/")
        if link != "/video_feed":
            response = get(address, link)
            assert response.status == 200
            assert not re.search(rb"https?://(?!www\.w3\.org/)", response.read())


def test_every_answer_is_locked_to_this_host(serve, clip):
    address = serve(str(clip))
    for path in ("/", "/static/watch.js", "/state", "/video_feed", "/nothing"):
        response = get(address, path)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response.headers["Referrer-Policy"] == "no-referrer"


def test_errors_are_json_with_a_sentence(serve, clip):
    address = serve(str(clip))
    for path, status in (("/nothing", 404), ("/api/predict", 405)):
        response = get(address, path)
        assert response.status == status
        assert json.load(response)["error"].endswith(".")
    assert get(address, "/healthz").read() == b"ok\n"


def test_settings_are_changed_from_the_own_page_alone(serve, clip):
    address = serve(str(clip))

    def post(content, origin=None):
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        headers = {"Content-Type": "application/json"} | ({"Origin": origin} if origin else {})
        connection.request("POST", "/settings", content, headers)
        response = connection.getresponse()
        return response.status, json.load(response)

    assert post('{"mirror": true}', address) == (200, {"mirror": True, "boxes": True, "labels": True})
    assert post('{"mirror": false}', "http://elsewhere.example")[0] == 403
    for content in ("", "[]", '{"mirror": 1}', '{"colour": true}'):
        status, answer = post(content)
        assert status == 400
        assert "true or false for any of mirror, boxes, labels" in answer["error"]
    assert json.load(get(address, "/state"))["settings"]["mirror"] is True


def test_the_openapi_document_has_every_route(watch, clip):
    app = create_app(watch(str(clip)))
    document = app.test_client().get("/openapi.json").get_json()
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint not in ("static", "live.index")
    }
    assert {(path, method) for path, ways in document["paths"].items() for method in ways} == routes
    close_app(app)


def test_a_webcam_is_chosen_by_its_name(watch, clip, monkeypatch):
    monkeypatch.setattr(live_routes, "find_webcams", lambda: {90: "USB camera"})
    app = create_app(video := watch(str(clip)))
    page = app.test_client()
    assert page.get("/sources").get_json()["sources"] == [clip.name, "the demo", "camera 90: USB camera"]
    assert page.post("/source", json={"source": "camera 90: USB camera"}).get_json()["source"] == "camera 90"
    assert video.source == 90
    close_app(app)


def test_prometheus_can_read_the_metrics(serve, clip):
    address = serve(str(clip))
    feed = watch_feed(address)
    parts(feed, 15)
    response = get(address, "/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    figures = {
        family.name: family.samples[0].value for family in text_string_to_metric_families(response.read().decode())
    }
    assert figures["expressions_viewers"] == 1
    assert figures["expressions_frames_per_second"] > 5
    assert figures["expressions_source_up"] == 1
    assert figures["expressions_recording"] == figures["expressions_videos_waiting"] == 0
    assert figures["process_resident_memory_bytes"] > 1e7


def test_a_plain_stream_is_a_stream_of_its_own(serve, picture):
    address = serve(str(picture))
    drawn, plain = get(address, "/video_feed"), get(address, "/video_feed?plain")
    bodies = []
    for response in (drawn, plain):
        assert response.readline() == b"--frame\r\n"
        bodies.append(parts(response, 3)[-1][1])
    assert bodies[0] != bodies[1]
    assert get(address, "/snapshot.jpg?plain").read() == bodies[1]
    assert json.load(get(address, "/state"))["viewers"] == 2


def test_a_file_on_the_command_line_is_served(launch, clip):
    process = launch(clip, "--port", 0)
    address, _ = address_of(process)
    parts(watch_feed(address), 3)
    assert json.loads(get(address, "/state").read())["source"] == "clip.mp4"


def test_without_a_webcam_the_demo_plays_and_both_say_why(launch):
    process = launch(90, "--port", 0)
    address, lines = address_of(process)
    assert "Camera 90 gives no picture" in lines[0]
    assert "pipenv run start clip.mp4" in lines[0]
    assert "Camera 90 gives no picture" in get(address).read().decode()
    assert json.loads(get(address, "/state").read())["source"] == "the demo"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_two_seconds_while_somebody_watches(launch, clip, sign):
    process = launch(clip, "--port", 0)
    address, _ = address_of(process)
    viewer = watch_feed(address)
    parts(viewer, 3)
    started = time.monotonic()
    process.send_signal(sign)
    out, errors = process.communicate(timeout=10)
    assert time.monotonic() - started < 2
    assert process.returncode == 0
    assert "Stopped." in out
    assert errors == ""


def one_line_and_exit_2(process, served=False):
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert errors.count("\n") == 1, errors
    assert ("Serving" in out) == served
    return errors


def test_a_file_that_cannot_be_played_ends_in_one_line(launch, tmp_path):
    (tmp_path / "notes.mp4").write_text("not a video")
    assert "notes.mp4 is not a video" in one_line_and_exit_2(launch("notes.mp4"))
    assert "nothing.mp4 does not exist" in one_line_and_exit_2(launch("nothing.mp4"))


def test_a_port_that_is_asked_for_and_taken_ends_in_one_line(launch, clip):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is taken" in one_line_and_exit_2(launch(clip, "--port", port))


def test_without_a_port_the_next_free_one_is_taken(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(server, "PORT", taken.getsockname()[1])
        with server.listen() as listener:
            assert server.PORT < listener.getsockname()[1] < server.PORT + server.PORTS_TRIED


@pytest.mark.parametrize(("platform", "display", "opens"), [("linux", "", 0), ("linux", ":0", 1), ("darwin", "", 1)])
def test_the_browser_opens_where_there_is_a_screen(monkeypatch, platform, display, opens):
    opened = []
    monkeypatch.setattr(main.webbrowser, "open", opened.append)
    monkeypatch.setattr(main.sys, "platform", platform)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    main.open_browser("http://127.0.0.1:5000")
    time.sleep(0.2)
    assert opened == ["http://127.0.0.1:5000"] * opens


@pytest.fixture
def copied_app(tmp_path, copy_program):
    """The app in a folder of its own, whose files may be spoilt."""
    folder = tmp_path / "app"
    folder.mkdir()
    copy_program(folder)
    return folder


@pytest.mark.parametrize("name", ["model.json", "model_weights.h5"])
def test_model_files_that_are_missing_or_damaged_end_in_one_line(launch, copied_app, clip, name):
    (copied_app / name).unlink()
    assert f"{name} does not exist" in one_line_and_exit_2(launch(clip, "--port", 0, folder=copied_app))
    (copied_app / name).write_bytes(b"spoilt")
    # What is wrong with files that are there is known once they have been compiled, while frames are shown already.
    assert name in one_line_and_exit_2(launch(clip, "--port", 0, folder=copied_app), served=True)


def test_frames_come_while_the_network_is_still_being_compiled(launch, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    address, _ = address_of(launch(clip, "--port", 0))
    response = watch_feed(address)
    parts(response, 2)
    assert "being prepared" in json.load(get(address, "/state"))["waiting"]
    end = time.monotonic() + 60
    while json.load(get(address, "/state"))["waiting"]:
        assert time.monotonic() < end
        parts(response, 1)


def test_what_compiles_goes_with_the_program(launch, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    process = launch(clip, "--port", 0)
    address_of(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("this system does not tell a process's children")
    end = time.monotonic() + 10
    while not (
        pids := [
            child
            for task in Path(f"/proc/{process.pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    ):
        assert time.monotonic() < end
    process.kill()
    while any(
        Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in pids
    ):
        assert time.monotonic() < end + 10
        time.sleep(0.1)


def test_opencv_without_a_system_library_ends_in_one_line(launch, copied_app, clip):
    (copied_app / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    process = launch(clip, folder=copied_app)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("\n") == 1
    assert "apt-get install libgl1 libglib2.0-0" in errors


def test_evaluating_without_what_it_needs_ends_in_one_line(copied_app):
    (copied_app / "sklearn.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, "-m", "training.evaluate", "data"], cwd=copied_app, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "pipenv sync --dev" in done.stderr
    assert done.stderr.count("\n") == 1
