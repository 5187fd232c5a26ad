"""Measures the analysis of saved videos: `pipenv run bench-videos [CLIP]`. Exits with 1 where a figure misses its bar.

How soon it begins, what an hour takes, how much faster a second worker makes it, whether results survive killed
workers, how much memory thousands of videos take, and how it compares with the package `fer`. Nothing else should run
meanwhile. For archives, see archive.py.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
from distributed import Client

from analyze import plan
from benchmarks.clips import FULL_HD, HD, Size, back_and_forth, read_frames, write_h264
from benchmarks.figures import Figure, measure
from paths import DEMO, ROOT
from videos import cluster
from videos.cluster import connected, run
from videos.job import Done, Job
from videos.outputs import join_rows, make_room, write_rows
from videos.steps import Call, Steps, write_timeline
from videos.table import Found, no_edits
from vision.expressions import EMOTIONS

BEGINNINGS, BEGINNING_FRAMES = 5, 60
FRAMES, FER_FRAMES = 1800, 900
FULL_HD_FRAMES = 600  # a worker has a few hundred in memory, however many there are
HOUR, HOUR_RATE, HOUR_FACES = 3600, 30, 5
KEY_FRAME_EVERY = 60
TURNS = 3  # that the comparison of workers takes; the median counts
CLIPS, CLIP_FRAMES, CLIP_SIZE = 500, 12, (320, 180)
KILL_EVERY = 3.0  # seconds
FEW_STUBS, MANY_STUBS = 100, 10_000
# A script that analyses the video of its first argument into the folder of its second, as analyze.py does, and prints
# when its first frame is about to be searched, by time.monotonic().
BEGIN = """
import os, sys, time
import analyze
from videos import steps

def searched(picture, shape):
    print(time.monotonic(), flush=True)
    os._exit(0)

steps.grey = searched
analyze.main([sys.argv[1], "--out", sys.argv[2]])
"""
# A script that runs as many jobs as its argument says, which do nothing, and prints how many MB of memory this process
# and the scheduler in it then take.
STUBS = """
import sys
from pathlib import Path

import psutil

from analyze import plan
from videos import cluster
from videos.job import Done, Job
from videos.steps import Call

def nothing(job):
    return Done(1, 0)

def steps(job):
    _, done = yield [Call(nothing, (job,))]
    return done

def main():
    cluster.shared_steps = steps
    jobs = plan([Path(f"/videos/{index:05}.mp4") for index in range(int(sys.argv[1]))], Path("/videos"))
    with cluster.connected(workers=2) as client:
        assert sum(outcome is not None for *_, outcome in cluster.run(client, jobs)) == int(sys.argv[1])
        print(psutil.Process().memory_info().rss / 1e6)

if __name__ == "__main__":
    main()
