"""Faces in the frames that pages send from their own cameras, followed from frame to frame for each page."""

import threading
import time
from dataclasses import dataclass, field

from annotate import LiveAnnotator, seen_faces
from faces import FaceDetector
from model import FacialExpressionModel
from opencv import cv2
from uploads import UploadError, decode_picture

MOST_PAGES = 32
FORGOTTEN_AFTER = 10.0  # seconds without a frame
SEARCH_EVERY = 0.1  # seconds from one search of a whole frame to the next, at least
LONGEST_SIDE = 1280  # pixels, of a frame


@dataclass(eq=False)
class _Page:
    annotator: LiveAnnotator = field(default_factory=LiveAnnotator)
    used: float = 0.0  # time.monotonic() of its latest frame
    searched: float = 0.0  # and of the latest that was searched


class OwnCameras:
    """The pages that send frames; to be used from any thread."""

    def __init__(self):
        self._lock, self._pages = threading.Lock(), {}  # by what they call themselves
        self._detector, self._model = FaceDetector(), None

    def __len__(self):
        return sum(time.monotonic() - page.used < FORGOTTEN_AFTER for page in list(self._pages.values()))

    def look(self, name, content):
        """The faces in a page's next frame, a picture's bytes. Returns (width, height) and a tuple of annotate.Seen.

        name: what the page calls itself, the same for all of its frames. Raises UploadError.
        """
        image = decode_picture(content)
        if max(image.shape[:2]) > LONGEST_SIDE:
            raise UploadError(f"Send frames of at most {LONGEST_SIDE} pixels a side.", 413)
        with self._lock:
            now = time.monotonic()
            self._pages = {key: page for key, page in self._pages.items() if now - page.used < FORGOTTEN_AFTER}
            if name not in self._pages and len(self._pages) >= MOST_PAGES:
                raise UploadError("Too many pages show their own cameras; try again later.", 503)
            page = self._pages.setdefault(name, _Page())
            page.used, found = now, None
            if now - page.searched >= SEARCH_EVERY:
                page.searched, found = now, self._detector.detect(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
            self._model = self._model or FacialExpressionModel()
            page.annotator.annotate(image, now, self._model, found)
            return image.shape[1::-1], seen_faces(page.annotator)
