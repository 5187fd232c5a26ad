"""Measures the page in a Chromium: `pipenv run bench-page`. Exits with 1 where a figure misses its bar.

It plays recordings that are generated, shapes that move and probabilities that come and go, and shows a class of
sixteen people live.
"""

import csv
import itertools
import json
import math
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.figures import Figure, measure
from benchmarks.page_live import first_pictures, sixteen_people
from benchmarks.serving import App
from camera import VideoCamera
from paths import DEMO
from videos.analysis import TABLE, VIDEO, Info, pack_faces, write_info, write_whole
from videos.table import EXPRESSIONS, Found, no_edits, write_csv
from vision.confidence import SURE
from vision.opencv import cv2
from web.app import close_app, create_app
from web.recordings import ENTRY, Entry
from web.server import create_server, listen

RATE = 30  # frames a second
WIDTH, HEIGHT = 640, 360
BOX = 64  # pixels
LOOP = 10  # seconds after which the picture begins again
PEOPLE = 5
MINUTES, LONG_MINUTES = 10, 60
MOMENTS = 100  # at which the read-out is compared with the table
SCRUB_STEPS = 300  # moves of the pointer
RECORDED = 10.0  # seconds of a recording before it is killed
OPEN_WITHIN, OPEN_LONG_WITHIN = 1.0, 3.0  # seconds
SMOOTHED = [f"{name}_smooth" for name in EXPRESSIONS]
# Opens the recording of a title from the list, and resolves to the seconds until picture, curves and labels are there.
OPEN = """async title => {
    const next = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const titled = (card) => card.querySelector("h3").textContent === title;
    let card;
    document.getElementById("tab-recordings").click();
    while (!(card = [...document.querySelectorAll("#recordings-list article")].find(titled))) await next();
    const begin = performance.now();
    card.querySelector(".open").click();
    while (!card.querySelector(".player .curves canvas")) await next();
    const video = card.querySelector(".player video");
    while (!video.hidden && video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) await next();
    return (performance.now() - begin) / 1000;
}"""
# Counts in how many frames that the page draws the playhead has moved; counted() gives them, a second.
COUNT = """() => {
    const head = document.querySelector(".playhead");
    const begin = performance.now();
    let moved = 0, at = "", next;
    const look = () => {
        if (head.style.transform !== at) moved++;
        at = head.style.transform;
        next = requestAnimationFrame(look);
    };
    look();
    window.counted = () => {
        cancelAnimationFrame(next);
        return moved / ((performance.now() - begin) / 1000);
    };
}"""
# Counts the video's frames that are shown; counted() gives them, a second.
COUNT_FRAMES = """() => {
    const video = document.querySelector(".player video");
    const begin = performance.now();
    let shown = 0;
    const look = () => { shown++; video.requestVideoFrameCallback(look); };
    video.requestVideoFrameCallback(look);
    window.framesCounted = () => shown / ((performance.now() - begin) / 1000);
}"""
# Opens the first recording of the list, plays it to its end, and resolves to its length in seconds.
PLAY = """async () => {
    document.getElementById("tab-recordings").click();
    const find = async (what, until) => {
        while (!until(document.querySelector(what))) await new Promise((resolve) => setTimeout(resolve, 50));
        return document.querySelector(what);
    };
    (await find("#recordings-list .open", (button) => button && !button.disabled)).click();
    const video = await find("#recordings-list video", (video) => video?.readyState > 1);
    video.playbackRate = 4;
    video.play();
    await find("#recordings-list video", (video) => video.ended);
    return video.error ? 0 : video.duration;
}"""
READ = """() => [".read-at", ".readout .value"].flatMap(
    (name) => [...document.querySelectorAll(`.player ${name}`)].map((place) => place.textContent)
)"""


def boxes_at(times: np.ndarray, people: int) -> np.ndarray:
    """Where each person's face is, (times, people, 4) int64: x, y, width, height in pixels. Repeats after LOOP."""
    turns = 2 * np.pi * (times[:, None] / LOOP + np.arange(people) / people)
    left = (np.arange(people) + 0.5) * WIDTH / people - BOX / 2 + 12 * np.sin(turns)
    top = HEIGHT / 2 - BOX / 2 + 60 * np.cos(turns)
    sides = np.full((len(times), people), BOX)
    return np.stack([left.round(), top.round(), sides, sides], axis=2).astype(np.int64)


