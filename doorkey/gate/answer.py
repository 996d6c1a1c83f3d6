"""A decision in the words of a dialect: status, headers and body of the answer to a proxy.

nginx understands 200, 401 and 403 only, and drops bodies: a Location beside the 401 means that the browser is to be
sent there, and what a client should read travels in `X-Doorkey-Body`. Everybody else hands on the whole answer. None
ever sets a cookie, because most proxies drop cookies of answers that let somebody pass.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from doorkey.errors import BearerInvalid, DoorkeyError
from doorkey.gate.decide import Decision
from doorkey.gate.identity_headers import Header, visible
from doorkey.gate.original_request import Dialect, Original
from doorkey.http_headers import BARE_CSP

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
MOST_IN_HEADER = 1000
RETRY_SECONDS = 5
LONGEST_PAGE_URL = 4000
CHALLENGE = b'Bearer realm="doorkey"'
_TO_BROWSERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Answer(msgspec.Struct, frozen=True):
    """`head` are all header fields as they go over the wire, names in lower case; `content-length` is among them."""

    status: int
    head: bytes
    body: bytes = b""

    @property
    def headers(self) -> tuple[Header, ...]:
        """For servers that write them themselves."""
        fields = (field.partition(b": ") for field in self.head.split(b"\r\n")[:-1])
        return tuple((name, value) for name, _, value in fields)

    def get(self, name: str) -> str:
        """The value of a header, "" when it is not there."""
        return next((value.decode("latin-1") for found, value in self.headers if found == name.encode()), "")


def field_lines(headers: Iterable[Header]) -> bytes:
    """As they go over the wire (RFC 9112 section 5). Raises `ValueError` for a value that could be more than one."""
    lines = []
    for name, value in headers:
        if _CONTROL.search(value):
            raise ValueError(f"{name.decode()} has a control character")
        lines.append(name + b": " + value + b"\r\n")
    return b"".join(lines)


def _answer(
    status: int, reason: str, request_id: str, *headers: Header, body: bytes = b"", kind: bytes = b""
) -> Answer:
    if kind:
        policy = _PAGE_CSP if kind is HTML else BARE_CSP
        headers = ((b"content-type", kind), (b"content-security-policy", policy.encode()), *_TO_BROWSERS, *headers)
    return Answer(status, _common(reason, request_id, len(body)) + field_lines(headers), body)


_COMMON = b"""\
cache-control: no-store
x-doorkey-request-id: %b
x-doorkey-reason: %b
content-length: %d
""".replace(b"\n", b"\r\n")


def _common(reason: str, request_id: str, length: int) -> bytes:
    """Of every answer."""
    return _COMMON % (request_id.encode(), _visible(reason), length)


@lru_cache(maxsize=1024)
def _visible(reason: str) -> bytes:
    return visible(reason).encode()


def allowed(reason: str, identity: bytes, request_id: str) -> Answer:
    """Exactly 200: Envoy takes nothing else for a yes. `identity` are the field lines for the application."""
    return Answer(200, _common(reason, request_id, 0) + identity)


def to_login(dialect: Dialect, original: Original, location: str, reason: str, request_id: str) -> Answer:
    """For browsers; a form becomes a GET (303), because its content is never sent again."""
    status = 401 if not dialect.redirects else 302 if original.method in ("GET", "HEAD") else 303
    return _answer(status, reason, request_id, (b"location", location.encode("ascii")))


def refused(
    dialect: Dialect,
    error: DoorkeyError,
    reason: str,
    request_id: str,
    *,
    login_url: str = "",
    rule: str = "",
    status: int = 0,
) -> Answer:
    """For programs, as JSON: who has to log in (401, RFC 6750 section 3), may not, or did not ask properly."""
    told = {"error": error.code, "message": error.message, "hint": error.hint, "request_id": request_id}
    told |= ({"rule": rule} if rule else {}) | ({"login_url": login_url} if login_url else {})
    body = json.dumps(told).replace("<", "\\u003c").encode()  # Apache calls every body of an authorizer HTML
    headers: list[Header] = []
    status = status or error.status
    if status == 401:
        is_wrong = isinstance(error, BearerInvalid)
        headers.append((b"www-authenticate", CHALLENGE + (b', error="invalid_token"' if is_wrong else b"")))
    if status == 503:
        headers.append((b"retry-after", str(error.retry_after or RETRY_SECONDS).encode()))
    if not dialect.redirects and len(body) <= MOST_IN_HEADER:
        headers.append((b"x-doorkey-body", body))
    return _answer(status, reason, request_id, *headers, body=body, kind=JSON)


def forbidden_page(dialect: Dialect, decision: Decision, page_url: str, request_id: str) -> Answer:
    """For browsers: a few words, and the way to the page of Doorkey that says more (web/gate_pages.py)."""
    account = decision.caller.identity.email or decision.caller.identity.user if decision.caller else ""
    account = account if len(account) <= 100 else account[:99] + "…"
    words = {"account": account, "rule": decision.rule.name, "request": request_id}
    shown = {name: html.escape(value) for name, value in words.items()}
    url = html.escape(page_url) if len(page_url) < LONGEST_PAGE_URL else "/"
    body = _FORBIDDEN.format(style=_STYLE, url=url, **shown)
    encoded = body.encode("ascii", "xmlcharrefreplace")
    where = (b"x-doorkey-page", page_url.encode("ascii"))
    return _answer(403, decision.reason, request_id, where, body=encoded, kind=HTML)


_STYLE = (
    "body{font:1.05rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.5rem;"
    "overflow-wrap:anywhere}"
    "h1{font-size:1.8rem;line-height:1.2}b{unicode-bidi:plaintext}"
    "a{display:inline-block;padding:.6em 1.1em;border:1px solid;border-radius:.6em;color:inherit}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE_CSP = BARE_CSP + f"; style-src 'sha256-{_STYLE_HASH}'"
_FORBIDDEN = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">\
<meta name="viewport" content="width=device-width"><title>Not allowed</title><style>{style}</style>\
<main><h1>You may not open this</h1>
<p>You are signed in as <b>{account}</b>. The rule <code>{rule}</code> decided.</p>
<p><a href="{url}">Switch account</a></p>
<p>Request id <code>{request}</code></p></main></html>
"""
