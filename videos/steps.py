"""The steps from a saved video or picture to its outputs, in the order in which they have to be done.

Each step is a function of what it is given, so that the steps of one video can run in several processes, and any of
them again where a process was killed. `video_steps` has their order, for this process and for a cluster alike.
"""

import functools
import itertools
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from model import FacialExpressionModel
from videos.annotate_video import annotate_video, without_tails
from videos.frame_cache import FrameCache
from videos.job import Done, Job
from videos.memory import return_free_memory
from videos.outputs import (
    join_rows,
    make_room,
    naming,
    piece,
    publish,
    unfinished,
    work_folder,
    write_crops,
    write_rows,
)
from videos.people import People, classify_part, learn_people
from videos.table import Found, Joiner, concatenate, gather
from videos.video_file import Frame, Recording, Segment, join_pieces, read, scan, write_piece
from vision.annotate import find_in_picture
from vision.candidates import NONE, Candidates, CandidateSearch, around, at_moment, candidates_in_picture, held, joined
from vision.classify import classified
from vision.crop import FACE_SIZE
from vision.decoding import FULL, grey, planes
from vision.draw import draw_faces, draw_on_planes
from vision.faces import Face
from vision.hide import hide, hide_in_picture
from vision.opencv import cv2
from vision.sightings import Sighting, see
from vision.source import SourceError, read_picture

JPEG_QUALITY = 90
# Of a job that is shared out: the search for faces, their classification, and the drawing.
FIND_SHARE, CLASSIFY_SHARE, DRAW_SHARE = 0.45, 0.1, 0.4
CANDIDATES_EVERY = 0.2  # seconds from one search of a frame for all that may be a face to the next, to hide faces
ROWS_A_PIECE = 50_000  # of the table, that one step writes: those of hours would take much memory
_frames = FrameCache()


@dataclass(frozen=True, eq=False)
class Call:
    """A step of a job, to be called in any process."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    frames: int = 0  # that it analyses
    share: float = 0.0  # of the job, 0..1
    after: "Call | None" = None  # prefer the worker that ran this call; it still has the frames
    urgent: bool = False  # others wait for it, or it takes longer than they do


@dataclass(frozen=True, eq=False)
class _Find:
    """What is left of the search of a segment for its drawing."""

    call: Call
    key: str | None  # of its frames in the FrameCache of the process that made the call
    candidates: Candidates  # where faces are to be hidden


Steps = Generator[list[Call], tuple[Call, Any], Any]  # what it yields, is sent, and returns; see video_steps


@functools.cache
def _model(threads: int | None) -> FacialExpressionModel:
    return FacialExpressionModel(many=True, threads=threads)


def load_model() -> None:
    """Load the model of a worker, which takes time, so that no step waits for it."""
    _model(1)


def free_memory() -> None:
    """Drop what can be made again, and return what is free, so that there is room for a step with much data."""
    _frames.clear()
    return_free_memory()


def find(
    job: Job,
    recording: Recording,
    segment: Segment,
    threads: bool = False,
    advance: Callable[[], None] | None = None,
) -> tuple[Found, dict[int, Sighting], int, str | None, Candidates]:
    """Find the faces of a segment; their numbers count from 1 in each segment. What they look like goes to the disk.

    threads: whether to use more than one. advance: is called after each frame. Returns the faces, their sightings by
    number, how many frames there were, the key of those frames in this process' FrameCache, or None, and where faces
    are to be hidden, if they are.
    """
    numbers: list[int] = []
    key = _frames.begin() if job.annotated else None

    def frames() -> Iterator[tuple[np.ndarray, float]]:
        for frame in read(recording, segment, job.every, threads=2 if threads else 1):
            numbers.append(frame.number)
            yield grey(frame.picture, recording.shape), frame.time
            if key:
                _frames.add(key, frame)
            if advance:
                advance()

    sightings: dict[int, Sighting] = {}
    moments: list[float] = []
    faces: list[list[Face]] = []
    crops: dict[tuple[int, int], np.ndarray] = {}  # by the numbers of frame and face
    candidates: list[Candidates] = []
    candidate_search, searched = CandidateSearch(), -CANDIDATES_EVERY
    for index, frame in enumerate(annotate_video(frames(), None, threads)):
        see(sightings, frame.faces, frame.sizes, frame.moment)
        moments.append(frame.moment)
        faces.append(frame.faces)
        if job.hide and job.annotated:
            places = [*(face.place for face in frame.faces), *(each.place for each in frame.found)]
            if frame.moment - searched >= CANDIDATES_EVERY:
                searched = frame.moment
                places += candidate_search.search(frame.sizes)
            candidates.append(at_moment(frame.moment, places))
        crops |= {(numbers[index], face.number): crop for face, crop in zip(classified(frame.faces), frame.crops)}
    found = gather(zip(numbers, moments, without_tails(faces)))
    rows = zip(found.frames[~found.turned_away].tolist(), found.numbers[~found.turned_away].tolist())
    write_crops(job, segment.first, np.array([crops[row] for row in rows], np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE))
    return found, sightings, len(numbers), key, joined(candidates)


def learn(job: Job, firsts: list[int], parts: list[Found], threads: bool = False) -> People:
    """What the network learns of each face of a video, see learn_people."""
    return learn_people(job, firsts, parts, _model(None if threads else 1))


def classify(job: Job, segment: Segment, part: Found, people: People, threads: bool = False) -> np.ndarray:
    """The probabilities of a segment's faces, see classify_part."""
    return classify_part(job, segment.first, part, people, _model(None if threads else 1))


