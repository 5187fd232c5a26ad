"""Videos that pages upload: kept in a temporary folder, analysed one after another, and deleted again."""

import secrets
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from apart import Crashed, Stopped, run_apart
from source import SourceError
from uploads import UploadError

MOST_VIDEO_BYTES = 2 * 1024**3  # of one
MOST_STORED_BYTES = 8 * 1024**3  # of all, with what is made of them
MOST_UPLOADS = 32
KEPT_FOR = 24 * 3600  # seconds
CHECK_EVERY = 60.0  # seconds
CHUNK = 1 << 20  # bytes
# How files begin that are a video: (offset, bytes). See "magic" of file(1).
BEGINNINGS = [
    *((4, kind) for kind in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),  # MP4, MOV, 3GP
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (8, b"AVI "),
    (0, b"OggS"),
    (0, b"FLV\x01"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # WMV
    (0, b"\x00\x00\x01\xba"),  # MPEG
    (0, b"\x47\x40"),  # MPEG-TS
]
OUTPUTS = {"video.mp4": "video_annotated.mp4", "table.csv": "video.csv", "timeline.png": "video.png"}  # as job.py names


@dataclass(eq=False)
class Upload:
    """A video on its way."""

    id: str  # nobody else can guess it
    name: str  # of the file, as its page has it
    folder: Path
    came: float  # time.monotonic()
    status: str = "coming"  # then queued, analysing, and at last done or failed
    share: float = 0.0  # of the analysis that is done
    problem: str | None = None  # a sentence
    deleted: bool = False

    @property
    def path(self):
        return self.folder / "video"

    def state(self):
        """What its page needs to know, as a dict for JSON."""
        return {"id": self.id, "name": self.name, "status": self.status, "share": self.share, "problem": self.problem}


def analyse(path, name, report):
    """Analyse the video at the path, with all outputs beside it. Returns a sentence on what is wrong with it, or None.

    Raises SourceError.
    """
    from job import Job, do  # here, since the server itself does without what they load

    done, _ = do(Job(path, name, str(path), True, "csv", True), report=report)
    return done.note


class VideoUploads:
    """All of them; to be used from any thread."""

    def __init__(self, folder):
        """folder: an existing one, for nothing else."""
        self._folder = folder
        self._uploads = {}  # by id
        self._closed = False
        self._changed = threading.Condition()  # guards the above, and tells the thread of it
        self._thread = None

    def add(self, name, stream):
        """Take in a video from a stream of bytes, to be analysed when its turn comes. Returns its Upload.

        Raises UploadError.
        """
        upload = Upload(secrets.token_urlsafe(16), name, self._folder / secrets.token_hex(8), time.monotonic())
        self._expire()
        with self._changed:
            if len(self._uploads) >= MOST_UPLOADS:
                raise UploadError("Too many videos are here already; try again later.", 503)
            self._uploads[upload.id] = upload
        try:
            upload.folder.mkdir()
            self._store(stream, upload.path)
        except BaseException:
            self.remove(upload.id)
            raise
        with self._changed:
            upload.status = "queued"
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._changed.notify()
        return upload

    def find(self, id):
        """The Upload, or None."""
        return self._uploads.get(id)

    def output(self, id, name):
        """The file of a finished upload that is called so, one of OUTPUTS; or None."""
        upload = self.find(id)
        if upload is None or upload.status != "done" or name not in OUTPUTS:
            return None
        return upload.folder / OUTPUTS[name]

    def remove(self, id):
        """Delete an upload and all that was made of it. Returns whether it was there."""
        with self._changed:
            upload = self._uploads.pop(id, None)
            if upload:
                upload.deleted = True
        if upload and upload.status != "analysing":  # else the thread does
            shutil.rmtree(upload.folder, ignore_errors=True)
        return upload is not None

    def close(self):
        """Delete them all."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for id in list(self._uploads):
            self.remove(id)
        if self._thread:
            self._thread.join(1)

    def waiting(self):
        """How many have not been analysed yet."""
        return sum(upload.status in ("queued", "analysing") for upload in list(self._uploads.values()))

    def _store(self, stream, path):
        room = min(MOST_VIDEO_BYTES, MOST_STORED_BYTES - self._stored())
        with open(path, "wb") as file:
            chunk = stream.read(CHUNK)
            if not any(chunk[offset:].startswith(magic) for offset, magic in BEGINNINGS):
                raise UploadError("This is no video that can be read; send MP4, MOV, WebM, MKV or AVI.", 415)
            while chunk:
                room -= len(chunk)
                if room < 0:
                    raise UploadError(f"Send videos of at most {MOST_VIDEO_BYTES // 1024**3} GB, a few at a time.", 413)
                file.write(chunk)
                chunk = stream.read(CHUNK)

    def _stored(self):
        return sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())

    def _expire(self):
        for upload in list(self._uploads.values()):
            if time.monotonic() - upload.came > KEPT_FOR:
                self.remove(upload.id)

    def _work(self):
        """Analyse what is queued, one at a time."""
        while not self._closed:
            with self._changed:
                upload = next((each for each in self._uploads.values() if each.status == "queued"), None)
                if upload:
                    upload.status = "analysing"
                else:
                    self._changed.wait(CHECK_EVERY)
            if upload:
                self._analyse(upload)
            self._expire()

    def _analyse(self, upload):
        def report(share):
            upload.share = share

        def wanted():
            return not (upload.deleted or self._closed)

        try:
            upload.problem = run_apart(
                *(analyse, upload.path, upload.name),
                wanted=lambda: not upload.deleted and not self._closed,
                report=report,
            )
            upload.share, upload.status = 1.0, "done"
        except Stopped:
            pass
        except Crashed:
            upload.problem, upload.status = "The program that looked at it crashed; the video may be damaged.", "failed"
        except Exception as error:  # whatever a damaged video brings about, it is said, and the next has its turn
            reason = str(error) if isinstance(error, SourceError) else f"It cannot be analysed ({error!r})."
            upload.problem, upload.status = reason.replace(str(upload.path), upload.name), "failed"
        if upload.deleted or self._closed:
            shutil.rmtree(upload.folder, ignore_errors=True)
