"""Status, headers and body of an answer, written down once more: docs/gate.md and the table in DESIGN section 7.

What differs each time stands here in a readable form (sameness.py brings the fast answers into it): the request id is
`REQUEST_ID`, a ticket `sealed(...)`, an assertion the text of its claims.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any

from doorkey.errors import DoorkeyError
from doorkey.oauth.user_info import Identity
from tests.gate.reference.slow_rules import Visitor

Header = tuple[str, str]
Told = tuple[int, list[Header], bytes]

REQUEST_ID = "0" * 16
CSP = "default-src 'none'; base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'"
STYLE = """\
body{font:1.05rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.5rem;overflow-wrap:anywhere}\
h1{font-size:1.8rem;line-height:1.2}b{unicode-bidi:plaintext}\
a{display:inline-block;padding:.6em 1.1em;border:1px solid;border-radius:.6em;color:inherit}"""
FORBIDDEN_PAGE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">\
<meta name="viewport" content="width=device-width"><title>Not allowed</title><style>{style}</style>\
<main><h1>You may not open this</h1>
<p>You are signed in as <b>{account}</b>. The rule <code>{rule}</code> decided.</p>
<p><a href="{url}">Switch account</a></p>
<p>Request id <code>{request}</code></p></main></html>
"""
HEADERS_FIT_IN = 2600
NAMES_OF_OAUTH2_PROXY = {"user": "user", "email": "email", "preferred-username": "name", "groups": "groups"}


def answer(status: int, reason: str, headers: list[Header], body: bytes = b"", kind: str = "") -> Told:
    """What every answer has, and then its own headers."""
    common = [
        ("cache-control", "no-store"),
        ("x-doorkey-request-id", REQUEST_ID),
        ("x-doorkey-reason", encoded(reason)),
        ("content-length", str(len(body))),
    ]
    if kind == "json":
        common += [("content-type", "application/json"), ("content-security-policy", CSP)]
    if kind == "html":
        style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        common += [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", f"{CSP}; style-src 'sha256-{style}'"),
        ]
    if kind:
        common += [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")]
    return status, common + headers, body


def yes(reason: str, visitor: Visitor | None, tokens: Mapping[str, str], *, like_oauth2_proxy: bool) -> Told:
    return answer(200, reason, identity_headers(visitor, tokens, like_oauth2_proxy=like_oauth2_proxy))


def refusal(
    dialect: str, status: int, error: DoorkeyError, reason: str, *, rule: str = "", login_url: str = ""
) -> Told:
    """JSON; to nginx, which drops bodies, in a header too."""
    told = {"error": error.code, "message": error.message, "hint": error.hint, "request_id": REQUEST_ID}
    if rule:
        told["rule"] = rule
    if login_url:
        told["login_url"] = login_url
    text = json.dumps(told).replace("<", "\\u003c")
    headers = []
    if status == 401:
        is_wrong = error.code == "invalid_token"
        headers.append(("www-authenticate", 'Bearer realm="doorkey"' + (', error="invalid_token"' if is_wrong else "")))
    if status == 503:
        headers.append(("retry-after", str(error.retry_after or 5)))
    if drops_bodies(dialect) and len(text) <= 1000:
        headers.append(("x-doorkey-body", text))
    return answer(status, reason, headers, text.encode(), "json")


def drops_bodies(dialect: str) -> bool:
    return dialect in ("nginx", "oauth2-proxy")


def way_to_login(dialect: str, method: str, location: str, reason: str) -> Told:
    """nginx knows no redirects here; a form is not sent again."""
    status = 401 if drops_bodies(dialect) else 302 if method in ("GET", "HEAD") else 303
    return answer(status, reason, [("location", location)])


def forbidden_page(reason: str, rule: str, identity: Identity | None, page_url: str) -> Told:
    account = (identity.email or identity.user) if identity else ""
    if len(account) > 100:
        account = account[:99] + "…"
    page = FORBIDDEN_PAGE.format(
        style=STYLE,
        url=page_url,
        account=html.escape(account),
        rule=html.escape(rule),
        request=REQUEST_ID,
    )
    body = "".join(c if c.isascii() else f"&#{ord(c)};" for c in page).encode("ascii")
    return answer(403, reason, [("x-doorkey-page", page_url)], body, "html")


def sealed(content: Any) -> str:
    """In the place of a sealed ticket: letters that no escaping changes."""
    return json.dumps(content, sort_keys=True).encode().hex()


# ---- who it is ----


def identity_headers(visitor: Visitor | None, tokens: Mapping[str, str], *, like_oauth2_proxy: bool) -> list[Header]:
    """All of them, whoever it is; those that do not fit are empty, and named."""
    values = identity_values(visitor)
    room, left_out = HEADERS_FIT_IN, []
    for name in values:
        needed = len(values[name]) * (2 if like_oauth2_proxy else 1)
        if needed > room:
            values[name] = ""
            left_out.append(name)
        else:
            room -= needed
    headers = [(f"x-doorkey-{name}", value) for name, value in values.items()]
    if like_oauth2_proxy:
        headers += [(f"x-auth-request-{theirs}", values[ours]) for theirs, ours in NAMES_OF_OAUTH2_PROXY.items()]
    headers.append(("x-doorkey-assertion", tokens.get("assertion", "")))
    headers.append(("x-doorkey-access-token", tokens.get("access-token", "")))
    if like_oauth2_proxy:
        headers.append(("x-auth-request-access-token", tokens.get("access-token", "")))
    if left_out:
        headers.append(("x-doorkey-left-out", ",".join(left_out)))
    return headers


def identity_values(visitor: Visitor | None) -> dict[str, str]:
    """The most important first."""
    if visitor is None:
        return dict.fromkeys(("user", "email", "provider", "session", "groups", "name"), "")
    identity = visitor.identity
    return {
        "user": encoded(identity.user),
        "email": encoded(identity.email),
        "provider": encoded(identity.provider),
        "session": visitor.session,
        "groups": ",".join(encoded(group, besides=",;") for group in identity.groups),
        "name": encoded(identity.name),
    }


def user_is_too_long(identity: Identity, *, like_oauth2_proxy: bool) -> bool:
    """Half a name would be somebody else."""
    return len(encoded(identity.user)) * (2 if like_oauth2_proxy else 1) > HEADERS_FIT_IN


def encoded(text: str, besides: str = "") -> str:
    """Visible ASCII as it is; everything else, `%` and `besides` percent-encoded as UTF-8."""
    written = ""
    for byte in text.encode():
        character = chr(byte)
        is_kept = 0x21 <= byte <= 0x7E and character != "%" and character not in besides
        written += character if is_kept else f"%{byte:02X}"
    return written


def assertion_claims(identity: Identity, session: str, audience: str, issuer: str, now: float) -> dict[str, Any]:
    """A minute of the JWT that says it all."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": identity.user,
        "iat": int(now),
        "exp": int(now) + 60,
        "provider": identity.provider,
    }
    if identity.email:
        claims["email"] = identity.email
    if identity.name:
        claims["name"] = identity.name
    if session:
        claims["sid"] = session
    if 0 < sum(len(group.encode()) for group in identity.groups) <= 800:
        claims["groups"] = list(identity.groups)
    return claims
