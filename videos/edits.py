"""What people change in a recording afterwards: names, which faces are one or none, markers, spans that are left out.

Nothing of it touches what was found: it is applied whenever a table, a chart or a drawn video is made.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from videos.table import Found

MOST = 10_000  # entries of a kind
LONGEST_TEXT = 200  # letters of a name or marker


class EditsError(ValueError):
    """These are no edits; the message is one sentence that says what is wrong."""


@dataclass(frozen=True)
class Marker:
    """What somebody noted at a moment."""

    time: float  # seconds since the recording's first frame
    name: str


@dataclass(frozen=True)
class Edits:
    """The changes to a recording."""

    names: dict[int, str] = field(default_factory=dict)  # of faces, by their numbers
    merged: dict[int, int] = field(
        default_factory=dict
    )  # faces that are another: its number, which is merged into none
    left_out: tuple[int, ...] = ()  # faces that are none, or not wanted
    markers: tuple[Marker, ...] = ()  # in the order of their times
    excluded: tuple[tuple[float, float], ...] = ()  # spans from one moment to another, in order, apart from each other

    def to_json(self) -> dict[str, Any]:
        """As a dict for JSON, of which from_json makes the same again."""
        return asdict(self) | {"left_out": list(self.left_out), "excluded": [list(span) for span in self.excluded]}

    def with_marker(self, marker: Marker) -> "Edits":
        """These edits with another marker."""
        return replace(self, markers=tuple(sorted((*self.markers, marker), key=lambda each: each.time)))

    def apply(self, found: Found) -> Found:
        """The rows of a table with the changes made; found: all of it, ordered by frame.

        Where a face is in a frame beside one that it is merged into, its own row is left out.
        """
        numbers = found.numbers.copy()
        for face, into in self.merged.items():
            numbers[found.numbers == face] = into
        kept = ~np.isin(found.numbers, self.left_out) & ~np.isin(numbers, self.left_out)
        if self.merged:
            is_own = numbers == found.numbers
            order = np.lexsort((~is_own, numbers, found.frames))  # those of a face in a frame, its own row first
            again = np.zeros(len(found), bool)
            same = (np.diff(found.frames[order]) == 0) & (np.diff(numbers[order]) == 0)
            again[order[1:]] = same
            kept &= ~again
        names = np.array([self.names.get(number, "") for number in numbers.tolist()], object).reshape(len(found))
        edited = replace(found, numbers=numbers, names=names, excluded=self._are_excluded(found.times))
        edited = edited.of(kept)
        return replace(edited, markers=self._markers_of(edited.times))

    def _are_excluded(self, times: np.ndarray) -> np.ndarray:
        excluded = np.zeros(len(times), bool)
        for begin, end in self.excluded:
            excluded |= (times >= begin) & (times <= end)
        return excluded

    def _markers_of(self, times: np.ndarray) -> np.ndarray:
        """What was noted, for each row: a marker is in those of the first frame from its moment on, or of the last."""
        markers = np.full(len(times), "", object)
        moments = np.unique(times)
        if not len(moments):
            return markers
        for marker in self.markers:
            moment = moments[min(int(np.searchsorted(moments, marker.time)), len(moments) - 1)]
            first, last = np.searchsorted(times, moment), np.searchsorted(times, moment, side="right")
            for row in range(int(first), int(last)):
                markers[row] = f"{markers[row]}; {marker.name}" if markers[row] else marker.name
        return markers


NO_EDITS = Edits()


def from_json(content: Any) -> Edits:
    """Edits of what JSON has; what is not there is empty. Raises EditsError."""
    if not isinstance(content, dict) or not content.keys() <= asdict(NO_EDITS).keys():
        raise EditsError(f"Send a JSON object with any of {', '.join(asdict(NO_EDITS))}.")
    names = _read(content, "names", dict, lambda item: (_number(item[0]), _text(item[1])), "numbers of faces and names")
    merged = _read(content, "merged", dict, lambda item: (_number(item[0]), _number(item[1])), "numbers of faces")
    left_out = _read(content, "left_out", list, _number, "numbers of faces")
    markers = _read(content, "markers", list, _marker, 'markers, such as {"time": 2.5, "name": "laughs"}')
    excluded = _read(content, "excluded", list, _span, "spans, such as [2.5, 4]")
    for face, into in merged:
        if into in dict(merged) or into == face:
            raise EditsError("A face can only be merged into one that is not merged into another itself.")
    return Edits(
        dict(names),
        dict(merged),
        tuple(sorted(set(left_out))),
        tuple(sorted(markers, key=lambda marker: marker.time)),
        tuple(_united(sorted(excluded))),
    )


def _united(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sorted spans, with those that touch as one."""
    united: list[tuple[float, float]] = []
    for begin, end in spans:
        if united and begin <= united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((begin, end))
    return united


def read_edits(path: Path) -> Edits:
    """The edits in a file; none where it does not exist. Raises EditsError and OSError."""
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return NO_EDITS
    except (ValueError, RecursionError) as error:
        raise EditsError(f"{path.name} of this recording is damaged.") from error


def _read(content: dict[str, Any], key: str, kind: type, parse: Callable[[Any], Any], what: str) -> list[Any]:
    """The entries of one kind. Raises EditsError."""
    entries: Any = content.get(key, kind())
    is_right = isinstance(entries, kind)
    if not is_right or len(entries) > MOST:
        raise EditsError(f"{key} has to be {'an object' if kind is dict else 'a list'} of {what}.")
    try:
        return [parse(entry) for entry in (entries.items() if kind is dict else entries)]
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise EditsError(f"{key} has to hold {what}.") from error


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or not 1 <= int(value) < 2**31:
        raise ValueError
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return " ".join(value.split())[:LONGEST_TEXT]


def _moment(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError
    return float(value)


def _marker(value: Any) -> Marker:
    return Marker(_moment(value["time"]), _text(value["name"]))


def _span(value: Any) -> tuple[float, float]:
    begin, end = (_moment(moment) for moment in value)
    return min(begin, end), max(begin, end)
