"""What `doorkey check --through` asks for besides the echo page, always as nobody.

Paths of the application, because proxies often let static files pass; what is open must be open by a rule, so that the
policy tells the truth. And Doorkey's own endpoints for proxies, which must not be there for the public.
Called by check_through.py.
"""

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

from doorkey.cli.raw_request import RawAnswer
from doorkey.cli.through_visitor import PAGE, Visitor
from doorkey.gate.decide import Decision, decide
from doorkey.gate.original_request import Headers, OddRequest, original
from doorkey.oauth.provider_check import FAILED, NOTE, OK, WARNING, Finding

USUAL = ("/favicon.ico", "/robots.txt", "/static/doorkey-check.css", "/assets/doorkey-check.js", "/api/doorkey-check")
GUARD = 'Let the proxy ask the gate about this path as well, or write a rule for it with allow = "anyone".'


def other_paths(visitor: Visitor, paths: tuple[str, ...], policy: str) -> Iterator[Finding]:
    """`policy` is the name of the one that the proxy asks for."""
    kept = []
    for path in dict.fromkeys((*paths, *USUAL, "/doorkey-check-" + secrets.token_hex(4))):
        decision = _decision(visitor, path, policy)
        if decision is not None and decision.verdict == "allow":
            yield Finding(NOTE, f"{path} is open to anyone, by the rule {decision.rule.name}.")
            continue
        answer = visitor.ask("GET", path, PAGE)
        finding = _judge(visitor, path, answer)
        if finding is None:
            kept.append(path)
        else:
            yield finding
    if kept:
        yield Finding(OK, f"Nobody is let in without a session at {', '.join(kept)}.")


def _decision(visitor: Visitor, path: str, policy: str) -> Decision | None:
    """About nobody; None where that cannot be told."""
    doorkey, site = visitor.doorkey, urlsplit(visitor.origin)
    raw = [(name.lower().encode(), value.encode()) for name, value in PAGE]
    rules = doorkey.gate.policy.current().rules_of(policy)
    try:
        asked = original("GET", site.scheme, site.netloc, path, Headers(raw))
    except OddRequest:
        return None
    return decide(None, asked, rules, doorkey.clock()) if rules else None


def _judge(visitor: Visitor, path: str, answer: RawAnswer | None) -> Finding | None:
    """None when nobody is let in there."""
    if answer is None or answer.status in (400, 401, 403, 421) or visitor.ticket(answer):
        return None
    if 200 <= answer.status < 300:
        return Finding(FAILED, f"Open without a session: {path} ({answer.status}).", GUARD)
    if answer.status == 503 or "x-doorkey-reason" in answer.headers:
        return Finding(WARNING, f"{path} is answered with {answer.status}.", "Is Doorkey busy, or its store?")
    what = f"{path} is answered with {answer.status}, and nobody is sent to sign in."
    return Finding(WARNING, what, f"Fine if it is the proxy's own answer. {GUARD}")


def doors_of_doorkey(visitor: Visitor) -> Iterator[Finding]:
    """At its own host, through the same proxy, where it is there."""
    own = visitor.at_own_host()
    if own is None:
        return
    site = urlsplit(visitor.origin)
    told = (
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", site.scheme),
        ("X-Forwarded-Host", site.netloc),
        ("X-Forwarded-Uri", "/"),
    )
    try:
        answer = own.first_ask("GET", "/check/forward", told)
    except OSError:
        yield Finding(NOTE, f"{own.origin} is not there at this address, so its /check was not tried.")
        return
    if answer and answer.headers.get("x-doorkey-reason", "untrusted_proxy") != "untrusted_proxy":
        hint = "Let the proxy answer 404 to /check at Doorkey's own host; see doorkey proxy-config."
        yield Finding(FAILED, f"The public reaches {own.origin}/check, as if it were a proxy.", hint)
    else:
        yield Finding(OK, f"The public does not reach {own.origin}/check.")