"""
# A script that analyses the video of its first argument with `fer`, every output on, into the folder of its second, and
# prints frames per second. Its third argument is the number of frames.
FER = """
import sys, time
from fer.fer import FER
from fer.classes import Video
detector, video = FER(), Video(sys.argv[1], outdir=sys.argv[2], tempfile=sys.argv[2] + "/made.mp4")
began = time.time()
found = video.analyze(detector, display=False)
print(int(sys.argv[3]) / (time.time() - began))
"""


def long_video(clip: Path, path: Path, count: int, size: Size = HD) -> Path:
    """Write `count` frames of the clip, played back and forth at 30 frames a second, and return the path."""
    frames = back_and_forth(read_frames(clip, size))
    return write_h264(path, (frames[index % len(frames)] for index in range(count)), 30, KEY_FRAME_EVERY)


def _analyze(client: Client, paths: Sequence[Path], out: Path, **outputs: Any) -> float:
    """Analyse videos into a folder. outputs: see analyze.plan. Returns frames per second."""
    began, frames = time.perf_counter(), 0
    for job, _, _, outcome in run(client, plan(paths, paths[0].parent, out, **outputs)):
        if isinstance(outcome, Exception):
            raise RuntimeError(f"{job.path}: {outcome}")
        frames += outcome.frames if outcome else 0
    return frames / (time.perf_counter() - began)


def beginning(clip: Path, folder: Path) -> list[Figure]:
    """After how many seconds the first frame of a short clip is analysed, the median of some starts."""
    video, waits = long_video(clip, folder / "short.mp4", BEGINNING_FRAMES, (640, 360)), []
    command = [sys.executable, "-c", BEGIN, str(video), str(folder / "begun")]
    for _ in range(BEGINNINGS + 1):
        began = time.monotonic()
        output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        waits.append(float(output) - began)
    return [Figure("a short clip: first frame analysed", float(np.median(waits[1:])), 0.5, " s", at_most=True)]


def hour(clip: Path, folder: Path) -> list[Figure]:
    """How long the chart and the table of an hour with five faces take, and the memory of a worker that makes them.

    Before that, the worker analyses a part of such a video, which has 1920×1080 pixels.
    """
    video = long_video(clip, folder / "full HD.mp4", FULL_HD_FRAMES, FULL_HD)
    [job] = plan([folder / "hour.mp4"], folder, folder / "hour")
    found = _hour_of_faces()
    make_room(job)
    with connected(workers=1) as client:
        _analyze(client, [video], folder / "full HD")
        began = time.perf_counter()
        with patch.object(cluster, "shared_steps", lambda job: _chart_and_table(job, found)):
            [*_] = run(client, [job])
        seconds = time.perf_counter() - began
        [pid] = client.run(os.getpid).values()
        peak = peak_memory(pid)
    return [
        Figure("an hour with five faces: chart and table", seconds, 5, " s", at_most=True),
        Figure("an hour of 1920×1080 with five faces: memory of a worker", peak, 600, " MB", at_most=True),
    ]


def _chart_and_table(job: Job, found: Found) -> Steps:
    """The last steps of a video, without its picture."""
    calls = [Call(write_rows, (job, number, piece)) for number, piece in enumerate(found.in_pieces())]
    calls.append(Call(write_timeline, (job, found.for_timeline(), HOUR * HOUR_RATE, float(HOUR))))
    yield calls
    for _ in calls[1:]:
        yield []
    yield [Call(join_rows, (job, list(range(len(calls) - 1))))]
    return Done(len(found), HOUR_FACES)


def peak_memory(pid: int) -> float:
    """The most memory that a process has had so far, in MB; where the system does not say, what it has now."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
    return psutil.Process(pid).memory_info().rss / 1e6


