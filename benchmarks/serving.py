"""The app as its users start it: how soon it shows something, how many it serves, and whether it stays up."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import camera
from benchmarks.clips import HD, read_frames, write_h264
from benchmarks.figures import Figure
from model import ROOT

SMALL = (640, 360)
RESTARTS = 10
DOWN = 3.0  # seconds that a camera is away each time


class App:
    """The app, running in a process of its own: `with App(source) as app`."""

    def __init__(self, source, port=0, cache=None):
        environment = {**os.environ, **({"XDG_CACHE_HOME": str(cache)} if cache else {})}
        command = [sys.executable, ROOT / "main.py", str(source), "--no-browser", "--port", str(port)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        lines = iter(self.process.stdout.readline, "")
        self.port = int(next(found for line in lines if (found := re.search(r":(\d+) ", line)))[1])
        self.feed = f"http://127.0.0.1:{self.port}/video_feed"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.communicate()

    def state(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/state")
        return json.load(connection.getresponse())

    def watch(self):
        """Yield a moment, time.time(), for every frame that comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/video_feed")
        response = connection.getresponse()
        response.readline()
        while True:
            response.read(int(http.client.parse_headers(response)["Content-Length"]))
            yield time.time()
            response.readline(), response.readline()

    def memory(self):
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def threads_and_files(self):
        process = Path(f"/proc/{self.process.pid}")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))


def start(clip, folder):
    """Seconds to the first picture and to the first labels, with an empty cache and with a full one; memory."""
    video = write_h264(folder / "hd.mp4", read_frames(clip, HD), 30)
    figures = []
    for title, bar in (("cold", 5.0), ("warm", 1.5)):
        began = time.time()
        with App(video, cache=folder / "cache") as app:
            frames = app.watch()
            figures.append(Figure(f"{title} start: first picture", next(frames) - began, bar, " s", most=True))
            while app.state()["waiting"]:
                next(frames)
            print(f"  {title} start: labels after {time.time() - began:.1f} s")
            end = time.time() + 8
            while next(frames) < end:
                pass
            memory = app.memory()
    return [*figures, Figure("memory while streaming 1280×720", memory, 300, " MB", most=True)]


def viewers(clip, folder, seconds):
    """Rates, latency and gaps of many viewers of a 640×360 stream, on the same machine."""
    video = write_h264(folder / "small.mp4", read_frames(clip, SMALL), 30)
    with App(video) as app:
        many = _load(app, 200, 0, seconds)
        fifty = _load(app, 50, 0, seconds)
        stalled = _load(app, 50, 10, seconds)
    rate_change = 100 * abs(stalled["rate_median"] / fifty["rate_median"] - 1)
    gap_change = 100 * (stalled["gap_p99"] / fifty["gap_p99"] - 1)
    return [
        Figure("200 viewers: median", many["rate_median"], 28, " frames a second"),
        Figure("200 viewers: slowest", many["rate_min"], 25, " frames a second"),
        Figure("50 viewers: latency, 99th percentile", fifty["latency_p99"], 100, " ms", most=True),
        Figure("ten stalled beside 50: change of the median rate", rate_change, 2, " %", most=True),
        Figure("ten stalled beside 50: growth of the 99th percentile gap", gap_change, 20, " %", most=True),
    ]


def _load(app, count, stalled, seconds):
    command = [sys.executable, "-m", "benchmarks.load", app.feed, *map(str, (count, stalled, seconds))]
    result = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    print(f"  {count} viewers, {stalled} stalled: " + ", ".join(f"{name} {each:.1f}" for name, each in result.items()))
    return result


def recovery(clip, model):
    """The longest time, in seconds, that the picture takes to be back once a killed network camera is."""
    with App(clip) as first:
        port = first.port
        watched = camera.VideoCamera(first.feed, model)
        shots = watched.shots()
        _wait_for_frames(watched, shots)
        first.process.kill()
        first.process.wait()
        times, told = [], 0
        for _ in range(RESTARTS):
            end = time.time() + DOWN
            while time.time() < end:
                next(shots)
            told += watched.state()["problem"] is not None
            with App(clip, port=port) as again:
                back = time.time()
                _wait_for_frames(watched, shots)
                times.append(time.time() - back)
                again.process.kill()
                again.process.wait()
        watched.close()
    return [
        Figure("network camera killed: picture and page say so", told, RESTARTS, f" of {RESTARTS}"),
        Figure("network camera restarted: picture back, longest of ten", max(times), 2, " s", most=True),
    ]


def _wait_for_frames(watched, shots):
    """Wait until a frame comes that is none of the messages."""
    while True:
        shot = next(shots)
        if watched.state()["problem"] is None and time.time() - shot.timestamp < 0.3 and watched.state()["fps"] > 0:
            return


def soak(clip, minutes):
    """Growth over minutes in which viewers come and go."""
    with App(clip) as app:
        stop = time.time() + 60 * minutes

        def come_and_go(pause):
            while time.time() < stop:
                with contextlib.closing(app.watch()) as frames:
                    for _ in range(pause):
                        next(frames)

        threads = [threading.Thread(target=come_and_go, args=(20 + 17 * index,)) for index in range(10)]
        for thread in threads:
            thread.start()
        time.sleep(min(60, 12 * minutes))
        before = [app.memory(), *app.threads_and_files()]
        for thread in threads:
            thread.join()
        with contextlib.closing(app.watch()) as frames:
            next(frames)
        time.sleep(10)  # the source is let go five seconds after the last viewer
        after = [app.memory(), *app.threads_and_files()]
    growth = [end - begin for begin, end in zip(before, after)]
    return [
        Figure(f"{minutes} min of viewers coming and going: growth of memory", growth[0], 10, " MB", most=True),
        Figure("the same: more threads", growth[1], 0, most=True),
        Figure("the same: more open files", growth[2], 0, most=True),
    ]
