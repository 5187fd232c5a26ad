"""Live frames that wait for half a second, until it is known where faces are to be hidden in them."""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from vision.candidates import HELD, TURNS
from vision.patches import Place

DELAY = 0.5  # seconds for which a frame waits, so that a face is hidden before a search has found it
LONGEST_DELAY = 1.0  # seconds after which a frame waits no more for a later one to be searched

Picture = TypeVar("Picture")


class HiddenFrames(Generic[Picture]):
    """The frames that wait, and where there may have been faces lately. For one thread at a time.

    All moments are those of one clock, in seconds.
    """

    def __init__(self) -> None:
        self._view: Hashable = None
        self._waiting: deque[tuple[float, Picture]] = deque()
        self._places: deque[tuple[float, list[Place]]] = deque()
        self._searched: deque[float] = deque(maxlen=2 * TURNS)  # moments of the latest frames that were searched

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def clear(self) -> None:
        """Drop all frames and places."""
        self._waiting.clear()
        self._places.clear()
        self._searched.clear()
        self._view = None

    def see(self, view: Hashable, moment: float, places: Iterable[Place]) -> None:
        """Note where there may be faces at a moment.

        view: what the frame shows, and how. Of another view than the one before, places mean nothing, so frames and
        places of that are dropped.
        """
        if view != self._view:
            self.clear()
            self._view = view
        self._places.append((moment, list(places)))
        oldest = self._since(self._waiting[0][0] if self._waiting else moment)
        while self._places[0][0] < oldest - LONGEST_DELAY:
            self._places.popleft()

    def add(self, view: Hashable, moment: float, picture: Picture, places: Iterable[Place]) -> None:
        """Have a frame wait that was searched, unless its view is no longer seen. places: see `see`."""
        if view != self._view:
            return
        self.see(view, moment, places)
        self._searched.append(moment)
        self._waiting.append((moment, picture))

    def left(self, now: float) -> float:
        """Seconds until the next frame may be shown; 0 or less where it may be now. Frames must wait."""
        moment, _ = self._waiting[0]
        return moment + (DELAY if self._searched[-1] > moment else LONGEST_DELAY) - now

    def take(self) -> tuple[Picture, list[Place]]:
        """The next frame, which waits no more, and where faces are to be hidden in it."""
        moment, picture = self._waiting.popleft()
        since = self._since(moment)
        return picture, [place for seen, there in self._places if seen >= since for place in there]

    def _since(self, moment: float) -> float:
        """From when on places are hidden in a frame: for a second, or for two turns of each search if longer."""
        return min([moment - HELD, *self._searched])
