"""A recording while it goes on: frames are added to it, be they of the live view or of a browser's camera."""

import logging
from collections.abc import Sequence

from videos.edits import EditsError
from videos.reasons import cause
from videos.recorder import Recorder
from vision.faces import Face
from vision.planes import Planes
from web.errors import RequestError
from web.recordings import Recordings

LONGEST = 4 * 3600  # seconds, after which a recording stops by itself
SHORTEST_STEP = 0.001  # seconds from one frame to the next

log = logging.getLogger(__name__)


class OngoingRecording:
    """To be used by one thread at a time, but for mark and seconds."""

    def __init__(self, recordings: Recordings, source: str, with_video: bool, owner: str | None = None) -> None:
        """recordings: where it is stored. source, owner: see Recordings.begin. Raises RequestError."""
        self.with_video = with_video
        self._recordings = recordings
        self._began: float | None = None  # the moment of the first frame
        self._seconds = -SHORTEST_STEP  # of the latest, since the first
        try:
            self.id = recordings.begin(source, self.seconds, owner)
            try:
                self._recorder = Recorder(recordings.path(self.id), with_video)
            except OSError:
                recordings.drop(self.id)
                raise
        except OSError as error:
            raise RequestError(f"Nothing can be recorded in {recordings.folder}: {_reason(error)}.", 503) from error

    def seconds(self) -> float:
        """How long it is so far."""
        return max(0.0, self._seconds)

    def add(self, source: str, moment: float, faces: Sequence[Face], picture: Planes) -> bool:
        """Add a frame; see Recorder.add. moment: its time in seconds, of any clock. Returns whether there is room left.

        What it raises ends the recording; give it to `end`.
        """
        self._began = moment if self._began is None else self._began
        self._seconds = max(moment - self._began, self._seconds + SHORTEST_STEP)
        self._recorder.add(source, self._seconds, faces, picture)
        return self._seconds < LONGEST

    def flush(self) -> None:
        """See Recorder.flush, and add."""
        self._recorder.flush()

    def mark(self, moment: float, name: str) -> None:
        """Note something at a moment, of the same clock. Raises RequestError."""
        try:
            self._recordings.mark(self.id, max(0.0, moment - (self._began or moment)), name)
        except (OSError, EditsError) as error:
            raise RequestError(f"The marker could not be stored: {_reason(error)}.", 503) from error

    def end(self, error: Exception | None = None) -> str | None:
        """Record no more. error: what broke it off. Returns a sentence on that, or None."""
        try:
            self._recorder.close()
        except Exception as at_end:  # as is to be expected on a full disk
            error = error or at_end
        problem = None if error is None else f"The recording broke off: {_reason(error)}."
        self._recordings.end(self.id, self._recorder.adapted, problem)
        return problem


def _reason(error: Exception) -> str:
    reason = cause(error)
    if reason is None:
        log.error("A recording broke off.", exc_info=error)
    return reason or "something in the program failed; its terminal has the details"
