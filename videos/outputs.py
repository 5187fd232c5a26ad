"""Outputs of a job: written into a folder beside them, renamed when they are whole, and known again by a mark."""

import os
import shutil
from pathlib import Path

import av
from PIL import Image, UnidentifiedImageError

from version import MAKER
from videos.job import Job
from videos.table import is_table


def made_here(path: Path) -> bool:
    """Whether an existing file is an output of this program."""
    if path.suffix in {".csv", ".parquet"}:
        return is_table(path)
    if path.suffix == ".mp4":
        try:
            with av.open(str(path)) as container:
                return container.metadata.get("comment", "").startswith(MAKER)
        except av.FFmpegError:
            return False
    try:
        with Image.open(path) as image:
            comment = image.info.get("comment", b"")  # of a JPEG
            return str(image.info.get("Software", "")).startswith(MAKER) or comment.startswith(MAKER.encode())
    except (UnidentifiedImageError, OSError):
        return False


def is_finished(job: Job) -> bool:
    """Whether all outputs exist, were made here, and are later than the input."""
    changed = job.path.stat().st_mtime
    return all(path.exists() and path.stat().st_mtime >= changed and made_here(path) for path in job.outputs)


def foreign_output(job: Job) -> Path | None:
    """The first output whose place is taken by a file of another origin, or None."""
    return next((path for path in job.outputs if path.exists() and not made_here(path)), None)


def work_folder(job: Job) -> Path | None:
    """The folder for what is not whole yet; None for a job without outputs."""
    return job.outputs[0].parent / f".{job.path.name}.analysing" if job.outputs else None


def unfinished(job: Job, output: Path) -> Path:
    """Where an output is written before it gets its name."""
    folder = work_folder(job)
    assert folder
    return folder / f"whole{output.suffix}"


def piece(job: Job, first: int) -> Path:
    """The file for the part of the annotated video that begins with frame number `first`."""
    folder = work_folder(job)
    assert folder
    return folder / f"{first:09}.nut"


def make_room(job: Job) -> None:
    """Make the folder for what is not whole yet, and remove what an interrupted run left there."""
    clear(job)
    if folder := work_folder(job):
        folder.mkdir(parents=True)


def clear(job: Job) -> None:
    """Remove what is not whole."""
    if folder := work_folder(job):
        shutil.rmtree(folder, ignore_errors=True)


def publish(job: Job) -> None:
    """Give the outputs their names, now that they are whole."""
    for output in job.outputs:
        if unfinished(job, output).exists():
            os.replace(unfinished(job, output), output)
    clear(job)
