"""A recording or video that was analysed, as it is stored: its clean video, its table, and what people changed in it.

Downloads are made of these when they are asked for, so each has all changes in it.
"""

import csv
import itertools
import json
import math
import os
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videos.edits import read_edits
from videos.table import COLUMNS, EXPRESSIONS, SCHEMA, STATES, Found, csv_rows, join_parquet, write_parquet
from videos.video_file import join_pieces, read, scan, write_piece
from vision.decoding import FULL, planes
from vision.draw import draw_on_planes
from vision.expressions import EMOTIONS

VIDEO, TABLE, FACES, INFO, EDITS = "video.mp4", "table.csv", "faces.bin", "info.json", "edits.json"
# The downloads besides the clean video: the video with boxes and labels, a table, and the chart.
ANNOTATED, PARQUET, TIMELINE = "annotated.mp4", "table.parquet", "timeline.png"
ALIGNED = 8  # bytes, to which the columns of FACES begin
SHARES = 10_000  # whole numbers up to which stand for a probability in FACES
ARRAYS = {  # JavaScript's, by NumPy's type
    "<f8": "Float64Array",
    "<u4": "Uint32Array",
    "<u2": "Uint16Array",
    "<i2": "Int16Array",
    "|i1": "Int8Array",
    "|u1": "Uint8Array",
}
SAME_MOMENT = 0.0005  # seconds by which the time of a frame may differ in table and video


@dataclass(frozen=True)
class Info:
    """What is known of an analysis besides its faces."""

    name: str  # of the video or recording, for the chart and the files
    frames: int  # that were analysed
    seconds: float
    faces: int  # how many were followed
    made_with: str
    size: tuple[int, int] | None = None  # width and height in pixels


def write_info(folder: Path, info: Info) -> None:
    """Store the Info of an analysis in its folder. Raises OSError."""
    write_whole(folder / INFO, json.dumps(asdict(info)))