def found_faces(seconds: float, people: int) -> Found:
    """Faces that come and go, turn away, and change their expressions. The later their number, the rarer they are."""
    times = np.arange(round(seconds * RATE)) / RATE
    boxes = boxes_at(times, people)
    numbers = np.broadcast_to(np.arange(1, people + 1), boxes.shape[:2])
    phase = times[:, None] / 7 + numbers
    turned_away = np.sin(phase * 1.7) > 0.95
    seen = np.sin(phase * 4) > numbers / people - 1.6
    waves = np.stack([np.sin(phase * (0.5 + 0.13 * index) + index) for index in range(7)], axis=2)
    probabilities = np.exp(4 * waves)
    probabilities = (probabilities / probabilities.sum(axis=2, keepdims=True)).astype(np.float32)
    frames = np.broadcast_to(np.arange(len(times))[:, None], seen.shape)
    probabilities, away = probabilities[seen], turned_away[seen]
    count = len(away)
    return Found(
        frames[seen],
        times[frames[seen]].round(6),
        numbers[seen].astype(np.int64),
        boxes[seen],
        np.where(away[:, None], np.float32(np.nan), probabilities),
        np.where(away[:, None], np.float32(0), probabilities),
        np.where(away, -1, probabilities.argmax(axis=1)),
        np.zeros(count, np.int64),
        np.ones(count, np.float32),
        away,
        (probabilities.max(axis=1) > SURE) & ~away,
        *no_edits(count),
    )


