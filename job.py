"""One saved video or picture on its way to its outputs: looked through, its faces found, drawn, written.

Each step is a function of what it is given, so that the steps of one video can run in several processes, and any of
them again where a process was killed. Outputs are written into a folder beside them and renamed when they are whole.
"""

import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image, UnidentifiedImageError

from annotate import annotate_recording, find_in_picture
from draw import draw_faces, draw_on_planes
from kept import KeptFrames
from model import FacialExpressionModel
from opencv import cv2
from recording import grey, join_pieces, planes, read, scan, write_piece
from source import SourceError, is_picture, read_picture
from table import WRITERS, Joiner, concatenate, gather, is_table, to_rows
from timeline import MARK, draw_timeline

COMMENT = MARK["Software"]
JPEG_QUALITY = 90
STEP_SHARE = 0.45  # of a job that is shared out: the search for faces, and the drawing
_thread = threading.local()
_kept = KeptFrames()


@dataclass(frozen=True, slots=True)
class Job:
    """A video or picture, and what to make of it; small, since there may be very many."""

    path: Path
    name: str  # what the table's first column says
    base: str  # the outputs' path but for its ending
    with_annotated: bool  # an MP4, or a JPEG of a picture
    format: str | None  # of the table: csv, parquet, or None for no table
    with_timeline: bool  # a PNG, which is made of videos alone
    every: int = 1  # so many frames are one looked at

    @property
    def annotated(self):
        ending = "jpg" if is_picture(str(self.path)) else "mp4"
        return Path(f"{self.base}_annotated.{ending}") if self.with_annotated else None

    @property
    def table(self):
        return Path(f"{self.base}.{self.format}") if self.format else None

    @property
    def timeline(self):
        return Path(f"{self.base}.png") if self.with_timeline and not is_picture(str(self.path)) else None

    @property
    def outputs(self):
        return [path for path in (self.annotated, self.timeline, self.table) if path]

    @property
    def work(self):
        """The folder for what is not whole yet."""
        return self.outputs[0].parent / f".{self.path.name}.analysing" if self.outputs else None


@dataclass(frozen=True)
class Done:
    """What came of a job."""

    frames: int  # that were looked at
    faces: int  # followed
    note: str | None = None  # what was wrong with it all the same


@dataclass(frozen=True, eq=False)
class Call:
    """A step of a job."""

    function: Callable
    arguments: tuple
    frames: int = 0  # that it looks at
    share: float = 0.0  # of the job, 0..1
    after: "Call | None" = None  # where that was done, this is done faster
    urgent: bool = False  # others wait for it, or it takes longer than they do


def made_here(path):
    """Whether an existing file is an output of this program."""
    if path.suffix in {".csv", ".parquet"}:
        return is_table(path)
    if path.suffix == ".mp4":
        try:
            with av.open(str(path)) as container:
                return container.metadata.get("comment") == COMMENT
        except av.FFmpegError:
            return False
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == COMMENT or image.info.get("comment") == COMMENT.encode()
    except (UnidentifiedImageError, OSError):
        return False


def is_finished(job):
    """Whether all outputs are there, made here and later than the video."""
    changed = job.path.stat().st_mtime
    return all(path.exists() and path.stat().st_mtime >= changed and made_here(path) for path in job.outputs)


def model():
    """This thread's model."""
    if not hasattr(_thread, "model"):
        _thread.model = FacialExpressionModel(many=True)
    return _thread.model


def get_ready():
    """Load what takes time to load, so that no step waits for it."""
    model()


def find(job, recording, segment, threads=False, advance=None):
    """The faces of a segment, as a table.Found whose faces are numbered for themselves, how many frames it had, and
    the key of those frames in this process, or None.

    advance: is called after each frame, where there is one.
    """
    numbers, key = [], _kept.begin() if job.annotated else None

    def frames():
        for frame in read(recording, segment, job.every, threads=2 if threads else 1):
            numbers.append(frame.number)
            yield grey(frame.picture), recording.time(frame.timestamp)
            if key:
                _kept.add(key, frame)
            if advance:
                advance()

    return gather(zip(annotate_recording(frames(), model(), threads), numbers)), len(numbers), key


def joiner(job, recording):
    return Joiner(float(job.every / recording.rate))


def whole(job, parts, frames):
    """The table.Found of a video of the joined ones of its segments; frames: how many were looked at."""
    if not frames:
        raise SourceError(f"{job.path} is not a video that can be played; none of its frames can be decoded.")
    return concatenate(parts)


def piece(job, segment):
    """The file for a segment's part of the annotated video."""
    return job.work / f"{segment.first:09}.nut"


def draw(job, recording, segment, found, key=None, threads=False, advance=None):
    """Write a segment with its faces drawn to its piece; found: its faces, joined; key, advance: see find."""
    rows = found.by_frame()

    def drawn():
        for frame in _kept.take(key) or read(recording, segment, job.every, threads=2 if threads else 1):
            image = planes(frame.picture)
            if own := rows.get(frame.number):
                draw_on_planes(image, found.boxes[own], found.faces[own].tolist(), _shown(found, own))
            yield image, frame.timestamp
            if advance:
                advance()

    made = piece(job, segment)
    with tempfile.NamedTemporaryFile(dir=job.work, suffix=made.suffix, delete=False) as unfinished:
        write_piece(unfinished.name, recording, drawn(), threads=2 if threads else 1)
    os.replace(unfinished.name, made)


