"""The app as its users start it: how soon it shows something, how many viewers it serves, and whether it stays up."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import camera
from benchmarks.clips import HD, Size, read_frames, write_h264
from benchmarks.figures import Figure
from model import FacialExpressionModel
from paths import ROOT

SMALL: Size = (640, 360)
RESTARTS = 10
DOWN = 3.0  # seconds for which a camera is gone each time
FRESH = 0.3  # seconds: a frame that left its source more recently is a new one


class App:
    """The app in a process of its own: `with App(source) as app`. At the end, the process is killed."""

    def __init__(
        self, source: Path | str, port: int = 0, cache: Path | None = None, recordings: Path | None = None
    ) -> None:
        """port: to listen on; 0 for any that is free. cache, recordings: folders to use in place of the user's."""
        environment = {**os.environ, **({"XDG_CACHE_HOME": str(cache)} if cache else {})}
        command = [sys.executable, str(ROOT / "main.py"), str(source), "--no-browser", "--port", str(port)]
        command += ["--recordings", str(recordings)] if recordings else []
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        self.port = self._read_port()
        self.page = f"http://127.0.0.1:{self.port}/"
        self.feed = f"{self.page}video_feed"

    def _read_port(self) -> int:
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.search(r":(\d+) ", line):
                return int(found[1])
        raise RuntimeError("The app ended before it served.")

    def __enter__(self) -> "App":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill the process, and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def state(self) -> dict[str, Any]:
        """What /state answers."""
        return self.ask("GET", "/state")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer. body: for JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        return json.load(connection.getresponse())

    def watch(self) -> Generator[float, None, None]:
        """Yield a moment, as time.time(), whenever a frame has arrived."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/video_feed")
        response = connection.getresponse()
        response.readline()
        while True:
            response.read(int(http.client.parse_headers(response)["Content-Length"]))
            yield time.time()
            response.readline(), response.readline()

    def first_label(self) -> float:
        """The moment, as time.time(), at which a face with a label has been told."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/events")
        for line in connection.getresponse():
            if line.startswith(b"data:") and any(face["label"] for face in json.loads(line[5:])["faces"]):
                return time.time()
        raise RuntimeError("The app ended before a face had a label.")

    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmRSS"].split()[0]) / 1024

    def threads_and_files(self) -> tuple[int, int]:
        """How many threads the app has, and how many open files."""
        process = Path(f"/proc/{self.process.pid}")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))


def start(clip: Path, folder: Path) -> list[Figure]:
    """Seconds until the first picture and label, with an empty cache and with what that start left, and memory."""
    video = write_h264(folder / "hd.mp4", read_frames(clip, HD), 30)
    figures = []
    for title in ("cold", "warm"):
        began = time.time()
        with App(video, cache=folder / "cache") as app:
            frames = app.watch()
            picture, label = next(frames) - began, app.first_label() - began
            figures.append(Figure(f"{title} start: first picture", picture, 1, " s", at_most=True))
            figures.append(Figure(f"{title} start: first label", label, 2, " s", at_most=True))
            end = time.time() + 8
            while next(frames) < end:
                pass
            memory = app.memory()
    return [*figures, Figure("memory while streaming 1280×720", memory, 300, " MB", at_most=True)]


def viewers(clip: Path, folder: Path, seconds: int) -> list[Figure]:
    """Rates, latency and gaps of many viewers of a 640×360 stream, on the same machine."""
    video = write_h264(folder / "small.mp4", read_frames(clip, SMALL), 30)
    with App(video) as app:
        many = load(app, 200, 0, seconds)
        fifty = load(app, 50, 0, seconds)
        stalled = load(app, 50, 10, seconds)
    rate_change = 100 * abs(stalled["rate_median"] / fifty["rate_median"] - 1)
    gap_change = 100 * (stalled["gap_p99"] / fifty["gap_p99"] - 1)
    return [
        Figure("200 viewers: median", many["rate_median"], 28, " frames a second"),
        Figure("200 viewers: slowest", many["rate_min"], 25, " frames a second"),
        Figure("50 viewers: latency, 99th percentile", fifty["latency_p99"], 100, " ms", at_most=True),
        Figure("ten stalled beside 50: change of the median rate", rate_change, 2, " %", at_most=True),
        Figure("ten stalled beside 50: growth of the 99th percentile gap", gap_change, 20, " %", at_most=True),
    ]


def load(app: App, count: int, stalled: int, seconds: int) -> dict[str, float]:
    """What `benchmarks.load` measures with so many viewers, and so many that never read, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", app.feed, *map(str, (count, stalled, seconds))]
    result = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    print(f"  {count} viewers, {stalled} stalled: " + ", ".join(f"{name} {each:.1f}" for name, each in result.items()))
    return result


def recovery(clip: Path, model: FacialExpressionModel) -> list[Figure]:
    """What a VideoCamera shows while a network camera, another App, is killed and started again, ten times."""
    with App(clip) as first:
        port = first.port
        watched = camera.VideoCamera(first.feed, model)
        shots = watched.shots()
        _wait_for_frames(watched, shots)
        first.stop()
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
                again.stop()
        watched.close()
    return [
        Figure("network camera killed: picture and page say so", told, RESTARTS, f" of {RESTARTS}"),
        Figure("network camera restarted: picture back, longest of ten", max(times), 2, " s", at_most=True),
    ]


def _wait_for_frames(watched: camera.VideoCamera, shots: Iterator[camera.Shot]) -> None:
    """Wait until the camera shows new frames again, and no message in their place."""
    while True:
        shot, state = next(shots), watched.state()
        if state["problem"] is None and state["fps"] > 0 and time.time() - shot.timestamp < FRESH:
            return


def soak(clip: Path, minutes: int) -> list[Figure]:
    """How memory, threads and open files grow over minutes in which viewers come and go."""
    with App(clip) as app:
        stop = time.time() + 60 * minutes

        def come_and_go(frames_each: int) -> None:
            while time.time() < stop:
                with contextlib.closing(app.watch()) as frames:
                    for _ in range(frames_each):
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
        time.sleep(2 * camera.RELEASE_AFTER)  # without viewers, the app closes its source meanwhile
        after = [app.memory(), *app.threads_and_files()]
    growth = [end - begin for begin, end in zip(before, after)]
    return [
        Figure(f"{minutes} min of viewers coming and going: growth of memory", growth[0], 10, " MB", at_most=True),
        Figure("the same: more threads", growth[1], 0, at_most=True),
        Figure("the same: more open files", growth[2], 0, at_most=True),
    ]