def draw(
    job: Job,
    recording: Recording,
    segment: Segment,
    found: Found,
    key: str | None = None,
    candidates: Candidates = NONE,
    threads: bool = False,
    advance: Callable[[], None] | None = None,
) -> None:
    """Write a segment with its faces drawn to its piece.

    found: its faces, joined. candidates: where faces are to be hidden, in this segment and around it. The others: see
    find.
    """
    rows = found.by_frame()

    def drawn() -> Iterator[tuple[np.ndarray, float]]:
        for frame in _again(job, recording, segment, key, threads):
            image = planes(frame.picture, recording.shape)
            if job.hide:
                hide(image, held(candidates, frame.time))
            if job.with_boxes and frame.number in rows:
                draw_on_planes(image, found.faces(rows[frame.number]), is_narrow=recording.colours.range != FULL)
            yield image, frame.time
            if advance:
                advance()

    made = piece(job, segment.first)
    with tempfile.NamedTemporaryFile(dir=work_folder(job), suffix=made.suffix, delete=False) as partly:
        write_piece(partly.name, recording, drawn(), threads=2 if threads else 1)
    os.replace(partly.name, made)


def _again(job: Job, recording: Recording, segment: Segment, key: str | None, threads: bool) -> Iterator[Frame]:
    """The frames that were searched: those that are in memory no more, decoded again, and then those that are."""
    kept = _frames.take(key)
    if not kept or kept[0].number >= segment.first + job.every:
        for frame in read(recording, segment, job.every, threads=2 if threads else 1):
            if kept and frame.number >= kept[0].number:
                break
            yield frame
    yield from kept


def write_timeline(job: Job, found: Found, frames: int, seconds: float) -> None:
    """Write the timeline for publish to name. frames: how many were analysed. seconds: the recording's length."""
    from videos.timeline import draw_timeline  # here, since Matplotlib takes a third of a second to load

    assert job.timeline
    with naming(made := unfinished(job, job.timeline)):
        draw_timeline(made, found, job.name, frames, seconds, job.made_with)


