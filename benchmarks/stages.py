"""Where the processor time of a live frame goes: each stage's share, whichever thread it runs in."""

import functools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import camera
from inference.pool import Pool
from model import FacialExpressionModel
from vision import annotate, source
from vision.follow import FaceFollower
from vision.search import FrameSearch

WARM_UP, LIVE = 2.0, 10.0  # seconds until a stage's time counts, and in all
# What each stage is called, and the function that does it: the module or class, and the name there. A stage within
# another counts for itself alone.
STAGES: dict[str, tuple[Any, str]] = {
    "copy the planes, and widen them": (source, "jpeg_planes"),
    "halve the frame": (camera, "halvings"),
    "follow the faces": (FaceFollower, "follow"),
    "look at the faces": (FaceFollower, "_advance"),
    "cut the faces out": (annotate, "cut_faces"),
    "classify": (Pool, "_run"),
    "calibrate, smooth": (annotate.LiveAnnotator, "label"),
    "draw": (camera, "draw_on_planes"),
    "encode as JPEG": (camera, "to_jpeg"),
    "search whole frames": (FrameSearch, "search"),
    "learn the faces": (FacialExpressionModel, "learn"),
}


class _Clock:
    """Sums up the processor time of stages, each without those within it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._within = threading.local()  # its `inner` is the time of the stages within the one that runs

    def timed(self, stage: str, function: Any) -> Any:
        """The function, timed as that stage."""

        @functools.wraps(function)
        def wrapper(*arguments: Any, **options: Any) -> Any:
            before, self._within.inner = getattr(self._within, "inner", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                took = time.thread_time() - began
                self.seconds[stage] += took - self._within.inner
                self._within.inner = before + took

        return wrapper


@contextmanager
def _timed_stages() -> Iterator[_Clock]:
    clock = _Clock()
    with ExitStack() as stack:
        for stage, (place, name) in STAGES.items():
            stack.enter_context(patch.object(place, name, clock.timed(stage, getattr(place, name))))
        yield clock


def stages(model: FacialExpressionModel, video: Path) -> list[tuple[str, float]]:
    """Watch a video live. Returns each stage and its milliseconds of processor time a frame, the longest first.

    Decoding, and what is in no stage, is the last of them.
    """
    with _timed_stages() as clock:
        watched = camera.VideoCamera(str(video), model)
        started = time.monotonic()
        first, began = None, 0.0
        for shot in watched.shots():
            if first is None and time.monotonic() - started > WARM_UP:
                first, began = shot.number, time.process_time()
                clock.seconds.clear()
            if time.monotonic() - started > LIVE:
                break
        in_all = time.process_time() - began
        watched.close()
    assert first is not None
    frames = shot.number - first
    rows = [(stage, 1000 * seconds / frames) for stage, seconds in clock.seconds.most_common()]
    return [*rows, ("decode, and all else", 1000 * (in_all - clock.seconds.total()) / frames)]
