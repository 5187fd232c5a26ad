import io
import queue
import socket
import threading

import pytest

from camera import BLANK, Shot
from waiting import wait_until
from web.viewers import Viewers
from web_client import read_parts


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
        self.queue.put(Shot(number, float(number), bytes([number]) * size, None, (640, 360), BLANK))


@pytest.fixture
def video():
    return Video()


class Connection:
    """A viewer's end of a connection, and the thread that serves it."""

    def __init__(self, viewers):
        self.server_end, self._socket = socket.socketpair()
        self.server_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        self._socket.settimeout(30)
        self.stream = self._socket.makefile("rb")
        body = viewers.serve(self.server_end)
        assert next(body) == b"--frame\r\n"
        self.thread = threading.Thread(target=lambda: list(body), daemon=True)
        self.thread.start()

    def close(self):
        self.stream.close()
        self._socket.close()


@pytest.fixture
def connect(video):
    """A function that adds a viewer and gives its Connection."""
    viewers, connections = Viewers(video.shots), []

    def add():
        before = len(viewers)
        connections.append(Connection(viewers))
        wait_until(lambda: len(viewers) > before)
        return connections[-1]

    add.viewers = viewers
    yield add
    for connection in connections:
        connection.close()
        connection.server_end.close()
    video.queue.put(None)
    viewers.close()


def read_part(stream):
    [(headers, body)] = read_parts(stream)
    return float(headers["X-Timestamp"]), body


def test_everybody_gets_each_part(connect, video):
    streams = [connect().stream for _ in range(3)]
    for number in range(1, 6):
        video.show(number)
        assert [read_part(stream) for stream in streams] == [(number, bytes([number]) * 1000)] * 3


def test_a_slow_viewer_gets_whole_parts_and_the_newest_next(connect, video):
    slow, fast = connect().stream, connect().stream
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
    def fewer_than(count):
        video.show(1)  # only a part that cannot be sent tells that a viewer has gone
        return len(connect.viewers) < count

    first, second = connect(), connect()
    wait_until(video.watched.is_set)
    wait_until(lambda: len(connect.viewers) == 2)
    first.close()
    wait_until(lambda: fewer_than(2))
    first.thread.join(timeout=30)
    assert not first.thread.is_alive()
    second.close()
    wait_until(lambda: fewer_than(1))
    video.show(6)
    wait_until(lambda: not video.watched.is_set())
    later = connect()
    wait_until(video.watched.is_set)
    video.show(7)
    while read_part(later.stream)[0] != 7:
        pass


def test_closing_the_video_ends_everybody(connect, video):
    thread = connect().thread
    wait_until(video.watched.is_set)
    video.queue.put(None)
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_closing_in_the_moment_in_which_the_last_viewer_goes_ends_the_threads(video):
    def encode(shot):
        [viewer] = viewers._viewers
        viewers._drop(viewer)  # as the sending thread does at any time
        closing.start()
        closing.join(0.2)  # so that it is closed before this thread rests
        return b"part"

    viewers = Viewers(video.shots, encode)
    closing = threading.Thread(target=viewers.close, daemon=True)
    viewer = Connection(viewers)
    video.show(1)
    video.queue.put(None)
    wait_until(lambda: closing.ident)
    closing.join(10)
    assert not closing.is_alive()
    viewer.close()
    viewer.server_end.close()


def test_another_server_sends_the_stream_itself(watch, clip, make_app):
    app = make_app(watch(str(clip)))
    response = app.test_client().get("/video_feed", headers={"Host": "localhost"})
    chunks = response.iter_encoded()
    assert next(chunks) == b"--frame\r\n"
    for _ in range(2):
        _, body = read_part(io.BytesIO(next(chunks)))
        assert body.startswith(b"\xff\xd8")
    response.close()


def test_a_connection_that_the_server_closes_holds_nobody_up(connect, video):
    first, second = connect(), connect()
    wait_until(video.watched.is_set)
    wait_until(lambda: len(connect.viewers) == 2)
    video.show(1, 1_000_000)  # more than the first one's connection takes at once
    while read_part(second.stream)[0] != 1:
        pass
    first.server_end.close()
    video.show(2)
    video.show(3)
    while read_part(second.stream)[0] != 3:
        pass
