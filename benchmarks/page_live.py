"""The live view in a Chromium, with sixteen people who come and go: what moves, what it takes, how soon it shows."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.clips import HD
from benchmarks.figures import Figure
from benchmarks.many_faces import mosaic
from benchmarks.serving import App

SCREENS = {"1280×800": (1280, 800, 2), "390×844": (390, 844, 3)}  # width, height, and screens that the page may be high
LONGER = "1280×800"  # where the heap is measured
WATCHED = 120  # seconds
SETTLED, LEVEL = 150, 600  # seconds after which the heap is compared: by the first, the timeline is full
STARTED = 3  # seconds from the start until somebody opens the page
NAVIGATIONS = 6
# Adds up what moves without anybody's doing, as browsers measure it: https://web.dev/articles/cls
SHIFTS = """window.shifted = 0;
new PerformanceObserver((list) => {
    for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifted += each.value;
}).observe({ type: "layout-shift", buffered: true });"""
# Notes how many seconds after the navigation the picture is there.
LOOK = """(function look() {
    if (document.getElementById("picture")?.naturalWidth) window.shownAt = performance.now() / 1000;
    else requestAnimationFrame(look);
})();"""


@contextmanager
def _opened(app: App, width: int, height: int, complaints: list[str]) -> Iterator[Page]:
    """The page of an app in a new window; what it complains of is added to the complaints."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.add_init_script(SHIFTS)
        page.add_init_script(LOOK)
        page.goto(app.page, wait_until="domcontentloaded")
        yield page
        browser.close()


def _metric(session: CDPSession, name: str) -> float:
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics[name])


def _heap(session: CDPSession) -> float:
    """The megabytes of the page's own objects that are still needed."""
    session.send("HeapProfiler.collectGarbage")
    return _metric(session, "JSHeapUsedSize") / 1e6


def first_pictures(folder: Path) -> list[Figure]:
    """How soon the picture is there in a new browser, the slowest of some; and where nobody watched before."""
    seconds = []
    with App(mosaic(folder, 8, 2, HD)) as app:
        time.sleep(STARTED)
        for _ in range(NAVIGATIONS):
            with _opened(app, 1280, 800, []) as page:
                seconds.append(float(page.wait_for_function("() => window.shownAt").json_value()))
    first, *others = seconds
    return [
        Figure("from navigation to the first picture", max(others), 0.5, " s", at_most=True),
        Figure("the same, where the source is opened for it", first, 0.5, " s", at_most=True),
    ]


def sixteen_people(folder: Path) -> list[Figure]:
    """Two minutes on two sizes of screen, and then the larger for some time more."""
    figures, complaints = [], list[str]()
    for name, (width, height, screens) in SCREENS.items():
        with App(mosaic(folder, 8, 2, HD)) as app, _opened(app, width, height, complaints) as page:
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            page.wait_for_selector("#faces .lines > li")
            began, script = time.monotonic(), _metric(session, "ScriptDuration")
            page.wait_for_timeout(1000 * WATCHED)
            share = 100 * (_metric(session, "ScriptDuration") - script) / (time.monotonic() - began)
            shifted = page.evaluate("() => window.shifted")
            high = page.evaluate("() => document.documentElement.scrollHeight") / height
            figures += [
                Figure(f"sixteen people, {name}: layout shift in two minutes", shifted, 0.05, at_most=True),
                Figure("the same: height of the page", high, screens, " screens", at_most=True),
                Figure("the same: its script, of a core", share, 25, " %", at_most=True),
            ]
            if name != LONGER:
                continue
            page.wait_for_timeout(1000 * (SETTLED - WATCHED))
            settled = _heap(session)
            page.wait_for_timeout(1000 * (LEVEL - SETTLED))
            growth = _heap(session) - settled
            figures.append(
                Figure("the same: growth of its heap until the tenth minute", growth, 1, " MB", at_most=True)
            )
    return [*figures, Figure("errors in the page's script", len(complaints), 0, at_most=True)]
