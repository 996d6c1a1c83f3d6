"""A gate whose store is away, or in which something breaks: 503, nobody passes, and nobody is signed out."""

from operator import attrgetter
from typing import Any

import pytest

from doorkey.errors import StoreUnavailable
from doorkey.gate.answer import Answer
from doorkey.sessions.lifecycle import Sessions
from tests.support.gate_desk import HOST, URL, GateDesk, desk_at

POLICY = """
[[rule]]
name = "static"
path = "/static"
allow = "anyone"

[[rule]]
name = "admins"
path = "/admin"
allow = { groups = ["admins"] }

[[rule]]
name = "everybody is sent away"
path = "/always"
allow = "signed-in"
login = "always"
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> GateDesk:
    return desk_at(tmp_path_factory.mktemp("gate"), POLICY)


@pytest.fixture(scope="module")
def alice(desk: GateDesk) -> str:
    return desk.cookie(desk.sign_in(sub="alice"))


def no_store(*_: object, **__: object) -> None:
    raise StoreUnavailable("canary: the store is away")


def unavailable(answer: Answer) -> bool:
    return answer.status == 503 and not answer.get("location") and not answer.get("set-cookie")


@pytest.mark.parametrize("dialect", ["nginx", "forward"])
def test_a_store_that_is_away_is_a_503_that_says_when_to_try_again(
    desk: GateDesk, alice: str, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sessions, "open_at_gate", no_store)
    for url in (URL, f"https://{HOST}/admin", f"https://{HOST}/always"):
        answer = desk.ask(dialect, url=url, cookie=alice)
        assert unavailable(answer)
        assert int(answer.get("retry-after")) > 0
        assert "canary" not in str(answer)
    assert desk.ask(dialect, url=f"https://{HOST}/static/x", cookie=alice).status == 200
    assert desk.ask(dialect).status in (302, 401)


def test_the_session_is_still_there_when_the_store_is_back(
    desk: GateDesk, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr(Sessions, "open_at_gate", no_store)
        assert desk.ask(cookie=alice).status == 503
    assert desk.ask(cookie=alice).status == 200


PARTS = ["_sessions", "_lookup", "_cookies", "_replies._tickets", "_bearers", "policy"]


@pytest.mark.parametrize("part", PARTS)
def test_whatever_breaks_nobody_passes_and_nothing_is_raised(
    desk: GateDesk, alice: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours must not be a 200, and for the proxy it is an outage like any other."""
    stranger, bearer = desk.cookie(desk.sign_in(sub="new")), (b"authorization", b"Bearer x")
    *way, name = part.split(".")
    monkeypatch.setattr(attrgetter(*way)(desk.checkpoint) if way else desk.checkpoint, name, None)
    visits: list[dict[str, Any]] = [{"cookie": alice}, {"cookie": stranger}, {}, {"more": [bearer]}]
    answers = [desk.ask("forward", **visit) for visit in visits]
    assert {answer.status for answer in answers} <= {200, 302, 401, 503}
    assert 503 in {answer.status for answer in answers}
    assert all(unavailable(answer) for answer in answers if answer.status == 503)


def test_what_comes_after_the_answer_cannot_spoil_it(
    desk: GateDesk, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(Sessions, "touch", broken)
    assert desk.ask(cookie=alice).status == 200
