"""Decoded frames that stay in memory from the search for faces to the drawing, so that few are decoded twice."""

import threading
import uuid

MOST = 200_000_000  # bytes in a process: 4 seconds of 1280×720 at 30 frames a second


class KeptFrames:
    """Lists of recording.Frames, of which the oldest go when there are too many."""

    def __init__(self, most=MOST):
        """most: bytes of all their pictures together."""
        self._most, self._bytes = most, 0
        self._lists = {}  # by key, the oldest first
        self._lock = threading.Lock()

    def begin(self):
        """The key of a new list, which no other process has."""
        key = uuid.uuid4().hex
        with self._lock:
            self._lists[key] = []
        return key

    def add(self, key, frame):
        """Add a frame to a list, unless that had to go."""
        with self._lock:
            if key in self._lists:
                self._lists[key].append(frame)
                self._bytes += _size(frame)
            while self._bytes > self._most:
                self._remove(next(iter(self._lists)))

    def take(self, key):
        """The list of that key, which is not kept any longer; None where it had to go or is another process's."""
        with self._lock:
            return self._remove(key) if key in self._lists else None

    def _remove(self, key):
        frames = self._lists.pop(key)
        self._bytes -= sum(map(_size, frames))
        return frames


def _size(frame):
    return sum(plane.buffer_size for plane in frame.picture.planes)
