"""A saved video or picture, what to make of it, and what came of it."""

import hashlib
import math
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from inference.pair import hash_of_pair
from version import MADE_WITH
from vision.confidence import SURE
from vision.source import is_picture


def program_and_network() -> str:
    """What a result is made with here, before any option: the program's version and the network. Raises ModelError."""
    return f"{MADE_WITH}; network {hash_of_pair()}"


@dataclass(frozen=True, slots=True)
class Rest:
    """Where somebody shows the resting face, from which a video's other faces of theirs are judged."""

    seconds: float | None = None  # the moment from which on, for two seconds; None where the face is first seen
    picture: Path | None = None  # or a picture of it, for the person who is seen longest
    face: int | None = None  # the person's number, as an earlier analysis gave it; None for everybody who is seen then
    content: str | None = None  # eight digits that only the same picture has

    def __str__(self) -> str:
        what = "first" if self.seconds is None else f"{self.seconds:g}"
        if self.picture:
            what = " ".join(filter(None, [self.picture.name, self.content]))
        return what if self.face is None else f"{what} of {self.face}"


def parse_rest(text: str) -> Rest:
    """A Rest for all: of "first", of seconds since the beginning, or of a picture's path. Raises ValueError."""
    if text == "first":
        return Rest()
    with suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return Rest(seconds=float(text))
    if os.path.isfile(text):
        with suppress(OSError):
            picture = Path(text).absolute()
            return Rest(picture=picture, content=hashlib.sha256(picture.read_bytes()).hexdigest()[:8])
    raise ValueError('takes "first", a number of seconds, or the path of a picture')


@dataclass(frozen=True, slots=True)
class Job:
    """A video or picture, and what to make of it; small, since there may be very many."""

    path: Path
    name: str  # what the table's first column says
    base: str  # the outputs' path without its ending
    with_annotated: bool  # an MP4, or a JPEG of a picture
    format: str | None  # of the table: csv, parquet, or None for no table
    with_timeline: bool  # a PNG, which is made of videos alone
    every: int = 1  # of so many frames one is analysed
    rest: Rest | None = None
    sure: float = SURE  # share of such labels that are right, from which on one is
    with_boxes: bool = True  # whether faces are drawn on the annotated video; if not, it is the clean picture
    hide: bool = False  # whether faces are hidden in the annotated video or picture
    maker: str = field(default_factory=program_and_network)

    @property
    def is_picture(self) -> bool:
        """Whether the input is a picture, by its name or its content."""
        return is_picture(str(self.path))

    @property
    def made_with(self) -> str:
        """What the outputs say they are made with: the program, the network, and each option that changes a result."""
        parts = [self.maker]
        if not self.is_picture:
            parts += [f"every {self.every}", "adapted", *([f"resting face {self.rest}"] if self.rest else [])]
        parts += ["faces hidden"] * (self.hide and self.with_annotated)
        return "; ".join(parts + [f"sure {self.sure:g}"] * (self.sure != SURE))

    @property
    def annotated(self) -> Path | None:
        """Where the annotated video or picture goes, if it is wanted; the same for those that follow."""
        return Path(f"{self.base}_annotated.{'jpg' if self.is_picture else 'mp4'}") if self.with_annotated else None

    @property
    def table(self) -> Path | None:
        """See annotated."""
        return Path(f"{self.base}.{self.format}") if self.format else None

    @property
    def table_metadata(self) -> Path | None:
        """What a CSV file cannot say of itself; its name is that of the W3C's "CSV on the Web". See annotated."""
        return Path(f"{self.base}.csv-metadata.json") if self.format == "csv" else None

    @property
    def timeline(self) -> Path | None:
        """See annotated."""
        return Path(f"{self.base}.png") if self.with_timeline and not self.is_picture else None

    @property
    def outputs(self) -> list[Path]:
        """Where all that is wanted goes."""
        return [path for path in (self.annotated, self.timeline, self.table, self.table_metadata) if path]


@dataclass(frozen=True)
class Done:
    """What came of a job."""

    frames: int  # that were analysed
    faces: int  # that were followed
    note: str | None = None  # one sentence on what was wrong with the input, if anything was
