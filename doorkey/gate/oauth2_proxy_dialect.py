"""What reverse proxies send that were set up for oauth2-proxy: /oauth2/auth, where nothing says which proxy asks.

Its documentation has nginx send `X-Forwarded-Uri` and the visitor's `Host`, ingress-nginx `X-Original-URL`, Traefik and
Caddy `X-Forwarded-*`. So whatever is there counts, headers of two kinds of proxies are refused, every host that may be
meant has to let the visitor in, and no rule that lets everybody in holds here: each header may be the visitor's own.
Where the proxy tells no path or no method, rules that look at them are a mistake that shows at once.

The parameters `allowed_groups`, `allowed_emails` and `allowed_email_domains` of its address demand more, never less.
"""

from collections.abc import Iterator
from urllib.parse import parse_qsl

from msgspec.structs import replace

from doorkey.gate.original_request import Dialect, Headers, OddRequest, Original, from_nginx, original
from doorkey.gate.policy import Condition

PATH = b"/oauth2/auth"


def from_oauth2_proxy(method: str, rest: bytes, query: bytes, headers: Headers) -> Original:
    """Raises `OddRequest` for headers of two kinds of proxies: some of them are the visitor's."""
    if headers.has(b"x-original-url"):
        if any(headers.has(name) for name in (b"x-forwarded-uri", b"x-forwarded-method")):
            raise OddRequest("x-original-url and x-forwarded-uri or -method are both there")
        found = from_nginx(method, rest, query, headers)
    else:
        found = _forwarded(headers)
    return replace(found, is_plain=False)


def _forwarded(headers: Headers) -> Original:
    if headers.has(b"x-original-method"):
        raise OddRequest("x-original-method without x-original-url")
    knows_method, knows_path = headers.has(b"x-forwarded-method"), headers.has(b"x-forwarded-uri")
    method = headers.one(b"x-forwarded-method") if knows_method else "GET"
    scheme = headers.one(b"x-forwarded-proto") if headers.has(b"x-forwarded-proto") else "https"
    target = headers.get(b"x-forwarded-uri").strip() if knows_path else "/"
    host = headers.one(b"host")
    tells_host = headers.has(b"x-forwarded-host") and knows_method  # who sends the one sends the other
    meant = headers.one(b"x-forwarded-host") if tells_host else host
    found = original(method, scheme, meant, target, headers)
    also = {original(method, scheme, host, target, headers).authority} - {found.authority}
    return replace(found, also=tuple(also), knows_path=knows_path, knows_method=knows_method)


def demands(query: bytes) -> Iterator[Condition]:
    """What the address of the check demands besides the rules; a parameter that is there twice demands both."""
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        values = frozenset(part.strip() for part in value.split(",") if part.strip()) or frozenset(["\0"])
        if name == "allowed_groups":
            yield Condition(groups=values)
        elif name == "allowed_emails":
            yield Condition(emails=frozenset(map(str.lower, values)))
        elif name == "allowed_email_domains":
            yield Condition(domains=tuple(map(_domain, values)))


def _domain(text: str) -> str:
    """Theirs may begin with a dot, which means every subdomain."""
    return "*" + text.lower() if text.startswith(".") else text.lower()


OAUTH2_PROXY = Dialect("oauth2-proxy", from_oauth2_proxy, redirects=False, odd_status=403, sends_away=False)
