"""Turns saved videos and pictures into annotated ones, tables and timelines: `python analyze.py clip.mp4`.

From Python: `analyze("clip.mp4")` returns the table's rows.
"""

import argparse
import io
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from tqdm import tqdm

from model import FacialExpressionModel, ModelError
from version import VERSION
from videos.inputs import Inputs, expand_lists, find_inputs
from videos.job import Done, Job, Rest, parse_rest
from videos.names import in_one_line, readable, shortened
from videos.outputs import LONGEST_ENDING, clear, foreign_output, is_finished, is_outdated, marks_of
from videos.reasons import ClusterError, explain
from videos.steps import do
from videos.table import to_rows
from videos.video_file import seconds_of
from vision.confidence import SURE
from vision.source import SourceError

FORMATS = ("csv", "parquet")  # of tables
# Names that differ by nothing else than capitals are one on most disks of Windows and of a Mac.
AS_FILE_NAME = str.casefold if sys.platform in ("win32", "darwin") else str
# Seconds of video that this process analyses in the time in which a cluster starts; a picture counts as one second.
WITHOUT_CLUSTER = 30
log = logging.getLogger(__name__)
BAR = "{percentage:3.0f} %|{bar}| {elapsed}, {remaining} left{postfix}"


def analyze(
    path: str | Path,
    out: str | Path | None = None,
    every: int = 1,
    rest: str | float | Path | None = None,
    sure: float = SURE,
    hide: bool = False,
) -> list[dict[str, Any]]:
    """Find the faces and expressions in a saved video or picture. Returns a dict for each face in each frame.

    The keys are videos.table.COLUMNS; `pandas.DataFrame(rows)` makes a data frame of them. every: of so many frames one
    is analysed. out: a folder for the annotated video, the table as CSV and the timeline, which replace earlier ones;
    without it, nothing is written. rest: where each person shows the resting face: "first" for the first two seconds in
    which they are seen, seconds since the beginning, or a picture of the person who is seen longest. sure: the
    share of such labels that are right, 0..1, from which on one is. hide: whether faces are hidden in the annotated
    video or picture. Raises ValueError for another `rest`,
    vision.source.SourceError, model.ModelError, and FileExistsError where a file of another origin would be replaced.
    """
    path, resting = Path(path), None if rest is None else parse_rest(str(rest))
    if not os.path.exists(path):
        raise SourceError(f"{path} does not exist.")
    with ExitStack() as stack:
        if out is None:
            folder = stack.enter_context(TemporaryDirectory())
            job = Job(
                path, readable(path.name), os.path.join(folder, "video"), False, None, False, every, resting, sure
            )
        else:
            [job] = plan([path], path.parent, Path(out), every, rest=resting, sure=sure, hide=hide)
            if foreign := foreign_output(marks_of(job)):
                raise FileExistsError(f"{foreign} exists, and is not from this program; choose another folder.")
        _, found = do(job)
    return list(to_rows(found, job.name))


def plan(
    paths: Iterable[Path],
    root: Path,
    out: Path | None = None,
    every: int = 1,
    video: bool = True,
    table: str | None = "csv",
    timeline: bool = True,
    rest: Rest | None = None,
    sure: float = SURE,
    hide: bool = False,
) -> list[Job]:
    """A Job for each video or picture, with outputs beside it, or in the folder `out` as they lie in `root`.

    clip.mp4 becomes clip_annotated.mp4, clip.csv and clip.png, and clip.mov beside it clip.mov.csv and so on.
    """
    root, paths = root.absolute(), [path.absolute() for path in paths]  # other machines have other current folders
    names = [_name_in(root, path) for path in paths]
    jobs = []
    for path, name, base in zip(paths, names, _bases(names)):
        folder, base = os.path.split(base)
        place = os.path.join(out.absolute(), folder) if out else path.parent
        base = os.path.join(place, shortened(base, LONGEST_ENDING))
        jobs.append(Job(path, readable(name), base, video, table, timeline, every, rest, sure, hide=hide))
    return jobs


def _name_in(root: Path, path: Path) -> str:
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return f"{path.drive.rstrip(':')}/{path.relative_to(path.anchor).as_posix()}"  # on another drive, on Windows


def _bases(names: Sequence[str]) -> list[str]:
    """What the names of the inputs' outputs begin with: the inputs' names, with their endings where two are alike."""
    bases = [os.path.splitext(name)[0] for name in names]
    while True:
        counts = Counter(map(AS_FILE_NAME, bases))
        longer = [name if counts[AS_FILE_NAME(base)] > 1 else base for name, base in zip(names, bases)]
        if longer == bases:
            return bases
        bases = longer


