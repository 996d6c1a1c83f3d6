"""What an application is told of whoever passes: one header for each fact, on every answer that lets somebody pass.

A header is empty when nothing is known, because some proxies let the visitor's own through when it is absent. Values
are visible ASCII; everything else, and `%`, is percent-encoded as UTF-8, in groups the separators too.
"""

import string
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from doorkey.gate.decide import Caller

PREFIX = "x-doorkey-"
LEFT_OUT = "x-doorkey-left-out"
MOST_BYTES = 2600
"""All values together: nginx takes 4 KB for the whole answer. What does not fit is left out, and named."""

NO_TOKENS = {"assertion": "", "access-token": ""}
OAUTH2_PROXY = {"user": "user", "email": "email", "name": "preferred-username", "groups": "groups"}
"""Their names behind `x-auth-request-` for what ours are called."""

_VISIBLE = string.ascii_letters + string.digits + "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_IN_LISTS = _VISIBLE.replace(",", "").replace(";", "")

Header = tuple[bytes, bytes]


def is_too_long(caller: Caller, *, like_oauth2_proxy: bool) -> bool:
    """Whether the name that everything depends on does not fit; half of it would be somebody else."""
    return len(visible(caller.identity.user)) * (2 if like_oauth2_proxy else 1) > MOST_BYTES


def identity_headers(
    caller: Caller | None, tokens: Mapping[str, str] = NO_TOKENS, *, like_oauth2_proxy: bool
) -> list[Header]:
    """The headers for `caller`, nobody when None, and `tokens`, for which there is always room."""
    values = dict(_values(caller))
    left, left_out = MOST_BYTES, []
    copies = 2 if like_oauth2_proxy else 1
    for name, value in values.items():
        if len(value) * copies > left:
            values[name] = ""
            left_out.append(name)
        else:
            left -= len(value) * copies
    headers = [(PREFIX + name, value) for name, value in values.items()]
    if like_oauth2_proxy:
        headers += [("x-auth-request-" + theirs, values[ours]) for ours, theirs in OAUTH2_PROXY.items()]
    headers += [(PREFIX + name, token) for name, token in tokens.items()]
    if like_oauth2_proxy:
        headers.append(("x-auth-request-access-token", tokens["access-token"]))
    if left_out:
        headers.append((LEFT_OUT, ",".join(left_out)))
    return [(name.encode(), value.encode()) for name, value in headers]


def _values(caller: Caller | None) -> Iterator[tuple[str, str]]:
    """In the order of their importance when there is not room for all."""
    identity = caller.identity if caller else None
    yield "user", visible(identity.user) if identity else ""
    yield "email", visible(identity.email) if identity else ""
    yield "provider", visible(identity.provider) if identity else ""
    yield "session", caller.session if caller else ""
    yield "groups", ",".join(visible(group, _IN_LISTS) for group in identity.groups) if identity else ""
    yield "name", visible(identity.name) if identity else ""


def visible(text: str, kept: str = _VISIBLE) -> str:
    """As a header value: no space, no control character, nothing that is not ASCII."""
    return quote(text.encode("utf-8", "replace"), safe=kept)
