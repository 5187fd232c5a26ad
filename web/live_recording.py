"""A recording of the live view, which goes on whoever watches."""

import threading
from contextlib import closing
from typing import Any

from camera import VideoCamera
from vision.source import source_name
from web.errors import RequestError
from web.ongoing_recording import OngoingRecording
from web.recordings import Recordings

OUTPUTS = ("table.csv", "timeline.png", "video.mp4")  # of the latest recording, under /recording


class LiveRecording:
    """The recording of a VideoCamera that runs, or the latest one; while it runs, it counts as a viewer."""

    def __init__(self, video: VideoCamera, recordings: Recordings) -> None:
        """recordings: where it is stored."""
        self._video, self._recordings = video, recordings
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ongoing: OngoingRecording | None = None
        self._stopping = False
        self._latest: OngoingRecording | None = None  # of those that are over
        self._is_done = False  # whether that is finished
        self._problem: str | None = None

    def start(self, with_video: bool = False) -> None:
        """Record from now on. Raises RequestError."""
        with self._lock:
            if self._ongoing:
                raise RequestError("A recording runs already; stop it first.", 409)
            self._ongoing = OngoingRecording(self._recordings, source_name(self._video.source), with_video)
            self._problem, self._is_done, self._stopping = None, False, False
            self._thread = threading.Thread(target=self._record, args=(self._ongoing,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Record no further. Raises RequestError."""
        if not self.is_recording():
            raise RequestError("Nothing is being recorded.", 409)
        self._stopping = True

    def close(self) -> None:
        """Stop, as far as a second allows; what is not finished then is at the next start."""
        self._stopping = True
        if self._thread:
            self._thread.join(1)

    def mark(self, moment: float, name: str) -> None:
        """Note something at a moment, time.time(), if a recording runs. Raises RequestError."""
        if ongoing := self._ongoing:
            ongoing.mark(moment, name)

    def is_recording(self) -> bool:
        """Whether a recording runs."""
        return self._ongoing is not None and not self._stopping

    def latest(self) -> str | None:
        """The id of the recording that runs, or of the one that was the last to, or None."""
        recording = self._ongoing or self._latest
        return recording.id if recording else None

    def state(self) -> dict[str, Any]:
        """A dict for JSON: id, status (none, recording, finishing, done, failed), seconds, video, files and problem."""
        recording = self._ongoing or self._latest
        if recording is None:
            return {"id": None, "status": "none", "seconds": 0.0, "video": False, "files": [], "problem": None}
        status = "recording" if self.is_recording() else "finishing"
        if recording is self._latest:
            self._is_done = self._is_done or self._recordings.find(recording.id) is not None
            status = "failed" if self._problem else "done" if self._is_done else status
        return {
            "id": recording.id,
            "status": status,
            "seconds": round(recording.seconds(), 1),
            "video": recording.with_video,
            "files": [name for name in OUTPUTS if recording.with_video or "video" not in name] * (status == "done"),
            "problem": self._problem,
        }

    def _record(self, ongoing: OngoingRecording) -> None:
        number, error = 0, None
        try:
            with closing(self._video.shots()) as shots:
                for shot in shots:
                    if self._stopping:
                        break
                    if shot.number == number:  # the picture stands still
                        ongoing.flush()
                        continue
                    number = shot.number
                    if not ongoing.add(source_name(self._video.source), shot.timestamp, shot.faces, shot.planes):
                        break
        except Exception as unforeseen:  # most likely a full disk; whatever it is, the page says so
            error = unforeseen
        self._problem = ongoing.end(error)
        self._latest, self._ongoing = ongoing, None