def _hour_of_faces() -> Found:
    """Five faces that are always there and change their labels now and then."""
    rng, count = np.random.default_rng(0), HOUR * HOUR_RATE * HOUR_FACES
    rows = np.arange(count)
    frames, boxes = rows // HOUR_FACES, np.stack([rows % 1800, rows % 900, rows * 0 + 200, rows * 0 + 200], axis=1)
    labels = rng.integers(0, len(EMOTIONS), count // 500 + 1).repeat(500)[:count]
    shares = rng.random((count, len(EMOTIONS)), np.float32)
    shares[rows, labels] += 3
    shares /= shares.sum(axis=1, keepdims=True)
    scores, away, sure = rng.random(count, np.float32), np.zeros(count, bool), rng.random(count) < 0.7
    numbers = rows % HOUR_FACES + 1
    times, smoothed = frames / HOUR_RATE, shares.copy()
    return Found(
        frames, times, numbers, boxes, shares, smoothed, labels, rows * 0, scores, away, sure, *no_edits(count)
    )


def workers(clip: Path, folder: Path) -> list[Figure]:
    """How many times faster two single-threaded workers are than one, on one video with all of its outputs."""
    video, ratios = long_video(clip, folder / "long.mp4", FRAMES), []
    for turn in range(TURNS):
        rates = []
        for count in (1, 2):
            with connected(workers=count) as client:
                _analyze(client, [clip], folder / f"warm-up {turn} {count}")  # loads the network
                rates.append(_analyze(client, [video], folder / f"{turn} {count}"))
        print(f"  one worker {rates[0]:.0f} frames a second, two {rates[1]:.0f}")
        ratios.append(rates[1] / rates[0])
    median = float(np.median(ratios))
    return [Figure("1280×720 analysed: two single-threaded workers against one", median, 1.7, " times")]


def against_fer(clip: Path, folder: Path, python: str) -> list[Figure]:
    """How many times faster a video is analysed, all outputs on, than by the package `fer`.

    python: the interpreter of an environment in which `fer` is installed.
    """
    video = long_video(clip, folder / "for_fer.mp4", FER_FRAMES)
    with connected() as client:
        _analyze(client, [clip], folder / "ours warm-up")
        ours = _analyze(client, [video], folder / "ours")
    (folder / "theirs").mkdir()
    command = [python, "-c", FER, str(video), str(folder / "theirs"), str(FER_FRAMES)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout
    theirs = float(output.split()[-1])
    print(f"  ours {ours:.0f} frames a second, fer {theirs:.1f}")
    return [Figure("1280×720 analysed, all outputs, against `fer`", ours / theirs, 12, " times")]


def killed(clip: Path, folder: Path) -> list[Figure]:
    """How many of 500 tables are the same when a worker is killed every few seconds."""
    frames = list(read_frames(clip, CLIP_SIZE))
    videos = []
    for index in range(CLIPS):
        begin = index % max(1, len(frames) - CLIP_FRAMES)
        videos.append(write_h264(folder / f"clip {index:03}.mp4", frames[begin : begin + CLIP_FRAMES], 30))
    with connected(workers=2) as client:
        _analyze(client, videos, folder / "quiet", video=False, timeline=False)
    with connected(workers=2) as client:
        stop, killer = threading.Event(), _WorkerKiller()
        thread = threading.Thread(target=killer.run, args=(stop,))
        thread.start()
        _analyze(client, videos, folder / "killed", video=False, timeline=False)
        stop.set()
        thread.join()
    print(f"  {killer.kills} workers killed")
    quiet, disturbed = (
        {path.name: path.read_bytes() for path in (folder / name).glob("*.csv")} for name in ("quiet", "killed")
    )
    same = sum(disturbed.get(name) == content for name, content in quiet.items())
    return [Figure(f"{CLIPS} clips with a worker killed every {KILL_EVERY:g} s: tables as without", same, CLIPS)]


class _WorkerKiller:
    """Kills one of this process' workers, drawn at random, every KILL_EVERY seconds."""

    def __init__(self) -> None:
        self.kills = 0

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop` is set."""
        rng = random.Random(0)
        while not stop.wait(KILL_EVERY):
            children = [child for child in psutil.Process().children() if "spawn_main" in "".join(child.cmdline())]
            if children:
                rng.choice(children).kill()
                self.kills += 1


def stubs(folder: Path) -> list[Figure]:
    """How many MB more driver and scheduler take for ten thousand jobs than for a hundred."""
    script, memory = folder / "stubs.py", []
    script.write_text(STUBS)
    for count in (FEW_STUBS, MANY_STUBS):
        command = [sys.executable, str(script), str(count)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        memory.append(float(output.split()[-1]))
    print(f"  {memory[0]:.0f} MB for {FEW_STUBS} jobs, {memory[1]:.0f} MB for {MANY_STUBS}")
    title = f"driver and scheduler, {MANY_STUBS:,} jobs against {FEW_STUBS}"
    return [Figure(title, memory[1] - memory[0], 50, " MB more", at_most=True)]


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for. Returns the exit status: 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(prog="bench-videos", description=__doc__.partition("\n")[0])
    parser.add_argument("clip", nargs="?", type=Path, default=DEMO, help="a video with a face (default: the demo)")
    parser.add_argument("--fer", metavar="PYTHON", help="the Python of an environment with the package fer, to compare")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sections = {
            "The beginning": lambda: beginning(options.clip, folder),
            "An hour": lambda: hour(options.clip, folder),
            "A second worker": lambda: workers(options.clip, folder),
            "Killed workers": lambda: killed(options.clip, folder),
            "Many videos": lambda: stubs(folder),
            "fer": lambda: against_fer(options.clip, folder, options.fer) if options.fer else [],
        }
        return measure(sections, "results_videos")


if __name__ == "__main__":
    sys.exit(main())
