"""Sends the newest frame to any number of viewers from one thread. A slow viewer misses frames without slowing others.

With a thread for each viewer, as the HTTP server would have it, more time goes into waking threads than into sending.
"""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from camera import Shot

BOUNDARY = b"--frame\r\n"
STALL_TIMEOUT = 30  # seconds after which a viewer that takes nothing is dropped
CHECK_EVERY = 1.0  # seconds


def part(shot: Shot) -> bytes:
    """A shot as part of a multipart body, followed at once by the boundary: browsers paint it when they see that."""
    return _part(shot.jpeg, shot.timestamp)


def plain_part(shot: Shot) -> bytes:
    """As `part`, of the frame with nothing drawn on it."""
    assert shot.plain
    return _part(shot.plain, shot.timestamp)


def _part(jpeg: bytes, timestamp: float) -> bytes:
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\nX-Timestamp: {timestamp:.6f}\r\n"
    return head.encode() + b"\r\n" + jpeg + b"\r\n" + BOUNDARY


@dataclass(eq=False)
class Viewer:
    """A connection that frames are sent to."""

    connection: socket.socket
    newest: bytes = b""  # what was sent last, or is being sent
    rest: memoryview = memoryview(b"")  # what is still to be sent of it
    moved: float = field(default_factory=time.monotonic)  # when it last took anything
    gone: threading.Event = field(default_factory=threading.Event)


class Viewers:
    """Those who watch one stream of a VideoCamera, which works while there are any."""

    def __init__(
        self,
        shots: Callable[[], Generator[Shot, None, None]],
        encode: Callable[[Shot], bytes] = part,
        opening: bytes = BOUNDARY,
        period: float = 0.0,
    ) -> None:
        """shots: returns an iterator of shots, such as VideoCamera.shots. encode: makes of a shot what is sent.

        opening: bytes sent before the first frame. period: seconds from one frame to the next, at least.
        """
        self._shots, self._encode, self._opening, self._period = shots, encode, opening, period
        self._viewers: set[Viewer] = set()
        self._viewers_elsewhere: set[object] = set()  # those that have threads of their own
        self._newest = b""  # what to send
        self._forgotten = 0  # how often everything was forgotten
        self._sending = threading.Lock()  # guards these two
        self._lock = threading.Lock()  # guards the start of the threads
        self._threads: list[threading.Thread] = []
        self._present = threading.Event()  # somebody watches
        self._closing = False
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()  # of those with a rest to send; for the sending thread alone
        self._selector.register(self._wake, selectors.EVENT_READ)

    def __len__(self) -> int:
        return len(self._viewers) + len(self._viewers_elsewhere)

    def serve(self, connection: socket.socket) -> Iterator[bytes]:
        """Yield the opening, then wait until the stream ends, which the sending thread sends to the connection."""
        yield self._opening
        connection.setblocking(False)
        viewer = Viewer(connection)
        self._viewers.add(viewer)
        self._present.set()
        with self._lock:
            if self._closing:
                return
            if not self._threads:
                self._threads = [threading.Thread(target=work, daemon=True) for work in (self._take, self._send)]
                for thread in self._threads:
                    thread.start()
        viewer.gone.wait()

    def close(self) -> None:
        """End the stream for everybody, and the threads."""
        with self._lock:
            self._closing = True
            self._present.set()
            self._rouse()
            for thread in self._threads:
                thread.join()
            for resource in (self._selector, self._wake, self._waker):
                resource.close()

    def forget(self) -> None:
        """Begin to send nothing any more that was shown before."""
        with self._sending:
            self._forgotten += 1
            self._newest = b""

    def in_thread(self) -> Iterator[bytes]:
        """The same stream as an endless body, for a server whose threads send for themselves."""
        this, begun = object(), 0.0
        self._viewers_elsewhere.add(this)
        try:
            yield self._opening
            with closing(self._shots()) as shots:
                for shot in shots:
                    if time.monotonic() - begun >= self._period:
                        begun = time.monotonic()
                        yield self._encode(shot)
        finally:
            self._viewers_elsewhere.discard(this)

    def _take(self) -> None:
        """Take the camera's newest shot while anybody watches."""
        closed, begun = False, 0.0
        while not closed:
            self._present.wait()
            if self._closing:
                break
            with closing(self._shots()) as shots:
                closed = True
                forgotten = self._forgotten  # before the shot is given
                for shot in shots:
                    if self._closing:
                        break
                    if self._viewers and time.monotonic() - begun < self._period:
                        continue
                    begun, encoded = time.monotonic(), self._encode(shot)
                    with self._sending:
                        if forgotten == self._forgotten:
                            self._newest = encoded
                        forgotten = self._forgotten
                    self._rouse()
                    self._present.clear()
                    if self._viewers or self._closing:  # somebody came, or closed, before the event was cleared
                        self._present.set()
                    else:
                        closed = False
                        break
        for viewer in list(self._viewers):
            viewer.gone.set()

    def _rouse(self) -> None:
        """Wake the sending thread, to see what there is to do."""
        with suppress(BlockingIOError):  # then it has been woken often enough
            self._waker.send(b"!")

    def _send(self) -> None:
        """Send the newest to everybody who is ready for it."""
        while not self._closing:
            for key, _ in self._selector.select(CHECK_EVERY):
                if key.data:
                    self._advance(key.data)
                    continue
                self._wake.recv(4096)
                for viewer in list(self._viewers):
                    if not viewer.rest:
                        self._begin(viewer)
            now = time.monotonic()
            for key in list(self._selector.get_map().values()):
                if key.data and now - key.data.moved > STALL_TIMEOUT:
                    self._drop(key.data)

    def _begin(self, viewer: Viewer) -> None:
        """Begin to send the newest."""
        viewer.newest, viewer.rest = self._newest, memoryview(self._newest)
        self._advance(viewer, waits=False)

    def _advance(self, viewer: Viewer, waits: bool = True) -> None:
        """Send what the connection takes; waits: whether it had to wait for room before."""
        try:
            taken = viewer.connection.send(viewer.rest)
        except BlockingIOError:
            taken = 0
        except OSError:
            self._drop(viewer)
            return
        viewer.rest = viewer.rest[taken:]
        if taken:
            viewer.moved = time.monotonic()
        if viewer.rest and not waits:
            try:
                self._selector.register(viewer.connection, selectors.EVENT_WRITE, viewer)
            except ValueError:  # the connection has just been closed
                self._drop(viewer)
        if not viewer.rest and waits:
            with suppress(KeyError, ValueError):
                self._selector.unregister(viewer.connection)
            if viewer.newest is not self._newest:
                self._begin(viewer)

    def _drop(self, viewer: Viewer) -> None:
        with suppress(KeyError, ValueError):  # it was not registered, or has been closed
            self._selector.unregister(viewer.connection)
        self._viewers.discard(viewer)
        viewer.gone.set()
