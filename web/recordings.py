"""The recordings that are stored, as a list: whose they are, their names, how long they are kept."""

import hashlib
import json
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from videos.analysis import EDITS, VIDEO, Info, read_info, write_info, write_whole
from videos.edits import Marker, read_edits
from videos.reasons import cause
from videos.recorder import finish_recording
from web.child_process import Crashed, Stopped, run_in_child
from web.errors import RequestError

log = logging.getLogger(__name__)
ENTRY, LOCK = "recording.json", ".recording"  # in a recording's folder; the latter is locked while it goes on
KEPT_FOR = 24 * 3600  # seconds, those from browsers' own cameras
CHECK_EVERY = 60.0  # seconds
LONGEST_TITLE = 200  # letters
NO_SUCH_RECORDING = "There is no such recording."


def default_folder() -> Path:
    """Where recordings lie if nobody says otherwise: in the platform's folder for a program's data."""
    return user_data_path("facial-expressions", appauthor=False) / "recordings"


@dataclass(frozen=True)
class Entry:
    """What the list knows of a recording."""

    title: str
    source: str  # what was watched
    began: float  # time.time()
    owner: str | None = None  # a hash of the secret of the browser whose camera it is from; None: it is everybody's
    kept: bool = True  # whether it stays until it is deleted
    adapted: bool = True  # whether the network was set to a face
    problem: str | None = None  # why it broke off, in a sentence


