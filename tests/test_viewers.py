import http.client
import io
import queue
import socket
import threading
import time

import pytest

from camera import Shot
from web.app import create_app
from web.viewers import Viewers


class Video:
    """Stands in for a VideoCamera: gives the shots that are put into it."""

    def __init__(self):
        self.queue = queue.Queue()
        self.watched = threading.Event()

    def shots(self):
        self.watched.set()
        try:
            while shot := self.queue.get():
                yield shot
        finally:
            self.watched.clear()

    def show(self, number, size=1000):
        self.queue.put(Shot(number, float(number), bytes([number]) * size, None, (640, 360)))


@pytest.fixture
def video():
    video = Video()
    yield video
    video.queue.put(None)


@pytest.fixture
def connect(video):
    """A function that adds a viewer and gives the file that the viewer reads."""
    viewers, ends = Viewers(video.shots), []

    def add():
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        theirs.settimeout(10)
        ends.extend((ours, theirs))
        body = viewers.serve(ours)
        assert next(body) == b"--frame\r\n"
        thread = threading.Thread(target=lambda: list(body), daemon=True)
        thread.start()
        return theirs, thread

    add.viewers = viewers
    yield add
    for end in ends:
        end.close()


def read_part(stream):
    headers = http.client.parse_headers(stream)
    body = stream.read(int(headers["Content-Length"]))
    assert stream.read(11) == b"\r\n--frame\r\n"
    return float(headers["X-Timestamp"]), body


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_everybody_gets_each_part(connect, video):
    streams = [connect()[0].makefile("rb") for _ in range(3)]
    for number in range(1, 6):
        video.show(number)
        assert [read_part(stream) for stream in streams] == [(number, bytes([number]) * 1000)] * 3


def test_a_slow_viewer_gets_whole_parts_and_the_newest_next(connect, video):
    slow, fast = connect()[0].makefile("rb"), connect()[0].makefile("rb")
    for number in range(1, 40):
        video.show(number, 300_000)
        assert read_part(fast)[0] == number
    stamps = []
    while not stamps or stamps[-1] < 39:
        stamp, body = read_part(slow)
        assert body == bytes([int(stamp)]) * 300_000
        stamps.append(stamp)
    assert stamps == sorted(set(stamps))
    assert len(stamps) < 5  # what had been begun, and the newest


def test_a_viewer_that_goes_is_forgotten_and_the_last_one_lets_the_video_rest(connect, video):
    first, thread = connect()
    second, _ = connect()
    wait_until(video.watched.is_set)
    video.show(1)
    wait_until(lambda: len(connect.viewers) == 2)
    first.close()
    for number in range(2, 5):
        video.show(number)
        time.sleep(0.05)
    wait_until(lambda: len(connect.viewers) == 1)
    thread.join(timeout=5)
    assert not thread.is_alive()
    second.close()
    while len(connect.viewers):
        video.show(5)
        time.sleep(0.05)
    video.show(6)
    wait_until(lambda: not video.watched.is_set())
    stream = connect()[0].makefile("rb")  # and who comes then sees it again
    wait_until(video.watched.is_set)
    video.show(7)
    while read_part(stream)[0] != 7:
        pass


def test_closing_the_video_ends_everybody(connect, video):
    _, thread = connect()
    wait_until(video.watched.is_set)
    video.queue.put(None)
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_another_server_sends_the_stream_itself(watch, clip):
    response = create_app(watch(str(clip))).test_client().get("/video_feed", headers={"Host": "localhost"})
    chunks = (chunk for _, chunk in zip(range(3), response.iter_encoded()))
    assert next(chunks) == b"--frame\r\n"
    for chunk in chunks:
        _, body = read_part(io.BytesIO(chunk))
        assert body.startswith(b"\xff\xd8")
