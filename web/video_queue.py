"""Videos that pages upload: stored in a temporary folder, analysed one after another, and deleted again."""

import errno
import hmac
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from videos.analysis import TABLE, VIDEO, Info, pack_faces, write_info
from videos.job import Job, Rest
from videos.reasons import explain
from videos.video_file import scan
from vision.confidence import SURE
from vision.endings import VIDEO_SUFFIXES
from vision.pictures import is_picture_file
from vision.source import SourceError
from web.child_process import Crashed, Stopped, run_in_child
from web.errors import RequestError

log = logging.getLogger(__name__)
MOST_VIDEO_BYTES = 2 * 1024**3  # of one
MOST_STORED_BYTES = 8 * 1024**3  # of all, with what is made of them
MOST_UPLOADS = 32
KEPT_FOR = 24 * 3600  # seconds
CHECK_EVERY = 60.0  # seconds
CHUNK = 1 << 20  # bytes
# What the files of a video begin with: (offset, bytes). See "magic" of file(1).
BEGINNINGS = [
    *((4, kind) for kind in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),  # MP4, MOV, 3GP
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (8, b"AVI "),
    (0, b"OggS"),
    (0, b"FLV\x01"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF, WMV
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11"),  # WTV
    (0, b"\x06\x0e\x2b\x34"),  # MXF
    (0, b".RMF"),  # RealMedia
    (0, b"nut/multimedia container\0"),
    (0, b"DKIF"),  # IVF
    (0, b"YUV4MPEG2 "),
    *((0, b"\x1f\x07\0" + kind) for kind in (b"\x3f", b"\xbf")),  # DV
    *((0, b"GIF8" + kind) for kind in (b"7a", b"9a")),
]
# MPEG, and H.264, H.265 and others without a container: a start code, and the kinds of units that may come first.
START_CODE = re.compile(
    rb"\0{2,3}\x01(?:[\x06\x07\x09\x0f\x21\x25\x27\x41\x47\x61\x65\x67\xb0\xb3\xb5\xb6\xba]|[\x26\x28\x2a\x40-\x4e]\x01)"
)
# MPEG-TS, which may begin within a packet; these have 188 bytes, 192 on cameras and discs, 204 from some receivers.
TRANSPORT_STREAM = re.compile(
    b"|".join(rb".{0,203}?(?:\x47.{%d}){4}\x47" % (length - 1) for length in (188, 192, 204)), re.DOTALL
)
MOTION_JPEG = re.compile(rb"\xff\xd8\xff.*?\xff\xd9\xff\xd8\xff", re.DOTALL)


@dataclass(eq=False)
class Upload:
    """An uploaded video."""

    id: str  # which nobody else can guess
    name: str  # of the file, as the page sent it
    folder: Path
    came: float  # time.monotonic()
    owner: str = ""  # the secret of the browser that sent it
    status: str = "coming"  # then queued, analysing, and at last done or failed
    share: float = 0.0  # of the analysis that is done
    problem: str | None = None  # a sentence
    deleted: bool = False
    rest: Rest | None = None  # where somebody shows the resting face, once the page has said so

    @property
    def base(self) -> Path:
        """What the names of the video and its outputs begin with."""
        return self.folder / "video"

    @property
    def analysis(self) -> Path:
        """The folder for what comes of it; see videos.analysis."""
        return self.folder / "analysis"

    @property
    def path(self) -> Path:
        """Where the video is stored. It keeps its ending, without which a short file may not be recognised."""
        ending = Path(self.name).suffix.lower()
        return self.base.with_suffix(ending if ending in VIDEO_SUFFIXES else "")

    def state(self) -> dict[str, Any]:
        """What the page shows, as a dict for JSON."""
        return {"id": self.id, "name": self.name, "status": self.status, "share": self.share, "problem": self.problem}


def analyze_upload(
    path: Path, folder: Path, name: str, rest: Rest | None, sure: float, report: Callable[[float], None]
) -> str | None:
    """Analyse the video at the path into a folder. Returns a sentence on what is wrong with it, or None.

    Raises SourceError for whatever may be wrong with a video or a disk.
    """
    from videos.steps import do  # here, so that the server itself need not load it

    job = Job(path, name, str(path.with_suffix("")), True, "csv", False, rest=rest, sure=sure, with_boxes=False)
    try:
        done, _ = do(job, report=report)
        assert job.annotated
        assert job.table
        folder.mkdir(exist_ok=True)
        os.replace(job.annotated, folder / VIDEO)
        os.replace(job.table, folder / TABLE)
        recording = scan(folder / VIDEO)
        write_info(folder, Info(name, done.frames, recording.seconds, done.faces, job.made_with, recording.shape.size))
        pack_faces(folder, recording.seconds)
    except Exception as error:
        if reason := explain(error, job):
            raise SourceError(reason) from error
        raise
    return done.note


def begins_as_video(content: bytes) -> bool:
    """Whether a file is a video by what it begins with. Some of these are pictures, which only the rest tells."""
    if any(content[offset:].startswith(magic) for offset, magic in BEGINNINGS):
        return True
    return any(pattern.match(content) for pattern in (START_CODE, TRANSPORT_STREAM, MOTION_JPEG))


class VideoQueue:
    """The uploaded videos. Safe to call from any thread."""

    def __init__(self, folder: Path, sure: float = SURE) -> None:
        """folder: an existing one, for nothing else. sure: see VideoCamera."""
        self._folder, self._sure = folder, sure
        self._uploads: dict[str, Upload] = {}  # by id
        self._closed = False
        self._changed = threading.Condition()  # guards the above, and tells the thread of it
        self._thread: threading.Thread | None = None

    def add(self, name: str, stream: IO[bytes], owner: str = "") -> Upload:
        """Store a video from a stream of bytes, to be analysed when its turn comes.

        owner: the secret of the browser that sends it. Raises RequestError.
        """
        upload = Upload(secrets.token_urlsafe(16), name, self._folder / secrets.token_hex(8), time.monotonic(), owner)
        self._expire()
        with self._changed:
            if len(self._uploads) >= MOST_UPLOADS:
                raise RequestError("There are too many videos already; try again later.", 503)
            self._uploads[upload.id] = upload
        try:
            upload.folder.mkdir()
            self._store(stream, upload.path)
        except BaseException as error:
            self.remove(upload.id)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RequestError(
                    "The disk is full, so this video cannot be stored; delete some, or try later.", 503
                ) from error
            raise
        with self._changed:
            upload.status = "queued"
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._changed.notify()
        return upload

    def rest(self, id: str, face: int, seconds: float) -> Upload | None:
        """Analyse an upload again, with how a face looks from a moment on as its resting face.

        Returns None where there is no such upload. Raises RequestError where it is not analysed yet.
        """
        return self._queue_again(id, "done", "This video is not analysed yet.", Rest(seconds, face=face))

    def again(self, id: str) -> Upload | None:
        """Analyse an upload again whose analysis has failed.

        Returns None where there is no such upload. Raises RequestError where it has not failed.
        """
        return self._queue_again(id, "failed", "The analysis of this video has not failed.")

    def sent_by(self, owner: str) -> list[Upload]:
        """The uploads that a browser has sent whole, by its secret; the oldest come first."""
        with self._changed:
            uploads = list(self._uploads.values())
        own = (each for each in uploads if hmac.compare_digest(each.owner.encode(), owner.encode()))
        return [each for each in own if each.status != "coming"]

    def find(self, id: str) -> Upload | None:
        """The Upload, or None."""
        return self._uploads.get(id)

    def analysis(self, id: str) -> Path | None:
        """The folder of a finished upload's analysis, or None."""
        upload = self.find(id)
        return upload.analysis if upload and upload.status == "done" else None

    def remove(self, id: str) -> bool:
        """Delete an upload and all that was made of it. Returns whether it was there."""
        with self._changed:
            upload = self._uploads.pop(id, None)
            if upload:
                upload.deleted = True
        if upload and upload.status != "analysing":  # else the thread does
            shutil.rmtree(upload.folder, ignore_errors=True)
        return upload is not None

    def close(self) -> None:
        """Delete all uploads, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for id in list(self._uploads):
            self.remove(id)
        if self._thread:
            self._thread.join(1)

    def waiting(self) -> int:
        """How many have not been analysed yet."""
        return sum(upload.status in ("queued", "analysing") for upload in list(self._uploads.values()))

    def _queue_again(self, id: str, status: str, otherwise: str, rest: Rest | None = None) -> Upload | None:
        """Analyse an upload of that status again. otherwise: what is said of one of another status.

        rest: None for the one that it had.
        """
        with self._changed:
            upload = self.find(id)
            if upload is None:
                return None
            if upload.status != status:
                raise RequestError(otherwise, 409)
            upload.rest = rest or upload.rest
            upload.status, upload.share, upload.problem = "queued", 0.0, None
            self._changed.notify()
        return upload

    def _store(self, stream: IO[bytes], path: Path) -> None:
        left, room = MOST_VIDEO_BYTES, MOST_STORED_BYTES - self._stored()
        with open(path, "wb") as file:
            chunk = stream.read(CHUNK)
            if not begins_as_video(chunk):
                raise RequestError("This file can't be read as a video; send MP4, MOV, WebM, MKV or AVI.", 415)
            while chunk:
                left, room = left - len(chunk), room - len(chunk)
                if left < 0:
                    raise RequestError(f"Send videos of at most {MOST_VIDEO_BYTES // 1024**3} GB.", 413)
                if room < 0:
                    raise RequestError("There is no room for this video now; remove others, or try again later.", 503)
                file.write(chunk)
                chunk = stream.read(CHUNK)
        if is_picture_file(path):
            raise RequestError("This is a picture, not a video; it can be analysed as a picture.", 415)

    def _stored(self) -> int:
        return sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())

    def _expire(self) -> None:
        for upload in list(self._uploads.values()):
            if time.monotonic() - upload.came > KEPT_FOR:
                self.remove(upload.id)

    def _work(self) -> None:
        """Analyse what is queued, one at a time."""
        while not self._closed:
            with self._changed:
                upload = next((each for each in self._uploads.values() if each.status == "queued"), None)
                if upload:
                    upload.status = "analysing"
                else:
                    self._changed.wait(CHECK_EVERY)
            if upload:
                self._analyze(upload)
            self._expire()

    def _analyze(self, upload: Upload) -> None:
        def report(share: float) -> None:
            upload.share = share

        def wanted() -> bool:
            return not (upload.deleted or self._closed)

        try:
            wishes = upload.path, upload.analysis, upload.name, upload.rest, self._sure
            upload.problem = run_in_child(analyze_upload, *wishes, wanted=wanted, report=report)
            upload.share, upload.status = 1.0, "done"
        except Stopped:
            pass
        except Crashed:
            upload.problem, upload.status = "The analysis crashed; the video may be damaged.", "failed"
        except Exception as error:  # whatever a damaged video causes, the page says so, and the next has its turn
            if isinstance(error, SourceError):
                reason = str(error).replace(str(upload.path), upload.name).replace(str(upload.base), upload.name)
                upload.problem = reason.replace(str(upload.folder), "the server's folder")
            else:
                log.error("An uploaded video could not be analysed.", exc_info=error)
                upload.problem = "It cannot be analysed, for a reason that nobody foresaw; the server's log has it."
            upload.status = "failed"
        if not wanted():
            shutil.rmtree(upload.folder, ignore_errors=True)
