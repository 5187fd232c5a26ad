"""What was found in a video as a table: a row for each face in each frame, as CSV, as Parquet or as Python rows."""

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from version import MAKER, VERSION
from vision.expressions import EMOTIONS
from vision.faces import HOLD, SAME_FACE, Face, as_box, overlaps
from vision.smoothing import ExpressionSmoother

EXPRESSIONS = [emotion.lower() for emotion in EMOTIONS]
COLUMNS = [
    *("video", "frame", "time", "face", "x", "y", "width", "height"),
    *EXPRESSIONS,
    *(f"{expression}_smooth" for expression in EXPRESSIONS),
    "label",
]
INTEGERS = {"frame", "face", "x", "y", "width", "height"}
TEXTS = {"video", "label"}
MARK = MAKER.encode()  # a key of a Parquet file's metadata, by which the file is recognised


@dataclass
class Found:
    """The faces found in a segment of a video or in all of it, ordered by frame, x and y; n of them."""

    frames: np.ndarray  # (n,) int64, from 0
    times: np.ndarray  # (n,) float64, seconds since the video's first frame
    numbers: np.ndarray  # (n,) int64, a number for each person while in the picture
    boxes: np.ndarray  # (n, 4) int64: x, y, width, height in pixels
    probabilities: np.ndarray  # (n, 7) float32
    smoothed: np.ndarray  # (n, 7) float32; zeros until they are smoothed
    labels: np.ndarray  # (n,) int64, indices into EMOTIONS; -1 until they are smoothed

    def __len__(self) -> int:
        return len(self.frames)

    def by_frame(self) -> dict[int, slice]:
        """The rows of each frame that has any, by its number."""
        numbers, begins = np.unique(self.frames, return_index=True)
        ends = [*begins[1:], len(self)]
        return {int(number): slice(begin, end) for number, begin, end in zip(numbers, begins, ends)}

    def faces(self, rows: slice) -> list[Face]:
        """Some rows as Faces, all of whose fields are filled in."""
        return [
            Face(number, as_box(box), probabilities, smoothed, label)
            for number, box, probabilities, smoothed, label in zip(
                self.numbers[rows].tolist(),
                self.boxes[rows].tolist(),
                self.probabilities[rows],
                self.smoothed[rows],
                self.labels[rows].tolist(),
            )
        ]


def gather(frames: Iterable[tuple[int, float, Sequence[Face]]]) -> Found:
    """The Found of (number, moment in seconds, faces with probabilities) of frames."""
    rows = [(number, moment, face) for number, moment, faces in frames for face in faces]
    rows.sort(key=lambda row: (row[0], row[2].box))
    unknown = np.zeros(len(EMOTIONS), np.float32)
    return Found(
        np.array([number for number, _, _ in rows], np.int64),
        np.array([moment for _, moment, _ in rows], np.float64),
        np.array([face.number for _, _, face in rows], np.int64),
        np.array([face.box for _, _, face in rows], np.int64).reshape(-1, 4),
        np.array([face.probabilities for _, _, face in rows], np.float32).reshape(-1, len(EMOTIONS)),
        np.array([unknown if face.smoothed is None else face.smoothed for _, _, face in rows], np.float32).reshape(
            -1, len(EMOTIONS)
        ),
        np.array([-1 if face.label is None else face.label for _, _, face in rows], np.int64),
    )


class Joiner:
    """Makes one table of the Founds of a video's segments, which come in order."""

    def __init__(self, period: float) -> None:
        """period: seconds from one analysed frame to the next."""
        self._longest = HOLD + period  # seconds for which a face may be away at a seam
        self._numbers = itertools.count(1)
        self._latest: dict[int, tuple[float, np.ndarray]] = {}  # the time and box of each face, by number
        self._smoother = ExpressionSmoother()

    def add(self, part: Found) -> Found:
        """The next segment's Found with its faces numbered through, smoothed and labelled.

        A face goes on over the seam where the first box of the one overlaps the last box of the other and no more time
        lies between than a face is followed without being seen.
        """
        faces, rows = np.unique(part.numbers, return_index=True)
        firsts = dict(zip(faces.tolist(), rows.tolist()))
        joined: dict[int, int] = {}
        for _, face, earlier in sorted(self._candidates(part, firsts)):
            if face not in joined and earlier not in joined.values():
                joined[face] = earlier
        for face in sorted(firsts, key=firsts.__getitem__):
            if face not in joined:
                joined[face] = next(self._numbers)
        part = replace(part, numbers=np.array([joined[face] for face in part.numbers.tolist()], np.int64))
        self._latest |= {face: (part.times[row], part.boxes[row]) for row, face in enumerate(part.numbers.tolist())}
        self._smooth(part)
        return part

    def _candidates(self, part: Found, firsts: dict[int, int]) -> Iterator[tuple[float, int, int]]:
        """A face of this part and one of those before that may be the same: (-overlap, face, earlier)."""
        for face, row in firsts.items():
            for earlier, (time, box) in self._latest.items():
                near = part.times[row] - time <= self._longest
                if near and (share := overlaps(box, part.boxes[row])[0]) > SAME_FACE:
                    yield -share, face, earlier

    def _smooth(self, part: Found) -> None:
        for rows in part.by_frame().values():
            shown = self._smoother.smooth(part.faces(rows), float(part.times[rows.start]))
            part.smoothed[rows] = [face.smoothed for face in shown]
            part.labels[rows] = [face.label for face in shown]


def concatenate(parts: Sequence[Found]) -> Found:
    """Consecutive Founds, at least one, as one."""
    return Found(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts))))


def to_rows(found: Found, name: str) -> Iterator[dict[str, Any]]:
    """Yield a dict of COLUMNS for each face in each frame; name: what the column `video` says."""
    for index in range(len(found)):
        values = (
            name,
            int(found.frames[index]),
            round(float(found.times[index]), 6),
            int(found.numbers[index]),
            *(int(value) for value in found.boxes[index]),
            *(round(float(value), 4) for value in found.probabilities[index]),
            *(round(float(value), 4) for value in found.smoothed[index]),
            EMOTIONS[found.labels[index]],
        )
        yield dict(zip(COLUMNS, values, strict=True))


def write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows of to_rows as CSV."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows of to_rows as Parquet."""
    import pyarrow
    import pyarrow.parquet

    kinds = dict.fromkeys(COLUMNS, pyarrow.float32()) | dict.fromkeys(INTEGERS, pyarrow.int32())
    kinds |= {"video": pyarrow.string(), "time": pyarrow.float64(), "label": pyarrow.string()}
    schema = pyarrow.schema([(name, kinds[name]) for name in COLUMNS], {MARK: VERSION.encode()})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), path)


def read_columns(path: Path) -> dict[str, list[Any]]:
    """A table that write_csv wrote: the values of each column, as text, whole or decimal numbers."""
    kinds = {name: str if name in TEXTS else int if name in INTEGERS else float for name in COLUMNS}
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [kind(row[name]) for row in rows] for name, kind in kinds.items()}


WRITERS: dict[str, Callable[[Path, Iterable[dict[str, Any]]], None]] = {"csv": write_csv, "parquet": write_parquet}


def is_table(path: Path) -> bool:
    """Whether the file is a table that was written here."""
    if path.suffix == ".csv":
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().rstrip("\n") == ",".join(COLUMNS)
    import pyarrow
    import pyarrow.parquet

    try:
        return MARK in (pyarrow.parquet.read_schema(path).metadata or {})
    except pyarrow.ArrowInvalid:
        return False
