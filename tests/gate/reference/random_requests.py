"""Random requests: one that a proxy would send, and then perhaps one or two things that are odd about it.

A `Wish` is chosen, without secrets; `asking()` makes the request of it, with the cookies and tokens of a world.
"""

from collections.abc import Callable
from dataclasses import dataclass

from doorkey.base64url import encode
from tests.gate.reference.choices import Choices
from tests.gate.reference.slow_reading import Raw, cookie_name
from tests.gate.reference.three_ways import PROXY_SECRET, Asking, World
from tests.support.gate_desk import DOMAIN_COOKIE

DIALECTS = ("nginx", "nginx", "nginx", "forward", "forward", "forward", "envoy", "envoy", "oauth2-proxy")
METHODS, ODD_METHODS = ("GET", "GET", "GET", "POST", "HEAD"), ("OPTIONS", "PROPFIND", "get", "X!#-9", "Post", "G T", "")
SCHEMES, ODD_SCHEMES = ("https", "https", "https", "http", "wss"), ("ws", "HTTPS", "ftp", "", "\xdfttp")
HOSTS = (
    *("app.example.com", "app.example.com", "login.example.com", "a.apps.example.com", "a.b.apps.example.com"),
    *("other.example.org", "other.example.org", "tool.example.com:8443", "public.example.com"),
)
LOOPBACK_HOSTS = ("127.0.0.1:8000", "localhost:3000", "[::1]:8000", "127.0.0.1", "localhost", "127.9.9.9:80")
ODD_HOSTS = (
    *("APP.Example.COM", "app.example.com.", "app.example.com:443", "app.example.com:80", "app.example.com:8443"),
    *("apps.example.com", "evil.example.net", "127.0.0.1:8000", "localhost:3000", "[::1]:8000", "example.com"),
    *("xapp.example.com", "app.example.com:0443", "app_example.com", "a..example.com", "[::ffff:127.0.0.1]", "[::1"),
    *("user@app.example.com", "app.example.com:99999", "*.apps.example.com", "Other.Example.ORG:443", "[::1]x:80"),
    *("app.example.com:", "a.Apps.Example.com.:443", "app.example.com, evil.example.net", "\xe4pp.example.com"),
    "x." * 130 + "apps.example.com",
)
PATHS = (
    *("/", "/admin", "/admin/users", "/administration", "/static/a.css", "/static", "/public/x", "/admin/", "/A"),
    *("/api/v1/reports/a.csv", "/api/x/y/reports/b.csv/c", "/a/b/c", "/a/x/b/y/c", "/x/edit", "/.doorkey/echo"),
)
DOUBTFUL_PATHS = (
    *("/a%20b", "/%61dmin", "/public/..%2fadmin", "/public/../admin", "//admin", "/admin;x=1", "/./static", "/a,b"),
    *("/admin%00", "/public\\..\\admin", "/a#b", "/\xfcber", "/%c3%bc", "/%zz", "/static/%2e%2e/admin", "/a%2525b"),
    *(
        "/adm*n",
        '/"<>"',
        "/" + "x" * 2100,
        "/x" * 150,
        "/static%2fa",
        "/admin%2fusers",
        "/%2e/edit",
        "/a/.doorkey/../b",
    ),
)
ODD_PATHS = ("/a,/b", "/a,http://b", "admin", "", "/a b", "/a\x7f", "/" + "%2e/" * 150, "/" + "z" * 8190, "/\x85")
QUERIES = ("", "", "", "", "a=1", "next=/admin", "x=,/y", "x=%00&y=\xff", "u=,https://b", "q#f", "?", "l=" + "y" * 2100)
CHECK_QUERIES = (
    *("", "", "", "allowed_groups=admins", "allowed_groups=ops%2C+all,staff", "allowed_groups=&x=1"),
    *("allowed_emails=Una@Example.com", "allowed_email_domains=.example.com", "allowed_email_domains=example.com"),
    *("allowed_groups=admins&allowed_groups=ops", "allowed_groups", "rd=/x", "allowed_email_domains=it.example.com,"),
)
POLICIES = (*[""] * 24, *["admins"] * 8, "staff", "missing")
VISITORS: tuple[Raw, ...] = (
    [(b"accept", b"text/html,*/*;q=0.8")],
    [(b"accept", b"text/html"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")],
    [(b"accept", b"text/html"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"iframe")],
    [(b"accept", b"*/*"), (b"sec-fetch-mode", b"Navigate"), (b"sec-fetch-dest", b"Document")],
    [(b"accept", b"*/*"), (b"sec-fetch-mode", b"cors"), (b"sec-fetch-dest", b"empty")],
    [(b"accept", b"application/json")],
    [(b"accept", b"application/json, text/html;q=0, */*")],
    [(b"accept", b"text/html ; q=0.0"), (b"user-agent", b"x")],
    [(b"accept", b"TEXT/HTML;q=0.1")],
    [(b"accept", b"text/html"), (b"x-requested-with", b"XmlHttpRequest")],
    [(b"accept", b"text/html"), (b"upgrade", b"WebSocket"), (b"connection", b"upgrade")],
    [(b"accept", b"text/html"), (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")],
    [(b"accept", b"text/html"), (b"content-type", b"Multipart/Form-Data; boundary=x")],
    [(b"accept", b"text/html"), (b"content-type", b"application/json")],
    [(b"accept", b"text/html"), (b"accept", b"text/html")],
    [],
)
COOKIES = (
    *["good"] * 36,
    *("none", "none", "made up", "broken", "twice", "among others", "of the domain", "of the pages", "for elsewhere"),
    *("others", "quoted", "padded", "not trimmed", "short", "empty", "no equals", "of another name", "in pieces"),
)
BEARERS = (*[""] * 12, *["good"] * 5, "unknown", "rubbish", "no scheme", "BEARER", "long", "b\xfcrer", "padded")


TWIST_COUNTS = (*[0] * 10, 1, 1, 1, 2)


@dataclass(frozen=True)
class Wish:
    dialect: str
    policy: str
    method: str
    scheme: str
    host: str
    path: str
    query: str
    check_query: str
    visitor: Raw
    cookie: str
    bearer: str
    who: int
    twists: tuple[tuple[int, int], ...]


@dataclass
class Draft:
    """What a twist may change."""

    method: str
    path: str
    query: str
    raw: Raw
    peer: str = "127.0.0.1"


def random_wish(choices: Choices, *, on_loopback: bool) -> Wish:
    return Wish(
        dialect=choices.of(DIALECTS),
        policy=choices.of(POLICIES),
        method=choices.mostly(METHODS, ODD_METHODS, 20),
        scheme=choices.mostly(SCHEMES, ODD_SCHEMES, 40),
        host=choices.mostly(LOOPBACK_HOSTS if on_loopback else HOSTS, ODD_HOSTS, 15),
        path=choices.of(choices.mostly((PATHS, PATHS, PATHS, DOUBTFUL_PATHS), (ODD_PATHS,), 50)),
        query=choices.of(QUERIES),
        check_query=choices.of(CHECK_QUERIES),
        visitor=choices.of(VISITORS),
        cookie=choices.of(COOKIES),
        bearer=choices.of(BEARERS),
        who=choices.number(12),
        twists=tuple((choices.number(len(TWISTS)), choices.number(60)) for _ in range(choices.of(TWIST_COUNTS))),
    )


def asking(world: World, wish: Wish) -> Asking:
    """The request of this world's people."""
    draft = said_by_proxy(wish)
    draft.raw += wish.visitor
    draft.raw += [(b"cookie", value.encode("latin-1")) for value in cookies(world, wish)]
    draft.raw += bearer(world, wish)
    for number, n in wish.twists:
        TWISTS[number](draft, n)
    return Asking(draft.method, draft.path.encode("latin-1"), draft.query.encode("latin-1"), draft.raw, draft.peer)


def said_by_proxy(wish: Wish) -> Draft:
    """In the words of the dialect."""
    target = wish.path + ("?" + wish.query if wish.query else "")
    behind = f"/{wish.policy}" if wish.policy else ""
    forwarded = pairs(
        ("x-forwarded-method", wish.method),
        ("x-forwarded-proto", wish.scheme),
        ("x-forwarded-host", wish.host),
        ("x-forwarded-uri", target),
    )
    url = f"{wish.scheme}://{wish.host}{target}"
    by_nginx = pairs(("x-original-method", wish.method), ("x-original-url", url), ("host", wish.host))
    if wish.dialect == "nginx":
        return Draft("GET", f"/check/nginx{behind}", wish.check_query, by_nginx)
    if wish.dialect == "forward":
        return Draft("GET", f"/check/forward{behind}", wish.check_query, forwarded)
    if wish.dialect == "envoy":
        policy = f":{wish.policy}" if wish.policy else ""
        said = pairs(("host", wish.host), ("x-forwarded-proto", wish.scheme))
        return Draft(wish.method, f"/check/envoy{policy}{wish.path}", wish.query, said)
    kinds = (by_nginx, [*forwarded, (b"host", wish.host.encode())], [by_nginx[2]], [*forwarded[2:], by_nginx[2]])
    return Draft("GET", "/oauth2/auth", wish.check_query, list(kinds[wish.who % 4]))


def pairs(*told: tuple[str, str]) -> Raw:
    return [(name.encode(), value.encode("latin-1")) for name, value in told]


def cookies(world: World, wish: Wish) -> list[str]:
    """The values of Cookie headers."""
    if wish.cookie == "none":
        return []
    if not world.people or wish.cookie == "others":
        return ["a=b; theme=dark"]
    ids = world.people[wish.who % len(world.people)].ids
    host = wish.host.lower().partition(":")[0].removesuffix(".")
    name = cookie_name(world.site, host)
    if name in ("doorkey-gate", "__Host-doorkey-gate"):
        value = world.parts.cookies.for_outside(ids.gate_secret, host)
    else:
        value = encode(ids.gate_secret if name == DOMAIN_COOKIE else ids.session_secret)
    if wish.cookie == "for elsewhere":
        value = world.parts.cookies.for_outside(ids.gate_secret, "elsewhere.example.org")
    good = f"{name}={value}"
    return {
        "good": [good],
        "made up": [f"{name}={encode(bytes(32))}"],
        "broken": [f"{name}={value[:-1]}!"],
        "twice": [f"{good}; {name}={value}"],
        "among others": [f"a=b;{good} ;{name}x=1;x{name}=2; c"],
        "of the domain": [f"{DOMAIN_COOKIE}={encode(ids.gate_secret)}"],
        "of the pages": [f"__Host-doorkey={encode(ids.session_secret)}; doorkey={encode(ids.session_secret)}"],
        "for elsewhere": [good],
        "quoted": [f'{name}="{value}"'],
        "padded": [f"{name}={value}="],
        "not trimmed": [f" \t{good}\t"],
        "short": [f"{name}={value[:20]}"],
        "empty": [f"{name}="],
        "no equals": [f"{name}; a=b"],
        "of another name": [f"{name.upper()}={value}; {name} ={value}"],
        "in pieces": ["a=b", good, "c=d"],
    }[wish.cookie]


def bearer(world: World, wish: Wish) -> Raw:
    """An Authorization header."""
    token = world.tokens[wish.who % len(world.tokens)] if world.tokens else "dkgt_none"
    values = {
        "good": f"Bearer {token}",
        "unknown": f"Bearer dkgt_{encode(bytes(32))}",
        "rubbish": "Bearer rubbish",
        "no scheme": token,
        "BEARER": f"BEARER {token}",
        "long": "Bearer dkgt_" + "x" * 17000,
        "b\xfcrer": f"Bearer {token}\xfc",
        "padded": f"bearer   {token} ",
    }
    return pairs(("authorization", values[wish.bearer])) if wish.bearer else []


# ---- what is odd ----

Twist = Callable[[Draft, int], None]
ODD_VALUES = (
    *(b"", b" ", b"a, b", b"https://app.example.com/,https://evil.example.net/", b"\xa0/x", b"https://app.example.com"),
    *(b"/x\x00", b"GET", b"http", b"app.example.com", b"  https://app.example.com/admin\t", b"/" + b"y" * 8200),
    *(b"\xff", b"javascript://app.example.com/", b"https://app.example.com?x", b"M" * 33, b"text/html;q=0, text/html"),
)
CHECK_PATHS = (
    *("/check/", "/check/nginx/", "/check/nginx/admins/", "/check/nginx/admins/more", "/check/nginx//", "/check/caddy"),
    *("/check/forward/admins/x", "/check/nginx:admins", "/check/envoy", "/check/envoy:/admin", "/check/envoy:admins"),
    *(
        "/check/NGINX",
        "/check/forward/%61dmins",
        "/oauth2/auth",
        "/check/envoy:missing/",
        "/check//nginx",
        "/check/\xfc",
    ),
    *("/check/oauth2-proxy", "/check/envoy:admins/admin", "/check/forward/staff"),
)
PEERS = (
    "10.1.2.3",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.9.9.9",
    "192.0.2.7",
    "",
    "unix",
    "127.255.0.1",
    "::ffff:1.2.3.4",
)


def pick(draft: Draft, n: int) -> int:
    return n % len(draft.raw)


def lose_header(draft: Draft, n: int) -> None:
    if draft.raw:
        del draft.raw[pick(draft, n)]


def double_header(draft: Draft, n: int) -> None:
    if draft.raw:
        draft.raw.append(draft.raw[pick(draft, n)])


def replace_value(draft: Draft, n: int) -> None:
    if draft.raw:
        at = pick(draft, n)
        draft.raw[at] = (draft.raw[at][0], ODD_VALUES[(n * 7) % len(ODD_VALUES)])


def add_second_value(draft: Draft, n: int) -> None:
    if draft.raw:
        draft.raw.insert(0, (draft.raw[pick(draft, n)][0], ODD_VALUES[(n * 5) % len(ODD_VALUES)]))


def join_value(draft: Draft, n: int) -> None:
    if draft.raw:
        name, value = draft.raw[pick(draft, n)]
        draft.raw[pick(draft, n)] = name, (value + b",/x", b"evil.example.net, " + value, value + b" ")[n % 3]


def underscore(draft: Draft, n: int) -> None:
    """A header that is another one, and looks like it to whoever speaks WSGI."""
    if draft.raw:
        name, value = draft.raw[pick(draft, n)]
        name = name.replace(b"-", b"_")
        draft.raw[pick(draft, n) if n % 2 else 0 : 0] = [(name, value)] if b"_" in name else []


def other_dialect(draft: Draft, n: int) -> None:
    draft.raw += [
        [(b"x-original-url", b"https://app.example.com/public"), (b"x-original-method", b"GET")],
        [(b"x-forwarded-uri", b"/public"), (b"x-forwarded-host", b"evil.example.net")],
        [(b"x-forwarded-method", b"POST"), (b"x-forwarded-host", b"other.example.org")],
        [(b"host", b"a.apps.example.com")],
        [(b"x-doorkey-user", b"root"), (b"x-auth-request-user", b"root")],
    ][n % 5]


def another_peer(draft: Draft, n: int) -> None:
    draft.peer = PEERS[n % len(PEERS)]


def proxy_secret(draft: Draft, n: int) -> None:
    right = PROXY_SECRET.encode()
    values = ([right], [right], [right + b"x"], [b""], [right, right], [b"\xff"])[n % 6]
    draft.raw += [(b"x-doorkey-proxy-secret", value) for value in values]
    draft.peer = PEERS[n % len(PEERS)]


def another_check(draft: Draft, n: int) -> None:
    draft.path = CHECK_PATHS[n % len(CHECK_PATHS)]


def another_method(draft: Draft, n: int) -> None:
    draft.method = ("OPTIONS", "POST", "HEAD", "PROPFIND", "get")[n % 5]


def shuffle(draft: Draft, n: int) -> None:
    at = n % (len(draft.raw) + 1)
    draft.raw = draft.raw[at:] + draft.raw[:at]


TWISTS: tuple[Twist, ...] = (
    *(lose_header, double_header, replace_value, add_second_value, join_value, underscore),
    *(other_dialect, another_peer, proxy_secret, another_check, another_method, shuffle),
)
