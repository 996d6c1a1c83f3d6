"""Refresh as it is really served: several workers, several machines, one of them killed or stopped in the middle.

The provider rotates refresh tokens and ends the family of one that comes twice, so that a second refresh shows.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from doorkey.sessions.lease import LEASE_SECONDS
from doorkey.sessions.refresh import WHEN_IT_ENDED
from tests.support.redis_servers import redis_server, until
from tests.support.refresh_desk import HOUR, all_at_once
from tests.support.refresh_site import Site, refresh_site
from tests.support.rotating_provider import RotatingProvider, rotating_provider
from tests.support.scripted_provider import Answer

KINDS = ("two workers and SQLite", "two machines and Redis")


@pytest.fixture
def rotating() -> Iterator[RotatingProvider]:
    with rotating_provider() as provider:
        yield provider


@contextmanager
def site_of(kind: str, folder: Path, rotating: RotatingProvider) -> Iterator[Site]:
    with ExitStack() as stack:
        if kind == KINDS[0]:
            yield stack.enter_context(refresh_site(folder, rotating, workers=2))
            return
        redis = stack.enter_context(redis_server(folder / "redis"))
        yield stack.enter_context(refresh_site(folder, rotating, instances=2, store=redis.url))


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path, rotating: RotatingProvider) -> Iterator[Site]:
    with site_of(request.param, tmp_path, rotating) as found:
        yield found
        assert "Traceback" not in found.log
        assert "canary-refresh" not in found.log


@pytest.fixture
def ended(site: Site, rotating: RotatingProvider) -> str:
    """The cookie of a session whose token has ended; the next one lives for an hour."""
    return sign_in_with_an_ended_token(site, rotating)


def sign_in_with_an_ended_token(site: Site, rotating: RotatingProvider) -> str:
    rotating.members["expires_in"] = -1
    cookie = site.sign_in()
    rotating.members["expires_in"] = HOUR
    return cookie


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Neither answer nor carry out anything, until whoever asked is gone."""
    handler.connection.recv(1)


def test_twenty_parallel_requests_make_one_refresh_and_nobody_is_signed_out(
    site: Site, ended: str, rotating: RotatingProvider
) -> None:
    answers = all_at_once(20, lambda n: site.ask(ended, at=n))
    assert {answer.status_code for answer in answers} == {200}
    assert {(answer.json()["active"], answer.json()["expired"]) for answer in answers} == {(True, False)}
    assert len(rotating.refreshes) == 1
    assert site.post(ended, "/account/refresh").status_code == 303
    assert (len(rotating.refreshes), rotating.punished) == (2, 0), "the token that was kept does not work"


def test_after_a_failure_no_worker_tries_again_for_a_while(site: Site, ended: str, rotating: RotatingProvider) -> None:
    rotating.instead = Answer(503, b"<html>")
    for _ in range(3):
        answers = all_at_once(10, lambda n: site.ask(ended, at=n))
        assert {(answer.status_code, answer.json()["active"]) for answer in answers} == {(200, True)}
        assert {answer.json()["refresh_error"] for answer in answers} == {"token_response_invalid"}
    assert len(rotating.refreshes) == 1


def test_a_logout_elsewhere_during_a_refresh_is_final_and_leaves_no_token_that_works(
    site: Site, ended: str, rotating: RotatingProvider
) -> None:
    with ThreadPoolExecutor(4) as pool:
        with rotating.held():
            asking = [pool.submit(site.ask, ended, at=n) for n in range(4)]
            rotating.wait_for_refreshes(1)
            assert site.post(ended, "/logout", at=1).status_code == 303
        assert [each.result().json() for each in asking] == [{"active": False}] * 4
    until(lambda: rotating.revoked[-1:] == ["canary-refresh-f1-2"], "the newer token is revoked")
    assert rotating.working() == []
    assert site.ask(ended).json() == {"active": False}


def test_when_a_machine_is_killed_while_it_asks_another_takes_over(tmp_path: Path, rotating: RotatingProvider) -> None:
    with refresh_site(tmp_path, rotating, instances=2) as site, ThreadPoolExecutor(2) as pool:
        cookie = sign_in_with_an_ended_token(site, rotating)
        rotating.instead = Answer(raw=hang)
        first = pool.submit(site.ask, cookie, at=0)
        rotating.wait_for_refreshes(1)
        site.running[0].process.send_signal(signal.SIGKILL)
        rotating.instead = None
        killed = time.monotonic()
        answer = site.ask(cookie, at=1)
        assert time.monotonic() - killed < LEASE_SECONDS + 5
        assert first.exception() is not None
    assert (answer.status_code, answer.json()["expired"], answer.json()["refresh_error"]) == (200, False, None)
    assert (len(rotating.refreshes), rotating.punished) == (2, 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_is_asked_to_stop_keeps_the_token_that_is_on_its_way(
    workers: int, tmp_path: Path, rotating: RotatingProvider
) -> None:
    """Nobody waits for that any more: the page went out with the old token, which lives."""
    rotating.members["expires_in"] = 12
    with refresh_site(tmp_path, rotating, workers=workers) as site:
        cookie = site.sign_in()
        rotating.members["expires_in"] = HOUR
        with rotating.held():
            until(lambda: site.ask(cookie).json()["active"] and bool(rotating.refreshes), "the token is due")
            site.running[0].process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                site.running[0].process.wait(3)
        assert site.running[0].stop() == 0
    with refresh_site(tmp_path, rotating) as site:
        assert site.ask(cookie).json()["expires_at"] > time.time() + HOUR / 2
        assert site.post(cookie, "/account/refresh").status_code == 303
    assert (len(rotating.refreshes), rotating.punished) == (2, 0)


def test_two_hundred_sessions_at_a_provider_that_hangs_do_not_make_other_pages_wait(
    tmp_path: Path, rotating: RotatingProvider
) -> None:
    """There are forty threads for pages; without a limit all of them would wait, several times over."""
    with refresh_site(tmp_path, rotating) as site, ThreadPoolExecutor(200) as pool:
        rotating.members["expires_in"] = -1
        with ThreadPoolExecutor(4) as arriving:
            cookies = list(arriving.map(lambda _: site.sign_in(), range(200)))
        with rotating.held(before=True):
            asking = [pool.submit(site.ask, cookie) for cookie in cookies]
            rotating.wait_for_refreshes(20)
            slowest = max(seconds_for(lambda: site.ask("", "/logout")) for _ in range(20))
            answers = [each.result() for each in asking]
        assert slowest < WHEN_IT_ENDED / 2
        statuses = [answer.status_code for answer in answers]
        assert (set(statuses) <= {200, 503}, statuses.count(200) > 180) == (True, True), statuses


def seconds_for(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began
