"""What was found in a video as a table: a row for each face in each frame, as CSV, as Parquet or as Python rows."""

import csv
import functools
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from version import MADE_WITH, MAKER
from vision.expressions import EMOTIONS
from vision.faces import Face, State
from vision.follow import HOLD
from vision.patches import SAME_FACE, as_box, overlaps
from vision.sightings import Sighting, returning
from vision.smoothing import ExpressionSmoother


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    name: str
    kind: str  # text, truth (a value), whole (a number), single or double (precision)
    meaning: str
    of_all: bool = True  # whether faces that are turned away have a value too


EXPRESSIONS = [emotion.lower() for emotion in EMOTIONS]
SCHEMA = [
    Column("video", "text", "the video's name"),
    Column("frame", "whole", "the frame's number, from 0"),
    Column("time", "double", "seconds since the first frame"),
    Column("face", "whole", "the face's number, from 1; it stays the same while the face is followed"),
    Column("x", "whole", "the left side of the face's box, in pixels"),
    Column("y", "whole", "the upper side of the face's box, in pixels"),
    Column("width", "whole", "the width of the face's box, in pixels"),
    Column("height", "whole", "the height of the face's box, in pixels"),
    *(
        Column(name, "single", f"the probability of the label {name}, in this frame alone", False)
        for name in EXPRESSIONS
    ),
    *(Column(f"{name}_smooth", "single", f"the same for {name}, smoothed over time", False) for name in EXPRESSIONS),
    Column("label", "text", "the label that is shown, which follows the smoothed probabilities", False),
    Column("angle", "whole", "degrees by which the face is tilted clockwise; 0 where it is about upright"),
    Column("score", "single", "the share of such finds that are faces"),
    Column("state", "text", "frontal or turned away; a face that is turned away has neither label nor probabilities"),
    Column("sure", "truth", "whether the label is right often enough to be shown; if not, the face is unsure", False),
    Column("marker", "text", "what somebody noted at this moment of a recording"),
    Column("excluded", "truth", "whether somebody left this moment of a recording out"),
    Column("name", "text", "what somebody called the face of a recording"),
]
COLUMNS = [column.name for column in SCHEMA]
FIRST_COLUMNS = COLUMNS[: COLUMNS.index("label") + 1]  # of version 1
# Columns since then, in their order: tables only grow at the end, and those that have grown are recognised too.
LATER = ("angle", "score", "state", "sure", "marker", "excluded", "name")
IN_PYTHON: dict[str, Callable[[str], Any]] = {
    "text": str,
    "truth": lambda text: text == "true",
    "whole": int,
    "single": float,
    "double": float,
}
IN_PARQUET = {"text": "string", "truth": "bool_", "whole": "int32", "single": "float32", "double": "float64"}
IN_CSVW = {"text": "string", "truth": "boolean", "whole": "integer", "single": "float", "double": "double"}
STATES: tuple[State, State] = ("frontal", "turned away")  # by Found.turned_away
MARK = MAKER.encode()  # a key of a Parquet file's metadata, by which the file is recognised
LONGEST_HEADER = 10_000  # characters
ROWS_AT_ONCE = 10_000  # that are made into Python's objects, which take ten times the memory of arrays
DECIMALS = 10_000  # a share is written as so many parts of 1
TRUTHS = np.array(["false", "true"], object)  # as CSV on the Web has them