def _say(text: str, to: TextIO | None = None) -> None:
    print(in_one_line(text), file=to, flush=True)


def _tell(job: Job, sentence: str) -> None:
    """Print a sentence on a job, with the name of its input in front where the sentence does not begin with it."""
    _say(sentence if sentence.startswith(str(job.path)) else f"{job.path}: {sentence}", sys.stderr)


def _sentence(job: Job, error: Exception) -> str:
    """What ended a job, for the person who started it."""
    reason = explain(error, job)
    if reason is None:
        log.debug("%s", job.path, exc_info=error)
        return "It cannot be analysed, for a reason that nobody foresaw; python -X dev analyze.py shows it."
    return f"{reason} Choose another folder with --out." if "cannot be written" in reason else reason


class _Progress:
    """A bar with the videos done, frames a second and the time left."""

    def __init__(self, count: int) -> None:
        self._bar = tqdm(total=count, disable=None, bar_format=BAR)
        self._frames, self._began = 0, time.monotonic()

    def add(self, share: float, frames: int) -> None:
        """share: of a video that is done now. frames: analysed for it."""
        self._frames += frames
        self._bar.set_postfix_str(f"{self.rate:.0f} frames/s", refresh=False)
        self._bar.update(share)

    @property
    def rate(self) -> float:
        """Frames a second so far."""
        return self._frames / (time.monotonic() - self._began)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


Outcome = Done | Exception | None
Progress = Iterator[tuple[Job, float, int, Outcome]]  # see videos.cluster.run


def is_short(jobs: Sequence[Job]) -> bool:
    """Whether a cluster would take longer to start than this process takes for the jobs."""
    seconds = 0.0
    for job in jobs:
        with suppress(OSError):  # it will be told when its turn comes
            seconds += 1 if job.is_picture else seconds_of(job.path) / job.every
        if seconds > WITHOUT_CLUSTER:
            return False
    return True


def run_here(jobs: Iterable[Job]) -> Progress:
    """Do the jobs in this process. Yields what videos.cluster.run yields."""
    for job in jobs:
        outcome: Outcome
        try:
            outcome, _ = do(job)
        except Exception as error:  # whatever is wrong with one video, the others are done all the same
            clear(job)
            outcome = error
        yield job, 1.0, outcome.frames if isinstance(outcome, Done) else 0, outcome


def work_through(jobs: Sequence[Job], scheduler: str | None, workers: int | None) -> int:
    """Do the jobs, on a cluster where that is faster or asked for. Prints progress. Returns how many failed."""
    if not scheduler and not workers and is_short(jobs):
        return report(jobs, run_here(jobs))
    from videos.cluster import connected, run  # here, since a short clip is begun before Dask is loaded

    with connected(scheduler, workers) as client:
        print(f"{len(jobs)} to analyse; progress in detail: {client.dashboard_link}", flush=True)
        return report(jobs, run(client, jobs))


