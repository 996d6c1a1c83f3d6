"""The check as a plain Flask view, obviously right and slow: the documented order, step by step.

Nothing is kept from one request to the next. Made by `reference_app()`, asked by `ask()`.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flask import Flask, Response, request
from werkzeug.routing import Rule as Route

from doorkey.clock import Clock
from doorkey.errors import BearerInvalid, GateMisconfigured, LoginRequired, NotAllowed, UntrustedProxy
from doorkey.gate.gate_tokens import GateTokens
from doorkey.gate.policy import Policy, Rule
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import Sessions
from doorkey.setting_urls import is_loopback
from doorkey.setting_values import Network
from tests.gate.reference import slow_answers as answers
from tests.gate.reference import slow_reading as reading
from tests.gate.reference.slow_answers import Told
from tests.gate.reference.slow_reading import Asked, Credentials, Odd, Raw, Site
from tests.gate.reference.slow_rules import ALLOW, FORBID, LOG_IN, Verdict, Visitor, demand_fits, host_fits, judge

ODD_STATUS = {"nginx": 403, "forward": 400, "envoy": 400, "oauth2-proxy": 403}
NO_HOST = NotAllowed(
    message="This host is not behind the gate.", hint="Add it to DOORKEY_ALLOWED_HOSTS if it should be."
)
RAW_HEADERS = "doorkey.raw_headers"
"""In the environ: WSGI itself joins headers that came twice, and has one name for `X-A` and `X_A`."""


@dataclass
class Gate:
    """What is configured, and the parts that are shared with the fast gate and have tests of their own."""

    site: Site
    allowed_hosts: Sequence[str]
    trusted: Sequence[Network]
    secret: str
    like_oauth2_proxy: bool
    has_oauth2_paths: bool
    sessions: Sessions
    tokens: GateTokens
    policy: Callable[[], Policy]
    clock: Clock


@dataclass(frozen=True)
class Check:
    """One request, as it is understood so far."""

    dialect: str
    policy: str
    asked: Asked
    credentials: Credentials


def reference_app(gate: Gate) -> Flask:
    app = Flask("reference")
    app.url_map.add(Route("/check/-", endpoint="check"))  # any method: a GET route answers OPTIONS by itself
    app.view_functions["check"] = lambda: respond(check(gate))
    return app


def ask(app: Flask, method: str, path: bytes, query: bytes, raw: Raw, peer: str) -> Told:
    """The view's answer. PATH_INFO has lost which slashes were escaped, so all of /check/ is one route."""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/check/-",
        "RAW_URI": path.decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "REMOTE_ADDR": peer,
        "SERVER_NAME": "reference",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        RAW_HEADERS: raw,
    }
    with app.request_context(environ):
        response = app.full_dispatch_request()
    headers = [(name.lower(), value) for name, value in response.headers]
    return response.status_code, headers, response.get_data()


def takes(path: bytes, *, has_oauth2_paths: bool) -> bool:
    """Whether a request is the gate's at all."""
    return path.startswith(b"/check/") or (has_oauth2_paths and path == b"/oauth2/auth")


class Bare(Response):
    default_mimetype = None


def respond(told: Told) -> Response:
    status, headers, body = told
    return Bare(body, status, headers)


