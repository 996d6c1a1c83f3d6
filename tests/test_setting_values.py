"""Single settings: what their parsers take and refuse (setting_values.py)."""

import copy
import json
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from doorkey import setting_urls as urls
from doorkey import setting_values as values
from doorkey.setting_values import Secret

GOOD_KEY = "0123456789abcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    ("parse", "given", "expected"),
    [
        (values.duration, "45", 45),
        (values.duration, "45s", 45),
        (values.duration, "60m", 3600),
        (values.duration, "12h", 43200),
        (values.duration, "7d", 604800),
        (values.switch, "on", True),
        (values.switch, "off", False),
        (values.whole_number(0, 10), "10", 10),
        (values.whole_number(0, 10), "0", 0),
        (values.one_of("", "a"), "", ""),
        (values.provider_ids, " a , b-2,", ("a", "b-2")),
        (values.provider_ids, "", ()),
        (values.scope, "read  write read", ("read", "write")),
        (values.scope, "https://x.example/auth/mail", ("https://x.example/auth/mail",)),
        (
            values.authorization_params,
            "prompt=consent&login_hint=a%40b",
            (("prompt", "consent"), ("login_hint", "a@b")),
        ),
        (values.authorization_params, "", ()),
        (values.authorization_params, "empty=", (("empty", ""),)),
        (urls.endpoint, "https://x.example:8443/a?b=c", "https://x.example:8443/a?b=c"),
        (urls.endpoint, "http://127.0.0.1:9000/token", "http://127.0.0.1:9000/token"),
        (urls.endpoint, "http://[::1]:9000/token", "http://[::1]:9000/token"),
        (urls.endpoint, "http://localhost/token", "http://localhost/token"),
        (urls.endpoints, "https://a.example/x, https://b.example/y", ("https://a.example/x", "https://b.example/y")),
        (urls.issuer, "https://x.example/", "https://x.example/"),
        (urls.public_url, "https://Login.Example.COM/", "https://login.example.com"),
        (urls.public_url, "https://login.example.com:443", "https://login.example.com"),
        (urls.public_url, "https://login.example.com:8443", "https://login.example.com:8443"),
        (urls.public_url, "http://127.0.0.1:80", "http://127.0.0.1"),
        (urls.public_url, "http://[::1]:8000", "http://[::1]:8000"),
        (urls.domain, ".Example.COM", "example.com"),
        (urls.host_patterns, "App.example.com, *.apps.example.com", ("app.example.com", "*.apps.example.com")),
        (
            values.networks,
            "10.0.0.0/8, 127.0.0.1,fd00::/8",
            tuple(ip_network(n) for n in ("10.0.0.0/8", "127.0.0.1", "fd00::/8")),
        ),
        (urls.proxy_url, "http://proxy.example:3128", "http://proxy.example:3128"),
        (values.existing_file, "", ""),
    ],
)
def test_it_understands(parse: Callable[[str], Any], given: str, expected: Any) -> None:
    assert parse(given) == expected


