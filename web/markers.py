"""What people note at moments of the live view; everyone who watches sees it, and a recording that runs keeps it."""

import threading
import time
from collections import deque
from typing import Any

from flask import request

from videos.edits import LONGEST_TEXT
from web.errors import RequestError
from web.live_recording import LiveRecording

SHOWN_FOR = 120.0  # seconds, which is what the page's timeline shows
MOST = 100
LONGEST_AGO = 120  # seconds, between a marker's moment and its request: somebody types the name first


class Markers:
    """The latest markers. Safe to call from any thread."""

    def __init__(self, recording: LiveRecording) -> None:
        """recording: of the live view."""
        self._recording = recording
        self._lock = threading.Lock()
        self._latest: deque[tuple[float, str]] = deque(maxlen=MOST)  # time.time(), and the name

    def add(self, name: str, ago: float = 0.0) -> dict[str, Any]:
        """Note something. Returns it as in to_json. Raises RequestError where a recording could not take it.

        ago: how many seconds ago it was.
        """
        moment = time.time() - ago
        with self._lock:
            self._latest.append((moment, name))
        self._recording.mark(moment, name)
        return {"time": moment, "name": name}

    def to_json(self) -> list[dict[str, Any]]:
        """Those of the last two minutes, each with its time, time.time(), and name."""
        since = time.time() - SHOWN_FOR
        with self._lock:
            return [{"time": moment, "name": name} for moment, name in self._latest if moment >= since]


def wanted_marker() -> tuple[str, float]:
    """The name of a marker in the request that is answered, and how many seconds ago it is. Raises RequestError."""
    body = request.get_json(silent=True)
    name, ago = (body.get("name"), body.get("ago", 0)) if isinstance(body, dict) else (None, 0)
    is_time = isinstance(ago, int | float) and not isinstance(ago, bool) and 0 <= ago <= LONGEST_AGO
    if not isinstance(name, str) or not name.strip() or not is_time:
        raise RequestError(
            "Send a JSON object with a name and, if it is not now, how many seconds ago it was, at most "
            f'{LONGEST_AGO}, such as {{"name": "laughs", "ago": 2.5}}.',
            400,
        )
    return " ".join(name.split())[:LONGEST_TEXT], float(ago)