@dataclass
class Found:
    """The faces found in a segment of a video or in all of it, ordered by frame, x and y; n of them."""

    frames: np.ndarray  # (n,) int64, from 0
    times: np.ndarray  # (n,) float64, seconds since the video's first frame
    numbers: np.ndarray  # (n,) int64, a number for each person while in the picture
    boxes: np.ndarray  # (n, 4) int64: x, y, width, height in pixels
    probabilities: np.ndarray  # (n, 7) float32
    smoothed: np.ndarray  # (n, 7) float32; zeros until they are smoothed
    labels: np.ndarray  # (n,) int64, indices into EMOTIONS; -1 until they are smoothed, and of faces turned away
    angles: np.ndarray  # (n,) int64, degrees clockwise
    scores: np.ndarray  # (n,) float32, 0..1
    turned_away: (
        np.ndarray
    )  # (n,) bool; those have no probabilities: theirs are NaN, as all are until they are classified
    sure: np.ndarray  # (n,) bool, of labels
    markers: np.ndarray  # (n,) str objects; these three are what people add to a recording, see edits.py
    excluded: np.ndarray  # (n,) bool
    names: np.ndarray  # (n,) str objects

    def __len__(self) -> int:
        return len(self.frames)

    def __getstate__(self) -> dict[str, Any]:
        """Its columns in few bytes, since they are sent from process to process."""
        return {name: _packed(column) for name, column in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: _unpacked(*packed) for name, packed in state.items()})

    def by_frame(self) -> dict[int, slice]:
        """The rows of each frame that has any, by its number."""
        numbers, begins = np.unique(self.frames, return_index=True)
        ends = [*begins[1:], len(self)]
        return {int(number): slice(begin, end) for number, begin, end in zip(numbers, begins, ends)}

    def faces(self, rows: slice) -> list[Face]:
        """Some rows as Faces, with all that is known of them."""
        return [self._face(row) for row in range(*rows.indices(len(self)))]

    def _face(self, row: int) -> Face:
        face = Face(int(self.numbers[row]), as_box(self.boxes[row]), angle=int(self.angles[row]))
        state = STATES[int(self.turned_away[row])]
        face = replace(face, score=float(self.scores[row]), state=state, name=self.names[row])
        if self.turned_away[row]:
            return face
        expressions = {"probabilities": self.probabilities[row], "smoothed": self.smoothed[row]}
        return replace(face, label=int(self.labels[row]), sure=bool(self.sure[row]), **expressions)

    def classified(self) -> "Found":
        """Those rows that have probabilities."""
        return self.of(~self.turned_away)

    def for_timeline(self) -> "Found":
        """All rows with nothing else than the timeline shows, which is small on the way to another process."""
        return replace(
            self,
            boxes=np.zeros_like(self.boxes),
            probabilities=np.full_like(self.probabilities, np.nan),
            angles=np.zeros_like(self.angles),
            scores=np.zeros_like(self.scores),
        )

    def in_pieces(self) -> Iterator["Found"]:
        """All rows in order, ROWS_AT_ONCE or fewer at a time."""
        for begin in range(0, len(self), ROWS_AT_ONCE):
            yield self.of(slice(begin, begin + ROWS_AT_ONCE))

    def of(self, rows: slice | np.ndarray) -> "Found":
        """Some of the rows. rows: a slice, (n,) bool, or whole numbers."""
        return Found(*(column[rows] for column in vars(self).values()))


def _packed(column: np.ndarray) -> tuple[str, tuple[int, ...], np.ndarray]:
    """A column as its type, shape and values: one where all are equal, whole numbers in as few bits as hold them."""
    values = column
    if column.size and np.array_equal(column, np.full_like(column, column.flat[0]), column.dtype.kind == "f"):
        values = column.ravel()[:1].copy()  # not a view of all
    elif column.size and column.dtype.kind == "i":
        values = column.astype(np.result_type(*map(np.min_scalar_type, (column.min(), column.max()))))
    return column.dtype.str, column.shape, values


def _unpacked(kind: str, shape: tuple[int, ...], values: np.ndarray) -> np.ndarray:
    """What `_packed` was given."""
    return np.broadcast_to(values, shape).astype(kind)


def gather(frames: Iterable[tuple[int, float, Sequence[Face]]]) -> Found:
    """The Found of (number, moment in seconds, faces with probabilities) of frames."""
    rows = [(number, moment, face) for number, moment, faces in frames for face in faces]
    rows.sort(key=lambda row: (row[0], row[2].box))
    missing, unknown = np.full(len(EMOTIONS), np.nan, np.float32), np.zeros(len(EMOTIONS), np.float32)
    probabilities = [missing if face.probabilities is None else face.probabilities for _, _, face in rows]
    smoothed = [unknown if face.smoothed is None else face.smoothed for _, _, face in rows]
    return Found(
        np.array([number for number, _, _ in rows], np.int64),
        np.array([moment for _, moment, _ in rows], np.float64),
        np.array([face.number for _, _, face in rows], np.int64),
        np.array([face.box for _, _, face in rows], np.int64).reshape(-1, 4),
        np.array(probabilities, np.float32).reshape(-1, len(EMOTIONS)),
        np.array(smoothed, np.float32).reshape(-1, len(EMOTIONS)),
        np.array([-1 if face.label is None else face.label for _, _, face in rows], np.int64),
        np.array([face.angle for _, _, face in rows], np.int64),
        np.array([face.score for _, _, face in rows], np.float32),
        np.array([face.state == STATES[True] for _, _, face in rows], bool),
        np.array([face.sure for _, _, face in rows], bool),
        *no_edits(len(rows)),
    )


