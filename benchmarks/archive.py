"""Measures the analysis of an archive: `pipenv run bench-archive [CLIP]`. Exits with 1 where a figure misses its bar.

Thousands of short clips and hundreds of full ones go through two workers, as a person starts analyze.py; the program
is killed at half, and started again. `--clips` and `--full` make the archives smaller. Nothing else should run then.
"""

import argparse
import itertools
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from analyze import plan
from benchmarks.clips import HD, Size, repeat, write_h264
from benchmarks.figures import Figure, measure
from benchmarks.videos import long_video, peak_memory
from paths import DEMO, ROOT
from videos.job import Job
from videos.steps import begin, draw, find, shared_steps
from vision.opencv import cv2

WORKERS = 2
SAMPLE_EVERY = 0.5  # seconds
SETTLED, LATE = 0.2, 0.9  # shares of a run, after which its memory is compared
SHIFT = 7  # frames from the end of one clip to the beginning of the next
COST_SECONDS, COST_RATE = 30, 30  # of the video whose steps are counted
HOUR = 3600  # seconds
READ_THE_VIDEO = (begin, find, draw)  # the steps that do so, beside that for the sound


@dataclass(frozen=True)
class Archive:
    """Clips that are alike in length and size, and how they are analysed."""

    name: str
    count: int
    different: int  # clips; the others are links to these
    size: Size
    rate: int  # frames a second
    frames: int  # of a clip
    each: int  # of so many of the demo's frames one is taken
    options: tuple[str, ...]

    def make(self, clip: Path, folder: Path) -> Path:
        """Make its clips from another in a new folder, and return the folder."""
        folder.mkdir()
        images = (
            cv2.resize(frame, self.size, interpolation=cv2.INTER_AREA)
            for frame in itertools.islice(repeat(clip, sys.maxsize), 0, None, self.each)
        )
        originals: list[Path] = []
        for index in range(self.count):
            path = folder / f"clip {index:05}.mp4"
            if index < self.different:
                originals.append(write_h264(path, itertools.islice(images, self.frames), self.rate))
                next(itertools.islice(images, SHIFT, SHIFT), None)  # so that no clip is like another
            else:
                os.link(originals[index % self.different], path)
        return folder


def short_clips(count: int) -> Archive:
    """Ten seconds each, small, of which a table of every fifth frame is wanted."""
    options = ("--every", "5", "--no-video", "--no-timeline")
    return Archive("short clips", count, 200, (160, 90), 10, 100, 2, options)


def full_clips(count: int) -> Archive:
    """Ten seconds each, of which everything is wanted."""
    return Archive("full 1280×720 clips", count, 30, HD, 25, 250, 1, ())


@dataclass
class Watched:
    """What was seen of a run of analyze.py while it went on."""

    seconds: float = 0.0
    first_output: float | None = None  # seconds until there was one more than before
    memory: list[tuple[int, float]] = field(default_factory=list)  # outputs so far, and MB of driver and scheduler
    worker_memory: float = 0.0  # MB, the most of a worker
    workers: list[psutil.Process] = field(default_factory=list)


def finished(out: Path) -> list[os.DirEntry]:
    """What each finished clip has in a folder: of its outputs, this one gets its name last."""
    with suppress(FileNotFoundError):
        return [entry for entry in os.scandir(out) if entry.name.endswith(".csv-metadata.json")]
    return []


