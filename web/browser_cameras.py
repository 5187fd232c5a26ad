"""Faces in the frames that pages send from their own cameras, followed from frame to frame for each page."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from camera import is_mirrored
from model import FacialExpressionModel
from vision.annotate import LiveAnnotator
from vision.confidence import SURE
from vision.faces import Face
from vision.opencv import cv2
from vision.patches import halvings
from vision.search import FrameSearch
from web.errors import RequestError
from web.pictures import read_picture

MOST_PAGES = 32
FORGOTTEN_AFTER = 10.0  # seconds without a frame
SEARCH_EVERY = 0.1  # seconds from one search of a whole frame to the next, at least
LONGEST_SIDE = 1280  # pixels, of a frame


@dataclass(eq=False)
class _Page:
    annotator: LiveAnnotator
    search: FrameSearch = field(default_factory=FrameSearch)
    used: float = 0.0  # time.monotonic() of its latest frame
    searched: float = 0.0  # and of the latest that was searched


class BrowserCameras:
    """The pages that send frames. Safe to call from any thread."""

    def __init__(self, model: Callable[[], FacialExpressionModel], sure: float = SURE) -> None:
        """model: returns the network, and may wait until it is ready. sure: see VideoCamera."""
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
        page.annotator.learn(model)
        return (width, height), faces

    def rest(self, name: str, number: int) -> bool:
        """Take how a face looks in the page's next two seconds for its resting face. Returns whether it is there."""
        with self._lock:
            page = self._pages.get(name)
            return page is not None and page.annotator.rest(number)