def check(gate: Gate) -> Told:
    """Who may ask, what was asked for, who asks, whether they may, and how to say so."""
    raw, environ = request.environ[RAW_HEADERS], request.environ
    dialect, policy, rest = parts_of(environ["RAW_URI"], has_oauth2_paths=gate.has_oauth2_paths)
    if dialect == "":
        return answers.refusal("forward", 404, GateMisconfigured(), "no_dialect")
    try:
        if not may_ask(gate, environ["REMOTE_ADDR"], raw):
            return answers.refusal(dialect, 403, UntrustedProxy(), "untrusted_proxy")
        asked = reading.read_request(dialect, environ["REQUEST_METHOD"], rest, environ["QUERY_STRING"], raw)
        rules = rules_for(gate.policy(), policy, asked)
        if rest and dialect != "envoy":
            raise Odd("something stands behind the name of the policy")
    except Odd:
        return answers.refusal(dialect, ODD_STATUS[dialect], GateMisconfigured(), "bad_gateway_config")
    if not is_guarded(gate, asked.authority):
        return answers.refusal(dialect, 403, NO_HOST, "host_not_allowed")
    asked = replace(asked, also=tuple(host for host in asked.also if is_guarded(gate, host)))
    credentials = reading.read_credentials(gate.site, raw, asked.host)
    verdict = decide(gate, rules, asked, credentials, environ["QUERY_STRING"] if dialect == "oauth2-proxy" else "")
    return say(gate, Check(dialect, policy, asked, credentials), verdict)


def parts_of(path: str, *, has_oauth2_paths: bool) -> tuple[str, str, str]:
    """Dialect, policy, and what stands behind: /check/nginx/admins, /check/envoy:admins/original/path."""
    if path == "/oauth2/auth" and has_oauth2_paths:
        return "oauth2-proxy", "", ""
    name, slash, rest = path.removeprefix("/check/").partition("/")
    if name in ("nginx", "forward"):
        policy, slash, rest = rest.partition("/")
        return name, policy, slash + rest if rest else ""
    dialect, _, policy = name.partition(":")
    return ("envoy", policy, slash + rest) if dialect == "envoy" else ("", "", "")


def may_ask(gate: Gate, peer: str, raw: Raw) -> bool:
    """By the secret of the proxy where one is sent, by the address of the peer otherwise. Raises `Odd`."""
    given = reading.values_of(raw, "x-doorkey-proxy-secret")
    if len(given) > 1:
        raise Odd("two secrets")
    if given:
        return gate.secret != "" and given[0] == gate.secret
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in network for network in gate.trusted)


def rules_for(policy: Policy, name: str, asked: Asked) -> Sequence[Rule]:
    """The main list, or that of a named policy. Raises `Odd`, also where the proxy did not tell what rules look at."""
    if name and name not in policy.named:
        raise Odd("no such policy")
    rules = (policy.named[name] if name else policy.rules).rules
    if any(rule.paths for rule in rules) and not asked.knows_path:
        raise Odd("rules for paths, and no path")
    if any(rule.methods for rule in rules) and not asked.knows_method:
        raise Odd("rules for methods, and no method")
    return rules


def is_guarded(gate: Gate, authority: str) -> bool:
    """Doorkey's own host, those that are allowed, and for a Doorkey on loopback whatever is there."""
    if f"{gate.site.own_url.partition('://')[2]}" == authority:
        return True
    if any(host_fits(pattern, authority) for pattern in gate.allowed_hosts):
        return True
    host = authority.partition("]")[0] + "]" if authority.startswith("[") else authority.partition(":")[0]
    return is_loopback(gate.site.own_host) and is_loopback(host)


def decide(gate: Gate, rules: Sequence[Rule], asked: Asked, credentials: Credentials, query: str) -> Verdict:
    """Where anybody may, nobody is asked who they are. A session goes before a token."""
    absent = "no_session" if credentials.seen in ("none", "others") else "expired"
    for_anybody = judge(rules, asked, None, absent)
    if for_anybody.what == ALLOW:
        return for_anybody
    visitor = by_session(gate, credentials)
    if visitor is None and credentials.bearer:
        visitor = by_token(gate, credentials.bearer, asked.authority)
        absent = "invalid_token"
    verdict = judge(rules, asked, visitor, absent)
    if verdict.what != ALLOW or visitor is None:
        return verdict
    if not all(demand_fits(demand, visitor) for demand in reading.demands(query)):
        return Verdict(FORBID, "not_allowed:address-of-the-check", verdict.rule, visitor)
    if answers.user_is_too_long(visitor.identity, like_oauth2_proxy=gate.like_oauth2_proxy):
        return Verdict(FORBID, "user_too_long", verdict.rule, visitor)
    return verdict


