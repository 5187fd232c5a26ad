"""The videos and pictures that a command line means: files, folders, patterns, and lists of these."""

import codecs
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from videos.outputs import mark_of
from videos.reasons import cause
from vision.endings import VIDEO_SUFFIXES
from vision.pictures import SUFFIXES as PICTURE_SUFFIXES
from vision.source import SourceError

ENDINGS = VIDEO_SUFFIXES | PICTURE_SUFFIXES
KNOWN = f"Known endings: {' '.join(sorted(ENDINGS))}"
TABLE_ENDINGS = {".csv", ".json", ".parquet"}  # of this program's tables
ENDINGS_SHOWN = 10  # of files that are passed over
QUOTES = "\"'"


@dataclass(frozen=True)
class Inputs:
    """What was found of what was asked for."""

    paths: list[Path]  # of videos and pictures, each once
    root: Path  # the folder from which their names begin
    problems: list[str]  # a sentence for each part of it that gives nothing


@dataclass(frozen=True)
class _Files:
    """The files of a folder, or those that a pattern matches."""

    inputs: list[Path] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)  # of this program
    others: list[Path] = field(default_factory=list)


def expand_lists(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments, and for each @list.txt among them the names in that file, unless it is the name of a file itself.

    Raises SourceError.
    """
    for argument in arguments:
        if argument.startswith("@") and not os.path.lexists(argument):
            yield from read_list(Path(argument[1:]))
        else:
            yield argument


def read_list(path: Path) -> list[str]:
    """The names in a text file, one on each line. Blank lines and such as begin with # are left out.

    Raises SourceError.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {cause(error)}"
        raise SourceError(f"The list {path} {reason}.") from error
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # Bytes that are not UTF-8 become what Python has for them in the names of files.
    text = content.decode("utf-16", "replace") if is_utf16 else content.decode("utf-8-sig", "surrogateescape")
    if "\0" in text:
        raise SourceError(f"{path} cannot be read as a list; save it as text in UTF-8, with a name on each line.")
    lines = [line.strip() for line in re.split("[\r\n]+", text)]
    names = [_without_quotes(line) for line in lines if line and not line.startswith("#")]
    if not names:
        raise SourceError(f"{path} names nothing to analyse; write a file, folder or pattern on each line. {KNOWN}")
    # A name like an option is one only where there is no such file.
    return [os.path.join(".", name) if name.startswith("-") and os.path.lexists(name) else name for name in names]


def _without_quotes(name: str) -> str:
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] and name[0] in QUOTES else name


def find_inputs(arguments: Sequence[str]) -> Inputs:
    """The videos and pictures that are meant.

    arguments: files, folders, which are searched, and patterns such as "clips/*.mp4". In folders and patterns, files of
    unknown endings and outputs of an earlier run are passed over.
    """
    found: dict[str, Path] = {}  # by absolute paths, since a file may be named in several ways
    problems: list[str] = []
    for argument in arguments:
        before = len(problems)
        if os.path.isdir(argument):
            files = _sort_out(_walk(argument, problems))
        elif os.path.lexists(argument):
            files = _Files([Path(argument)])
        elif glob.has_magic(argument):
            files = _sort_out(Path(match) for match in sorted(glob.glob(argument, recursive=True)))
        else:
            problems.append(f"{argument} does not exist.")
            continue
        if not files.inputs and len(problems) == before:
            problems.append(_nothing(argument, files))
        for path in files.inputs:
            found.setdefault(os.path.join(os.path.realpath(path.parent), path.name), path)
    paths = list(found.values())
    is_folder = len(arguments) == 1 and os.path.isdir(arguments[0])
    return Inputs(paths, Path(arguments[0]) if is_folder else _root(paths), problems)


def _root(paths: Sequence[Path]) -> Path:
    if not paths:
        return Path()
    try:
        return Path(os.path.commonpath([each.parent.absolute() for each in paths]))
    except ValueError:  # on Windows, they are on several drives
        return Path(paths[0].absolute().anchor)


def _walk(folder: str, problems: list[str]) -> list[Path]:
    """The files in a folder and its subfolders but hidden ones, in order. Folders that cannot be read are problems."""

    def tell(error: OSError) -> None:
        problems.append(f"{error.filename} cannot be read: {cause(error) or 'its disk reports an error'}.")

    found = []
    for parent, folders, names in os.walk(folder, onerror=tell):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _sort_out(paths: Iterable[Path]) -> _Files:
    files = _Files()
    for path in paths:
        if not os.path.isfile(path):
            continue
        if path.suffix.lower() not in ENDINGS:
            files.others.append(path)
        elif (path.suffix == ".png" or path.stem.endswith("_annotated")) and _is_output(path):
            files.outputs.append(path)
        else:
            files.inputs.append(path)
    return files


def _is_output(path: Path) -> bool:
    try:
        return mark_of(path) is not None
    except OSError:
        return False


def _nothing(argument: str, files: _Files) -> str:
    """One line on a folder or pattern without anything to analyse."""
    is_folder = os.path.isdir(argument)
    line = [f"{argument} {'has no videos or pictures in it' if is_folder else 'matches no videos or pictures'}."]
    others = [path for path in files.others if path.suffix not in TABLE_ENDINGS or not _is_output(path)]
    if outputs := len(files.outputs) + len(files.others) - len(others):
        line.append(f"{outputs} {'output' if outputs == 1 else 'outputs'} of this program {_passed_over(outputs)}.")
    if others:
        endings = list(dict.fromkeys(path.suffix.lower() or "no ending" for path in others))
        listed = ", ".join(endings[:ENDINGS_SHOWN])
        listed += f" and {len(endings) - ENDINGS_SHOWN} more" if len(endings) > ENDINGS_SHOWN else ""
        kind = "file of another kind" if len(others) == 1 else "files of other kinds"
        line.append(f"{len(others)} {kind} {_passed_over(len(others))}: {listed}.")
    return " ".join([*line, KNOWN])


def _passed_over(count: int) -> str:
    return "was passed over" if count == 1 else "were passed over"