REFUSED: list[tuple[Callable[[str], Any], str]] = [
    (values.duration, "0"),
    (values.duration, "-5m"),
    (values.duration, "1.5h"),
    (values.duration, "5 m"),
    (values.duration, "5w"),
    (values.duration, ""),
    (values.duration, "٣m"),
    (values.switch, "true"),
    (values.switch, "1"),
    (values.switch, ""),
    (values.switch, "ON"),
    (values.whole_number(1, 65535), "0"),
    (values.whole_number(1, 65535), "65536"),
    (values.whole_number(1, 65535), "+1"),
    (values.whole_number(1, 65535), "٣"),
    (values.whole_number(1, 65535), "8000\n"),
    (values.one_of("", "a"), "b"),
    (values.text, "a\nb"),
    (values.text, "a\x00"),
    (values.provider_ids, "Acme"),
    (values.provider_ids, "a_b"),
    (values.provider_ids, "-a"),
    (values.provider_ids, "a--b"),
    (values.provider_ids, "a,a"),
    (values.provider_ids, "../a"),
    (values.secret_keys, "short"),
    (values.secret_keys, GOOD_KEY + ",short"),
    (values.secret_keys, "a" * 64),
    (values.secret_keys, "abcabcabcabcabcabcabcabcabcabcabcabc"),
    (values.secret_keys, values.EXAMPLE_KEY),
    (values.scope, 'read "quoted"'),
    (values.scope, "bad\\slash"),
    (values.scope, "ü"),
    (values.authorization_params, "prompt"),
    (values.authorization_params, "state=x"),
    (values.authorization_params, "redirect_uri=https://x.example"),
    (values.authorization_params, "a=b&nonce=1"),
    (values.authorization_params, "code_verifier=x"),
    (values.authorization_params, "request_uri=https://x.example"),
    (values.scope, "openid " + "x" * values.LONGEST_SCOPE),
    (urls.resources, "one"),
    (urls.resources, "https://a.example#part"),
    (urls.resources, "https://a.example/api,https://b.example/api"),
    (values.signing_algs, "none"),
    (values.signing_algs, "RS256 rs512"),
    (values.duration_or_zero, "0m0"),
    (urls.authorization_endpoint, "https://x.example/authorize?client_id=evil"),
    (urls.authorization_endpoint, "https://x.example/authorize?tenant=1&code_challenge=x"),
    (urls.issuer, "https://x.example/.well-known/openid-configuration"),
    (urls.endpoint, f"https://{'a' * 64}.example/token"),
    (urls.endpoint, "https://a_b.example/token"),
    (urls.endpoint, "https://evil.com%2f.x.example/token"),
    (urls.endpoint, "https://x.example/" + "x" * urls.LONGEST_URL),
    (urls.endpoint, "x.example/token"),
    (urls.endpoint, "ftp://x.example/"),
    (urls.endpoint, "https://"),
    (urls.endpoint, "https:///token"),
    (urls.endpoint, "http://x.example/token"),
    (urls.endpoint, "http://127.0.0.1.evil.example/token"),
    (urls.endpoint, "http://localhost.evil.example/token"),
    (urls.endpoint, "https://user:pw@x.example/token"),
    (urls.endpoint, "https://x.example/token#part"),
    (urls.endpoint, "https://x.example/token#"),
    (urls.endpoint, "https://x.example\\@evil.example"),
    (urls.endpoint, "https://x.example/to ken"),
    (urls.endpoint, "https://x.example:99999/token"),
    (urls.endpoint, "https://x.example:port/token"),
    (urls.endpoint, "https://[::1/token"),
    (urls.endpoint, "https://ü.example/token"),
    (urls.issuer, "https://x.example/?a=b"),
    (urls.public_url, "http://login.example.com"),
    (urls.public_url, "http://10.0.0.1:8000"),
    (urls.public_url, "https://login.example.com/doorkey"),
    (urls.public_url, "https://login.example.com/?x"),
    (urls.public_url, "https://login_1.example.com"),
    (urls.public_url, "login.example.com"),
    (urls.domain, "com"),
    (urls.domain, "exa mple.com"),
    (urls.domain, "-a.example.com"),
    (urls.host_patterns, "https://app.example.com"),
    (urls.host_patterns, "app.example.com:8443"),
    (urls.host_patterns, "*"),
    (urls.host_patterns, "*.*.example.com"),
    (urls.host_patterns, "app.*.com"),
    (values.networks, "10.0.0.0/33"),
    (values.networks, "proxy.example.com"),
    (values.existing_file, "/nowhere/at/all"),
    (urls.proxy_url, "socks5://proxy.example"),
    (urls.proxy_url, "proxy.example:3128"),
    (urls.proxy_url, "http://"),
]


@pytest.mark.parametrize(("parse", "given"), REFUSED)
def test_it_refuses_with_words_for_the_operator(parse: Callable[[str], Any], given: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse(given)


@pytest.mark.parametrize("parse", [values.secret_keys])
def test_a_refused_key_is_not_repeated_in_the_message(parse: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match="key 1") as caught:
        parse("canary-short")
    assert "canary" not in str(caught.value)


def test_a_file_that_exists_is_taken(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    assert values.existing_file(str(tmp_path / "ca.pem")) == str(tmp_path / "ca.pem")
    with pytest.raises(ValueError, match="there is no file"):
        values.existing_file(str(tmp_path))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_these_hosts_can_only_be_this_machine(host: str) -> None:
    assert urls.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.", "localhost.example", "127.0.0.1.x", "1"]
)
def test_these_hosts_may_be_another_machine(host: str) -> None:
    assert not urls.is_loopback(host)


class TestSecret:
    secret = Secret("canary")

    def test_only_reveal_tells_it(self) -> None:
        assert self.secret.reveal() == "canary"

    @pytest.mark.parametrize(
        "show",
        [
            pytest.param(repr, id="repr"),
            pytest.param(str, id="str"),
            pytest.param("{}".format, id="format"),
            pytest.param(lambda s: f"{s}{s!r}{s!s}", id="f-string"),
            pytest.param(lambda s: "%s %r" % (s, s), id="percent"),  # noqa: UP031
            pytest.param(lambda s: str([s, {"a": s}]), id="in a list"),
            pytest.param(lambda s: str(copy.copy(s)), id="a copy"),
        ],
    )
    def test_words_do_not_show_it(self, show: Callable[[Secret], str]) -> None:
        assert "canary" not in show(self.secret)

    @pytest.mark.parametrize(
        "spill",
        [
            pytest.param(json.dumps, id="json"),
            pytest.param(lambda s: ",".join([s]), id="join"),
            pytest.param(lambda s: "a" + s, id="plus"),
            pytest.param(lambda s: f"{s:>20}", id="format with a width"),
            pytest.param(lambda s: vars(s), id="vars"),
        ],
    )
    def test_what_would_spill_it_is_a_type_error(self, spill: Callable[[Any], Any]) -> None:
        with pytest.raises(TypeError):
            spill(self.secret)

    def test_it_is_true_when_there_is_one_and_equal_by_value(self) -> None:
        assert bool(Secret("x"))
        assert not Secret("")
        assert Secret("x") == Secret("x") != Secret("y")
        assert Secret("x") != "x"