def by_session(gate: Gate, credentials: Credentials) -> Visitor | None:
    """Read from the store each time."""
    session = gate.sessions.open_at_gate(credentials.gate_secret) if credentials.gate_secret else None
    if session is None or gate.clock() >= min(session.record.idle_ends, session.record.absolute_ends):
        return None
    record = session.record
    return Visitor(record.identity, record.token.scope_granted, session.ids.public_id, record.token.access_token)


def by_token(gate: Gate, bearer: str, authority: str) -> Visitor | None:
    """A gate token that lives, and is not for other hosts only."""
    if not bearer.startswith("dkgt_") or not bearer.isascii() or len(bearer) > 16 * 1024:
        return None
    listed, _ = gate.tokens.open(bearer)
    if listed is None or gate.clock() >= listed.token.ends:
        return None
    token = listed.token
    hosts = [scope.removeprefix("host:") for scope in token.scopes if scope.startswith("host:")]
    if hosts and not any(host_fits(host, authority) for host in hosts):
        return None
    return Visitor(Identity(provider="doorkey.token", sub=token.user, groups=token.groups), token.scopes)


def say(gate: Gate, this: Check, verdict: Verdict) -> Told:
    """In the words of the dialect."""
    own_url, rule, visitor = gate.site.own_url, verdict.rule, verdict.visitor
    if verdict.what == ALLOW:
        tokens = {}
        if visitor and "assertion" in rule.headers:
            claims = (visitor.identity, visitor.session, this.asked.origin, own_url, gate.clock())
            tokens["assertion"] = answers.sealed(answers.assertion_claims(*claims))
        if visitor and visitor.session and "access-token" in rule.headers:
            tokens["access-token"] = answers.encoded(visitor.access_token)
        return answers.yes(verdict.reason, visitor, tokens, like_oauth2_proxy=gate.like_oauth2_proxy)
    is_sent = this.asked.is_page if rule.login == "auto" else rule.login == "always"
    if this.dialect == "oauth2-proxy":
        is_sent = False  # whoever set that up sends browsers themselves
    if verdict.what == LOG_IN:
        if is_sent:
            location = f"{own_url}/login?rt={ticket(gate, this, verdict)}"
            return answers.way_to_login(this.dialect, this.asked.method, location, verdict.reason)
        error = BearerInvalid() if verdict.reason == "invalid_token" else LoginRequired()
        return answers.refusal(this.dialect, 401, error, verdict.reason, login_url=f"{own_url}/login")
    if is_sent:
        page_url = f"{own_url}/denied?rt={ticket(gate, this, verdict)}"
        return answers.forbidden_page(verdict.reason, rule.name, visitor.identity if visitor else None, page_url)
    return answers.refusal(this.dialect, 403, NotAllowed(), verdict.reason, rule=rule.name)


def ticket(gate: Gate, this: Check, verdict: Verdict) -> str:
    """What Doorkey's page is told: where the browser goes back to, to the byte, and why it was sent."""
    asked = this.asked
    url = asked.origin
    for byte in asked.target.encode("latin-1"):
        is_kept = 0x21 <= byte <= 0x7E and chr(byte) not in '"#<>\\'
        url += chr(byte) if is_kept else f"%{byte:02X}"
    if len(url) > 2048:
        url = url.partition("?")[0]
    if len(url) > 2048:
        url = asked.origin + "/"
    return answers.sealed(
        {
            "url": url,
            "authority": asked.authority,
            "method": asked.method,
            "reason": verdict.reason.partition(":")[0],
            "issued": gate.clock(),
            "cookies": this.credentials.seen,
            "rule": verdict.rule.name,
            "policy": this.policy,
            "dialect": this.dialect,
            "provider": verdict.rule.provider,
            "request_id": answers.REQUEST_ID,
        }
    )
