"""What was found in a recording as a table: a row for each face in each frame, as CSV, as Parquet or as Python rows."""

import csv
import itertools
from dataclasses import dataclass, replace

import numpy as np

from faces import HOLD, SAME_FACE, overlaps
from model import EMOTIONS
from smooth import ExpressionSmoother

EXPRESSIONS = [emotion.lower() for emotion in EMOTIONS]
COLUMNS = [
    *("video", "frame", "time", "face", "x", "y", "width", "height"),
    *EXPRESSIONS,
    *(f"{expression}_smooth" for expression in EXPRESSIONS),
    "label",
]
INTEGERS = {"frame", "face", "x", "y", "width", "height"}
MARK = b"facial expressions"  # a key of a Parquet file's metadata, by which it is known again


@dataclass
class Found:
    """The faces found in a segment of a recording or in all of it, ordered by frame, x and y; n of them."""

    frames: np.ndarray  # (n,) int64, from 0
    times: np.ndarray  # (n,) float64, seconds since the recording's first frame
    faces: np.ndarray  # (n,) int64, a number for each person while in the picture
    boxes: np.ndarray  # (n, 4) int64: x, y, width, height in pixels
    probabilities: np.ndarray  # (n, 7) float32
    smooth: np.ndarray | None = None  # (n, 7) float32
    labels: np.ndarray | None = None  # (n,) int64, indices into EMOTIONS

    def __len__(self):
        return len(self.frames)

    def by_frame(self):
        """The rows of each frame that has any: a dict from its number to a slice."""
        numbers, begins = np.unique(self.frames, return_index=True)
        ends = [*begins[1:], len(self)]
        return {int(number): slice(begin, end) for number, begin, end in zip(numbers, begins, ends)}


def gather(annotated):
    """Found of pairs of an annotate.AnnotatedFrame and its number in the recording."""
    rows = [
        (number, frame.moment, identity, tuple(int(value) for value in box), probabilities)
        for frame, number in annotated
        for identity, box, probabilities in zip(frame.identities, frame.boxes, frame.probabilities)
    ]
    rows.sort(key=lambda row: (row[0], row[3]))
    frames, times, faces, boxes, probabilities = zip(*rows) if rows else ((),) * 5
    return Found(
        np.array(frames, np.int64),
        np.array(times, np.float64),
        np.array(faces, np.int64),
        np.array(boxes, np.int64).reshape(-1, 4),
        np.array(probabilities, np.float32).reshape(-1, len(EMOTIONS)),
    )


class Joiner:
    """Makes one table of the Founds of a recording's segments, which come in order."""

    def __init__(self, period):
        """period: seconds from one analysed frame to the next."""
        self._longest = HOLD + period  # seconds for which a face may be away at a seam
        self._numbers = itertools.count(1)
        self._latest = {}  # the time and box of each face, by number
        self._smoother = ExpressionSmoother()

    def add(self, part):
        """The next segment's Found with its faces numbered through, smoothed, labelled.

        A face goes on over the seam where the first box of the one overlaps the last box of the other and no more time
        lies between than a face is followed without being seen.
        """
        firsts = dict(zip(*(column.tolist() for column in np.unique(part.faces, return_index=True))))
        joined = {}
        for _, face, earlier in sorted(self._candidates(part, firsts)):
            if face not in joined and earlier not in joined.values():
                joined[face] = earlier
        for face in sorted(firsts, key=firsts.get):
            if face not in joined:
                joined[face] = next(self._numbers)
        part = replace(part, faces=np.array([joined[face] for face in part.faces.tolist()], np.int64))
        self._latest |= {face: (part.times[row], part.boxes[row]) for row, face in enumerate(part.faces.tolist())}
        self._smooth(part)
        return part

    def _candidates(self, part, firsts):
        """Pairs of a face of this part and one of those before that may be the same: (-overlap, face, earlier)."""
        for face, row in firsts.items():
            for earlier, (time, box) in self._latest.items():
                near = part.times[row] - time <= self._longest
                if near and (share := overlaps(box, part.boxes[row])[0]) > SAME_FACE:
                    yield -share, face, earlier

    def _smooth(self, part):
        part.smooth = np.empty_like(part.probabilities)
        part.labels = np.empty(len(part), np.int64)
        for rows in part.by_frame().values():
            faces, moment = part.faces[rows].tolist(), float(part.times[rows.start])
            shown = self._smoother.smooth(faces, part.probabilities[rows], moment)
            part.smooth[rows] = [expression.probabilities for expression in shown]
            part.labels[rows] = [expression.label for expression in shown]


def concatenate(parts):
    """Consecutive Founds, at least one, as one."""
    columns = zip(*(vars(part).values() for part in parts))
    return Found(*(None if column[0] is None else np.concatenate(column) for column in columns))


def gather_seen(rows):
    """Found, smoothed and labelled, of (frame, seconds, annotate.Seen) of faces that were seen live."""
    rows = sorted(rows, key=lambda row: (row[0], row[2].box))
    return Found(
        np.array([frame for frame, _, _ in rows], np.int64),
        np.array([seconds for _, seconds, _ in rows], np.float64),
        np.array([face.number for _, _, face in rows], np.int64),
        np.array([face.box for _, _, face in rows], np.int64).reshape(-1, 4),
        np.array([face.raw for _, _, face in rows], np.float32).reshape(-1, len(EMOTIONS)),
        np.array([face.probabilities for _, _, face in rows], np.float32).reshape(-1, len(EMOTIONS)),
        np.array([face.label for _, _, face in rows], np.int64),
    )


def to_rows(found, name):
    """Yield a dict of COLUMNS for each face in each frame; name: what the column `video` says."""
    for index in range(len(found)):
        values = (
            name,
            int(found.frames[index]),
            round(float(found.times[index]), 6),
            int(found.faces[index]),
            *(int(value) for value in found.boxes[index]),
            *(round(float(value), 4) for value in found.probabilities[index]),
            *(round(float(value), 4) for value in found.smooth[index]),
            EMOTIONS[found.labels[index]],
        )
        yield dict(zip(COLUMNS, values, strict=True))


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path, rows):
    import pyarrow
    import pyarrow.parquet

    kinds = dict.fromkeys(COLUMNS, pyarrow.float32()) | dict.fromkeys(INTEGERS, pyarrow.int32())
    kinds |= {"video": pyarrow.string(), "time": pyarrow.float64(), "label": pyarrow.string()}
    schema = pyarrow.schema([(name, kinds[name]) for name in COLUMNS], {MARK: b"1"})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), path)


WRITERS = {"csv": write_csv, "parquet": write_parquet}


def is_table(path):
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
