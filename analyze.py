"""Turns saved videos and pictures into annotated ones, tables and timelines: `python analyze.py clip.mp4`.

From Python: `analyze("clip.mp4")` returns the table's rows.
"""

import argparse
import glob
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from distributed import KilledWorker
from tqdm import tqdm

from model import FacialExpressionModel, ModelError
from version import VERSION
from videos.cluster import connected, run
from videos.job import Done, Job
from videos.outputs import clear, foreign_output, is_finished, made_here
from videos.steps import do
from videos.table import WRITERS, to_rows
from videos.video_file import VIDEO_SUFFIXES, seconds_of
from vision.pictures import SUFFIXES as PICTURE_SUFFIXES
from vision.source import SourceError

# Seconds of video that this process analyses in the time in which a cluster starts; a picture counts as one second.
WITHOUT_CLUSTER = 30
BAR = "{percentage:3.0f} %|{bar}| {elapsed}, {remaining} left{postfix}"


def analyze(path: str | Path, out: str | Path | None = None, every: int = 1) -> list[dict[str, Any]]:
    """Find the faces and expressions in a saved video or picture. Returns a dict for each face in each frame.

    The keys are videos.table.COLUMNS; `pandas.DataFrame(rows)` makes a data frame of them. every: of so many frames one
    is analysed. out: a folder for the annotated video, the table as CSV and the timeline, which replace earlier ones;
    without it, nothing is written. Raises vision.source.SourceError, model.ModelError, and FileExistsError where a file
    of another origin would be replaced.
    """
    path = Path(path)
    if out is None:
        job = Job(path, path.name, "", False, None, False, every)
    else:
        [job] = plan([path], path.parent, Path(out), every)
        if foreign := foreign_output(job):
            raise FileExistsError(f"{foreign} exists, and is not from this program; choose another folder.")
    _, found = do(job)
    return list(to_rows(found, job.name))


