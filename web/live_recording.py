"""A recording of the live view: a table as analyze.py makes it, a timeline and, if wanted, the video."""

import csv
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from camera import Shot, VideoCamera
from videos.reasons import cause
from videos.table import COLUMNS, Found, concatenate, csv_rows, gather
from vision.faces import Face
from vision.opencv import cv2
from vision.source import source_name
from web.child_process import Stopped, run_in_child
from web.errors import RequestError

LONGEST = 4 * 3600  # seconds, after which a recording stops by itself
RATE = 30  # frames a second, about
FRAMES_HELD = 100  # of the table, before they are written
SHORTEST_STEP = 0.001  # seconds from one frame to the next
OUTPUTS = ("table.csv", "timeline.png", "video.mp4")


log = logging.getLogger(__name__)


def draw(
    path: Path, found: Found, title: str, frames: int, seconds: float, adapted: bool, report: Callable[[Any], None]
) -> None:
    """Draw the timeline, in a process of its own. adapted: whether the network was set to a face. report: not used."""
    from videos.job import program_and_network
    from videos.timeline import draw_timeline  # here, since the server itself does without Matplotlib

    made_with = program_and_network() + "; adapted" * adapted
    draw_timeline(path, found, title, frames, seconds, made_with)


class LiveRecording:
    """The recording of a VideoCamera that runs, or the latest one; while it runs, it counts as a viewer."""

    def __init__(self, video: VideoCamera, folder: Path) -> None:
        """folder: an existing one, for nothing else."""
        self._video, self._folder = video, folder
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = self._closed = False
        self._status = "none"
        self._seconds, self._with_video = 0.0, False
        self._problem: str | None = None

    def start(self, with_video: bool = False) -> None:
        """Record from now on, in place of what was recorded before. Raises RequestError."""
        with self._lock:
            if self._status in ("recording", "finishing"):
                raise RequestError("A recording runs already; stop it first.", 409)
            for name in OUTPUTS:
                (self._folder / name).unlink(missing_ok=True)
            self._status, self._seconds, self._problem = "recording", 0.0, None
            self._with_video, self._stopping = with_video, False
            self._thread = threading.Thread(target=self._record, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Record no further; the files are there when the state says done. Raises RequestError."""
        with self._lock:
            if self._status != "recording":
                raise RequestError("Nothing is being recorded.", 409)
            self._status, self._stopping = "finishing", True

    def close(self) -> None:
        """Stop, and delete what was recorded."""
        self._closed = self._stopping = True
        if self._thread:
            self._thread.join(1)
        for name in OUTPUTS:
            (self._folder / name).unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """A dict for JSON: status (none, recording, finishing, done, failed), seconds, video, files and problem."""
        files = [name for name in OUTPUTS if self._status in ("done", "failed") and (self._folder / name).exists()]
        return {
            "status": self._status,
            "seconds": round(self._seconds, 1),
            "video": self._with_video,
            "files": files,
            "problem": self._problem,
        }

    def output(self, name: str) -> Path | None:
        """The file of that name, one of OUTPUTS, of a finished recording; or None."""
        return self._folder / name if name in self.state()["files"] else None

    def is_recording(self) -> bool:
        """Whether a recording runs."""
        return self._status == "recording"

    def _record(self) -> None:
        try:
            self._write()
            self._status = "done"
        except Stopped:
            pass
        except Exception as error:  # most likely a full disk; whatever it is, the page says so
            reason = cause(error)
            if reason is None:
                log.exception("A recording broke off")
                reason = "something in the program failed; its terminal has the details"
            self._problem, self._status = f"The recording broke off: {reason}.", "failed"

    def _write(self) -> None:
        title = f"Recorded on {datetime.now():%Y-%m-%d at %H:%M}"
        with _TableWriter(self._folder / OUTPUTS[0]) as table:
            shots = self._tabulated(table)
            if self._with_video:
                self._write_video(shots)
            else:
                for _ in shots:
                    pass
        self._status = "finishing"
        run_in_child(
            draw,
            self._folder / OUTPUTS[1],
            concatenate(table.parts),
            title,
            table.frames,
            self._seconds,
            table.adapted,
            wanted=lambda: not self._closed,
        )

    def _tabulated(self, table: "_TableWriter") -> Iterator[tuple[Shot, float]]:
        """What _shots yields, written into the table on the way."""
        for shot, seconds in self._shots():
            table.add(source_name(self._video.source), seconds, shot.faces)
            self._seconds = seconds
            yield shot, seconds

    def _shots(self) -> Iterator[tuple[Shot, float]]:
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

    def _write_video(self, shots: Iterable[tuple[Shot, float]]) -> None:
        import av

        from videos.video_file import encode_frames
        from vision.decoding import OPENCV_COLOURS, to_planes

        def pictures() -> Iterator[tuple[np.ndarray, float]]:
            size = None
            for shot, seconds in shots:
                image = cv2.imdecode(np.frombuffer(shot.jpeg, np.uint8), cv2.IMREAD_COLOR)
                assert image is not None  # it was encoded here
                size = size or shot.size
                yield to_planes(image if shot.size == size else cv2.resize(image, size)), seconds

        with av.open(str(self._folder / OUTPUTS[2]), "w", options={"movflags": "faststart"}) as container:
            encode_frames(container, pictures(), RATE, OPENCV_COLOURS)


class _TableWriter:
    """Writes the table of a recording as it goes on."""

    def __init__(self, path: Path) -> None:
        self.parts: list[Found] = []  # what is written
        self.frames = 0
        self.adapted = False  # whether the network was set to any of the faces
        self._path = path
        self._held: list[tuple[int, float, Sequence[Face]]] = []  # what is not written yet
        self._name = ""  # of the source

    def __enter__(self) -> "_TableWriter":
        self._file = open(self._path, "w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(COLUMNS)
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._write()

    def add(self, name: str, seconds: float, faces: Sequence[Face]) -> None:
        """Add a frame's faces; those without probabilities are left out. name: of the source."""
        if name != self._name or len(self._held) >= FRAMES_HELD:
            self._write()
        self._name = name
        self._held.append((self.frames, seconds, [face for face in faces if face.probabilities is not None]))
        self.frames += 1
        self.adapted |= any(face.adapted for face in faces)

    def _write(self) -> None:
        self.parts.append(gather(self._held))
        self._writer.writerows(csv_rows(self.parts[-1], self._name))
        self._held.clear()
