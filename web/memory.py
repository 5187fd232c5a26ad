"""Keeps the memory of a program with many short-lived threads small."""

import ctypes
import sys

M_ARENA_MAX = -8  # of glibc's mallopt(3)
ARENAS = 2


def share_memory_between_threads() -> None:
    """Have glibc use few arenas. By default threads get arenas of their own, which keep what is freed in them.

    A server that starts a thread for each request then grows to twice its size. Elsewhere this does nothing.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(M_ARENA_MAX, ARENAS)
