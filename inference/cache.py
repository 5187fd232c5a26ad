"""The network in its fastest form: the one beside the pair of files, or one that is compiled once and kept.

The user's cache folder keeps it, and remembers where the one beside the files is the fastest. A lock file lets one
process compile while the others wait for the result; whoever starts later with the same two files reads it.
"""

import atexit
import contextlib
import functools
import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from inference.compiled import EIGHT_BITS, FORMS, LiteRTNetwork, form_of, open_compiled
from inference.converter import run_converter
from inference.errors import CompileError
from inference.pair import hash_of
from inference.pool import Form, Network
from inference.shipped import FORMAT, read_shipped
from inference.trial import is_fast
from paths import MODEL_INT8

CACHE_NAME = "facial-expressions"
# Ends the name of an empty file, in place of a network: the one beside the pair of files is the fastest here. What a
# process has once written, a network or this, the others go by: all workers of a video use the same form.
SETTLED = ".shipped"
KEPT = 4  # networks in the cache; the oldest go first


def choose(
    model_json_file: str | Path, model_weights_file: str | Path, many: bool = False, threads: int | None = None
) -> tuple[Form, Callable[[], Form] | None]:
    """The form in which to run the pair of files, and where another may be faster here, a function that gives that.

    The function takes as long as compiling does, and may give the same form. With `many` there is none: the form is the
    fastest from the start. many, threads: see FacialExpressionModel. Raises ModelError where the files cannot be used,
    CompileError where this machine cannot compile them, and OSError.
    """
    pair = _Pair(model_json_file, model_weights_file, many, threads)
    if form := pair.open_cached():
        return form, None
    if pair.shipped is None:
        return pair.compile(), None
    if pair.is_settled():
        return pair.shipped, None
    if is_fast(pair.shipped.open_another()):
        return pair.settle() or pair.shipped, None
    if not many:
        return pair.shipped, pair.compile
    with contextlib.suppress(CompileError, OSError):
        return pair.compile(), None
    return pair.shipped, None


class _Pair:
    """A pair of files, and what they are compiled to on this machine."""

    def __init__(
        self, model_json_file: str | Path, model_weights_file: str | Path, many: bool, threads: int | None
    ) -> None:
        """See choose."""
        self._files = model_json_file, model_weights_file
        self._many, self._threads = many, threads
        pair = hash_of(model_json_file, model_weights_file)
        self._name = _cache_name(pair)
        self._folder = cache_folder()
        self._lock = self._folder / "compiling.lock"
        self._settled = self._folder / f"{self._name}{SETTLED}"
        self._content = read_shipped(Path(model_weights_file).with_name(MODEL_INT8.name), pair)

    @functools.cached_property
    def shipped(self) -> Form | None:
        """The network beside the files; None where it is missing or not theirs, or LiteRT here cannot read it."""
        if self._content is None:
            return None
        open_network = functools.partial(LiteRTNetwork, self._content)
        try:
            return Form(open_network(self._threads), functools.partial(open_network, 1))
        except ValueError:
            return None

    def open_cached(self) -> Form | None:
        """What is in the cache folder; None where nothing there can be read."""
        for path in (self._folder / f"{self._name}{form}" for form in FORMS):
            if path.exists():
                with contextlib.suppress(OSError, ValueError):  # a file that a full disk cut short, for example
                    return self._open(path)
        return None

    def is_settled(self) -> bool:
        """Whether it is known that the network beside the files is the fastest."""
        if found := self._settled.exists():
            with contextlib.suppress(OSError):
                self._settled.touch()
        return found

    def settle(self) -> Form | None:
        """Remember that the network beside the files is the fastest. Returns the form to use.

        That is another where a process has just compiled one; only with `many` does this wait for a process that does.
        """
        with contextlib.suppress(OSError), FileLock(self._lock, timeout=-1 if self._many else 0):
            if form := self.open_cached():
                return form
            self._settled.touch()
        return self.shipped

    def compile(self) -> Form:
        """The form that is the fastest here, compiled by this process or another. Raises as choose does."""
        with FileLock(self._lock):
            if form := self.open_cached():  # another process or thread has compiled it meanwhile
                return form
            if self.shipped and self.is_settled():
                return self.shipped
            for left in self._folder.glob("compiling-*"):  # by processes that were ended
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix="compiling-") as work:
                made = run_converter(*self._files, Path(work) / self._name)
                if self.shipped and form_of(made) == EIGHT_BITS:
                    self._settled.touch()
                    return self.shipped
                path = self._folder / made.name
                os.replace(made, path)
            _prune(self._folder)
            return self._open(path)

    def _open(self, path: Path) -> Form:
        network = open_compiled(path, self._many, self._threads)
        path.touch()
        return Form(network, functools.partial(_open_another, path, self._files, self._many), FORMS[form_of(path)])


def _open_another(path: Path, files: tuple[str | Path, str | Path], many: bool) -> Network:
    """A compiled network once more, to compute on one thread. files, many: what it was compiled from, and for."""
    try:
        return open_compiled(path, many, 1)
    except (OSError, ValueError):  # it was deleted meanwhile
        return choose(*files, many, 1)[0].network


def _cache_name(pair: str) -> str:
    """A name for what a pair of files, by its hash, is compiled to by the installed libraries. Raises CompileError."""
    try:
        compiler = importlib.metadata.version("ai-edge-litert")
    except importlib.metadata.PackageNotFoundError as error:
        raise CompileError("LiteRT is not installed.") from error
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # it is not for every system
        compiler += " " + importlib.metadata.version("mnn")
    return hashlib.sha256(f"{FORMAT} {compiler} {pair}".encode()).hexdigest()[:32]


def cache_folder() -> Path:
    """The user's cache folder, or where nothing can be written there, one that this process deletes at its end."""
    folder = user_cache_path(CACHE_NAME, appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _own_folder()
    return folder if os.access(folder, os.W_OK) else _own_folder()


@functools.cache
def _own_folder() -> Path:
    folder = tempfile.mkdtemp(prefix=f"{CACHE_NAME}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _prune(folder: Path) -> None:
    """Leave the networks that were used last."""
    networks = [path for form in (*FORMS, SETTLED) for path in folder.glob(f"*{form}")]
    for path in sorted(networks, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        path.unlink(missing_ok=True)
