import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

import main
from paths import MODEL_INT8, ROOT
from vision.opencv import cv2
from waiting import wait_until
from web import live_routes, server, viewers
from web_client import ask, opened, read_parts

# Takes the place of inference/convert.py: waits for the file "go", then gives a network that was compiled before.
SLOW_CONVERTER = """
import json, os, shutil, sys, time
from pathlib import Path

folder = Path(__file__).parent
(folder / f"begun-{os.getpid()}").touch()
while not (folder / "go").exists():
    time.sleep(0.02)
[compiled] = folder.glob("network.*")
made = sys.argv[3] + compiled.name.removeprefix("network")
shutil.copy(compiled, made)
print(json.dumps({"error": None, "made": Path(made).name}))
"""


def test_stream_is_multipart_jpeg_at_the_pace_of_the_clip(serve, clip):
    with opened(serve(str(clip))) as feed:
        read_parts(feed)
        started = time.time()
        parts = read_parts(feed, 25)
        assert 0.5 < time.time() - started < 10  # one second of the clip
    for headers, body in parts:
        assert headers["Content-Type"] == "image/jpeg"
        assert cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR).shape == (240, 320, 3)
    stamps = [float(headers["X-Timestamp"]) for headers, _ in parts]
    assert stamps == sorted(set(stamps))
    assert started - 5 < stamps[0] < stamps[-1] < time.time()


def test_a_still_picture_is_complete_at_once_and_comes_again(serve, picture):
    with opened(serve(str(picture))) as feed:
        (_, first), (_, second), (_, third) = read_parts(feed, 3)
        assert first == second == third


def test_twenty_viewers_get_the_same_frames_at_the_same_time(serve, clip):
    address, stamps = serve(str(clip)), []  # benchmarks/serving.py measures how many frames a second
    begin = threading.Barrier(20)

    def view():
        with opened(address) as feed:
            begin.wait(30)
            stamps.append([float(headers["X-Timestamp"]) for headers, _ in read_parts(feed, 25)])

    threads = [threading.Thread(target=view) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stamps) == 20
    assert all(each == sorted(each) for each in stamps)  # a frame comes again where the next one takes long
    first, last = max(each[0] for each in stamps), min(each[-1] for each in stamps)
    together = [{stamp for stamp in each if first <= stamp <= last} for each in stamps]
    assert max(map(len, together)) > 1
    assert len(set.union(*together)) <= 2 * max(map(len, together))  # not frames of its own for each


def test_a_viewer_that_goes_is_no_viewer(serve, clip):
    address = serve(str(clip))
    with opened(address) as feed:
        read_parts(feed)
        assert ask(address, "/state").json()["viewers"] == 1
    wait_until(lambda: ask(address, "/state").json()["viewers"] == 0)


def test_a_viewer_that_stops_reading_holds_nobody_up_and_is_dropped(serve, clip, monkeypatch):
    monkeypatch.setattr(viewers, "STALL_TIMEOUT", 2)
    monkeypatch.setattr(viewers, "CHECK_EVERY", 0.2)
    address = serve(str(clip))
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", urlsplit(address).port))
        stalled.sendall(b"GET /video_feed HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with opened(address) as feed:
            while ask(address, "/state").json()["viewers"] < 2:
                read_parts(feed)
            started = time.monotonic()
            while ask(address, "/state").json()["viewers"] > 1:
                read_parts(feed)
                assert time.monotonic() < started + 30
            read_parts(feed, 5)


def test_one_viewer_too_many_is_told_to_come_back(serve, clip, monkeypatch):
    monkeypatch.setattr(live_routes, "MAX_VIEWERS", 1)
    address = serve(str(clip))
    with opened(address) as feed:
        read_parts(feed)
        second = ask(address, "/video_feed")
    assert second.status == 503
    assert int(second.headers["Retry-After"]) > 0


def test_page_shows_the_stream_what_is_watched_and_why(serve, clip):
    page = ask(serve(str(clip), note="No camera; the demo plays instead.")).body.decode()
    assert 'src="/video_feed"' in page
    assert "clip.mp4" in page
    assert "No camera; the demo plays instead." in page
    assert "No face in the picture" in page


def links_of(page):
    """What a page loads or links to, but for the stream."""
    links = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert len(links) >= 4
    assert all(link.startswith("/") for link in links)
    return links - {"/video_feed"}


def test_page_and_its_files_come_from_this_host_alone(serve, clip):
    address = serve(str(clip))
    for link in links_of(ask(address).body.decode()):
        answer = ask(address, link)
        assert answer.status == 200
        code = re.sub(rb"/\*[\s\S]*?\*/|(?<!:)//[^\n]*", b"", answer.body)  # comments may name where something is from
        assert not re.search(rb"https?://(?!www\.w3\.org/)", code)


def test_every_answer_is_locked_to_this_host(serve, clip):
    address = serve(str(clip))
    with opened(address) as feed:
        headers = [feed.headers, *(ask(address, path).headers for path in ("/", "/static/watch.js", "/state", "/no"))]
    for each in headers:
        assert "default-src 'none'" in each["Content-Security-Policy"]
        assert each["Cross-Origin-Resource-Policy"] == "same-origin"
        assert each["Referrer-Policy"] == "no-referrer"


def test_errors_are_json_with_a_sentence(serve, clip):
    address = serve(str(clip))
    for path, status in (("/nothing", 404), ("/api/predict", 405)):
        answer = ask(address, path)
        assert answer.status == status
        assert answer.json()["error"].endswith(".")
    assert ask(address, "/healthz").body == b"ok\n"


def test_only_the_own_page_changes_settings(serve, clip):
    address = serve(str(clip))

    def post(content, **headers):
        answer = ask(address, "/settings", "POST", content, Content_Type="application/json", **headers)
        return answer.status, answer.json()

    assert post('{"mirror": true}', Origin=address) == (
        200,
        {"mirror": True, "boxes": True, "labels": True, "adapt": True, "hide": False},
    )
    assert post('{"mirror": false}', Origin="http://elsewhere.example")[0] == 403
    for content in ("", "[]", '{"mirror": 1}', '{"colour": true}'):
        status, answer = post(content)
        assert status == 400
        assert "true or false for any of mirror, boxes, labels, adapt" in answer["error"]
    assert ask(address, "/state").json()["settings"]["mirror"] is True


def test_the_openapi_document_has_every_route(watch, clip, make_app):
    app = make_app(watch(str(clip)))
    document = app.test_client().get("/openapi.json").get_json()
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint not in ("static", "live.index")
    }
    assert {(path, method) for path, ways in document["paths"].items() for method in ways} == routes


