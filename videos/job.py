"""A saved video or picture, what to make of it, and what came of it."""

from dataclasses import dataclass
from pathlib import Path

from vision.source import is_picture


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

    @property
    def is_picture(self) -> bool:
        """Whether the input is a picture, by its name."""
        return is_picture(str(self.path))

    @property
    def annotated(self) -> Path | None:
        """Where the annotated video or picture goes, if it is wanted; the same for the table and the timeline."""
        return Path(f"{self.base}_annotated.{'jpg' if self.is_picture else 'mp4'}") if self.with_annotated else None

    @property
    def table(self) -> Path | None:
        """See annotated."""
        return Path(f"{self.base}.{self.format}") if self.format else None

    @property
    def timeline(self) -> Path | None:
        """See annotated."""
        return Path(f"{self.base}.png") if self.with_timeline and not self.is_picture else None

    @property
    def outputs(self) -> list[Path]:
        """Where all that is wanted goes."""
        return [path for path in (self.annotated, self.timeline, self.table) if path]


@dataclass(frozen=True)
class Done:
    """What came of a job."""

    frames: int  # that were analysed
    faces: int  # that were followed
    note: str | None = None  # one sentence on what was wrong with the input, if anything was
