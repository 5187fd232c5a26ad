"""Gives memory back to the system that the C library would keep."""

import ctypes
import sys


def return_free_memory() -> None:
    """Have glibc return what is free, which takes milliseconds. Elsewhere this does nothing."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)
