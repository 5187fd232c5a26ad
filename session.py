"""A recording of what is seen live: a table as analyze.py makes it, a timeline and, if wanted, the video."""

import csv
import threading
from contextlib import closing
from datetime import datetime

import cv2
import numpy as np

from apart import Stopped, run_apart
from source import describe

LONGEST = 4 * 3600  # seconds, after which a recording stops by itself
RATE = 30  # frames a second, about
ROWS_HELD = 500  # of the table, before they are written
SHORTEST_STEP = 0.001  # seconds from one frame to the next
OUTPUTS = ("table.csv", "timeline.png", "video.mp4")


class SessionError(Exception):
    """It is not the moment for this; the message is one sentence."""


def draw(path, found, title, frames, seconds, report):
    from timeline import draw_timeline  # here, since the server itself does without Matplotlib

    draw_timeline(path, found, title, frames, seconds)


class Session:
    """The recording of a VideoCamera that runs, or the latest one; it counts as a viewer."""

    def __init__(self, video, folder):
        """folder: an existing one, for nothing else."""
        self._video, self._folder = video, folder
        self._lock, self._thread = threading.Lock(), None
        self._stopping = self._closed = False
        self._status = "none"
        self._seconds, self._problem, self._with_video = 0.0, None, False

    def start(self, with_video=False):
        """Record from now on, in place of what was recorded before. Raises SessionError."""
        with self._lock:
            if self._status in ("recording", "finishing"):
                raise SessionError("A recording runs already; stop it first.")
            for name in OUTPUTS:
                (self._folder / name).unlink(missing_ok=True)
            self._status, self._seconds, self._problem = "recording", 0.0, None
            self._with_video, self._stopping = with_video, False
            self._thread = threading.Thread(target=self._record, daemon=True)
            self._thread.start()

    def stop(self):
        """Record no further; the files are there when the state says done. Raises SessionError."""
        with self._lock:
            if self._status != "recording":
                raise SessionError("Nothing is being recorded.")
            self._status, self._stopping = "finishing", True

    def close(self):
        """Stop, and delete what was recorded."""
        self._closed = self._stopping = True
        if self._thread:
            self._thread.join(1)
        for name in OUTPUTS:
            (self._folder / name).unlink(missing_ok=True)

    def state(self):
        """A dict for JSON: status (none, recording, finishing, done, failed), seconds, video, files and problem."""
        files = [name for name in OUTPUTS if self._status in ("done", "failed") and (self._folder / name).exists()]
        return {
            "status": self._status,
            "seconds": round(self._seconds, 1),
            "video": self._with_video,
            "files": files,
            "problem": self._problem,
        }

    def output(self, name):
        """The file of a finished recording that is called so, one of OUTPUTS; or None."""
        return self._folder / name if name in self.state()["files"] else None

    def is_recording(self):
        """Whether a recording runs."""
        return self._status == "recording"

    def _record(self):
        try:
            self._write()
            self._status = "done"
        except Stopped:
            pass
        except Exception as error:  # a full disk, most likely; whatever it is, it is said
            self._problem, self._status = f"The recording broke off ({error!r}).", "failed"

    def _write(self):
        from table import COLUMNS, concatenate, gather_seen, to_rows  # here: what they load is for recordings alone

        rows, parts, frames, name = [], [], 0, ""
        title = f"Recorded on {datetime.now():%Y-%m-%d at %H:%M}"
        with open(self._folder / OUTPUTS[0], "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()

            def put_down():
                parts.append(gather_seen(rows))
                writer.writerows(to_rows(parts[-1], name))
                rows.clear()

            def noted():
                nonlocal frames, name
                for shot, seconds in self._shots():
                    if name != describe(self._video.source):
                        put_down()
                        name = describe(self._video.source)
                    rows.extend((frames, seconds, face) for face in shot.faces if face.raw)
                    frames, self._seconds = frames + 1, seconds
                    if len(rows) > ROWS_HELD:
                        put_down()
                    yield shot, seconds

            if self._with_video:
                self._write_video(noted())
            else:
                for _ in noted():
                    pass
            put_down()
        self._status = "finishing"
        run_apart(
            *(draw, self._folder / OUTPUTS[1], concatenate(parts), title, frames, self._seconds),
            wanted=lambda: not self._closed,
        )

    def _shots(self):
        """Each new shot and its time in seconds since the first, until the recording is stopped."""
        number, first, seconds = 0, None, -SHORTEST_STEP
        with closing(self._video.shots()) as shots:
            for shot in shots:
                if self._stopping or seconds > LONGEST:
                    return
                if shot.number == number:  # the picture stands still
                    continue
                first = shot.timestamp if first is None else first
                number, seconds = shot.number, max(shot.timestamp - first, seconds + SHORTEST_STEP)
                yield shot, seconds

    def _write_video(self, shots):
        import av

        from recording import encode_frames, to_planes

        def pictures():
            size = None
            for shot, seconds in shots:
                image = cv2.imdecode(np.frombuffer(shot.jpeg, np.uint8), cv2.IMREAD_COLOR)
                size = size or shot.size
                yield to_planes(image if shot.size == size else cv2.resize(image, size)), seconds

        with av.open(str(self._folder / OUTPUTS[2]), "w", options={"movflags": "faststart"}) as container:
            encode_frames(container, pictures(), RATE)
