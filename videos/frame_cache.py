"""Decoded frames that stay in memory from the search to the drawing, so that fewer are decoded twice."""

import threading
import uuid
from collections import deque

from videos.video_file import Frame

MOST = 315_000_000  # bytes in a process, with what is searched: 4 seconds of 1280×720 at 30 frames a second
SEARCHED = 100  # frames, or as much as these, that search, decoder and encoder have in memory meanwhile


class FrameCache:
    """Lists of video_file.Frames. When there are too many, the oldest list is dropped, and of the last its beginning.

    Of a list whose decoder has ended, frames cannot be dropped singly: FFmpeg frees their memory with the last of them.
    """

    def __init__(self, most: int = MOST, searched: int = SEARCHED) -> None:
        """most: bytes of all their pictures together, with those of so many frames that are being `searched`."""
        self._most, self._searched, self._bytes = most, searched, 0
        self._lists: dict[str, deque[Frame]] = {}  # by key, the oldest first
        self._lock = threading.Lock()

    def begin(self) -> str:
        """The key of a new list, which no other process has."""
        key = uuid.uuid4().hex
        with self._lock:
            self._lists[key] = deque()
        return key

    def add(self, key: str, frame: Frame) -> None:
        """Add a frame to the end of a list, unless that was dropped."""
        with self._lock:
            if key not in self._lists:
                return
            self._lists[key].append(frame)
            self._bytes += _size(frame)
            room = self._most - self._searched * _size(frame)
            while self._bytes > room and (oldest := next(iter(self._lists))) != key:
                self._remove(oldest)
            while self._bytes > room and self._lists[key]:
                self._bytes -= _size(self._lists[key].popleft())

    def take(self, key: str | None) -> list[Frame]:
        """Remove the list of that key and return what is left of it; nothing where it belongs to another process."""
        with self._lock:
            return list(self._remove(key)) if key and key in self._lists else []

    def clear(self) -> None:
        """Drop all frames."""
        with self._lock:
            self._lists.clear()
            self._bytes = 0

    def _remove(self, key: str) -> deque[Frame]:
        frames = self._lists.pop(key)
        self._bytes -= sum(map(_size, frames))
        return frames


def _size(frame: Frame) -> int:
    return sum(plane.buffer_size for plane in frame.picture.planes)