class Recordings:
    """A folder of recordings. Safe to call from any thread, and beside other processes that use the same folder."""

    def __init__(self, folder: Path) -> None:
        """folder: need not exist; nothing is written before the first recording."""
        self.folder = folder
        self._lock = threading.Lock()  # guards the entries' files
        # By id: its lock, and what gives the seconds so far.
        self._running: dict[str, tuple[FileLock, Callable[[], float]]] = {}
        self._tried: set[str] = set()  # ids of those that this process has finished, or tried to
        self._problems: dict[str, str] = {}  # by id: why one could not be finished, in a sentence
        self._finisher = threading.Lock()  # one recording is finished after another
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, source: str, seconds: Callable[[], float], owner: str | None = None) -> str:
        """Make the folder of a new recording, and return its id. Raises OSError.

        source: what is watched. seconds: says how long it has gone on. owner: the secret of the browser whose it is.
        """
        now = datetime.now()
        id = f"{now:%Y-%m-%d-%H%M%S}-{secrets.token_urlsafe(8)}"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / id).mkdir(mode=0o700)
        lock = FileLock(self.folder / id / LOCK, thread_local=False)
        lock.acquire(blocking=False)
        self._running[id] = lock, seconds
        title = f"{source}, {now:%Y-%m-%d %H:%M}"
        try:
            self._write(id, Entry(title, source, time.time(), _hash_of(owner), kept=owner is None))
        except OSError:
            self.drop(id)
            raise
        return id

    def drop(self, id: str) -> None:
        """Delete a recording that could not begin."""
        lock, _ = self._running.pop(id)
        lock.release()
        shutil.rmtree(self.folder / id, ignore_errors=True)

    def end(self, id: str, adapted: bool, problem: str | None = None) -> None:
        """A recording goes on no more; it is finished in another thread. problem: why it broke off, in a sentence."""
        lock, _ = self._running.pop(id)
        self._tried.add(id)
        try:
            with self._lock:
                self._write(id, replace(self._read(id), adapted=adapted, problem=problem))
        except OSError:  # most likely a full disk, which is what the problem is
            if problem:
                self._problems[id] = problem
        lock.release()
        if not self._closed.is_set():
            threading.Thread(target=self._finish, args=(id,), daemon=True).start()

    def start(self) -> None:
        """Finish what was killed, and delete what has had its time, now and from then on."""
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish and delete nothing more; the next start does."""
        self._closed.set()
        if self._thread:
            self._thread.join(1)

    def path(self, id: str) -> Path:
        """The folder of a recording that was begun here."""
        return self.folder / id

    def state(self, id: str, owner: str | None = None) -> dict[str, Any]:
        """A recording as the list has it, a dict for JSON. Raises RequestError."""
        return self._described(id, self._visible(id, owner))

    def list(self, owner: str | None = None) -> list[dict[str, Any]]:
        """All recordings that the browser with that secret may see, the latest first."""
        found = []
        for id in self._ids():
            try:
                entry = self._visible(id, owner)
            except RequestError:
                continue
            found.append(self._described(id, entry))
        return sorted(found, key=lambda each: each["began"], reverse=True)

    def find(self, id: str, owner: str | None = None) -> Path | None:
        """The folder of a finished recording, or None."""
        try:
            self._visible(id, owner)
        except RequestError:
            return None
        folder = self.folder / id
        return folder if _info(folder) else None

    def change(self, id: str, owner: str | None, title: str | None = None, kept: bool | None = None) -> None:
        """Give a recording another title, or keep it, or no longer keep it. Raises RequestError and OSError."""
        with self._lock:
            entry = self._visible(id, owner)
            entry = replace(entry, kept=entry.kept if kept is None else kept or entry.owner is None)
            if title is not None:
                entry = replace(entry, title=" ".join(title.split())[:LONGEST_TITLE] or entry.title)
                folder = self.folder / id
                if info := _info(folder):
                    write_info(folder, replace(info, name=entry.title))
            self._write(id, entry)

    def remove(self, id: str, owner: str | None) -> None:
        """Delete a recording. Raises RequestError."""
        self._visible(id, owner)
        if id in self._running:
            raise RequestError("This recording is still going on; stop it first.", 409)
        shutil.rmtree(self.folder / id, ignore_errors=True)

    def mark(self, id: str, seconds: float, name: str) -> None:
        """Note something at a moment of a recording. Raises OSError and EditsError."""
        path = self.folder / id / EDITS
        with self._lock:
            write_whole(path, json.dumps(read_edits(path).with_marker(Marker(seconds, name)).to_json()))

    def _ids(self) -> set[str]:
        return {each.name for each in self.folder.iterdir()} if self.folder.is_dir() else set()

    def _visible(self, id: str, owner: str | None) -> Entry:
        """The entry of a recording that the browser with that secret may see. Raises RequestError."""
        if id in self._ids():
            entry = self._read(id)
            if entry.owner is None or secrets.compare_digest(entry.owner, _hash_of(owner) or ""):
                return entry
        raise RequestError(NO_SUCH_RECORDING, 404)

    def _described(self, id: str, entry: Entry) -> dict[str, Any]:
        folder, running = self.folder / id, self._running.get(id)
        status, seconds, faces = "finishing", 0.0, None
        if running:
            status, seconds = "recording", running[1]()
        elif info := _info(folder):
            status, seconds, faces = "done", info.seconds, info.faces
        return {
            "id": id,
            "title": entry.title,
            "source": entry.source,
            "began": entry.began,
            "seconds": round(seconds, 1),
            "faces": faces,
            "video": (folder / VIDEO).exists(),
            "status": status,
            "own": entry.owner is not None,
            "kept": entry.kept,
            "until": None if entry.kept else entry.began + KEPT_FOR,
            "problem": entry.problem or self._problems.get(id),
        }

    def _read(self, id: str) -> Entry:
        """Raises RequestError where it cannot be read."""
        try:
            return Entry(**json.loads((self.folder / id / ENTRY).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RequestError(NO_SUCH_RECORDING, 404) from error

    def _write(self, id: str, entry: Entry) -> None:
        write_whole(self.folder / id / ENTRY, json.dumps(asdict(entry)))

    def _finish(self, id: str) -> None:
        """Finish a recording in a process of its own; what cannot be done now is tried at the next start."""
        folder = self.folder / id
        try:
            entry = self._read(id)
            with self._finisher:
                run_in_child(
                    finish_recording,
                    folder,
                    entry.title,
                    entry.adapted,
                    wanted=lambda: not self._closed.is_set() and folder.exists(),
                )
        except (Stopped, RequestError):
            pass
        except Exception as error:
            reason = "it is damaged" if isinstance(error, Crashed) else cause(error)
            if reason is None:
                log.error("A recording could not be finished.", exc_info=error)
            reason = f"The recording could not be finished: {reason or 'the terminal has the details'}."
            self._problems[id] = f"{reason} It is tried again when the program starts."

    def _look_after(self) -> None:
        while True:
            for id in self._ids():
                if self._closed.is_set():
                    return
                self._look_at(id)
            if self._closed.wait(CHECK_EVERY):
                return

    def _look_at(self, id: str) -> None:
        """Finish a recording that was killed, and delete one that has had its time."""
        folder = self.folder / id
        try:
            entry = self._read(id)
        except RequestError:
            return  # it is being deleted, or somebody else's
        if id in self._running:
            return
        lock = FileLock(folder / LOCK)
        try:
            with lock.acquire(blocking=False):
                if not entry.kept and time.time() > entry.began + KEPT_FOR:
                    shutil.rmtree(folder, ignore_errors=True)
                elif not _info(folder) and id not in self._tried:
                    self._tried.add(id)
                    self._finish(id)
        except Timeout:
            pass  # another process records it
        except OSError:
            log.warning("A recording could not be looked at", exc_info=True)


def _info(folder: Path) -> Info | None:
    """What is known of a finished recording; None of one that is not, or is to be again since its file is damaged."""
    try:
        return read_info(folder)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _hash_of(secret: str | None) -> str | None:
    """What is stored of a browser's secret."""
    return hashlib.sha256(secret.encode()).hexdigest() if secret is not None else None