def report(jobs: Sequence[Job], progress: Progress) -> int:
    """Show the jobs' progress, then print failures and a summary. Returns how many failed."""
    failures: list[tuple[Job, str]] = []
    done, bar = 0, _Progress(len(jobs))
    try:
        for job, share, frames, outcome in progress:
            bar.add(share, frames)
            if isinstance(outcome, Done):
                done += 1
                if outcome.note:
                    failures.append((job, outcome.note))
            elif outcome:
                failures.append((job, _sentence(job, outcome)))
    finally:
        rate = bar.rate
        bar.close()
        for job, reason in failures:
            _tell(job, reason)
    print(f"{done} of {len(jobs)} analysed, at {rate:.0f} frames a second")
    return len(failures)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="analyze.py",
        description="Find the faces and expressions in saved videos and pictures.",
        epilog="@list.txt stands for the names in a file, one on each line.",
    )
    parser.add_argument("inputs", nargs="+", help='videos, pictures, folders, or patterns such as "clips/*.mp4"')
    parser.add_argument("--out", type=Path, help="a folder for the outputs (default: beside each video)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="analyse one of N frames (default: each)")
    parser.add_argument("--no-video", action="store_true", help="no annotated video")
    parser.add_argument("--no-timeline", action="store_true", help="no picture of the expressions over time")
    parser.add_argument("--no-table", action="store_true", help="no table")
    parser.add_argument("--format", choices=FORMATS, default="csv", help="of the table (default: %(default)s)")
    parser.add_argument(
        "--rest-face",
        metavar="first|SECONDS|PICTURE",
        help="where each person shows the resting face: the first two seconds in which they are seen, two seconds from "
        "a moment on, or a picture of the person who is seen longest",
    )
    parser.add_argument(
        "--sure",
        type=float,
        default=SURE,
        metavar="SHARE",
        help="show labels that are right at least so often, and Unsure for others (default: %(default)s; 0 shows all)",
    )
    parser.add_argument("--hide-faces", action="store_true", help="hide faces in the annotated video or picture")
    parser.add_argument("--force", action="store_true", help="analyse again what is finished")
    parser.add_argument("--workers", type=int, help="processes on this machine (default: one a core)")
    parser.add_argument("--scheduler", metavar="tcp://HOST:8786", help="use the Dask cluster of this scheduler")
    parser.add_argument("--version", action="version", version=VERSION)
    options = parser.parse_args(list(expand_lists(sys.argv[1:] if arguments is None else arguments)))
    for name in ("every", "workers"):
        number = getattr(options, name)
        if number is not None and number < 1:
            parser.error(f"--{name} takes a number from 1")
    if not 0 <= options.sure <= 1:
        parser.error("--sure takes a number from 0 to 1")
    try:
        options.rest = None if options.rest_face is None else parse_rest(options.rest_face)
    except ValueError as error:
        parser.error(f"--rest-face {error}")
    if options.no_video and options.no_timeline and options.no_table:
        parser.error("with --no-video, --no-timeline and --no-table there is nothing to make")
    if options.hide_faces and options.no_video:
        parser.error("--hide-faces hides them in the annotated video, which --no-video leaves out")
    if options.out and options.out.exists() and not options.out.is_dir():
        parser.error(f"--out takes a folder, and {options.out} is a file")
    return options


def choose_jobs(inputs: Inputs, options: argparse.Namespace) -> tuple[list[Job], int]:
    """The jobs that are to be done, and how many cannot be; prints what is left out. Raises ModelError."""
    jobs = plan(
        inputs.paths,
        inputs.root,
        options.out,
        options.every,
        video=not options.no_video,
        table=None if options.no_table else options.format,
        timeline=not options.no_timeline,
        rest=options.rest,
        sure=options.sure,
        hide=options.hide_faces,
    )
    waiting: list[Job] = []
    counts: Counter[str] = Counter()
    for job in jobs:
        try:
            state = _state(job, options.force)
        except OSError as error:
            state = "failed"
            _tell(job, _sentence(job, error))
        counts[state] += 1
        if state in ("new", "outdated"):
            waiting.append(job)
    if counts["finished"]:
        print(f"{counts['finished']} finished before (--force analyses them again)")
    if counts["outdated"]:
        print(f"{counts['outdated']} finished before are analysed again: made with another version, network or options")
    if counts["empty"]:
        print(f"{counts['empty']} passed over: a timeline is made of videos alone, and nothing else is wanted")
    return waiting, counts["failed"]


def _state(job: Job, force: bool) -> str:
    """Whether a job is new, finished, outdated, failed (which is told) or empty. Raises OSError."""
    if not job.outputs:
        return "empty"
    marks = marks_of(job)
    if foreign := foreign_output(marks):
        _tell(job, f"{foreign} is not from this program; choose another folder with --out.")
        return "failed"
    if force:
        return "new"
    return "finished" if is_finished(job, marks) else "outdated" if is_outdated(job, marks) else "new"


def prepare_terminal() -> None:
    """Have the terminal show what it can of any text, and in Python's development mode also what nobody foresaw."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if sys.flags.dev_mode:
        logging.basicConfig()
        for name in (__name__, "videos"):
            logging.getLogger(name).setLevel(logging.DEBUG)


def main(arguments: list[str] | None = None) -> int:
    """Analyse what the command line names. Returns the exit status."""
    prepare_terminal()
    try:
        options = parse_arguments(arguments)
        inputs = find_inputs(options.inputs)
        for problem in inputs.problems:
            _say(problem, sys.stderr)
        if not inputs.paths:
            return 2
        waiting, failed = choose_jobs(inputs, options)
        FacialExpressionModel(many=True)  # so that the workers find its form settled
        if waiting:
            failed += work_through(waiting, options.scheduler, options.workers)
    except (SourceError, ModelError, ClusterError) as error:
        _say(str(error), sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. What is finished stays, and the same command goes on from there.", file=sys.stderr)
        return 130
    return 1 if failed or inputs.problems else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started this with Ctrl-C ignored
    sys.exit(main())
