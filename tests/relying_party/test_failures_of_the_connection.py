"""Connections that fail at each endpoint of the provider, over real sockets (doorkey/oauth/http.py, web/login.py)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from doorkey.oauth.http import Transport
from doorkey.testing.socket_server import SocketServer
from tests.relying_party.answers import AT_CALLBACK, AT_USER_INFO, CONNECTION, ENDPOINTS, KNOWN
from tests.relying_party.conftest import MakeFrontDoor
from tests.relying_party.front_door import HTML, Browser, FrontDoor, leaked

SLOW = ("delay", "drip")
"""Failures that are over when our patience is; the others get all the time a busy machine may need."""
IN_PROCESS = ("status", "garbage", "truncated", "delay")
"""What a provider in process fails with as one at a port does; it has no connection to close or to fill."""

MakeRemote = Callable[..., FrontDoor]


@pytest.fixture(scope="module")
def server() -> Iterator[SocketServer]:
    running = SocketServer()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def remote(server: SocketServer, front_door: MakeFrontDoor) -> Iterator[MakeRemote]:
    """A front door whose provider answers at a port."""
    with ExitStack() as until_the_end:

        def make(failure: str, **options: object) -> FrontDoor:
            patience = 0.6 if failure in SLOW else 20.0
            transport = Transport(connect=patience, answer=patience)
            door = front_door(provider=server.url, transport=transport, **options)
            until_the_end.enter_context(server.serving(door.wsgi))
            return door

        yield make


@pytest.mark.parametrize("failure", CONNECTION)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_connection_that_fails(endpoint: str, failure: str, remote: MakeRemote, log_text: Callable[[], str]):
    """Once as a program sees it; then all is well again, in the same browser, at once."""
    wire = ENDPOINTS[endpoint]
    door = remote(failure, op=wire.op)
    browser = Browser(door)
    door.fail(failure, endpoint=endpoint)

    seen = browser.sign_in()

    assert seen.problem == wire.problem(failure)
    assert door.asked_with_failures() == (wire.asked, {failure})
    assert (browser.user(), browser.pending()) == ("", [])
    secrets = seen.secrets | door.secrets()
    assert leaked(seen.text, secrets) == []
    assert leaked(log_text(), secrets) == []
    assert f'"code": "{seen.problem[1]}"' in log_text()
    assert browser.sign_in().status == 303
    assert browser.user() == "alice"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_page_of_a_connection_that_fails(endpoint: str, front_door: MakeFrontDoor):
    """As a person sees it, who was signed in as somebody else before and still is."""
    wire = ENDPOINTS[endpoint]
    for failure in IN_PROCESS:
        door = front_door(op=wire.op, settings={"DOORKEY_METADATA_TTL": "0"})
        browser = Browser(door)
        before = "" if endpoint == "metadata" else "bob"  # an old copy would serve
        if before:
            assert browser.sign_in(before).status == 303
        door.fail(failure, endpoint=endpoint)

        seen = browser.sign_in(accept=HTML)

        status, code, step = wire.problem(failure)
        assert (seen.status, seen.answer and seen.answer.mimetype) == (status, HTML)
        assert f"<code>{code}</code> (status {status})" in seen.text
        assert f"<dt>Step</dt><dd>{step}</dd>" in seen.text
        assert browser.user() == before


def test_a_provider_in_process_that_closes_the_connection_fails_as_one_at_a_port(front_door: MakeFrontDoor):
    """What somebody tries out with the development provider has to hold for a real one."""
    door = front_door()
    door.fail("closed", endpoint="token")
    assert Browser(door).sign_in().problem == ENDPOINTS["token"].problem("closed")


AT_AUTHORIZE = {
    "status": (500, False),
    "garbage": (200, False),
    "huge": (200, False),
    "closed": (0, False),
    "delay": (303, True),
    "drip": (303, True),
    "truncated": (303, True),
}
"""What the browser gets in the end, and whether that is from Doorkey: a redirect is in the head, which came whole."""


@pytest.mark.parametrize("failure", AT_AUTHORIZE)
def test_a_connection_that_fails_between_the_browser_and_the_provider(failure: str, front_door: MakeFrontDoor):
    status, comes_back = AT_AUTHORIZE[failure]
    door = front_door()
    browser = Browser(door)
    door.fail(failure, endpoint="authorize")

    seen = browser.sign_in()

    assert (seen.status, seen.at) == (status, "callback" if comes_back else "provider")
    assert door.asked_with_failures() == (AT_USER_INFO if comes_back else AT_CALLBACK, {failure})
    assert browser.user() == ("alice" if comes_back else "")
    assert len(browser.pending()) == (0 if comes_back else 1)
    assert browser.sign_in("bob").status == 303
    assert browser.user() == "bob"


def signed_out(browser: Browser) -> None:
    answer = browser.person.sign_out()
    assert (answer.status_code, urlsplit(answer.headers["Location"]).path) == (303, "/oauth/logout")


REVOKED = ("garbage", "drip")
"""200 is all that a client looks at (RFC 7009 section 2.2), and an answer without a body has nothing to drip."""


@pytest.mark.parametrize("failure", CONNECTION)
def test_a_sign_out_whose_revocation_fails(failure: str, remote: MakeRemote, log_text: Callable[[], str]):
    """It ends the session here all the same, asks once, and an operator can read that the token may live on."""
    door = remote(failure)
    browser = Browser(door)
    assert browser.sign_in().status == 303
    secrets = door.secrets()
    door.asked()
    door.fail(failure, endpoint="revoke")

    signed_out(browser)

    assert door.asked_with_failures() == (("revoke",), {failure})
    assert browser.user() == ""
    assert "doorkey" not in browser.person.cookies()
    assert ('"event": "revocation_failed"' in log_text()) == (failure not in REVOKED)
    assert ('"event": "token_revoked"' in log_text()) == (failure in REVOKED)
    assert leaked(log_text(), secrets) == []
    assert browser.sign_in("bob").status == 303
    assert door.asked() == KNOWN


def test_a_sign_out_whose_revocation_works(front_door: MakeFrontDoor, log_text: Callable[[], str]):
    door = front_door()
    browser = Browser(door)
    browser.sign_in()
    door.asked()

    signed_out(browser)

    assert door.asked() == ("revoke",)
    assert door.realm.store.live(door.realm.clock()) == []
    assert '"event": "token_revoked"' in log_text()