def test_a_webcam_is_chosen_by_its_name(watch, clip, make_app, monkeypatch):
    monkeypatch.setattr(live_routes, "find_webcams", lambda: {90: "USB camera"})
    app = make_app(video := watch(str(clip)))
    page = app.test_client()
    assert page.get("/sources").get_json()["sources"] == [clip.name, "the demo", "camera 90: USB camera"]
    assert page.post("/source", json={"source": "camera 90: USB camera"}).get_json()["source"] == "camera 90"
    assert video.source == 90


def test_prometheus_can_read_the_metrics(serve, clip):
    address = serve(str(clip))
    with opened(address) as feed:
        read_parts(feed, 10)
        answer = ask(address, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    figures = {family.name: family.samples[0].value for family in text_string_to_metric_families(answer.body.decode())}
    assert figures["expressions_viewers"] == 1
    assert figures["expressions_frames_per_second"] > 1
    assert figures["expressions_source_up"] == 1
    assert figures["expressions_recording"] == figures["expressions_videos_waiting"] == 0
    assert figures["expressions_frames_skipped"] >= 0
    assert figures["expressions_labels_skipped"] >= 0
    assert figures["process_resident_memory_bytes"] > 1e7


def test_a_plain_stream_is_a_stream_of_its_own(serve, picture):
    address = serve(str(picture))
    with opened(address) as drawn, opened(address, "/video_feed?plain") as plain:
        bodies = [read_parts(feed, 3)[-1][1] for feed in (drawn, plain)]
        assert ask(address, "/state").json()["viewers"] == 2
    assert bodies[0] != bodies[1]
    assert ask(address, "/snapshot.jpg?plain").body == bodies[1]


def test_without_a_webcam_the_demo_plays_and_both_say_why(launch):
    program = launch("90")
    page = ask(program.address).body.decode()
    assert "pipenv run start clip.mp4" in program.lines[0]
    for text in (program.lines[0], page):
        assert "Camera 90 gives no picture" in text or "No webcam" in text
    assert ask(program.address, "/state").json()["source"] == "the demo"


def test_without_a_network_the_app_starts_and_its_page_loads(launch, without_network):
    environment, refused = without_network
    address = launch("demo", environment=environment).address
    page = ask(address)
    assert page.status == 200
    for link in links_of(page.body.decode()):
        assert ask(address, link).status == 200
    with opened(address) as feed:
        read_parts(feed, 3)
    assert ask(address, "/state").json()["problem"] is None
    assert not refused.exists(), refused.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_two_seconds_while_somebody_watches(launch, clip, sign):
    program = launch(clip)
    with opened(program.address) as feed:
        assert ask(program.address, "/state").json()["source"] == "clip.mp4"
        read_parts(feed, 3)
        started = time.monotonic()
        program.process.send_signal(sign)
        status, output, errors = program.wait()
        assert time.monotonic() - started < 2
    assert (status, errors) == (0, "")
    assert "Stopped." in output


def one_line_and_exit_2(program, served=False):
    status, output, errors = program.wait()
    assert status == 2, errors
    assert errors.count("\n") == 1, errors
    assert ("Serving" in output) == served
    return errors


def test_a_file_that_cannot_be_played_ends_in_one_line(launch, tmp_path):
    (tmp_path / "notes.mp4").write_text("not a video")
    notes, nothing = launch("notes.mp4"), launch("nothing.mp4")
    assert "notes.mp4" in one_line_and_exit_2(notes)
    assert "nothing.mp4 does not exist" in one_line_and_exit_2(nothing)


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
    opened = queue.Queue()
    monkeypatch.setattr(main.webbrowser, "open", opened.put)
    monkeypatch.setattr(main.sys, "platform", platform)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    before = set(threading.enumerate())
    main.open_browser("http://127.0.0.1:5000")
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert list(opened.queue) == ["http://127.0.0.1:5000"] * opens


@pytest.fixture
def copied_app(tmp_path, copy_program):
    """The app in a folder of its own, whose files may be changed."""
    folder = tmp_path / "app"
    folder.mkdir()
    copy_program(folder)
    return folder


@pytest.mark.parametrize("name", ["model.json", "model_weights.h5"])
def test_a_missing_model_file_ends_in_one_line(launch, copied_app, clip, name):
    (copied_app / name).unlink()
    assert f"{name} does not exist" in one_line_and_exit_2(launch(clip, folder=copied_app))


def test_a_damaged_model_file_ends_in_one_line(launch, copied_app, clip):
    (copied_app / "model_weights.h5").write_bytes(b"damaged")
    # What is wrong with a file is known once it has been compiled; frames are shown by then.
    assert "model_weights.h5" in one_line_and_exit_2(launch(clip, folder=copied_app), served=True)


def test_while_the_network_is_being_compiled_frames_come_and_uploads_wait(launch, copied_app, clip, picture, tmp_path):
    folder = copied_app / "inference"
    (folder / "convert.py").write_text(SLOW_CONVERTER)
    (copied_app / MODEL_INT8.name).rename(folder / "network.int8.tflite")  # as for a pair that was exported elsewhere
    address = launch(clip, folder=copied_app, environment={"XDG_CACHE_HOME": str(tmp_path / "empty")}).address
    answers = queue.Queue()

    def upload(path):
        answers.put(ask(address, path, "POST", picture.read_bytes(), Content_Type="image/png"))

    with opened(address) as feed:
        read_parts(feed, 3)
        uploads = [threading.Thread(target=upload, args=(path,)) for path in ("/api/predict", "/api/frames/page")]
        for thread in uploads:
            thread.start()
        read_parts(feed, 10)
        assert "being prepared" in ask(address, "/state").json()["waiting"]
        assert answers.empty()
        (folder / "go").touch()
        wait_until(lambda: ask(address, "/state").json()["waiting"] is None)
        read_parts(feed, 1)
    for thread in uploads:
        thread.join()
    assert [answers.get().status for _ in uploads] == [200, 200]
    assert len(list(folder.glob("begun-*"))) == 1  # one compilation, for the live view and the uploads


def test_a_slow_machine_has_labels_while_it_compiles_which_ends_with_the_program(launch, copied_app, picture, tmp_path):
    trial = copied_app / "inference" / "trial.py"
    trial.write_text(trial.read_text().replace("FAST = 0.002", "FAST = 0.0"))
    program = launch(picture, folder=copied_app, environment={"XDG_CACHE_HOME": str(tmp_path / "empty")})
    assert program.address
    compiling = wait_until(psutil.Process(program.process.pid).children)
    answer = ask(program.address, "/api/predict", "POST", picture.read_bytes(), Content_Type="image/png")
    [face] = answer.json()["images"][0]["faces"]
    assert face["label"] == "Happy"
    assert ask(program.address, "/state").json()["waiting"] is None
    assert psutil.Process(program.process.pid).children() == compiling
    program.process.kill()
    _, left = psutil.wait_procs(compiling, timeout=30)
    assert left == []


def test_opencv_without_a_system_library_ends_in_one_line(launch, clip, tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    status, _, errors = launch(clip, environment={"PYTHONPATH": str(tmp_path)}).wait()
    assert status != 0
    assert errors.count("\n") == 1
    assert "apt-get install libgl1 libglib2.0-0" in errors


def test_evaluating_without_what_it_needs_ends_in_one_line(tmp_path):
    (tmp_path / "sklearn.py").write_text("raise ImportError")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "training.evaluate", "data"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "pipenv sync --dev" in done.stderr
    assert done.stderr.count("\n") == 1