def read_info(folder: Path) -> Info:
    """The Info of an analysis. Raises OSError and ValueError."""
    content = json.loads((folder / INFO).read_text(encoding="utf-8"))
    return Info(**content | {"size": tuple(content["size"]) if content["size"] else None})


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there as it was, or as it is to be, whatever happens meanwhile. Raises OSError."""
    partly = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        with open(partly, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partly, path)
    finally:
        partly.unlink(missing_ok=True)


def read_table(path: Path) -> tuple[Found, list[tuple[str, int]]]:
    """What a table that write_csv wrote says was found, and the name of each video in it, with its first frame."""
    import pyarrow.csv

    kinds = {"text": pyarrow.string(), "truth": pyarrow.bool_(), "whole": pyarrow.int64(), "double": pyarrow.float64()}
    types = {column.name: kinds.get(column.kind, pyarrow.float32()) for column in SCHEMA}
    table = pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=types))
    columns = {name: table[name].to_numpy() for name in table.column_names}
    labels = {name: index for index, name in enumerate(EMOTIONS)}
    found = Found(
        frames=columns["frame"],
        times=columns["time"],
        numbers=columns["face"],
        boxes=np.stack([columns[name] for name in ("x", "y", "width", "height")], axis=1),
        probabilities=np.stack([columns[name] for name in EXPRESSIONS], axis=1),
        smoothed=np.nan_to_num(np.stack([columns[f"{name}_smooth"] for name in EXPRESSIONS], axis=1)),
        labels=np.array([labels.get(name, -1) for name in columns["label"].tolist()], np.int64),
        angles=columns["angle"],
        scores=columns["score"],
        turned_away=columns["state"] == STATES[True],
        sure=np.array(columns["sure"].tolist(), object) == np.array(True, object),
        markers=columns["marker"],
        excluded=columns["excluded"].astype(bool),
        names=columns["name"],
    )
    videos, begins = columns["video"], np.zeros(0, int)
    if len(videos):
        begins = np.concatenate([[0], np.flatnonzero(videos[1:] != videos[:-1]) + 1])
    return found, [(videos[row], int(found.frames[row])) for row in begins.tolist()]


def pack_faces(folder: Path, seconds: float) -> None:
    """Write FACES, which the page reads at once however long the video is, of table and video; seconds: its length.

    The file begins with the length of what follows, four bytes, the lowest first, and JSON in UTF-8 that says for each
    column its name, its type by JavaScript's name of the array, how many values it has, and at which byte they begin.
    Numbers have their lowest byte first. The JSON also has the video's `size`, or null, and its length in `seconds`.
    `moments` has the time of each frame of the video, the others a value for each row of the table; `shares` seven
    smoothed probabilities a row, in parts of 10,000; `label` -1 where there is none.
    """
    found, _ = read_table(folder / TABLE)
    video, size, moments = folder / VIDEO, None, np.unique(found.times)
    if video.exists():
        recording = scan(video)
        size = recording.shape.size
        stamps = [stamp for segment in recording.segments for stamp in segment.timestamps or ()]
        moments = (np.array(stamps, float) - recording.start) * float(recording.time_base)
    columns = {
        "moments": moments.astype("<f8"),
        "time": found.times.astype("<f8"),
        "face": found.numbers.astype("<u4"),
        "box": found.boxes.clip(-(2**15), 2**15 - 1).astype("<i2"),
        "angle": found.angles.astype("<i2"),
        "shares": np.rint(found.smoothed * SHARES).astype("<u2"),
        "label": found.labels.astype("i1"),
        "sure": found.sure.astype("u1"),
        "away": found.turned_away.astype("u1"),
    }
    _write_columns(folder / FACES, columns, {"size": size, "seconds": seconds})


def _write_columns(path: Path, columns: dict[str, np.ndarray], more: dict[str, Any]) -> None:
    described: list[dict[str, Any]] = []
    begin = 0
    for name, values in columns.items():
        described.append({"name": name, "type": ARRAYS[values.dtype.str], "count": values.size, "begin": begin})
        begin += math.ceil(values.nbytes / ALIGNED) * ALIGNED
    header = json.dumps(more | {"columns": described}).encode()
    header += b" " * (-(4 + len(header)) % ALIGNED)
    partly = path.with_name(f".{path.name}")
    with open(partly, "wb") as file:
        file.write(len(header).to_bytes(4, "little") + header)
        for values in columns.values():
            file.write(values.tobytes())
            file.write(b"\0" * (-values.nbytes % ALIGNED))
    os.replace(partly, path)


def make_output(folder: Path, name: str, made: Path, report: Callable[[float], None]) -> None:
    """Make a download of an analysis, with all changes in it, as the file `made`.

    name: ANNOTATED, TABLE, PARQUET or TIMELINE. report: is called with the share that is done, 0..1.
    """
    info, edits = read_info(folder), read_edits(folder / EDITS)
    found, videos = read_table(folder / TABLE)
    found = edits.apply(found)
    if name == ANNOTATED:
        _draw(folder / VIDEO, found, made, info, report)
    elif name == TIMELINE:
        from videos.timeline import draw_timeline  # here, since Matplotlib takes a third of a second to load

        draw_timeline(made, found, info.name, info.frames, info.seconds, info.made_with, edits)
    elif name == TABLE:
        _write_csv(made, _by_video(found, videos))
    else:
        _write_parquet(made, _by_video(found, videos), info.made_with)


def make_zip(folder: Path, names: Sequence[str], made: Path, report: Callable[[float], None]) -> None:
    """Make a zip file of several outputs; names: as for make_output, or VIDEO. report: see make_output."""
    with tempfile.TemporaryDirectory(dir=made.parent) as temporary, zipfile.ZipFile(made, "w") as archive:
        for index, name in enumerate(names):
            path = folder / VIDEO if name == VIDEO else Path(temporary) / name

            def report_all(share: float, before: int = index) -> None:
                report((before + share) / len(names))

            if name != VIDEO:
                make_output(folder, name, path, report_all)
            archive.write(path, name)
            report((index + 1) / len(names))


def _by_video(found: Found, videos: list[tuple[str, int]]) -> Iterator[tuple[str, Found]]:
    """The rows of each video, with its name; at least one, be it empty. videos: see read_table."""
    videos = videos or [("", 0)]
    begins = np.searchsorted(found.frames, [first for _, first in videos]).tolist()
    for (name, _), begin, end in zip(videos, begins, [*begins[1:], len(found)]):
        yield name, found.of(slice(begin, end))


def _write_csv(path: Path, parts: Iterable[tuple[str, Found]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, found in parts:
            writer.writerows(csv_rows(found, name))


def _write_parquet(path: Path, parts: Iterable[tuple[str, Found]], made_with: str) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        pieces = []
        for number, (name, found) in enumerate(parts):
            pieces.append(Path(folder) / f"{number}.parquet")
            write_parquet(pieces[-1], found, name, made_with)
        join_parquet(pieces, path)


def _draw(video: Path, found: Found, made: Path, info: Info, report: Callable[[float], None]) -> None:
    """Write the video again with its faces drawn."""
    recording = scan(video)
    is_narrow = recording.colours.range != FULL
    moments, begins = np.unique(found.times, return_index=True)
    ends = [*begins[1:], len(found)]
    done = itertools.count(1)

    def drawn() -> Iterator[tuple[np.ndarray, float]]:
        for segment in recording.segments:
            for frame in read(recording, segment):
                image = planes(frame.picture, recording.shape)
                index = np.searchsorted(moments, frame.time - SAME_MOMENT)
                if index < len(moments) and moments[index] <= frame.time + SAME_MOMENT:
                    faces = found.faces(slice(int(begins[index]), int(ends[index])))
                    draw_on_planes(image, faces, is_narrow=is_narrow)
                yield image, frame.time
                report(min(1.0, next(done) / max(1, recording.frames)))

    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        whole = Path(folder) / "whole.nut"
        write_piece(whole, recording, drawn(), threads=2)
        join_pieces([whole], recording, Path(folder) / made.name, info.made_with)
        os.replace(Path(folder) / made.name, made)
