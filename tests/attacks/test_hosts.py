"""The Host header and its relatives decide nothing: URLs come from the configured public URL."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from doorkey.web.pages_asgi import DoorkeyAsgi
from tests.attacks.conftest import HTTPS
from tests.support.person import Person

FOREIGN = {
    "other": "evil.test",
    "other-with-port": "evil.test:8000",
    "other-port": "127.0.0.1:9999",
    "no-port": "127.0.0.1",
    "two": "127.0.0.1:8000,evil.test",
    "two-with-space": "127.0.0.1:8000, evil.test",
    "userinfo": "127.0.0.1:8000@evil.test",
    "userinfo-before": "evil.test@127.0.0.1:8000",
    "suffix": "127.0.0.1.evil.test:8000",
    "slash": "evil.test/127.0.0.1:8000",
    "backslash": "127.0.0.1:8000\\evil.test",
    "fragment": "127.0.0.1:8000#evil.test",
    "empty": "",
    "space": "127.0.0.1:8000 ",
    "empty-port": "127.0.0.1:",
    "port-is-word": "127.0.0.1:http",
    "huge-port": "127.0.0.1:99999",
    "six-digits": "127.0.0.1:008000",
    "open-bracket": "[::1",
    "closed-bracket": "::1]:8000",
    "script": "<script>alert(1)</script>",
    "nul": "127.0.0.1:8000\0",
    "unicode": "\u00e9vil.test",
    "other-loopback-port": "localhost:9999",
    "decimal": "2130706433:8000",
    "short": "127.1:8000",
    "long": "a" * 5000 + ".test",
}


@pytest.mark.parametrize("host", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_host_is_refused(host, app):
    for path in ("/", "/login?provider=stub", "/session", "/callback/stub?code=c&state=s", "/nothing"):
        answer = app.test_client().get(path, environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == 400, path
        assert "Location" not in answer.headers
        assert answer.headers.getlist("Set-Cookie") == []
        assert "evil.test" not in answer.text
        assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/static//site.css", "/static//x//y", "/static/x", "/healthz", "/readyz", "//healthz", "/healthz/", "/static"],
)
def test_paths_that_answer_under_any_name_do_not_repeat_it(path, app):
    answer = app.test_client().get("/", environ_overrides={"HTTP_HOST": "evil.test", "PATH_INFO": path})
    assert "evil.test" not in answer.text + str(answer.headers)
    assert answer.headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize("host", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_host_ends_no_session(host, person):
    person.sign_in()
    token = person.form_token("/logout")
    [cookie] = person.cookies().values()
    answer = person.client.application.test_client(use_cookies=False).post(
        "/logout",
        data={"csrf_token": token},
        environ_overrides={"HTTP_HOST": host, "HTTP_COOKIE": f"doorkey={cookie}"},
    )
    assert answer.status_code == 400
    assert person.is_signed_in()


SPOOFS = [
    "X-Forwarded-Host",
    "X-Forwarded-Server",
    "X-Host",
    "X-Original-Host",
    "Forwarded",
    "X-Forwarded-Prefix",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Forwarded-Scheme",
    "X-HTTP-Host-Override",
    "X-Script-Name",
]


@pytest.mark.parametrize("name", SPOOFS)
def test_forwarded_headers_change_neither_redirect_uri(name, person, stub):
    """Neither the one sent with the browser nor the one of the token request, whenever the header comes."""
    spoof = {name: "host=evil.test" if name == "Forwarded" else "evil.test"}
    begun = person.get("/login?provider=stub", headers=spoof)
    asked = parse_qs(urlsplit(begun.headers["Location"]).query)
    assert asked["redirect_uri"] == ["http://127.0.0.1:8000/callback/stub"]
    assert begun.headers["Location"].startswith(stub.url)
    answer = person.come_back(f"code=c&state={asked['state'][0]}", headers=spoof)
    assert answer.headers["Location"] == "/"
    assert stub.requests_to("/token")[0].form["redirect_uri"] == "http://127.0.0.1:8000/callback/stub"


def test_script_name_and_server_name_do_not_reach_the_redirect_uri(person):
    answer = person.get("/login?provider=stub", environ_overrides={"SERVER_NAME": "evil.test", "SERVER_PORT": "1"})
    assert "evil" not in answer.headers["Location"]


@pytest.mark.parametrize(
    "name", ["localhost:8000", "LOCALHOST:8000", "[::1]:8000", "127.0.0.2:8000", "localhost.:8000"]
)
def test_another_loopback_name_is_redirected_to_the_public_one(name, app):
    answer = app.test_client().get("/login?provider=stub&next=/a%20b", environ_overrides={"HTTP_HOST": name})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "http://127.0.0.1:8000/login?provider=stub&next=/a%20b"


@pytest.mark.parametrize(
    "path", ["//evil.test/", "//evil.test", "/\\evil.test", "///evil.test", "//evil.test/%2e%2e", "/\t/evil.test"]
)
@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000"])
def test_an_odd_path_is_never_redirected_to_another_host(path, host, app):
    environ = {"HTTP_HOST": host, "PATH_INFO": path, "REQUEST_URI": path, "RAW_URI": path}
    answer = app.test_client().get("/", environ_overrides=environ)
    location = answer.headers.get("Location", "")
    assert location == "" or location.startswith("http://127.0.0.1:8000/")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_get_is_redirected(method, app):
    answer = app.test_client().open("/logout", method=method, environ_overrides={"HTTP_HOST": "localhost:8000"})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["//login", "//logout", "///session", "//callback//stub"])
def test_a_doubled_slash_does_not_downgrade_to_http(path, make_app):
    app = make_app(**HTTPS)
    answer = app.test_client().get("/", environ_overrides={"HTTP_HOST": "login.example.test", "PATH_INFO": path})
    location = answer.headers.get("Location", "https://login.example.test/")
    assert location.startswith(("https://login.example.test/", "/")), location
    assert not location.startswith("//")


@pytest.mark.parametrize("host", ["LOGIN.example.test", "login.example.test.", "login.example.test:443"])
def test_the_public_host_may_be_spelled_as_browsers_do(host, make_app):
    answer = make_app(**HTTPS).test_client().get("/session", environ_overrides={"HTTP_HOST": host})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "login.example.test:80", "login.example.test:8000", "example.test"]
)
def test_a_public_doorkey_answers_under_no_other_name(host, make_app):
    answer = make_app(**HTTPS).test_client().get("/", environ_overrides={"HTTP_HOST": host})
    assert answer.status_code == 400


def asgi(app, headers, *, path=b"/session", query=b"", body=(b"",), method="GET"):
    """Status and text of one request to the ASGI app."""
    sent: list = []
    pieces = list(body)

    async def receive():
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "root_path": "",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8000),
    }
    asyncio.run(DoorkeyAsgi(app, threads=2)(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], text.decode()


HOST = (b"host", b"127.0.0.1:8000")
CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"headers": [HOST, (b"host", b"evil.test")]}, 400),
        ({"headers": [HOST, HOST]}, 400),
        ({"headers": []}, 400),
        ({"headers": [HOST, (b"x-big", b"x" * 70_000)]}, 431),
        ({"headers": [HOST] + [(b"x-many", b"1")] * 500}, 431),
        ({"headers": [HOST], "query": b"a" * 9000}, 414),
        ({"headers": [HOST], "path": b"/" + b"a" * 60_000}, 414),
        ({"headers": [HOST, CHUNKED], "path": b"/logout", "method": "POST", "body": [b"x" * 40_000] * 3}, 413),
        ({"headers": [HOST], "query": b"a=\xff\x00\r\n"}, 200),
        (
            {
                "headers": [HOST, (b"cookie", b"doorkey-login-\xe6\x97\xa5=x")],
                "path": b"/login",
                "query": b"provider=stub",
            },
            302,
        ),
    ],
    ids=[
        "two-hosts",
        "same-host-twice",
        "no-host",
        "large-head",
        "many-headers",
        "long-query",
        "long-path",
        "large-body",
        "odd-query",
        "odd-cookie-name",
    ],
)
def test_the_server_side_limits_hold(options, status, app):
    found, text = asgi(app, **options)
    assert found == status
    assert "Traceback" not in text


def test_a_header_with_an_underscore_is_not_taken_for_the_real_one(make_app):
    app = make_app(DOORKEY_RATE_LIMIT="5", DOORKEY_TRUSTED_PROXIES="127.0.0.1")
    found = [
        asgi(app, [HOST, (b"x_forwarded_for", b"203.0.113.%d" % n)], path=b"/login", query=b"provider=stub")[0]
        for n in range(20)
    ]
    assert found.count(429) >= 10


def test_a_body_that_never_ends_holds_no_thread(app, monkeypatch):
    monkeypatch.setattr("doorkey.web.pages_asgi.BODY_SECONDS", 0.1)

    async def main() -> list:
        sent: list = []

        async def receive():
            await asyncio.sleep(0.03)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/logout",
            "raw_path": b"/logout",
            "query_string": b"",
            "headers": [HOST, CHUNKED],
        }
        await DoorkeyAsgi(app, threads=2)(scope, receive, send)
        return sent

    assert asyncio.run(main())[0]["status"] == 408


def test_the_session_cookie_works_only_at_the_public_url(make_app):
    """The cookie of an https Doorkey has a name that http never reads."""
    secure = Person(make_app(**HTTPS), "https://login.example.test")
    secure.sign_in()
    assert set(secure.cookies()) == {"__Host-doorkey"}