def describe(job, recording, found, frames):
    """Write the table and the timeline, where they are wanted, for publish to name."""
    if job.timeline:
        last = recording.segments[-1]
        seconds = (recording.time(last.timestamps[-1]) if last.timestamps else 0) + float(1 / recording.rate)
        draw_timeline(unfinished(job, job.timeline), found, job.name, frames, seconds)
    if job.table:
        WRITERS[job.table.suffix[1:]](unfinished(job, job.table), to_rows(found, job.name))


def finish(job, recording, found, frames):
    """Join the pieces, and give the outputs their names. Returns Done.

    Where a process was killed at this, another does it again: what has its name by then is left as it is.
    """
    pieces = [piece(job, segment) for segment in recording.segments if job.annotated]
    if pieces and all(each.exists() for each in pieces):
        pieces = [each for each in pieces if each.stat().st_size]
        join_pieces(pieces, recording, unfinished(job, job.annotated), COMMENT)
    publish(job)
    expected = -(-recording.frames // job.every)
    lost = recording.missing + max(0, expected - frames) * job.every
    note = f"{lost} of its frames are missing or damaged." if lost else None
    return Done(frames, len(set(found.faces.tolist())), note)


def steps(job):
    """A job's steps: a generator of lists of Calls that can be done now, in any order and any process.

    Whenever one is done it is sent that Call and the result, until it returns Done. What a step raises, or this itself
    (SourceError), ends the job.
    """
    _, outcome = yield [Call(begin, (job,))]
    if isinstance(outcome, Done):
        return outcome
    recording, segments = outcome, outcome.segments
    finding = [
        Call(find, (job, recording, each), len(each.timestamps) // job.every, STEP_SHARE / len(segments))
        for each in segments
    ]
    joining, results, parts, frames = joiner(job, recording), {}, [], 0
    calls, left = finding, len(finding)
    while left:
        call, result = yield calls
        calls, left = [], left - 1
        if call.function is not find:
            continue
        results[finding.index(call)] = result
        while len(parts) in results:  # a segment is joined, and can be drawn, when all before it are
            (part, count, key), index = results.pop(len(parts)), len(parts)
            parts.append(joining.add(part))
            frames += count
            if job.annotated:
                arguments = (job, recording, segments[index], parts[index], key)
                calls.append(Call(draw, arguments, share=finding[index].share, after=finding[index]))
            if len(parts) == len(segments):
                found = whole(job, parts, frames)
                calls.append(Call(describe, (job, recording, found, frames), urgent=True))
        left += len(calls)
    _, done = yield [Call(finish, (job, recording, found, frames), urgent=True)]
    return done


def begin(job):
    """Do a short job, of one segment, and return Done; of a long one only the Recording, to share out its segments."""
    if not is_picture(str(job.path)):
        recording = scan(job.path)
        if len(recording.segments) > 1:
            start(job)
            return recording
    return do(job, threads=False)[0]


def do(job, threads=True, report=None):
    """The whole job in this process. Returns Done and the table.Found. Raises SourceError.

    report: is called again and again, where there is one, with the share of the job that is done, 0..1.
    """
    start(job)
    if is_picture(str(job.path)):
        return _do_picture(job)
    recording = scan(job.path)
    count, passes = itertools.count(1), 2 if job.annotated else 1
    expected = max(1, passes * recording.frames // job.every)

    def advance():
        if report:
            report(min(1.0, next(count) / expected))

    joining, parts, frames = joiner(job, recording), [], 0
    for segment in recording.segments:
        part, looked_at, key = find(job, recording, segment, threads, advance)
        parts.append(joining.add(part))
        frames += looked_at
        if job.annotated:
            draw(job, recording, segment, parts[-1], key, threads, advance)
    found = whole(job, parts, frames)
    describe(job, recording, found, frames)
    return finish(job, recording, found, frames), found


def start(job):
    """Make room for what is not whole yet; what an interrupted run left there goes."""
    clear(job)
    if job.work:
        job.work.mkdir(parents=True)


def clear(job):
    """Remove what is not whole."""
    if job.work:
        shutil.rmtree(job.work, ignore_errors=True)


def _do_picture(job):
    image = read_picture(job.path)
    frame = find_in_picture(image, model())
    found = Joiner(1.0).add(gather([(frame, 0)]))
    if job.annotated:
        draw_faces(image, found.boxes, found.faces.tolist(), _shown(found, slice(None)))
        picture = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        picture.save(unfinished(job, job.annotated), "JPEG", quality=JPEG_QUALITY, comment=COMMENT)
    if job.table:
        WRITERS[job.table.suffix[1:]](unfinished(job, job.table), to_rows(found, job.name))
    publish(job)
    return Done(1, len(found)), found


def _shown(found, rows):
    return [(int(label), float(row[label])) for label, row in zip(found.labels[rows], found.smooth[rows])]


def unfinished(job, output):
    """Where an output is written before it gets its name."""
    return job.work / f"whole{output.suffix}"


def publish(job):
    """Give the outputs their names, now that they are whole."""
    for output in job.outputs:
        if unfinished(job, output).exists():
            os.replace(unfinished(job, output), output)
    clear(job)