def finish(job: Job, recording: Recording, firsts: Sequence[int], rows: Sequence[int], frames: int, faces: int) -> Done:
    """Join the pieces, and give the outputs their names.

    firsts: the first frame of each segment. rows: the same of what write_rows kept. frames: how many were analysed.
    faces: how many were followed. Where a process was killed at this, another does it again: what has its name by then
    is left as it is.
    """
    join_rows(job, rows)
    pieces = [piece(job, first) for first in firsts if job.annotated]
    notes = []
    expected = -(-recording.frames // job.every)
    if lost := recording.missing + max(0, expected - frames) * job.every:
        notes.append(f"{lost} of its frames are missing or damaged.")
    if job.annotated and all(each.exists() for each in pieces):
        pieces = [each for each in pieces if each.stat().st_size]
        notes.append(join_pieces(pieces, recording, unfinished(job, job.annotated), job.made_with) or "")
    publish(job)
    return Done(frames, faces, " ".join(filter(None, notes)) or None)


def video_steps(job: Job, recording: Recording) -> Steps:
    """A video's steps: a generator of lists of Calls that can be made now, in any order and any process.

    Whenever one is done, it is sent that Call and its result, until it returns Done and the table.Found. What a step
    raises, or this itself (SourceError), ends the job.
    """
    segments = recording.segments
    joiner = Joiner(float(job.every / recording.rate), job.sure)
    parts, frames, finds = yield from _find_all(job, recording, joiner)
    firsts = [segment.first for segment in segments]
    _, people = yield [Call(learn, (job, firsts, parts), urgent=True)]
    rows = yield from _classify_all(job, recording, joiner, parts, frames, people, finds)
    found = concatenate(parts)
    faces = len(np.unique(found.numbers))
    _, done = yield [Call(finish, (job, _alone(recording), firsts, rows, frames, faces), urgent=True)]
    return done, found


def _candidates_of(recording: Recording, segment: Segment, candidates: Candidates) -> Candidates:
    """Of the candidates of a recording, those that are hidden in a segment."""
    if segment.timestamps is None:
        return candidates
    first, last = segment.timestamps[0], segment.timestamps[-1]
    since, until = (float((at - recording.start) * recording.time_base) for at in (first, last))
    return around(candidates, since, until)


def _alone(recording: Recording) -> Recording:
    """The recording without its segments: a step is given its own, not the timestamps of hours of frames."""
    return replace(recording, segments=())


def _find_all(job: Job, recording: Recording, joiner: Joiner) -> Steps:
    """The steps that find the faces of all segments.

    They return these, numbered through, how many frames there were, and for each segment a _Find.
    """
    segments = recording.segments
    finding = [
        Call(find, (job, _alone(recording), each), len(each.timestamps or ()) // job.every, FIND_SHARE / len(segments))
        for each in segments
    ]
    results: dict[int, tuple[Found, dict[int, Sighting], int, str | None, Candidates]] = {}
    parts: list[Found] = []
    finds: list[_Find] = []
    calls, frames = finding, 0
    while len(parts) < len(segments):
        call, result = yield calls
        calls, results[finding.index(call)] = [], result
        while len(parts) in results:  # a segment is joined when all before it are
            part, sightings, count, key, candidates = results.pop(len(parts))
            finds.append(_Find(finding[len(parts)], key, candidates))
            parts.append(joiner.add(part, sightings))
            frames += count
    if not frames:
        raise SourceError(f"{job.path} is not a video that can be played; none of its frames can be decoded.")
    return parts, frames, finds


def _classify_all(
    job: Job,
    recording: Recording,
    joiner: Joiner,
    parts: list[Found],
    frames: int,
    people: People,
    finds: list[_Find],
) -> Steps:
    """The steps that classify the faces of all segments and draw them, and beside that, write table and timeline.

    people: see learn. The others: see _find_all. They return the first frame of each piece of the table.
    """
    share, candidates = 1 / len(parts), joined(each.candidates for each in finds)
    classifying = []
    for segment, part in zip(recording.segments, parts):
        known = {number: people[number] for number in set(part.numbers.tolist()) & set(people)}
        classifying.append(Call(classify, (job, segment, part, known), share=CLASSIFY_SHARE * share))
    calls, left = classifying, len(classifying)
    results: dict[Call, np.ndarray] = {}
    done = 0  # segments that are smoothed
    begun, firsts = 0, []  # the segment with which the next piece of the table begins, and the pieces' first frames
    while left:
        call, result = yield calls
        calls, left = [], left - 1
        if call.function is not classify:
            continue
        results[call] = result
        # A segment can be smoothed, and drawn, when all before it are.
        while done < len(parts) and classifying[done] in results:
            part, search, segment = parts[done], finds[done], recording.segments[done]
            part.probabilities[~part.turned_away] = results.pop(classifying[done])
            joiner.smooth(part)
            if job.annotated:
                near = _candidates_of(recording, segment, candidates)
                arguments = (job, _alone(recording), segment, part, search.key, near)
                calls.append(Call(draw, arguments, share=DRAW_SHARE * share, after=search.call))
            done += 1
            if job.format and (done == len(parts) or sum(map(len, parts[begun:done])) >= ROWS_A_PIECE):
                first, rows = recording.segments[begun].first, concatenate(parts[begun:done])
                calls.append(Call(write_rows, (job, first, rows), urgent=True))
                firsts.append(first)
                begun = done
        if job.timeline and done == len(parts):
            shown = concatenate(parts).for_timeline()
            calls.append(Call(write_timeline, (job, shown, frames, recording.seconds), urgent=True))
        left += len(calls)
    return firsts


def begin(job: Job) -> Done | Recording:
    """Do a short job, of one segment, and return Done; of a long one only the Recording, to share out its segments."""
    if not job.is_picture:
        recording = scan(job.path)
        if len(recording.segments) > 1:
            make_room(job)
            return recording
    return do(job, threads=False)[0]


def shared_steps(job: Job) -> Steps:
    """As video_steps, with a first Call that does a short job whole, for a cluster. It returns Done alone."""
    _, outcome = yield [Call(begin, (job,))]
    if isinstance(outcome, Done):
        return outcome
    done, _ = yield from video_steps(job, outcome)
    return done


def do(job: Job, threads: bool = True, report: Callable[[float], None] | None = None) -> tuple[Done, Found]:
    """The whole job in this process. Returns Done and the faces. Raises SourceError.

    report: is called again and again with the share of the job that is done, 0..1.
    """
    make_room(job)
    if job.is_picture:
        return _do_picture(job)
    recording = scan(job.path)
    steps = video_steps(job, recording)
    count, passes = itertools.count(1), 2 if job.annotated else 1
    expected = max(1, passes * recording.frames // job.every)

    def advance() -> None:
        if report:
            report(min(1.0, next(count) / expected))

    waiting = next(steps)
    try:
        while True:
            call = waiting[0]
            options: dict[str, Any] = {"threads": threads} if call.function in (find, learn, classify, draw) else {}
            if call.function in (find, draw):
                options["advance"] = advance
            # What follows from a call comes first: the frames to be drawn are still in memory.
            waiting = steps.send((call, call.function(*call.arguments, **options))) + waiting[1:]
    except StopIteration as end:
        return end.value


def _do_picture(job: Job) -> tuple[Done, Found]:
    image = read_picture(job.path)
    faces = find_in_picture(image, _model(None), job.sure)
    found = gather([(0, 0.0, faces)])
    if job.annotated:
        if job.hide:
            hide_in_picture(image, candidates_in_picture(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)))
        draw_faces(image, faces)
        picture = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        with naming(made := unfinished(job, job.annotated)):
            picture.save(made, "JPEG", quality=JPEG_QUALITY, comment=job.made_with)
    write_rows(job, 0, found)
    join_rows(job, [0])
    publish(job)
    return Done(1, len(found)), found
