"""Many moving faces, watched as a person watches them: how many frames a second, how late, and how old the labels."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.clips import FULL_HD, HD, MOSAIC_RATE, Size, mosaic_frames, write_h264
from benchmarks.figures import Figure
from benchmarks.serving import App, load
from benchmarks.stages import stages
from model import FacialExpressionModel

WARM_UP, SECONDS = 3.0, 20  # until faces count, and for how long they do
ASK_EVERY = 1.0  # seconds, how old labels are


def many_faces(model: FacialExpressionModel, folder: Path) -> list[Figure]:
    """Ten and thirty faces at 1920×1080, and sixteen at 1280×720 beside a browser on the same machine.

    Prints where the processor time of a frame with ten faces goes.
    """
    ten = mosaic(folder, 5, 2, FULL_HD)
    rate, latency, age = _watch(ten)
    figures = [
        Figure("live 1920×1080 with ten moving faces", rate, 29.5, " frames a second"),
        Figure("the same: from source to viewer, 99th percentile", latency, 120, " ms", at_most=True),
        Figure("the same: the oldest label", age, 150, " ms", at_most=True),
    ]
    rate, *_ = _watch(mosaic(folder, 10, 3, FULL_HD))
    figures.append(Figure("live 1920×1080 with thirty moving faces", rate, 24, " frames a second"))
    rate, *_ = _watch(mosaic(folder, 8, 2, HD), in_browser=True)
    figures.append(Figure("live 1280×720 with sixteen, a browser watching", rate, 25, " frames a second"))
    print("  milliseconds of processor time for a frame with ten faces:")
    for stage, milliseconds in stages(model, ten):
        print(f"  | {stage} | {milliseconds:.1f} |")
    return figures


def mosaic(folder: Path, columns: int, rows: int, size: Size) -> Path:
    """A video of so many faces that move, in a folder."""
    path = folder / f"mosaic {columns * rows}.mp4"
    return write_h264(path, mosaic_frames(columns, rows, size), MOSAIC_RATE)


def _watch(video: Path, in_browser: bool = False) -> tuple[float, float, float]:
    """Frames a second, the 99th percentile of the latency and the age of the oldest label, both in milliseconds.

    in_browser: whether the page is open in Chromium as well.
    """
    with App(video) as app, _page(app) if in_browser else contextlib.nullcontext(), ThreadPoolExecutor(1) as pool:
        with contextlib.closing(app.watch()) as frames:
            began = time.monotonic()
            while app.state()["waiting"] or time.monotonic() - began < WARM_UP:
                next(frames)
        loading, ages = pool.submit(load, app, 1, 0, SECONDS), []
        while not loading.done():
            time.sleep(ASK_EVERY)
            ages.append(app.state()["skipped"]["label_age"])
    return loading.result()["rate_median"], loading.result()["latency_p99"], max(ages)


@contextlib.contextmanager
def _page(app: App) -> Iterator[None]:
    """The app's page, open in Chromium."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=shutil.which("chromium")) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(app.page)
        yield
