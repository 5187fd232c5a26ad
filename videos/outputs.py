"""Outputs of a job: written into a folder beside them, renamed when they are whole, and known again by a mark."""

import json
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from PIL import Image

from version import MAKER
from videos.job import Job
from videos.names import shortened
from videos.table import COLUMNS, Found, is_table, join_parquet, parquet_mark, write_csv, write_metadata, write_parquet
from vision.pictures import DAMAGED

LONGEST_ENDING = len(".csv-metadata.json")  # of the outputs' names
LONGEST_METADATA = 1_000_000  # bytes


def mark_of(path: Path) -> str | None:
    """What an existing file says it was made with, if it is an output of this program; else None.

    Outputs of earlier versions say less, down to MAKER alone. Raises OSError where the file cannot be read.
    """
    with open(path, "rb"):
        pass
    if path.suffix == ".csv":
        metadata = path.with_name(f"{path.name}-metadata.json")
        return (_mark_of_metadata(metadata) or MAKER) if is_table(path) else None
    read = {".parquet": parquet_mark, ".json": _mark_of_metadata, ".mp4": _mark_of_video}.get(path.suffix)
    mark = read(path) if read else _mark_of_picture(path)
    return mark if mark and mark.startswith(MAKER) else None


def _mark_of_metadata(path: Path) -> str | None:
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(LONGEST_METADATA))
    except (OSError, ValueError, RecursionError):
        return None
    mark = content.get("dc:creator") if isinstance(content, dict) else None
    return mark if isinstance(mark, str) else None


def _mark_of_video(path: Path) -> str | None:
    try:
        # Of this kind alone: a playlist would name further files, which are then opened.
        with av.open(str(path.absolute()), format="mp4", metadata_errors="replace") as container:
            return container.metadata.get("comment")
    except (av.FFmpegError, ValueError):
        return None


def _mark_of_picture(path: Path) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # nothing is decoded
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                mark = image.info.get("Software") or image.info.get("comment", "")  # of a PNG, of a JPEG
    except (*DAMAGED, Image.DecompressionBombError):
        return None
    return mark.decode("utf-8", "replace") if isinstance(mark, bytes) else str(mark)


Marks = dict[Path, str | None]  # what existing outputs say of themselves, by path


def marks_of(job: Job) -> Marks:
    """The marks of those outputs that exist, each read once: there may be very many. Raises OSError."""
    return {path: mark_of(path) for path in job.outputs if path.exists()}


def foreign_output(marks: Marks) -> Path | None:
    """The first output whose place is taken by a file of another origin, or None."""
    return next((path for path, mark in marks.items() if mark is None), None)


def is_finished(job: Job, marks: Marks) -> bool:
    """Whether all outputs exist, are later than the input, and were made with the same as the job's would be."""
    return _are_later(job, job.outputs, marks) and {*marks.values()} == {job.made_with}


def is_outdated(job: Job, marks: Marks) -> bool:
    """Whether all outputs exist and are later than the input, but some were made with something else."""
    outputs = [path for path in job.outputs if path != job.table_metadata]
    return _are_later(job, outputs, marks) and not is_finished(job, marks)


def _are_later(job: Job, outputs: list[Path], marks: Marks) -> bool:
    """Whether all of these outputs exist and are later than the input."""
    changed = job.path.stat().st_mtime
    return all(path in marks and path.stat().st_mtime >= changed for path in outputs)


def work_folder(job: Job) -> Path:
    """The folder for what is not whole yet."""
    beginning, ending = ".", ".analysing"
    name = shortened(job.path.name, len(beginning + ending))
    return Path(job.base).parent / f"{beginning}{name}{ending}"


def unfinished(job: Job, output: Path) -> Path:
    """Where an output is written before it gets its name."""
    return work_folder(job) / f"whole{output.suffix}"


def piece(job: Job, first: int) -> Path:
    """The file for the part of the annotated video that begins with frame number `first`."""
    return work_folder(job) / f"{first:09}.nut"


def write_crops(job: Job, first: int, crops: np.ndarray) -> None:
    """Keep the faces, (n, 48, 48) uint8, of the segment that begins with frame number `first`, until all are known."""
    made = _crops(job, first)
    with naming(made), tempfile.NamedTemporaryFile(dir=made.parent, suffix=made.suffix, delete=False) as partly:
        np.save(partly, crops)
    os.replace(partly.name, made)


def read_crops(job: Job, first: int) -> np.ndarray:
    """What write_crops kept."""
    return np.load(_crops(job, first))


def _crops(job: Job, first: int) -> Path:
    return work_folder(job) / f"{first:09}.npy"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Has each OSError name the file that is being written; that of a full disk names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_rows(job: Job, first: int, found: Found) -> None:
    """Keep the rows of some frames, of which `first` is the first, where a table is wanted, until all are known."""
    if not job.table:
        return
    made = _rows(job, first)
    partly = made.with_name(f"{uuid.uuid4().hex}{made.suffix}")
    with naming(made):
        if job.table_metadata:
            write_csv(partly, found, job.name, header=False)
        else:
            write_parquet(partly, found, job.name, job.made_with)
    os.replace(partly, made)


def join_rows(job: Job, firsts: Sequence[int]) -> None:
    """Write the table of what write_rows kept, in this order, for publish to name; nothing once that is published."""
    pieces = [_rows(job, first) for first in firsts]
    if not job.table or not all(piece.exists() for piece in pieces):
        return
    with naming(made := unfinished(job, job.table)):
        if not job.table_metadata:
            join_parquet(pieces, made)
            return
        with open(made, "wb") as table:
            table.write(f"{','.join(COLUMNS)}\n".encode())
            for piece in pieces:
                with open(piece, "rb") as rows:
                    shutil.copyfileobj(rows, table)
        write_metadata(unfinished(job, job.table_metadata), job.table.name, job.name, job.made_with)


def _rows(job: Job, first: int) -> Path:
    return work_folder(job) / f"{first:09}.{job.format}"


def make_room(job: Job) -> None:
    """Make the folder for what is not whole yet, and remove what an interrupted run left there."""
    clear(job)
    work_folder(job).mkdir(parents=True)


def clear(job: Job) -> None:
    """Remove what is not whole."""
    shutil.rmtree(work_folder(job), ignore_errors=True)


def publish(job: Job) -> None:
    """Give the outputs their names, now that they are whole."""
    metadata = job.table_metadata
    if metadata and unfinished(job, metadata).exists():
        metadata.unlink(missing_ok=True)  # so that no table lies beside the metadata of another
    for output in job.outputs:
        if unfinished(job, output).exists():
            os.replace(unfinished(job, output), output)
    clear(job)
