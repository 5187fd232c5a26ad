"""Turns saved videos and pictures into annotated ones, tables and timelines: `python analyze.py clip.mp4`.

From Python: `analyze("clip.mp4")` gives the table's rows.
"""

import argparse
import glob
import os
import sys
import time
from collections import Counter
from pathlib import Path

from distributed import KilledWorker
from tqdm import tqdm

from cluster import connected, run
from job import Done, Job, do, is_finished, made_here
from model import FacialExpressionModel, ModelError
from source import PICTURE_SUFFIXES, SourceError
from table import WRITERS, to_rows

VIDEO_SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
    *(".ogv", ".ts", ".vob", ".webm", ".wmv"),
}
BAR = "{percentage:3.0f} %|{bar}| {elapsed}, {remaining} left{postfix}"


def analyze(path, out=None, every=1):
    """Find the faces and expressions in a saved video or picture. Returns a list of dicts, a row a face a frame.

    The columns are table.COLUMNS; `pandas.DataFrame(rows)` makes a data frame of them. every: of so many frames one is
    looked at. out: a folder to write the annotated video, the table as CSV and the timeline into, in place of files
    that are there; without it, nothing is written. Raises source.SourceError, model.ModelError,
    and FileExistsError where a file of another origin would be replaced.
    """
    path = Path(path)
    if out is None:
        job = Job(path, path.name, "", False, None, False, every)
    else:
        [job] = plan([path], path.parent, Path(out), every)
        if foreign := _foreign(job):
            raise FileExistsError(f"{foreign} is there, and not from this program; choose another folder.")
    _, found = do(job)
    return list(to_rows(found, job.name))


def find_inputs(arguments):
    """The paths of the videos and pictures that are meant, each once, and the folder against which they are named.

    arguments: files, folders, which are searched, and patterns such as "clips/*.mp4". What an earlier run of this
    made in a folder is passed over. Raises SourceError.
    """
    found = {}
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


def _is_hidden(path):
    return any(part.startswith(".") for part in path.parts)


def _is_input(path):
    suffix = path.suffix.lower()
    if suffix not in VIDEO_SUFFIXES | PICTURE_SUFFIXES or not path.is_file():
        return False
    return not ((suffix == ".png" or path.stem.endswith("_annotated")) and made_here(path))


def plan(paths, root, out=None, every=1, video=True, table="csv", timeline=True):
    """A Job for each video or picture, with outputs beside it, or in the folder `out` as they lie in `root`.

    clip.mp4 becomes clip_annotated.mp4, clip.csv and clip.png, and clip.mov beside it clip.mov.csv and so on.
    """
    root, paths = root.absolute(), [path.absolute() for path in paths]  # which other machines understand too
    names = [path.relative_to(root).as_posix() for path in paths]
    alike = Counter(os.path.splitext(name)[0] for name in names)
    jobs = []
    for path, name in zip(paths, names):
        stem = os.path.splitext(name)[0]
        base = os.path.join(out.absolute() if out else root, stem if alike[stem] == 1 else name)
        jobs.append(Job(path, name, base, video, table, timeline, every))
    return jobs


def _foreign(job):
    """An output's path where a file of somebody else's is, or None."""
    return next((path for path in job.outputs if path.exists() and not made_here(path)), None)


def _reason(error):
    """One sentence for what ended a job."""
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, KilledWorker):
        return "Each process that tried it was killed; it may be damaged, or take more memory than there is."
    return f"{type(error).__name__}: {error}"


class _Progress:
    """A bar with the videos done, frames a second and the time left."""

    def __init__(self, count):
        self._bar = tqdm(total=count, disable=None, bar_format=BAR)
        self._frames, self._began = 0, time.monotonic()

    def add(self, share, frames):
        self._frames += frames
        self._bar.set_postfix_str(f"{self.rate:.0f} frames/s", refresh=False)
        self._bar.update(share)

    @property
    def rate(self):
        """Frames a second so far."""
        return self._frames / (time.monotonic() - self._began)

    def close(self):
        self._bar.close()


def work_through(jobs, scheduler, workers):
    """Do the jobs on a cluster. Prints failures and a summary. Returns how many failed."""
    failures, done, progress = [], 0, None
    with connected(scheduler, workers) as client:
        print(f"{len(jobs)} to analyse; how it goes: {client.dashboard_link}", flush=True)
        progress = _Progress(len(jobs))
        for job, share, frames, outcome in run(client, jobs):
            progress.add(share, frames)
            if isinstance(outcome, Done):
                done += 1
            if isinstance(outcome, Exception) or (outcome and outcome.note):
                failures.append((job, _reason(outcome) if isinstance(outcome, Exception) else outcome.note))
        rate = progress.rate
        progress.close()
    for job, reason in failures:
        print(f"{job.path}: {reason}", file=sys.stderr)
    print(f"{done} of {len(jobs)} analysed, at {rate:.0f} frames a second")
    return len(failures)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="analyze.py",
        description="Find the faces and expressions in saved videos and pictures.",
        epilog="@list.txt stands for the lines of a file.",
        fromfile_prefix_chars="@",
    )
    parser.add_argument("inputs", nargs="+", help='videos, pictures, folders, or patterns such as "clips/*.mp4"')
    parser.add_argument("--out", type=Path, help="a folder for the outputs (default: beside each video)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="look at one of N frames (default: each)")
    parser.add_argument("--no-video", action="store_true", help="no annotated video")
    parser.add_argument("--no-timeline", action="store_true", help="no picture of the expressions over time")
    parser.add_argument("--no-table", action="store_true", help="no table")
    parser.add_argument("--format", choices=WRITERS, default="csv", help="of the table (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="analyse again what is finished")
    parser.add_argument("--workers", type=int, help="processes on this machine (default: one a core)")
    parser.add_argument("--scheduler", metavar="tcp://HOST:8786", help="use the Dask cluster of this scheduler")
    options = parser.parse_args(arguments)
    if options.every < 1:
        parser.error("--every takes a number from 1")
    try:
        paths, root = find_inputs(options.inputs)
        jobs = plan(
            *(paths, root, options.out, options.every),
            video=not options.no_video,
            table=None if options.no_table else options.format,
            timeline=not options.no_timeline,
        )
        FacialExpressionModel()  # so that the workers find it compiled
    except (SourceError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    waiting, finished, failed = [], 0, 0
    for job in jobs:
        if foreign := _foreign(job):
            failed += 1
            print(f"{job.path}: {foreign} is not from this program; choose another folder with --out.", file=sys.stderr)
        elif not options.force and is_finished(job):
            finished += 1
        else:
            waiting.append(job)
    if finished:
        print(f"{finished} finished before (--force analyses them again)")
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
    sys.exit(main())
