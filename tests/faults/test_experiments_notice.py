"""The experiments would notice: a session lost or brought back, an answer that is wrong, late, or refused too long."""

from pathlib import Path

import pytest

from tests.faults.exchange import COOKIE, CUT, Exchange
from tests.faults.experiment import Experiment, experiment, stored_id
from tests.faults.front_door_site import Site, provider
from tests.faults.members import CUTS, IN, LOOKS_ENDED, OUT, Ledger, Member
from tests.support.redis_servers import redis_server
from tests.support.servers import python_app

RETRY = ("Retry-After", "5")


@pytest.mark.parametrize(
    ("exchange", "words"),
    [
        (Exchange("GET /", 0, 0, 500), "gave 500"),
        (Exchange("GET /", 0, 0, 503), "without Retry-After"),
        (Exchange("GET /", 0, 0, 503, (RETRY, ("Set-Cookie", "doorkey=; Max-Age=0"))), "touched the session's cookie"),
        (Exchange("GET /", 0, 0, 502, (), "redis.exceptions.ConnectionError"), "said 'redis'"),
        (Exchange("GET /", 0, 0, 200, (), "Traceback (most recent call last)"), "said 'Traceback'"),
    ],
)
def test_an_answer_that_is_wrong_whatever_was_asked_is_noticed(exchange: Exchange, words: str) -> None:
    ledger = Ledger()
    ledger.note(exchange)
    assert [words in sentence for sentence in ledger.wrong] == [True]


def test_a_right_answer_and_a_right_refusal_are_none_to_object_to() -> None:
    ledger = Ledger()
    ledger.note(Exchange("GET /", 0, 0, 503, (RETRY,), "Doorkey cannot reach its session store right now."))
    ledger.note(Exchange("GET /callback/dev", 0, 0, 303, (("Set-Cookie", "doorkey=x; Path=/"),)))
    assert ledger.wrong == []


def test_a_cut_connection_is_noticed_unless_it_is_expected() -> None:
    ledger = Ledger()
    ledger.note(Exchange("GET /", 0, 0, CUT))
    assert len(ledger.wrong) == 1
    ledger.allowed.add(CUTS)
    ledger.note(Exchange("GET /", 0, 0, CUT))
    assert len(ledger.wrong) == 1


@pytest.mark.parametrize(("standing", "active"), [(IN, False), (OUT, True)])
def test_a_look_that_does_not_fit_what_was_acknowledged_is_noticed(standing: str, active: bool) -> None:
    ledger = Ledger()
    member = Member("una", "http://127.0.0.1:9", ledger)
    member.standing = standing
    member._compare(Exchange("GET /session", 0, 0, 200), active)
    assert len(ledger.wrong) == 1
    member._compare(Exchange("GET /session", 0, 0, 200), not active)
    assert len(ledger.wrong) == 1


@pytest.mark.parametrize(
    ("exchange", "words"),
    [
        (Exchange("GET /", 10.5, 3.0, 200), "took 3.00 s"),
        (Exchange("GET /", 10.5, 1.2, 503, (RETRY,)), "half of the refusals"),
        (Exchange("GET /", 12.6, 0.1, 503, (RETRY,)), "refused while the store was there"),
        (Exchange("GET /", 9.0, 0.1, 503, (RETRY,)), "refused while the store was there"),
    ],
)
def test_answers_that_come_late_and_refusals_at_the_wrong_time_are_noticed(
    exchange: Exchange, words: str, tmp_path: Path
) -> None:
    run = Experiment(Site(tmp_path, {}, python_app), seed=1)
    run._away = [(10.0, 11.0)]
    run.ledger.note(exchange)
    run._look_at_times()
    assert [words in sentence for sentence in run.outcome.wrong] == [True]


def test_sessions_that_are_lost_and_brought_back_are_counted(tmp_path: Path) -> None:
    with (
        provider(tmp_path / "provider") as at,
        redis_server(tmp_path / "redis") as store,
        experiment(tmp_path, at, store.url) as run,
        store.client(decode_responses=False) as client,
    ):
        run.ledger.allowed.add(LOOKS_ENDED)
        lost, back = (member for member in run.sleepers[:2])
        keys = [f"doorkey:session:{stored_id(member.jar[COOKIE]).hex()}" for member in (lost, back)]
        client.delete(keys[0])
        kept = client.dump(keys[1])
        back.sign_out()
        client.restore(keys[1], 60_000, kept)
        run.ledger.allowed.clear()
    assert (run.outcome.lost, run.outcome.resurrected) == (1, 1)
    assert len(run.outcome.wrong) == 1
