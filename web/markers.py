"""What people note at moments of the live view; everyone who watches sees it, and a recording that runs keeps it."""

import threading
import time
from collections import deque
from typing import Any

from web.live_recording import LiveRecording

SHOWN_FOR = 120.0  # seconds, which is what the page's timeline shows
MOST = 100


class Markers:
    """The latest markers. Safe to call from any thread."""

    def __init__(self, recording: LiveRecording) -> None:
        """recording: of the live view."""
        self._recording = recording
        self._lock = threading.Lock()
        self._latest: deque[tuple[float, str]] = deque(maxlen=MOST)  # time.time(), and the name

    def add(self, name: str) -> dict[str, Any]:
        """Note something now. Returns it as in to_json. Raises RequestError where a recording could not take it."""
        moment = time.time()
        with self._lock:
            self._latest.append((moment, name))
        self._recording.mark(moment, name)
        return {"time": moment, "name": name}

    def to_json(self) -> list[dict[str, Any]]:
        """Those of the last two minutes, each with its time, time.time(), and name."""
        since = time.time() - SHOWN_FOR
        with self._lock:
            return [{"time": moment, "name": name} for moment, name in self._latest if moment >= since]
