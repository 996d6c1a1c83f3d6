"""DOORKEY_SESSION_STORE: what is read from an address, what is refused, and that no password is ever shown."""

from pathlib import Path

import pytest

from doorkey.errors import SettingsError
from doorkey.setting_stores import StoreAddress, session_store
from doorkey.settings import load

GOOD = [
    ("sqlite:", StoreAddress(kind="sqlite"), "sqlite:"),
    ("sqlite:/var/lib/a b?c#d@e.db", StoreAddress(kind="sqlite", path="/var/lib/a b?c#d@e.db"), None),
    ("sqlite:relative.db", StoreAddress(kind="sqlite", path="relative.db"), None),
    ("redis://host", StoreAddress(kind="redis", hosts=(("host", 6379),)), "redis://host:6379"),
    ("redis://host/", StoreAddress(kind="redis", hosts=(("host", 6379),)), "redis://host:6379"),
    ("redis://10.0.0.1:1/7", StoreAddress(kind="redis", hosts=(("10.0.0.1", 1),), database=7), None),
    ("redis://[::1]", StoreAddress(kind="redis", hosts=(("::1", 6379),)), "redis://[::1]:6379"),
    ("redis://[fe80::1]:6380/2", StoreAddress(kind="redis", hosts=(("fe80::1", 6380),), database=2), None),
    (
        "rediss://a%20user:p%40ss%2F%3F%23%25%3A@host",
        StoreAddress(kind="redis", hosts=(("host", 6379),), tls=True, username="a user", password="p@ss/?#%:"),
        "rediss://host:6379",
    ),
    (
        "redis://:a:b@host",
        StoreAddress(kind="redis", hosts=(("host", 6379),), password="a:b"),
        "redis://host:6379",
    ),
    ("redis://@host", StoreAddress(kind="redis", hosts=(("host", 6379),)), "redis://host:6379"),
    (
        "redis+sentinel://one,two:1,[::3]:3/my-master.1_x/4?sentinel_username=u&sentinel_password=p%26q",
        StoreAddress(
            kind="sentinel",
            hosts=(("one", 26379), ("two", 1), ("::3", 3)),
            service="my-master.1_x",
            database=4,
            options=(("sentinel_username", "u"), ("sentinel_password", "p&q")),
        ),
        "redis+sentinel://one:26379,two:1,[::3]:3/my-master.1_x/4",
    ),
    (
        "rediss+sentinel://:secret@one/s",
        StoreAddress(kind="sentinel", hosts=(("one", 26379),), tls=True, password="secret", service="s"),
        "rediss+sentinel://one:26379/s",
    ),
    (
        "rediss+cluster://u:secret@one, two:7001 ,three",
        StoreAddress(
            kind="cluster",
            hosts=(("one", 6379), ("two", 7001), ("three", 6379)),
            tls=True,
            username="u",
            password="secret",
        ),
        "rediss+cluster://one:6379,two:7001,three:6379",
    ),
]


@pytest.mark.parametrize(("text", "wanted", "shown"), GOOD, ids=[row[0] for row in GOOD])
def test_an_address_is_read_and_shown_without_password(text: str, wanted: StoreAddress, shown: str | None) -> None:
    assert session_store(text) == wanted
    assert str(wanted) == (text if shown is None else shown)


def test_tls_files_are_named_and_have_to_be_there(tmp_path: Path) -> None:
    for name in ("ca.pem", "own key.pem"):
        (tmp_path / name).touch()
    found = session_store(f"rediss://host?ssl_ca_certs={tmp_path}/ca.pem&ssl_keyfile={tmp_path}/own%20key.pem")
    assert found.option("ssl_ca_certs") == f"{tmp_path}/ca.pem"
    assert found.option("ssl_keyfile") == f"{tmp_path}/own key.pem"
    assert found.option("ssl_certfile") == ""
    with pytest.raises(ValueError, match=r"ssl_certfile: there is no file .*/absent\.pem"):
        session_store(f"rediss://host?ssl_certfile={tmp_path}/absent.pem")