def watch(archive: Archive, videos: Path, out: Path, kill_at: int | None = None) -> Watched:
    """Run analyze.py on an archive, up to its end, or until it is killed when there are so many tables."""
    command = [sys.executable, str(ROOT / "analyze.py"), str(videos), "--out", str(out), "--workers", str(WORKERS)]
    seen, before, began = Watched(), len(finished(out)), time.monotonic()
    with (out.parent / "log.txt").open("w") as log:
        process = subprocess.Popen([*command, *archive.options], stdout=log, stderr=log)
        driver = psutil.Process(process.pid)
        while process.poll() is None:
            done, seen.seconds = len(finished(out)), time.monotonic() - began
            if done > before and seen.first_output is None:
                seen.first_output = seen.seconds
            with suppress(psutil.Error):
                seen.memory.append((done, driver.memory_info().rss / 1e6))
                seen.workers = [each for each in driver.children() if "spawn_main" in "".join(each.cmdline())]
                seen.worker_memory = max([seen.worker_memory, *(peak_memory(worker.pid) for worker in seen.workers)])
            if kill_at is not None and done >= kill_at:
                process.kill()
                process.wait()
                break
            time.sleep(SAMPLE_EVERY)
    if kill_at is None and process.returncode != 0:
        raise RuntimeError(f"analyze.py ended with {process.returncode}: {(out.parent / 'log.txt').read_text()}")
    return seen