def no_edits(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The markers, excluded and names of so many rows to which nobody has added anything."""
    return np.full(count, "", object), np.zeros(count, bool), np.full(count, "", object)


class Joiner:
    """Makes one table of the Founds of a video's segments, which come in order."""

    def __init__(self, period: float, sure: float) -> None:
        """period: seconds from one analysed frame to the next. sure: see ExpressionSmoother."""
        self._longest = HOLD + period  # seconds for which a face may be away at a seam
        self._numbers = itertools.count(1)
        self._latest: dict[int, tuple[float, np.ndarray]] = {}  # the time and box of each face, by number
        self._sightings: dict[int, Sighting] = {}
        self._parts = 0  # so far
        self._smoother = ExpressionSmoother(sure)

    def add(self, part: Found, sightings: dict[int, Sighting]) -> Found:
        """The next segment's Found with its faces numbered through.

        A face goes on over the seam where the first box of the one overlaps the last box of the other and no more time
        lies between than a face is followed without being seen, or where it comes back, by the sightings of the part.
        """
        faces, rows = np.unique(part.numbers, return_index=True)
        firsts = dict(zip(faces.tolist(), rows.tolist()))
        joined: dict[int, int] = {}
        for _, face, earlier in sorted(self._candidates(part, firsts)):
            if face not in joined and earlier not in joined.values():
                joined[face] = earlier
        self._parts += 1
        for face in sorted(firsts, key=lambda face: (face not in joined, firsts[face])):
            sighting = replace(sightings[face], scene=self._parts)
            if face not in joined:
                joined[face] = returning(sighting, self._sightings.items()) or next(self._numbers)
            known = self._sightings.setdefault(joined[face], sighting)
            if known is not sighting:
                known.go_on(sighting)
        part = replace(part, numbers=np.array([joined[face] for face in part.numbers.tolist()], np.int64))
        self._latest |= {face: (part.times[row], part.boxes[row]) for row, face in enumerate(part.numbers.tolist())}
        return part

    def _candidates(self, part: Found, firsts: dict[int, int]) -> Iterator[tuple[float, int, int]]:
        """A face of this part and one of those before that may be the same: (-overlap, face, earlier)."""
        for face, row in firsts.items():
            for earlier, (time, box) in self._latest.items():
                near = part.times[row] - time <= self._longest
                if near and (share := overlaps(box, part.boxes[row])[0]) > SAME_FACE:
                    yield -share, face, earlier

    def smooth(self, part: Found) -> None:
        """Smooth and label the faces of the next segment, which are numbered and classified, where they are."""
        for rows in part.by_frame().values():
            shown = self._smoother.smooth(part.faces(rows), float(part.times[rows.start]))
            for row, face in zip(range(rows.start, rows.stop), shown):
                if face.smoothed is not None:
                    part.smoothed[row], part.labels[row], part.sure[row] = face.smoothed, face.label, face.sure


def concatenate(parts: Sequence[Found]) -> Found:
    """Consecutive Founds, at least one, as one."""
    return Found(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts))))


def to_rows(found: Found, name: str) -> Iterator[dict[str, Any]]:
    """Yield a dict of COLUMNS for each face in each frame; name: what the column `video` says."""
    for part in found.in_pieces():
        lists = (_listed(column, values, part.turned_away) for column, values in zip(SCHEMA, _values(part, name)))
        for row in zip(*lists):
            yield dict(zip(COLUMNS, row, strict=True))


def _values(found: Found, name: str) -> list[np.ndarray]:
    """An array for each column of the table; where a face has no value, it says anything."""
    labels, states = np.array(EMOTIONS, object), np.array(STATES, object)
    times = [round(moment, 6) for moment in found.times.tolist()]  # NumPy rounds otherwise
    return [
        np.full(len(found), name, object),
        found.frames,
        np.array(times, np.float64),
        found.numbers,
        *found.boxes.T,
        *(_rounded(column) for column in found.probabilities.T),
        *(_rounded(column) for column in found.smoothed.T),
        labels[found.labels],
        found.angles,
        _rounded(found.scores),
        states[found.turned_away.astype(int)],
        found.sure,
        found.markers,
        found.excluded,
        found.names,
    ]


def _rounded(shares: np.ndarray) -> np.ndarray:
    """Shares (n,) float32 as float64 with four decimals: exact, since a float32 has few enough digits."""
    return np.rint(shares.astype(np.float64) * DECIMALS) / DECIMALS


