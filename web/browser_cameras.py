"""Faces in the frames that pages send from their own cameras, followed from frame to frame for each page."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from camera import is_mirrored
from model import FacialExpressionModel
from vision.annotate import LiveAnnotator
from vision.confidence import SURE
from vision.faces import Face
from vision.opencv import cv2
from vision.patches import halvings
from vision.planes import from_bgr
from vision.search import FrameSearch
from web.browser_hiding import BrowserFrame, BrowserHiding
from web.errors import RequestError
from web.ongoing_recording import OngoingRecording
from web.pictures import read_picture
from web.recordings import Recordings

MOST_PAGES = 32
FORGOTTEN_AFTER = 10.0  # seconds without a frame
SEARCH_EVERY = 0.1  # seconds from one search of a whole frame to the next, at least
LONGEST_SIDE = 1280  # pixels, of a frame
CHECK_EVERY = 1.0  # seconds
SOURCE = "a browser's camera"  # what a recording of it says was watched


@dataclass(eq=False)
class _Page:
    annotator: LiveAnnotator
    search: FrameSearch = field(default_factory=FrameSearch)
    used: float = 0.0  # time.monotonic() of its latest frame
    searched: float = 0.0  # and of the latest that was searched
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards the following
    ongoing: OngoingRecording | None = None
    hiding: BrowserHiding | None = None  # where faces are hidden in that
    problem: str | None = None  # why its latest recording broke off, in a sentence


class BrowserCameras:
    """The pages that send frames. Safe to call from any thread."""

    def __init__(self, model: Callable[[], FacialExpressionModel], recordings: Recordings, sure: float = SURE) -> None:
        """model: returns the network, and may wait until it is ready. sure: see VideoCamera."""
        self._recordings = recordings
        self._lock = threading.Lock()
        self._pages: dict[str, _Page] = {}  # by the names that they give themselves
        self._model, self._sure = model, sure

    def __len__(self) -> int:
        return sum(time.monotonic() - page.used < FORGOTTEN_AFTER for page in list(self._pages.values()))

    def analyze(self, name: str, content: bytes) -> tuple[tuple[int, int], list[Face]]:
        """The (width, height) of a page's next frame, sent as a picture file, and its faces. Raises RequestError.

        name: the page's own, the same for all of its frames.
        """
        image = read_picture(content)
        height, width = image.shape[:2]
        if max(width, height) > LONGEST_SIDE:
            raise RequestError(f"Send frames of at most {LONGEST_SIDE} pixels a side.", 413)
        sizes, model = halvings(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)), self._model()
        with self._lock:
            now = time.monotonic()
            self._pages = {key: page for key, page in self._pages.items() if now - page.used < FORGOTTEN_AFTER}
            if name not in self._pages and len(self._pages) >= MOST_PAGES:
                raise RequestError("Too many pages send frames of their own cameras; try again later.", 503)
            page = self._pages.setdefault(name, _Page(LiveAnnotator(self._sure)))
            page.used, found = now, None
            if now - page.searched >= SEARCH_EVERY:
                page.searched, found = now, page.search.search(sizes, page.annotator.places())
            mirrored = is_mirrored(model)
            faces = page.annotator.annotate(sizes, now, model, found, mirrored=mirrored)
            places = page.annotator.places()
        if page.ongoing:
            self._record(page, BrowserFrame(now, from_bgr(image), faces, sizes, places, found))
        page.annotator.learn(model)
        return (width, height), faces

    def record(self, name: str, owner: str, with_video: bool, hide: bool = False) -> None:
        """Record a page's frames from now on, until it says so, sends none any more, or something breaks it off.

        owner: the secret of the page's browser. hide: whether faces are hidden in the video. Raises RequestError.
        """
        page = self._page(name)
        with page.lock:
            if page.ongoing:
                raise RequestError("A recording runs already; stop it first.", 409)
            page.ongoing, page.problem = OngoingRecording(self._recordings, SOURCE, with_video, owner), None
            page.hiding = BrowserHiding() if with_video and hide else None
        threading.Thread(target=self._end_with_page, args=(page, page.ongoing), daemon=True).start()

    def stop_recording(self, name: str) -> None:
        """Record a page's frames no further. Raises RequestError."""
        page = self._page(name)
        if not page.ongoing:
            raise RequestError("Nothing is being recorded.", 409)
        self._end(page, page.ongoing)

    def recording(self, name: str) -> dict[str, Any]:
        """How the recording of a page is, a dict for JSON: id, status (none, recording, failed), seconds, problem."""
        page = self._page(name)
        ongoing, problem = page.ongoing, page.problem
        status = "recording" if ongoing else "failed" if problem else "none"
        id, seconds = (ongoing.id, round(ongoing.seconds(), 1)) if ongoing else (None, 0.0)
        return {"id": id, "status": status, "seconds": seconds, "problem": problem}

    def mark(self, name: str, text: str, ago: float) -> None:
        """Note something in the recording of a page. ago: how many seconds ago it was. Raises RequestError."""
        if ongoing := self._page(name).ongoing:
            ongoing.mark(time.monotonic() - ago, text)

    def close(self) -> None:
        """Record no more."""
        for page in list(self._pages.values()):
            if page.ongoing:
                self._end(page, page.ongoing)

    def _page(self, name: str) -> _Page:
        """Raises RequestError where the page has sent no frames lately."""
        page = self._pages.get(name)
        if page is None:
            raise RequestError("This page sends no frames.", 404)
        return page

    def _record(self, page: _Page, frame: BrowserFrame) -> None:
        with page.lock:
            ongoing, error = page.ongoing, None
            if not ongoing:
                return
            frames: Iterable[BrowserFrame] = [frame]
            try:
                if page.hiding:
                    page.hiding.add(frame)
                    frames = page.hiding.take(frame.moment)
                if all(_add(ongoing, each) for each in frames):
                    return
            except Exception as unforeseen:  # most likely a full disk; whatever it is, the page says so
                error = unforeseen
        self._end(page, ongoing, error)

    def _end(self, page: _Page, ongoing: OngoingRecording, error: Exception | None = None) -> None:
        with page.lock:
            if page.ongoing is not ongoing:
                return
            try:
                for frame in page.hiding.take(math.inf) if page.hiding and not error else ():
                    _add(ongoing, frame)
            except Exception as unforeseen:
                error = unforeseen
            page.ongoing, page.hiding, page.problem = None, None, ongoing.end(error)

    def _end_with_page(self, page: _Page, ongoing: OngoingRecording) -> None:
        while page.ongoing is ongoing:
            if time.monotonic() - page.used > FORGOTTEN_AFTER:
                self._end(page, ongoing)
            time.sleep(CHECK_EVERY)

    def rest(self, name: str, number: int) -> bool:
        """Take how a face looks in the page's next two seconds for its resting face. Returns whether it is there."""
        with self._lock:
            page = self._pages.get(name)
            return page is not None and page.annotator.rest(number)


def _add(ongoing: OngoingRecording, frame: BrowserFrame) -> bool:
    """Add a frame to a recording. Returns whether there is room left."""
    return ongoing.add(SOURCE, frame.moment, frame.faces, frame.planes)
