"""The app under abuse: cameras that come, go, change, stall and send rubbish, with pages and uploads beside them."""

import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cameras import MjpegCamera, as_part
from benchmarks.clips import read_frames
from benchmarks.figures import Figure
from benchmarks.serving import App
from vision.opencv import cv2

PHASE = 6.0  # seconds of each thing that a camera does
TOLD_WITHIN = 20.0  # seconds: a camera may send nothing for fifteen before the connection is given up
PAGES, UPLOADERS = 8, 2
SIZES = [(640, 360), (320, 240), (1280, 720), (360, 640), (90, 60)]
SEED = 15
LEVELS = 6  # moments at which the memory is printed
QUIET = 15.0  # seconds in which nobody else is there


@dataclass
class Camera:
    """A camera whose behaviour can be changed at any time."""

    images: list[np.ndarray]
    behaviour: str = "works"

    def frames(self, connection: int) -> Iterator[tuple[float, np.ndarray | bytes]]:
        """What it sends over a connection."""
        rng, behaviour = random.Random(connection), self.behaviour
        for index in itertools.count():
            if self.behaviour != behaviour:
                return
            image = self.images[index % len(self.images)]
            if behaviour == "works":
                yield 0.04, image
            elif behaviour == "changes size":
                yield 0.04, cv2.resize(image, SIZES[index // 20 % len(SIZES)])
            elif behaviour == "turns":
                yield 0.04, np.ascontiguousarray(np.rot90(image, index // 20 % 4))
            elif behaviour == "is slow":
                yield 1.3, image
            elif behaviour == "stalls":
                yield (0.04 if index < 10 else 60.0), image
            elif behaviour == "sends rubbish":
                yield 0.05, rng.randbytes(2000)
            elif behaviour == "sends damaged frames":
                part = bytearray(as_part(image))
                part[rng.randrange(100, len(part))] ^= 0xFF
                yield 0.04, bytes(part[: rng.choice((len(part), len(part) // 2))] + b"\r\n")
            elif behaviour == "closes":
                if index == 5:
                    return
                yield 0.04, image


BEHAVIOURS = [
    *("works", "changes size", "turns", "is slow", "stalls", "sends rubbish", "sends damaged frames", "closes"),
    *("is forbidden", "is down"),
]
FAULTS = {"stalls", "sends rubbish", "is forbidden", "is down"}  # in which no picture comes, which has to be told


def abuse(clip: Path, minutes: float) -> list[Figure]:
    """Abuse the app for so many minutes. Prints what it counts."""
    camera = Camera([frame for frame, _ in zip(read_frames(clip, (640, 360)), range(60))])
    server = MjpegCamera(camera.frames)
    with server, App(server.address) as app:
        _frames_in(app, 5.0)
        counts = {"pages": 0, "uploads": 0, "server errors": 0}
        with _visitors(app, clip, counts):  # a first round: what it loads for good is not growth
            _analyse_video(app, clip)
            for behaviour in BEHAVIOURS:
                _phase(app, server, camera, behaviour)
        before, memory = _levels_at_rest(app), []
        faults, told, end = 0, 0, time.monotonic() + 60 * minutes
        with _visitors(app, clip, counts):
            for behaviour in itertools.cycle(BEHAVIOURS):
                if time.monotonic() > end:
                    break
                fault, was_told = _phase(app, server, camera, behaviour)
                faults, told = faults + fault, told + was_told
                memory.append(app.memory())
        server.status, camera.behaviour = 200, "works"
        time.sleep(QUIET)
        rate, state = _frames_in(app, 5.0) / 5.0, app.state()
        after = _levels_at_rest(app)
    growth = after[0] - memory[len(memory) // 4]
    levels = memory[:: max(1, len(memory) // LEVELS)]
    print("  memory over time: " + ", ".join(f"{level:.0f}" for level in levels) + " MB")
    print("  " + ", ".join(f"{value} {name}" for name, value in counts.items()) + f", {faults} faults of the camera")
    return [
        Figure(f"{minutes:g} min of abuse: frames a second at the end", rate, 15),
        Figure("the same: growth of memory after the first quarter", growth, 15, " MB", at_most=True),
        Figure("the same: more threads than before", after[1] - before[1], 0, at_most=True),
        Figure("the same: more open files than before", after[2] - before[2], 0, at_most=True),
        Figure("the same: faults of the camera that the page told", 100 * told / max(1, faults), 100, " %"),
        Figure("the same: answers with status 500", counts["server errors"], 0, at_most=True),
        Figure("the same: faults of the program at the end", state["fault"] is not None, 0, at_most=True),
    ]


@contextmanager
def _visitors(app: App, clip: Path, counts: dict[str, int]) -> Iterator[None]:
    """Open and leave pages, and upload files, for as long as the block runs. counts: grows by each."""
    stop = threading.Event()
    threads = [threading.Thread(target=_come_and_go, args=(app, stop, counts, seed)) for seed in range(PAGES)]
    threads += [threading.Thread(target=_upload, args=(app, stop, counts, clip, seed)) for seed in range(UPLOADERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _analyse_video(app: App, clip: Path) -> None:
    """Upload a video, wait until it is analysed, and delete it."""
    _, body = _ask(app, "POST", "/videos?name=clip.mp4", clip.read_bytes())
    video = f"/videos/{json.loads(body)['id']}"
    while json.loads(_ask(app, "GET", video)[1])["status"] not in ("done", "failed"):
        time.sleep(0.5)
    _ask(app, "DELETE", video)


def _levels_at_rest(app: App) -> tuple[float, int, int]:
    """Memory in MB, threads and open files of the app, once it has let its source go."""
    time.sleep(QUIET)
    return app.memory(), *app.threads_and_files()


def _phase(app: App, server: MjpegCamera, camera: Camera, behaviour: str) -> tuple[bool, bool]:
    """Let the camera behave so for a while. Returns whether that is a fault, and whether it was told."""
    server.status, camera.behaviour = 403 if behaviour == "is forbidden" else 200, behaviour
    if behaviour == "is down":
        server.__exit__()
        server.__init__(camera.frames, port=server.port)  # type: ignore[misc] # bound, and not serving yet
    began, told = time.monotonic(), False
    fault = behaviour in FAULTS
    while (spent := time.monotonic() - began) < PHASE or (fault and not told and spent < TOLD_WITHIN):
        told = told or app.state()["problem"] is not None
        time.sleep(0.2)
    if behaviour == "is down":
        server.__enter__()
    return fault, fault and told


def _ask(app: App, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind} if kind else {})
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def _come_and_go(app: App, stop: threading.Event, counts: dict[str, int], seed: int) -> None:
    rng = random.Random(SEED + seed)
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
        try:
            connection.request(
                "GET", rng.choice(("/video_feed", "/events", "/snapshot.jpg", "/", "/state", "/sources"))
            )
            response = connection.getresponse()
            counts["server errors"] += response.status == 500
            end = time.monotonic() + rng.uniform(0.1, 8)
            while time.monotonic() < end and response.read1(20_000):
                pass
            counts["pages"] += 1
        except OSError:
            pass  # the app drops viewers that are slow; another comes
        finally:
            connection.close()


def _upload(app: App, stop: threading.Event, counts: dict[str, int], clip: Path, seed: int) -> None:
    rng = random.Random(SEED + 100 + seed)
    picture = cv2.imencode(".jpg", next(read_frames(clip, (640, 360))))[1].tobytes()
    while not stop.wait(rng.uniform(0.5, 4)):
        content = rng.choice((picture, picture[: rng.randrange(len(picture))], rng.randbytes(5000)))
        status, _ = _ask(app, "POST", "/api/predict", content, "image/jpeg")
        counts["server errors"] += status == 500
        counts["uploads"] += 1
        if rng.random() < 0.1:
            status, body = _ask(app, "POST", "/videos?name=clip.mp4", clip.read_bytes())
            counts["server errors"] += status == 500
            stop.wait(rng.uniform(0, 10))
            if status == 202:
                _ask(app, "DELETE", f"/videos/{json.loads(body)['id']}")


def _frames_in(app: App, seconds: float) -> int:
    end, frames = time.time() + seconds, 0
    for moment in app.watch():
        frames += 1
        if moment > end:
            return frames
    return frames