def _texts(column: Column, values: np.ndarray, missing: np.ndarray) -> list[Any]:
    """What the cells of a column are in CSV: texts, and numbers that are written as Python writes them.

    missing: (n,) bool, where a face has no value.
    """
    if column.kind == "single":
        values = _shares()[np.rint(np.nan_to_num(values) * DECIMALS).astype(int)]
    elif column.kind == "truth":
        values = TRUTHS[values.astype(int)]
    return _listed(column, values, missing, "")


def _listed(column: Column, values: np.ndarray, missing: np.ndarray, instead: str | None = None) -> list[Any]:
    """The values as Python's; instead: what there is where a face has none."""
    if not column.of_all:
        values = values.astype(object)
        values[missing] = instead
    return values.tolist()


@functools.cache
def _shares() -> np.ndarray:
    """The texts of all shares, from 0.0 to 1.0."""
    return np.array([repr(part / DECIMALS) for part in range(DECIMALS + 1)], object)


def csv_rows(found: Found, name: str) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of to_rows as CSV has them, without the columns' names."""
    for part in found.in_pieces():
        columns = zip(SCHEMA, _values(part, name))
        yield from zip(*(_texts(column, values, part.turned_away) for column, values in columns))


def write_csv(path: Path, found: Found, name: str, header: bool = True) -> None:
    """Write the rows of to_rows as CSV; an hour of five faces takes seconds.

    header: whether the columns' names come first.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if header:
            writer.writerow(COLUMNS)
        writer.writerows(csv_rows(found, name))


def write_metadata(path: Path, table: str, video: str, made_with: str) -> None:
    """Write what a CSV file cannot say of itself, as "CSV on the Web" (www.w3.org/TR/tabular-data-primer) has it.

    table: the CSV file's name. video: what its first column says.
    """
    columns = [
        {"name": column.name, "titles": column.name, "datatype": IN_CSVW[column.kind], "dc:description": column.meaning}
        for column in SCHEMA
    ]
    content = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": quote(os.fsencode(table)),
        "dc:title": f"The faces and expressions in {video}",
        "dc:source": video,
        "dc:creator": made_with,
        "tableSchema": {"columns": columns},
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", newline="\n")


def write_parquet(path: Path, found: Found, name: str, made_with: str = MADE_WITH) -> None:
    """Write the rows of to_rows as Parquet. made_with: goes into the file's metadata."""
    import pyarrow
    import pyarrow.parquet

    fields = [(column.name, getattr(pyarrow, IN_PARQUET[column.kind])()) for column in SCHEMA]
    schema = pyarrow.schema(fields, {MARK: made_with.encode()})
    arrays = [
        pyarrow.array(values, mask=None if column.of_all else found.turned_away).cast(field.type, safe=False)
        for column, values, field in zip(SCHEMA, _values(found, name), schema)
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), path)


def join_parquet(pieces: Sequence[Path], path: Path) -> None:
    """Write the rows of files of write_parquet, at least one, as one."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetWriter(path, pyarrow.parquet.read_schema(pieces[0])) as writer:
        for piece in pieces:
            writer.write_table(pyarrow.parquet.read_table(piece))


def read_columns(path: Path) -> dict[str, list[Any]]:
    """A table that write_csv wrote: the values of each column, as text or numbers; None where one is empty."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        column.name: [IN_PYTHON[column.kind](row[column.name]) if row[column.name] else None for row in rows]
        for column in SCHEMA
    }


def is_table(path: Path) -> bool:
    """Whether the file is a table that was written here, by any version; a CSV may have been saved again elsewhere."""
    if path.suffix == ".parquet":
        return parquet_mark(path) is not None
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline(LONGEST_HEADER).rstrip("\r\n")
    names = next(csv.reader([line]), [])
    later = iter(LATER)
    count = len(FIRST_COLUMNS)
    return names[:count] == FIRST_COLUMNS and all(name in later for name in names[count:])


def parquet_mark(path: Path) -> str | None:
    """What a Parquet file was made with, if it was written here; else None."""
    import pyarrow
    import pyarrow.parquet

    try:
        mark = (pyarrow.parquet.read_schema(path).metadata or {}).get(MARK)
    except (pyarrow.ArrowException, OSError):
        return None
    if mark is None:
        return None
    text = mark.decode("utf-8", "replace")
    return text if text.startswith(MAKER) else f"{MAKER} {text}"  # earlier versions wrote their number alone
