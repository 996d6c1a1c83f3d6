"""The one meaning of a request's path, or the knowledge that it has several.

A reverse proxy, Doorkey and an application may read `/a/..%2fb` in three ways. A path that everybody reads alike is
canonical; any other has several readings, a visitor must be allowed under each of them, and it never matches a rule
that lets everybody in.
"""

import re
import unicodedata
from urllib.parse import unquote_to_bytes

import msgspec

_PLAIN = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,=:@-]+)*/?")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_RAW = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*")
_NEEDLESS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_MEANINGFUL = frozenset(b"/\\%;#?") | frozenset(range(0x20)) | {0x7F}
"""Escaped, these mean one thing to some programs and another to others."""

MOST_READINGS = 128
MOST_SEGMENTS = 200


class Path(msgspec.Struct, frozen=True):
    """`readings` are decoded texts; a canonical path has one, and one that can be read in too many ways none."""

    readings: tuple[str, ...]
    is_canonical: bool


def read_path(raw: bytes) -> Path:
    """The readings of a path as it stood in the request line, without its query; none when there are too many."""
    if raw.count(b"/") > MOST_SEGMENTS:
        return Path((), False)
    if raw and _PLAIN.fullmatch(raw):
        return Path((raw.decode("ascii"),), True)
    decoded = unquote_to_bytes(raw)
    if _is_canonical(raw, decoded):
        return Path((decoded.decode("ascii"),), True)
    return Path(_readings(raw), False)


def _is_canonical(raw: bytes, decoded: bytes) -> bool:
    """Nothing that anybody could read in another way: only escapes that are needed, no odd segments, only ASCII."""
    if not _RAW.fullmatch(raw) or b"//" in raw or not decoded.isascii():
        return False
    if {int(code, 16) for code in _ESCAPE.findall(raw)} & (_NEEDLESS | _MEANINGFUL):
        return False
    return not any(segment.strip(b" ") in (b".", b"..") for segment in decoded.split(b"/"))


def _readings(raw: bytes) -> tuple[str, ...]:
    """Whatever comes of a path when programs take their freedoms, in any order and number."""
    found, new = {raw: None}, [raw]
    while new:
        one = new.pop()
        for freedom in _FREEDOMS:
            other = freedom(one)
            if other not in found:
                if len(found) >= MOST_READINGS:
                    return ()
                found[other] = None
                new.append(other)
    return tuple(dict.fromkeys(reading.decode("utf-8", "replace") for reading in found))


def _without_parameters(path: bytes) -> bytes:
    return re.sub(rb";[^/]*", b"", path)


def _with_slashes(path: bytes) -> bytes:
    return path.replace(b"\\", b"/")


def _cut(path: bytes) -> bytes:
    return re.split(rb"[?#]", path, maxsplit=1)[0]


def _cut_at_nul(path: bytes) -> bytes:
    return path.partition(b"\0")[0]


def _without_nul(path: bytes) -> bytes:
    return path.replace(b"\0", b"")


def _trimmed(path: bytes) -> bytes:
    return re.sub(rb"[\x01-\x20]+(?=/|\Z)", b"", path)


def _overlong(path: bytes) -> bytes:
    """ASCII written as two bytes, which no UTF-8 is and lenient programs read."""
    return re.sub(rb"[\xc0\xc1][\x80-\xbf]", lambda pair: bytes([(pair[0][0] & 1) << 6 | pair[0][1] & 0x3F]), path)


def _folded(path: bytes) -> bytes:
    """Letters that look like ASCII become ASCII; what is no UTF-8 stays."""
    try:
        return unicodedata.normalize("NFKC", path.decode("utf-8")).encode("utf-8")
    except UnicodeDecodeError:
        return path


def _resolved(path: bytes) -> bytes:
    """Dot segments removed (RFC 3986 section 5.2.4); an empty segment is one too."""
    kept: list[bytes] = []
    for segment in path.split(b"/")[1:]:
        if segment == b"..":
            kept = kept[:-1]
        elif segment != b".":
            kept.append(segment)
    return b"/" + b"/".join(kept)


def _resolved_by_escapes(path: bytes) -> bytes:
    """The same where %2e is a dot already, and %2f is no slash yet."""
    return _resolved(re.sub(rb"%2e", b".", path, flags=re.IGNORECASE))


def _merged(path: bytes) -> bytes:
    return re.sub(rb"/+", b"/", path)


_FREEDOMS = (
    *(unquote_to_bytes, _resolved, _resolved_by_escapes, _merged, _without_parameters, _with_slashes),
    *(_cut, _cut_at_nul, _without_nul, _trimmed, _folded, _overlong),
)
