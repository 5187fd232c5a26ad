"""Decoded frames that stay in memory from the search for faces to the drawing, so that few are decoded twice."""

import threading
import uuid

from videos.video_file import Frame

MOST = 200_000_000  # bytes in a process: 4 seconds of 1280×720 at 30 frames a second


class FrameCache:
    """Lists of video_file.Frames, of which the oldest are dropped when there are too many."""

    def __init__(self, most: int = MOST) -> None:
        """most: bytes of all their pictures together."""
        self._most, self._bytes = most, 0
        self._lists: dict[str, list[Frame]] = {}  # by key, the oldest first
        self._lock = threading.Lock()

    def begin(self) -> str:
        """The key of a new list, which no other process has."""
        key = uuid.uuid4().hex
        with self._lock:
            self._lists[key] = []
        return key

    def add(self, key: str, frame: Frame) -> None:
        """Add a frame to a list, unless that was dropped."""
        with self._lock:
            if key in self._lists:
                self._lists[key].append(frame)
                self._bytes += _size(frame)
            while self._bytes > self._most:
                self._remove(next(iter(self._lists)))

    def take(self, key: str | None) -> list[Frame] | None:
        """Remove the list of that key and return it; None where it was dropped or belongs to another process."""
        with self._lock:
            return self._remove(key) if key in self._lists else None

    def _remove(self, key: str) -> list[Frame]:
        frames = self._lists.pop(key)
        self._bytes -= sum(map(_size, frames))
        return frames


def _size(frame: Frame) -> int:
    return sum(plane.buffer_size for plane in frame.picture.planes)
