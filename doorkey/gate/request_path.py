"""The one meaning of a request's path, or the knowledge that it has several.

A reverse proxy, Doorkey and an application may read `/a/..%2fb` in three ways. A path that everybody reads alike is
canonical; any other has several readings, a visitor must be allowed under each of them, and it never matches a rule
that lets everybody in.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_PLAIN = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,=:@-]+)*/?")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_RAW = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*")
_NEEDLESS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_MEANINGFUL = frozenset(b"/\\%;#?") | frozenset(range(0x20)) | {0x7F}
"""Escaped, these mean one thing to some programs and another to others."""

MOST_DECODINGS = 3


@dataclass(frozen=True)
class Path:
    """`readings` are decoded texts; a canonical path has one."""

    readings: tuple[str, ...]
    is_canonical: bool


def read_path(raw: bytes) -> Path:
    """The readings of a path as it stood in the request line, without its query."""
    if _PLAIN.fullmatch(raw) and raw:
        return Path((raw.decode("ascii"),), True)
    decoded = unquote_to_bytes(raw)
    text = decoded.decode("utf-8", "replace")
    if _is_canonical(raw, decoded):
        return Path((text,), True)
    readings = [raw.decode("utf-8", "replace"), text]
    for _ in range(MOST_DECODINGS):
        readings += [_normal(text), _normal(_without_parameters(text))]
        text = unquote_to_bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    return Path(tuple(dict.fromkeys(readings)), False)


def _is_canonical(raw: bytes, decoded: bytes) -> bool:
    """Nothing that anybody could read in another way: only escapes that are needed, and no odd segments."""
    if not _RAW.fullmatch(raw) or b"//" in raw:
        return False
    escaped = {int(code, 16) for code in _ESCAPE.findall(raw)}
    if escaped & (_NEEDLESS | _MEANINGFUL):
        return False
    try:
        decoded.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any(segment in (b".", b"..") for segment in raw.split(b"/"))


def _without_parameters(path: str) -> str:
    return "/".join(segment.partition(";")[0] for segment in path.split("/"))


def _normal(path: str) -> str:
    """As a program reads it that takes every freedom: backslashes, dot segments, repeated slashes, `#` and `?`."""
    kept: list[str] = []
    for segment in re.split(r"[/\\]+", re.split(r"[#?\x00]", path)[0]):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept)