BAD = [
    ("", "must be sqlite:PATH"),
    ("memory:", "must be sqlite:PATH"),
    ("redis:host", "must be sqlite:PATH"),
    ("redis://", "must be sqlite:PATH"),
    ("REDIS://host", "must be sqlite:PATH"),
    ("valkey://host", "must be sqlite:PATH"),
    ("unix:///run/redis.sock", "must be sqlite:PATH"),
    ("redis+other://host", "must be sqlite:PATH"),
    ("redisss://host", "must be sqlite:PATH"),
    ("redis://host\nredis://other", "must end after the host"),
    ("sqlite:a\0b", "characters that cannot be printed"),
    ("redis://ho st", "neither a name nor an address"),
    ("redis://host:0", "neither a name nor an address"),
    ("redis://host:65536", "neither a name nor an address"),
    ("redis://host:port", "neither a name nor an address"),
    ("redis://::1", "neither a name nor an address"),
    ("redis://a,b", "several hosts"),
    ("redis://,", "names no host"),
    ("redis+sentinel://,/s", "names no host"),
    ("redis+cluster://,", "names no host"),
    ("redis://host/one", "number of a database"),
    ("redis://host/1/2", "number of a database"),
    ("redis://host/-1", "number of a database"),
    ("redis://host/12345", "number of a database"),
    ("redis+cluster://host/0", "a Cluster has none"),
    ("redis+sentinel://host", "lacks the name of the service"),
    ("redis+sentinel://host/", "lacks the name of the service"),
    ("redis+sentinel://host/s/x", "number of a database"),
    ("redis+sentinel://host/s%20t", "has a service with other characters"),
    ("redis://user@host", "user without password"),
    ("redis://host?timeout=3", "an option that is none of ssl_ca_certs"),
    ("redis://host?ssl_ca_certs=/etc/hosts", "for rediss only"),
    ("rediss://host?sentinel_password=x", "for redis\\+sentinel only"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[repr(row[0]) for row in BAD])
def test_a_wrong_address_is_refused_with_words_that_help(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        session_store(text)


SECRET = "swordfish"
WITH_SECRET = [
    f"redis://user:{SECRET}@host:port",
    f"redis://:{SECRET}@a,b",
    f"redis://{SECRET}@host",
    f"redis://:{SECRET}@host/x",
    f"redis://:{SECRET}@host?x=y",
    f"redis://:12/{SECRET}@host",
    f"redis://user:12/{SECRET}@host",
    f"redis://user:12?{SECRET}@host",
    f"redis://user:12?ssl_ca_certs={SECRET}@host",
    f"redis://user:12#{SECRET}@host",
    f"redis://:a@b/{SECRET}@host",
    f"redis+sentinel://user:12/{SECRET}@host:26379/service",
    f"redis+sentinel://user:12/{SECRET}@host",
    f"redis+sentinel://:{SECRET}@host",
    f"redis+cluster://user:12?{SECRET}@host",
    f"redis+cluster://:{SECRET}@host/0",
    f"redis//user:{SECRET}@host",
    f"rediss://host?sentinel_password={SECRET}",
    f"http://user:{SECRET}@host",
    f"redis://:{SECRET}\0@host",
]


@pytest.mark.parametrize("text", WITH_SECRET)
def test_a_refusal_never_repeats_a_password(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"DOORKEY_CONFIG": "/dev/null", "DOORKEY_SESSION_STORE": text})
    (problem,) = caught.value.problems
    assert problem.startswith("DOORKEY_SESSION_STORE")
    assert SECRET not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("sign", ["/", "?", "#"])
def test_how_to_write_an_odd_character_is_said(sign: str) -> None:
    with pytest.raises(ValueError, match="%2F, %3F and %23"):
        session_store(f"redis://user:12{sign}34@host")


@pytest.mark.parametrize(
    "text",
    [
        f"rediss://user:{SECRET}@host",
        f"redis+sentinel://:{SECRET}@host/s?sentinel_password={SECRET}&sentinel_username={SECRET}",
        f"redis+cluster://:{SECRET}@a,b",
    ],
)
def test_settings_show_no_password_however_they_are_written_down(text: str) -> None:
    settings = load({"DOORKEY_CONFIG": "/dev/null", "DOORKEY_SESSION_STORE": text})
    address = settings.session_store
    for shown in (repr(settings), str(settings), repr(address), str(address), f"{address}", f"{address!r}"):
        assert SECRET not in shown
    assert address.password == SECRET