def tenths(out: Path, count: int) -> list[float]:
    """Clips a second in each tenth of what was done, by the tables' times."""
    moments = sorted(entry.stat().st_mtime for entry in finished(out))
    marks = [moments[max(0, count * tenth // 10 - 1)] for tenth in range(11)]
    return [count / 10 / max(later - earlier, 1e-9) for earlier, later in zip(marks, marks[1:])]


def whole_run(archive: Archive, videos: Path, out: Path) -> list[Figure]:
    """An archive from beginning to end: time, throughput, memory."""
    seen = watch(archive, videos, out)
    rates, count, name = tenths(out, archive.count), archive.count, f"{archive.count:,} {archive.name}"
    print("  clips a second in each tenth:", " ".join(f"{rate:.3g}" for rate in rates))
    settled = [memory for done, memory in seen.memory if SETTLED * count <= done < (SETTLED + 0.1) * count]
    late = [memory for done, memory in seen.memory if done >= LATE * count]
    growth = float(np.median(late) - np.median(settled)) if late and settled else float("nan")
    print(f"  driver and scheduler: {late[-1]:.0f} MB at the end")
    return [
        Figure(f"{name}: finished", len(finished(out)), count),
        Figure(f"{name}: time", seen.seconds, HOUR, " s", at_most=True),
        Figure(f"{name}: clips a second in the last tenth, against the second", rates[-1] / rates[1], 0.95, " times"),
        Figure(f"{name}: driver and scheduler, growth after the first fifth", growth, 30, " MB", at_most=True),
        Figure(f"{name}: memory of a worker", seen.worker_memory, 600, " MB", at_most=True),
    ]


def interrupted_run(archive: Archive, videos: Path, out: Path) -> list[Figure]:
    """An archive whose driver is killed at half: how fast the same command goes on, and what it does again."""
    half = watch(archive, videos, out, archive.count // 2)
    ended, alive = time.monotonic(), half.workers
    while alive and time.monotonic() - ended < 60:
        alive = [worker for worker in alive if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
        time.sleep(0.05)
    workers_lasted, name = time.monotonic() - ended, f"{archive.count:,} {archive.name}, killed at half"
    before = {entry.name: entry.stat().st_mtime_ns for entry in finished(out)}
    seen = watch(archive, videos, out)
    now = {entry.name: entry.stat().st_mtime_ns for entry in finished(out)}
    again = sum(now.get(file) != moment for file, moment in before.items())
    left = [path for path in out.iterdir() if path.name.startswith(".")]
    print(f"  killed with {len(before):,} of {archive.count:,} finished")
    return [
        Figure(f"{name}: its workers end", workers_lasted, 10, " s", at_most=True),
        Figure(f"{name}: the same command goes on", seen.first_output or np.inf, 60, " s", at_most=True),
        Figure(f"{name}: clips analysed again", again, 0, at_most=True),
        Figure(f"{name}: finished", len(now), archive.count),
        Figure(f"{name}: folders of unfinished work left", len(left), 0, at_most=True),
        Figure(f"{name}: time of both runs", half.seconds + seen.seconds, HOUR, " s", at_most=True),
    ]


def _counts_of_files() -> tuple[int, int]:
    """Bytes that this process has read from and written to files so far."""
    counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counters["rchar"]), int(counters["wchar"])


def count_steps(job: Job) -> Counter:
    """Do a job in this process as a cluster would. Returns its tasks, and bytes through the scheduler and of files."""
    counts: Counter = Counter()
    steps = shared_steps(job)
    waiting = next(steps)
    try:
        while True:
            call, *waiting = waiting
            sent = pickle.dumps((call.function, call.arguments))
            function, arguments = pickle.loads(sent)
            before = _counts_of_files()
            result = function(*arguments)
            read, written = (after - earlier for after, earlier in zip(_counts_of_files(), before))
            got = pickle.dumps(result)
            counts += Counter(tasks=1, scheduler=len(sent) + len(got), written=written)
            counts["read"] += read if call.function in READ_THE_VIDEO else 0
            began = time.process_time()
            waiting += steps.send((call, pickle.loads(got)))
            counts["driver"] += round(1e6 * (time.process_time() - began))  # microseconds
    except StopIteration:
        pass
    counts["input"] = job.path.stat().st_size
    counts["outputs"] = sum(path.stat().st_size for path in job.outputs)
    return counts


def costs(clip: Path, folder: Path) -> list[Figure]:
    """What an hour of video and a short clip cost beside the workers' time."""
    video = long_video(clip, folder / "long.mp4", COST_SECONDS * COST_RATE)
    small = short_clips(1).make(clip, folder / "one short clip") / "clip 00000.mp4"
    [hour] = plan([video], folder, folder / "cost of an hour")
    [short] = plan([small], small.parent, folder / "cost of a short clip", every=5, video=False, timeline=False)
    for job in plan([small], small.parent, folder / "warm-up"):
        count_steps(job)  # reads the modules and the network that the first job loads
    scale = HOUR / COST_SECONDS
    for_hour, for_short = count_steps(hour), count_steps(short)
    beside = (for_hour["written"] - for_hour["outputs"]) / 1e6 * scale
    for name, counts in ((f"{COST_SECONDS} s of 1280×720", for_hour), ("a short clip", for_short)):
        print(f"  {name}, measured:", dict(counts))
    return [
        Figure("an hour of 1280×720 with a face: tasks", for_hour["tasks"] * scale, 5000, at_most=True),
        Figure("the same: through the scheduler", for_hour["scheduler"] / 1e6 * scale, 100, " MB", at_most=True),
        Figure("the same: the driver's time for the steps", for_hour["driver"] / 1e6 * scale, 20, " s", at_most=True),
        Figure("the same: the video is read", for_hour["read"] / for_hour["input"], 4, " times", at_most=True),
        Figure("the same: written beside the outputs", beside, 4000, " MB", at_most=True),
        Figure("a short clip: tasks", for_short["tasks"], 1, at_most=True),
        Figure("the same: through the scheduler", for_short["scheduler"] / 1e3, 10, " kB", at_most=True),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for. Returns the exit status: 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(prog="bench-archive", description=__doc__.partition("\n")[0])
    parser.add_argument("clip", nargs="?", type=Path, default=DEMO, help="a video with a face (default: the demo)")
    parser.add_argument("--clips", type=int, default=10_000, metavar="N", help="short clips (default: %(default)s)")
    parser.add_argument("--full", type=int, default=300, metavar="N", help="full clips (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        short, full = short_clips(options.clips), full_clips(options.full)

        def both(archive: Archive) -> list[Figure]:
            work = folder / archive.name
            work.mkdir()
            videos = archive.make(options.clip, work / "videos")
            return whole_run(archive, videos, work / "whole") + interrupted_run(archive, videos, work / "killed")

        sections = {
            "What it takes": lambda: costs(options.clip, folder),
            "Short clips": lambda: both(short),
            "Full clips": lambda: both(full),
        }
        return measure(sections, "results_archive")


if __name__ == "__main__":
    sys.exit(main())