def draw_frames(seconds: float, people: int) -> Iterator[np.ndarray]:
    """Frames, (height, width, 3) uint8 BGR, with an oval in each person's box."""
    for boxes in boxes_at(np.arange(round(seconds * RATE)) / RATE, people):
        image = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
        for number, (x, y, width, height) in enumerate(boxes.tolist()):
            centre = x + width // 2, y + height // 2
            colour = (150 + 10 * number % 80, 170, 200)
            cv2.ellipse(image, centre, (width // 2 - 6, height // 2), 0, 0, 360, colour, -1)
            for side in (-12, 12):
                cv2.circle(image, (centre[0] + side, centre[1] - 8), 4, (60, 60, 60), -1)
        yield image


def write_video(path: Path, seconds: float, people: int) -> None:
    """Write an H.264 video of draw_frames, which is encoded for LOOP seconds and repeated after that."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as video:
        stream = video.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "bf": "0", "g": "60"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, RATE)
        packets = []
        for index, image in enumerate(draw_frames(min(seconds, LOOP), people)):
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            packets += [(bytes(packet), packet.is_keyframe) for packet in stream.encode(frame)]
        packets += [(bytes(packet), packet.is_keyframe) for packet in stream.encode(None)]
        for index, (data, is_key) in enumerate(itertools.islice(itertools.cycle(packets), round(seconds * RATE))):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, RATE), is_key
            packet.pts = packet.dts = index
            packet.duration = 1
            video.mux(packet)


def write_recording(folder: Path, seconds: float, people: int, with_video: bool = True) -> Path:
    """Write a generated recording into a new folder, as the list has them. Returns the folder."""
    folder.mkdir(parents=True)
    found = found_faces(seconds, people)
    write_csv(folder / TABLE, found, "generated.mp4")
    if with_video:
        write_video(folder / VIDEO, seconds, people)
    size = (WIDTH, HEIGHT) if with_video else None
    write_info(folder, Info("generated.mp4", round(seconds * RATE), seconds, people, "benchmarks", size))
    pack_faces(folder, seconds)
    write_whole(folder / ENTRY, json.dumps(asdict(Entry(folder.name, "shapes", 0.0))))
    return folder


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a page that has the recordings in a folder."""
    video = VideoCamera(str(DEMO), Future())
    app = create_app(video, recordings_folder=folder)
    with listen(0) as listener:
        server = create_server(app, listener)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        close_app(app)
        video.close()


@contextmanager
def opened(address: str, name: str) -> Iterator[tuple[Page, float]]:
    """A page that shows a recording, and the seconds that it took to open it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address, wait_until="domcontentloaded")
        page.wait_for_function("() => !document.getElementById('tab-live').disabled")
        yield page, page.evaluate(OPEN, name)
        browser.close()


def _axis(page: Page) -> tuple[float, float, float]:
    """The left end, the width and a height within the time axis, in pixels of the page."""
    page.locator(".axis").scroll_into_view_if_needed()
    box = page.locator(".over").bounding_box()
    assert box
    return box["x"], box["width"], box["y"] + 60


def scrubbing(page: Page) -> tuple[float, float]:
    """Frames a second in which the playhead moves while somebody drags it, and frames of the video that are shown."""
    left, width, height = _axis(page)
    page.mouse.move(left + 1, height)
    page.mouse.down()
    page.evaluate(COUNT)
    page.evaluate(COUNT_FRAMES)
    for step in range(SCRUB_STEPS):
        page.mouse.move(left + 1 + (width - 2) * step / SCRUB_STEPS, height)
    rates = page.evaluate("() => [window.counted(), window.framesCounted()]")
    page.mouse.up()
    return rates[0], rates[1]


def agreement(page: Page, table: Path) -> int:
    """At how many of MOMENTS the read-out of face 1 under the pointer says what the table does."""
    with open(table, newline="", encoding="utf-8") as file:
        rows = {float(row["time"]): row for row in csv.DictReader(file) if row["face"] == "1"}
    times = np.array(sorted(rows))
    page.locator(".whose").select_option("1")
    left, width, height = _axis(page)
    agreed = 0
    for place in np.random.default_rng(0).uniform(1, width - 1, MOMENTS):
        page.mouse.move(left + place, height)
        moment, *values = page.evaluate(READ)
        minutes, seconds = moment.split(":")
        nearest = times[np.abs(times - 60 * int(minutes) - float(seconds)).argmin()]
        shares = [float(rows[nearest][name] or "nan") for name in SMOOTHED]
        said = [float(value.rstrip("\u00a0%")) / 100 if value != "–" else math.nan for value in values]
        agreed += np.allclose(said, shares, atol=1e-6, equal_nan=True)
    return agreed


def player(folder: Path, minutes: int, at_most: float) -> list[Figure]:
    """Opening and scrubbing a recording. at_most: seconds for opening it."""
    name = f"{minutes} minutes, {PEOPLE} people"
    write_recording(folder / str(minutes), 60 * minutes, PEOPLE)
    with served(folder) as address, opened(address, str(minutes)) as (page, seconds):
        moved, shown = scrubbing(page)
        return [
            Figure(f"{name}: open", seconds, at_most, " s", at_most=True),
            Figure(f"{name}: scrubbing, the playhead", moved, 30, " frames a second"),
            Figure(f"{name}: scrubbing, the video", shown, 30, " frames a second"),
            Figure(f"{name}: moments as in the table", agreement(page, folder / str(minutes) / TABLE), MOMENTS),
        ]


def killed(folder: Path) -> list[Figure]:
    """What is lost of a recording whose program is killed, after the next start; and whether Chromium plays it."""
    recordings = folder / "recordings"
    with App("demo", recordings=recordings) as app:
        app.first_label()
        app.ask("POST", "/recording", {"video": True})
        time.sleep(RECORDED)
        recorded = app.state()["recording"]["seconds"]
    with App("demo", recordings=recordings) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page()
        page.goto(app.page, wait_until="domcontentloaded")
        page.wait_for_function("() => !document.getElementById('tab-recordings').disabled")
        played = float(page.evaluate(PLAY))
        [listed] = app.ask("GET", "/recordings")["recordings"]
        browser.close()
    kept = min(played, listed["seconds"])
    return [Figure(f"killed after {RECORDED:g} s of recording: lost", recorded - kept, 1, " s", at_most=True)]


def main() -> int:
    """Measure. Returns the exit status: 1 where a figure misses its bar."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        return measure(
            {
                "A recording in the player": lambda: player(folder, MINUTES, OPEN_WITHIN),
                "A long one": lambda: player(folder, LONG_MINUTES, OPEN_LONG_WITHIN),
                "A killed one": lambda: killed(folder),
                "The live view's first picture": lambda: first_pictures(folder),
                "The live view of a class": lambda: sixteen_people(folder),
            },
            "results_page",
        )


if __name__ == "__main__":
    sys.exit(main())
