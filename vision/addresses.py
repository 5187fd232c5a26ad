"""Addresses of network cameras: how FFmpeg takes them, and what of them may be shown."""

import re
from typing import TypeGuard
from urllib.parse import quote, unquote

SCHEMES = {"http", "https", "rtsp", "rtsps"}
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
HIDDEN = "…"
# A part of a path that may hold a password, as in /user=admin&password=secret&channel=1.
TELLING = re.compile(r"[=&;]|pass|pwd|token|secret|key", re.IGNORECASE)


def is_address(text: object) -> TypeGuard[str]:
    """Whether the text is the address of a network camera."""
    found = ADDRESS.match(text) if isinstance(text, str) else None
    return found is not None and found[1].lower() in SCHEMES


def _split(address: str) -> tuple[str, str, str, str]:
    """The scheme in lower case, the user and password or "", host and port, and all that follows.

    A password may hold any character, even a slash, as people write it: so the user and password end at the last @
    that a host can follow.
    """
    found = ADDRESS.match(address)
    assert found
    scheme, rest = found[1].lower(), found[2]
    authority = re.match(r"(.*)@(\[[0-9A-Fa-f:.%]+\]|[\w.-]+)(:\d+)?(?=[/?#]|$)", rest, re.DOTALL)
    if authority:
        host = authority[2] + (authority[3] or "")
        return scheme, authority[1], host, rest[authority.end() :]
    host = re.match(r"[^/?#]*", rest)[0]  # type: ignore[index] # it matches every text
    return scheme, "", host, rest[len(host) :]


def show_address(address: str) -> str:
    """The address without user, password, query, and whatever in its path looks like a password."""
    scheme, _, host, rest = _split(address)
    path, mark, _ = re.sub(r"[?#]", "\0", rest, count=1).partition("\0")
    parts = [HIDDEN if TELLING.search(part) else part for part in path.split("/")]
    return f"{scheme}://{host}{'/'.join(parts)}{'?' + HIDDEN if mark else ''}"


def to_ffmpeg(address: str) -> str:
    """The address as FFmpeg takes it: its scheme in lower case, user and password with odd characters encoded."""
    scheme, user, host, rest = _split(address)
    if user:
        name, colon, password = user.partition(":")
        user = quote(unquote(name), safe="") + colon + quote(unquote(password), safe="") + "@"
    return f"{scheme}://{user}{host}{rest}"


def host_of(address: str) -> tuple[str, int | None]:
    """The host's name, without brackets, and the port where the address has one."""
    _, _, host, _ = _split(address)
    name, _, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    return name.strip("[]"), int(port) if port else None