def find_inputs(arguments: Sequence[str]) -> tuple[list[Path], Path]:
    """The paths of the videos and pictures that are meant, each once, and the folder from which their names begin.

    arguments: files, folders, which are searched, and patterns such as "clips/*.mp4". Outputs of an earlier run are
    passed over. Raises SourceError.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            inside = (each for each in sorted(path.rglob("*")) if not _is_hidden(each.relative_to(path)))
            found |= dict.fromkeys(each for each in inside if _is_input(each))
        elif path.exists():
            found[path] = None
        elif matches := [Path(match) for match in sorted(glob.glob(argument, recursive=True))]:
            found |= dict.fromkeys(each for each in matches if _is_input(each))
        else:
            raise SourceError(f"{argument} does not exist.")
    if len(arguments) == 1 and Path(arguments[0]).is_dir():
        return list(found), Path(arguments[0])
    return list(found), Path(os.path.commonpath([each.parent.absolute() for each in found])) if found else Path()


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_input(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in VIDEO_SUFFIXES | PICTURE_SUFFIXES or not path.is_file():
        return False
    return not ((suffix == ".png" or path.stem.endswith("_annotated")) and made_here(path))


def plan(
    paths: Iterable[Path],
    root: Path,
    out: Path | None = None,
    every: int = 1,
    video: bool = True,
    table: str | None = "csv",
    timeline: bool = True,
) -> list[Job]:
    """A Job for each video or picture, with outputs beside it, or in the folder `out` as they lie in `root`.

    clip.mp4 becomes clip_annotated.mp4, clip.csv and clip.png, and clip.mov beside it clip.mov.csv and so on.
    """
    root, paths = root.absolute(), [path.absolute() for path in paths]  # other machines have other current folders
    names = [path.relative_to(root).as_posix() for path in paths]
    alike = Counter(os.path.splitext(name)[0] for name in names)
    jobs = []
    for path, name in zip(paths, names):
        stem = os.path.splitext(name)[0]
        base = os.path.join(out.absolute() if out else root, stem if alike[stem] == 1 else name)
        jobs.append(Job(path, name, base, video, table, timeline, every))
    return jobs


def _reason(error: Exception) -> str:
    """One sentence on what ended a job."""
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, KilledWorker):
        return "Each process that tried it was killed; it may be damaged, or need more memory than there is."
    return f"{type(error).__name__}: {error}"


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
    with connected(scheduler, workers) as client:
        print(f"{len(jobs)} to analyse; progress in detail: {client.dashboard_link}", flush=True)
        return report(jobs, run(client, jobs))


def report(jobs: Sequence[Job], progress: Progress) -> int:
    """Show the jobs' progress, then print failures and a summary. Returns how many failed."""
    failures, done, bar = [], 0, _Progress(len(jobs))
    try:
        for job, share, frames, outcome in progress:
            bar.add(share, frames)
            if isinstance(outcome, Done):
                done += 1
            if isinstance(outcome, Exception) or (outcome and outcome.note):
                failures.append((job, _reason(outcome) if isinstance(outcome, Exception) else outcome.note))
    finally:
        rate = bar.rate
        bar.close()
    for job, reason in failures:
        print(f"{job.path}: {reason}", file=sys.stderr)
    print(f"{done} of {len(jobs)} analysed, at {rate:.0f} frames a second")
    return len(failures)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="analyze.py",
        description="Find the faces and expressions in saved videos and pictures.",
        epilog="@list.txt stands for the lines of a file.",
        fromfile_prefix_chars="@",
    )
    parser.add_argument("inputs", nargs="+", help='videos, pictures, folders, or patterns such as "clips/*.mp4"')
    parser.add_argument("--out", type=Path, help="a folder for the outputs (default: beside each video)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="analyse one of N frames (default: each)")
    parser.add_argument("--no-video", action="store_true", help="no annotated video")
    parser.add_argument("--no-timeline", action="store_true", help="no picture of the expressions over time")
    parser.add_argument("--no-table", action="store_true", help="no table")
    parser.add_argument("--format", choices=WRITERS, default="csv", help="of the table (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="analyse again what is finished")
    parser.add_argument("--workers", type=int, help="processes on this machine (default: one a core)")
    parser.add_argument("--scheduler", metavar="tcp://HOST:8786", help="use the Dask cluster of this scheduler")
    parser.add_argument("--version", action="version", version=VERSION)
    options = parser.parse_args(arguments)
    if options.every < 1:
        parser.error("--every takes a number from 1")
    return options


def choose_jobs(options: argparse.Namespace) -> tuple[list[Job], int]:
    """The jobs that are to be done, and how many cannot be; prints what is left out. Raises SourceError."""
    paths, root = find_inputs(options.inputs)
    jobs = plan(
        paths,
        root,
        options.out,
        options.every,
        video=not options.no_video,
        table=None if options.no_table else options.format,
        timeline=not options.no_timeline,
    )
    waiting, finished, failed = [], 0, 0
    for job in jobs:
        if foreign := foreign_output(job):
            failed += 1
            print(f"{job.path}: {foreign} is not from this program; choose another folder with --out.", file=sys.stderr)
        elif not options.force and is_finished(job):
            finished += 1
        else:
            waiting.append(job)
    if finished:
        print(f"{finished} finished before (--force analyses them again)")
    return waiting, failed


def main(arguments: list[str] | None = None) -> int:
    """Analyse what the command line names. Returns the exit status."""
    options = parse_arguments(arguments)
    try:
        waiting, failed = choose_jobs(options)
        FacialExpressionModel()  # so that the workers find it compiled
    except (SourceError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    if waiting:
        try:
            failed += work_through(waiting, options.scheduler, options.workers)
        except KeyboardInterrupt:
            print("Stopped. What is finished stays, and the same command goes on from there.", file=sys.stderr)
            return 130
        except OSError as error:
            print(f"No scheduler answers at {options.scheduler} ({error}).", file=sys.stderr)
            return 2
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started this with Ctrl-C ignored
    sys.exit(main())
