"""Where a browser may be sent after sign-in: Doorkey itself, or a host on the list.

The one rule for every parameter that takes a URL. What passes is taken apart and put together
again from parts that were understood, because browsers, Python and Werkzeug read odd URLs
differently; what is odd is refused. RFC 9700 section 4.11.1.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

LONGEST = 2048
_ABSOLUTE = re.compile(r"(https?)://([a-z0-9.-]+)(?::([0-9]{1,5}))?([/?#].*)?", re.IGNORECASE | re.ASCII | re.DOTALL)
_REFUSED = re.compile(r"[\x00-\x20\x7f\\]")
_OWN_STEPS = (
    *("/login", "/logout", "/logged-out", "/callback", "/oauth", "/oauth2"),
    *("/check", "/denied", "/form-not-sent", "/.doorkey"),
)
"""Paths that are steps of signing in or out: coming back to one would loop or undo the sign-in."""


def safe_return_target(raw: str, *, own_origin: str, allowed_hosts: Iterable[str]) -> str | None:
    """`raw` as a local path or an absolute https URL that is safe to send a browser to, else None.

    `allowed_hosts` are exact host names or `*.suffix` (one or more labels before the suffix), each perhaps with a port.
    """
    if len(raw) > LONGEST or _REFUSED.search(raw) or not raw.isprintable():
        return None
    if raw.startswith("/"):
        return _local(raw)
    match = _ABSOLUTE.fullmatch(raw)
    if not match:
        return None
    scheme, host, port, rest = match[1].lower(), match[2].lower(), match[3], match[4] or "/"
    rest = rest if rest.startswith("/") else "/" + rest
    if f"{scheme}://{host}" + (f":{port}" if port else "") == own_origin:
        return _local(rest)
    authority = host if port in (None, "443") else f"{host}:{port}"
    if scheme != "https" or not host_matches(authority, allowed_hosts):
        return None
    path = _local(rest, steps=())
    return f"https://{authority}{path}" if path else None


def host_matches(host: str, allowed_hosts: Iterable[str]) -> bool:
    """Whether `host` (lower case) is one of the names or under one of the `*.suffix`es, with the same port or none."""
    name = host.partition(":")[0]
    if name.startswith(".") or name.endswith(".") or ".." in name:
        return False
    return any(host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern for pattern in allowed_hosts)


def _local(raw: str, steps: Iterable[str] = _OWN_STEPS) -> str | None:
    """Path, query and fragment, rebuilt in ASCII; None when a browser could read a host into it."""
    if raw.startswith("//"):
        return None
    rest, hash_sign, fragment = raw.partition("#")
    path, question_mark, query = rest.partition("?")
    normal = _without_dots(path)
    decoded = re.sub("/+", "/", _without_dots(unquote(path)))
    if normal.startswith("//") or any(decoded == step or decoded.startswith(step + "/") for step in steps):
        return None
    try:
        rebuilt = (
            quote(normal, safe="/%:@!$&'()*+,;=~-._")
            + question_mark
            + quote(query, safe="/%:@!$&'()*+,;=~-._?[]{}|^`")
            + hash_sign
            + quote(fragment, safe="/%:@!$&'()*+,;=~-._?")
        )
        return rebuilt if len(rebuilt) <= LONGEST else None
    except UnicodeEncodeError:
        return None


def _without_dots(path: str) -> str:
    """Dot segments removed as the URL standard does, where %2e counts as a dot."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments, start=1):
        dots = segment.lower().replace("%2e", ".")
        if dots == "..":
            kept = kept[:-1]
        elif dots != ".":
            kept.append(segment)
        if dots in (".", "..") and number == len(segments):
            kept.append("")
    return "/" + "/".join(kept)
