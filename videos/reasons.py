"""What went wrong with a video, as a sentence for the person who wanted it analysed."""

import errno
import os
import sys
from pathlib import Path

from inference.errors import ModelError
from videos.job import Job
from videos.outputs import work_folder
from vision.source import SourceError

DENIED = "permission is missing"
if sys.platform == "win32":
    DENIED += ", or another program has it open"
REASONS = {
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EROFS: "its disk can only be read",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your share of the disk is full",
    errno.EFBIG: "it is too large for its disk",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ENOENT: "it does not exist",
    errno.EEXIST: "it is there already",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "what should be its folder is a file",
    errno.EIO: "the disk reports an error",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
}


class ClusterError(Exception):
    """There is no cluster to work on, or no longer; the message says so."""


def cause(error: BaseException) -> str | None:
    """The cause of an error as a clause such as "the disk is full"; None for an error that nobody foresaw."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    number = getattr(error, "errno", None) if isinstance(error, OSError) else None
    return REASONS.get(number) if number else None


def explain(error: BaseException, job: Job) -> str | None:
    """One sentence on what ended a job, which names the file; None for an error that nobody foresaw."""
    if isinstance(error, (SourceError, ModelError)):
        return str(error)
    clause = cause(error)
    if clause is None:
        return None
    if not isinstance(error, OSError):
        return f"{job.path} cannot be analysed: {clause}."
    if isinstance(error, FileExistsError):
        return f"{job.path} cannot be analysed: what an earlier run left among its outputs cannot be removed."
    file = _file_of(error, job)
    return f"{file} cannot be {'read' if file == job.path else 'written'}: {clause}."


def _file_of(error: OSError, job: Job) -> Path:
    """The input or output that an error is about, also where it names a temporary file or none at all."""
    folder = work_folder(job)
    if folder is None:
        return job.path
    if not isinstance(error.filename, (str, bytes)):
        return folder.parent
    file = Path(os.fsdecode(error.filename))
    if file == folder:
        return folder.parent
    if folder in file.parents:
        return next((output for output in job.outputs if output.suffix == file.suffix), job.outputs[0])
    return file
