"""Writes a recording while it goes on, so that a crash costs its last second, and finishes it afterwards."""

import csv
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from videos.analysis import TABLE, VIDEO, Info, pack_faces, read_table, write_info
from videos.job import program_and_network
from videos.table import COLUMNS, csv_rows, gather
from videos.video_file import Encoder, join_fragments, open_fragments, scan
from vision.decoding import JPEG_COLOURS
from vision.faces import Face
from vision.planes import Planes, fit, size_of

RATE = 30  # frames a second, about
FLUSH_EVERY = 0.5  # seconds, after which the table's rows are on the disk
KEY_FRAME_AFTER = 0.5  # seconds: a player that looks for a moment decodes from the key frame before it


class Recorder:
    """Writes frames and their faces into a folder. To be used by one thread at a time."""

    def __init__(self, folder: Path, with_video: bool) -> None:
        """folder: an existing one, for nothing else. Raises OSError, as all of its methods do."""
        self.seconds = 0.0  # of the latest frame
        self.frames = 0
        self.adapted = False  # whether the network was set to any of the faces
        self._stack = ExitStack()
        self._size: tuple[int, int] | None = None  # of the video
        self._held: list[tuple[int, float, Sequence[Face]]] = []  # what is not written yet
        self._name = ""  # of the source
        self._flushed = time.monotonic()
        self._encoder: Encoder | None = None
        try:
            if with_video:
                container = self._stack.enter_context(open_fragments(folder / VIDEO))
                self._encoder = Encoder(container, RATE, JPEG_COLOURS, key_frame_after=KEY_FRAME_AFTER)
            table = folder / TABLE
            self._file = self._stack.enter_context(table.open("w", newline="", encoding="utf-8"))
            self._writer = csv.writer(self._file, lineterminator="\n")
            self._writer.writerow(COLUMNS)
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        """Write what waits, and let the files go."""
        with self._stack:
            self._flush()
            if self._encoder:
                self._encoder.finish()

    def add(self, name: str, seconds: float, faces: Sequence[Face], picture: Planes) -> None:
        """Add a frame. Its faces without probabilities are left out, as the network was not ready for them.

        name: of the source. seconds: since the first frame, more than those of the frame before. picture: not drawn on;
        in another size than the first it is shown as large as it fits, and its boxes with it.
        """
        if self._encoder:
            height, width = size_of(picture)
            self._size = self._size or (width, height)
            picture, scale, moved = fit(picture, self._size)
            faces = [replace(face, box=_moved(face, scale, moved)) for face in faces] if scale != 1 else faces
            self._encoder.add(picture, seconds)
        if name != self._name:
            self._write()
        self._name = name
        self._held.append((self.frames, seconds, [face for face in faces if face.probabilities is not None]))
        self.frames, self.seconds = self.frames + 1, seconds
        self.adapted |= any(face.adapted for face in faces)
        self.flush()

    def flush(self) -> None:
        """Put rows that have waited for FLUSH_EVERY on the disk. To be called as well while no new frames come."""
        if time.monotonic() - self._flushed >= FLUSH_EVERY:
            self._flush()

    def _write(self) -> None:
        self._writer.writerows(csv_rows(gather(self._held), self._name))
        self._held.clear()

    def _flush(self) -> None:
        self._write()
        self._file.flush()
        self._flushed = time.monotonic()


def _moved(face: Face, scale: float, moved: tuple[int, int]) -> tuple[int, int, int, int]:
    x, y, width, height = np.rint(np.array(face.box) * scale).astype(int).tolist()
    return x + moved[0], y + moved[1], width, height


def finish_recording(folder: Path, name: str, adapted: bool, report: Callable[[Any], None]) -> None:
    """Make what a Recorder wrote, whether it ended or was killed, an analysis as videos.analysis has it.

    name: of the recording. adapted: whether the network was set to a face. report: not used. Raises OSError.
    """
    _drop_half_a_row(folder / TABLE)
    video, frames, seconds, size = folder / VIDEO, 0, 0.0, None
    if video.exists():
        join_fragments(video)
    found, _ = read_table(folder / TABLE)
    if len(found):
        frames, seconds = int(found.frames[-1]) + 1, float(found.times[-1])
    if video.exists():
        recording = scan(video)
        frames, seconds, size = recording.frames, recording.seconds, recording.shape.size
    pack_faces(folder, seconds)
    made_with = program_and_network() + "; adapted" * adapted
    write_info(folder, Info(name, frames, seconds, len(np.unique(found.numbers)), made_with, size))


def _drop_half_a_row(table: Path) -> None:
    """Cut a table after its last whole row."""
    with open(table, "r+b") as file:
        end = file.seek(0, 2)
        back = min(end, 1 << 16)  # longer than any row
        file.seek(end - back)
        file.truncate(end - back + file.read().rfind(b"\n") + 1)
