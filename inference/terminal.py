"""Keeps what C++ libraries write on loading off the terminal."""

import contextlib
import ctypes
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Any

_terminal = threading.RLock()  # held while the process' output is redirected


@contextlib.contextmanager
def quiet_terminal() -> Iterator[None]:
    """Discard what is written to standard error meanwhile: C++ libraries write there, and no setting stops them."""
    sys.stderr.flush()
    with open(os.devnull, "w") as nowhere, _redirected(2, nowhere):
        yield


@contextlib.contextmanager
def stdout_without(beginnings: tuple[bytes, ...]) -> Iterator[None]:
    """Discard the lines of standard output that begin so; what other threads write meanwhile comes out afterwards."""
    with tempfile.TemporaryFile() as written:
        sys.stdout.flush()
        try:
            with _redirected(1, written):
                yield
                sys.stdout.flush()
                ctypes.CDLL("ucrtbase" if os.name == "nt" else None).fflush(None)  # C has a buffer of its own
        finally:
            written.seek(0)
            for line in written:
                if not line.startswith(beginnings):
                    os.write(1, line)


@contextlib.contextmanager
def _redirected(descriptor: int, file: IO[Any]) -> Iterator[None]:
    """Send what is written to the descriptor into the file meanwhile."""
    with _terminal:
        original = os.dup(descriptor)
        os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            os.dup2(original, descriptor)
            os.close(original)
