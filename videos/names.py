"""Names of files: as text that can be shown, and short enough for a file system."""

import hashlib
import os
import re
import sys

LONGEST = 255  # of a name: bytes, or on Windows units of UTF-16
UNSHOWN = "\N{REPLACEMENT CHARACTER}"


def readable(name: str) -> str:
    """The name with the replacement character for each byte that is not UTF-8."""
    try:
        content = name.encode("utf-8", "surrogateescape")  # as Python has names with such bytes
    except UnicodeEncodeError:
        content = name.encode("utf-8", "surrogatepass")  # as Windows allows
    return content.decode("utf-8", "replace")


def in_one_line(text: str) -> str:
    """The text as a terminal or a title can show it; names may contain line breaks and other control characters."""
    return re.sub("[\0-\x1f\x7f-\x9f\u2028\u2029]", UNSHOWN, readable(text))


def shortened(name: str, room: int) -> str:
    """The name, or where it would be too long with `room` more bytes: its beginning, and a hash of all of it."""
    if _length(name) + room <= LONGEST:
        return name
    ending = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
    while _length(name) + len(ending) + room > LONGEST:
        name = name[:-1]
    return name + ending


def _length(name: str) -> int:
    return len(name.encode("utf-16-le", "surrogatepass")) // 2 if sys.platform == "win32" else len(os.fsencode(name))
