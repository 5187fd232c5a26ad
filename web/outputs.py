"""Makes the downloads of recordings and uploaded videos: tables, charts, drawn videos, and everything as a zip."""

import errno
import hashlib
import logging
import shutil
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videos.analysis import ANNOTATED, EDITS, INFO, PARQUET, TABLE, TIMELINE, VIDEO, make_output, make_zip
from videos.reasons import cause
from web.child_process import Crashed, Stopped, run_in_child
from web.errors import RequestError

log = logging.getLogger(__name__)
ALL = "all.zip"
NAMES = (VIDEO, ANNOTATED, TABLE, PARQUET, TIMELINE, ALL)
MADE = "made"  # the folder for them, in that of the analysis


@dataclass(frozen=True)
class Wish:
    """What is to be made."""

    name: str  # one of NAMES
    table: str = TABLE  # which table a zip has
    boxes: bool = True  # whether the video of a zip has boxes and labels


@dataclass(eq=False)
class _Making:
    path: Path
    share: float = 0.0  # that is done
    future: Future[None] = field(default_factory=Future)


class Outputs:
    """Makes one output at a time, and keeps each until something is changed. Safe to call from any thread."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1)
        self._lock = threading.Lock()
        self._makings: dict[Path, _Making] = {}  # by the path of what is made, while it is
        self._closed = False

    def state(self, folder: Path, wish: Wish) -> dict[str, Any]:
        """How far it is, as a dict for JSON: status (making, ready, failed), share and problem. Begins where it has to.

        folder: of an analysis. Raises RequestError where that has no video, and one is wished for.
        """
        made = self._begin(folder, wish)
        if made is None:
            return {"status": "ready", "share": 1.0, "problem": None}
        if not made.future.done():
            return {"status": "making", "share": made.share, "problem": None}
        self._forget(made)
        error = made.future.exception()
        if error is None:
            return {"status": "ready", "share": 1.0, "problem": None}
        return {"status": "failed", "share": made.share, "problem": _sentence(error)}

    def get(self, folder: Path, wish: Wish) -> Path:
        """The file, once it is made. Raises RequestError."""
        making = self._begin(folder, wish)
        if making:
            try:
                making.future.result()
            except Exception as error:
                raise RequestError(_sentence(error), 503) from error
            finally:
                self._forget(making)
        return _place(folder, wish)

    def close(self) -> None:
        """Make nothing more."""
        self._closed = True
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _begin(self, folder: Path, wish: Wish) -> _Making | None:
        """What is being made, or None where it is there."""
        if not (folder / VIDEO).exists() and wish.name in (VIDEO, ANNOTATED):
            raise RequestError("There is no video of this recording.", 404)
        path = _place(folder, wish)
        with self._lock:
            making = self._makings.get(path)
            if making or path.exists():
                return making
            making = self._makings[path] = _Making(path)
            making.future = self._worker.submit(self._make, folder, wish, making)
            return making

    def _forget(self, making: _Making) -> None:
        with self._lock:
            self._makings.pop(making.path, None)

    def _make(self, folder: Path, wish: Wish, making: _Making) -> None:
        def report(share: float) -> None:
            making.share = share

        path = making.path
        for earlier in (folder / MADE).glob("*"):  # made before something was changed
            if earlier != path.parent:
                shutil.rmtree(earlier, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        partly = path.with_name(f".{path.name}")

        def wanted() -> bool:
            return not self._closed and folder.exists()

        try:
            if wish.name == ALL:
                video = (ANNOTATED if wish.boxes else VIDEO,) if (folder / VIDEO).exists() else ()
                run_in_child(make_zip, folder, (wish.table, TIMELINE, *video), partly, wanted=wanted, report=report)
            else:
                run_in_child(make_output, folder, wish.name, partly, wanted=wanted, report=report)
            partly.replace(path)
            self._forget(making)  # what failed is remembered until it is told
        finally:
            partly.unlink(missing_ok=True)


def _place(folder: Path, wish: Wish) -> Path:
    """Where the output lies or will lie, which depends on the analysis and on the changes to it."""
    if wish.name == VIDEO:
        return folder / VIDEO
    contents = [path.read_bytes() for path in (folder / INFO, folder / EDITS) if path.exists()]
    version = hashlib.sha256(b"\n".join(contents)).hexdigest()[:16]
    name = (
        f"{Path(wish.table).suffix[1:]}-{'boxes' if wish.boxes else 'clean'}-{ALL}" if wish.name == ALL else wish.name
    )
    return folder / MADE / version / name


def _sentence(error: BaseException) -> str:
    if isinstance(error, Stopped):
        return "The program is stopping, or the recording was deleted."
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        return "Files of this recording are missing."
    reason = "the video may be damaged" if isinstance(error, Crashed) else cause(error)
    if reason is None:
        log.error("A file to download could not be made.", exc_info=error)
        reason = "something in the program failed; its terminal has the details"
    return f"The file could not be made: {reason}."
