"""Over a hundred hostile requests (hostile.py) through every proxy, by nobody and by somebody who is signed in."""

from collections.abc import Iterator

import pytest

from tests.proxies import hostile
from tests.proxies.fronts import SIGNED_IN, Front
from tests.proxies.raw_client import CLOSED, Answer
from tests.proxies.raw_server import Received
from tests.proxies.stub_check import IDENTITY

FAILURES = (500, 502, 504)
MEANINGLESS = ("x-doorkey-proxy-secret",)


def sent(front: Front, raw: bytes) -> Answer:
    """The answer; none when the proxy waits for the rest of a request that will not come, or cuts the line."""
    try:
        return front.send(raw)
    except (TimeoutError, ConnectionError):
        return Answer(CLOSED)


def ours(name: str) -> bool:
    """Could an app take a header of that name for one of Doorkey's?"""
    folded = name.lower().replace("_", "-").replace(".", "-").replace(" ", "-").strip("- \t\x00")
    return folded.startswith(("x-doorkey-", "x-auth-request-"))


def believed(front: Front, received: Received) -> list[tuple[str, str]]:
    """Headers that an app would take for Doorkey's and that Doorkey did not set, or not to that value."""
    set_by_doorkey = {name.lower(): value for name, value in {**IDENTITY, "X-Doorkey-Reason": "good"}.items()}
    found = [pair for pair in received.headers if ours(pair[0]) and pair[1]]
    if "keeps-unknown" in front.kind.limits:
        found = [(name, value) for name, value in found if name.lower() not in MEANINGLESS]
    return [(name, value) for name, value in found if set_by_doorkey.get(name.lower()) != value]


def test_there_are_more_than_a_hundred_different_ones() -> None:
    raw = [make([SIGNED_IN]) for kind in hostile.KINDS.values() for _, make in kind()]
    assert len(set(raw)) == len(raw) > 100


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_no_hostile_request_reaches_the_app_without_a_session(front: Front, kind: str) -> None:
    wrong = []
    for name, make in hostile.KINDS[kind]():
        answer = sent(front, make([]))
        if front.behind.app.requests or answer.status in FAILURES:
            wrong.append((name, answer.status, [request.target for request in front.behind.app.requests]))
    assert wrong == []
    assert_still_well(front)


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_no_hostile_request_reaches_the_app_with_an_identity_that_doorkey_did_not_set(front: Front, kind: str) -> None:
    wrong = []
    for name, make in hostile.KINDS[kind]():
        answer = sent(front, make([SIGNED_IN]))
        wrong += [(name, problem) for problem in problems(front, name, answer)]
    assert wrong == []
    assert_still_well(front)


def problems(front: Front, name: str, answer: Answer) -> Iterator[object]:
    """What must not have happened when somebody signed in sent one request."""
    reached = front.behind.app.requests
    forgiven = name in hostile.BROKEN_BODIES and "bad-body-is-5xx" in front.kind.limits
    if answer.status in FAILURES and not forgiven:
        yield answer.status
    if len(reached) > 1 or any("/smuggled" in request.target for request in reached):
        yield [request.target for request in reached]
    for request in reached:
        if found := believed(front, request):
            yield found
        if missing := [name for name, value in IDENTITY.items() if request.values(name) != [value]]:
            yield f"without {missing}"


def assert_still_well(front: Front) -> None:
    """Nothing of what was sent is left in a connection that others use."""
    for number in range(3):
        answer = front.ask("GET", f"/after?{number}", [SIGNED_IN])
        assert answer.json["target"] == f"/after?{number}"
        assert [request.target for request in front.behind.app.requests] == [f"/after?{number}"]
