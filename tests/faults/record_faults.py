"""Faults of single records: damaged, or sealed by a key that nobody has.

Whoever has such a record is signed out calmly and may sign in again; nobody else notices.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.faults.exchange import COOKIE
from tests.faults.experiment import Experiment, Outcome, experiment, stored_id
from tests.faults.front_door_site import KEY
from tests.faults.members import LOOKS_ENDED, OUT, Member
from tests.support.redis_servers import RedisServer, redis_server

OTHER_KEY = "another-key-for-fault-experiments-0123456789"
FLIPPED = bytes.maketrans(bytes(range(256)), bytes(range(255, -1, -1)))
AFTER = 0.4


def damaged_in_sqlite(folder: Path, provider: str) -> Outcome:
    def damage(run: Experiment) -> list[Member]:
        hurt = run.sleepers[:4]
        with closing(sqlite3.connect(run.site.instance / "sessions.sqlite3", timeout=10)) as db, db:
            ids = [stored_id(member.jar[COOKIE]) for member in hurt]
            sealed = [db.execute("SELECT sealed FROM sessions WHERE record_id = ?", (id,)).fetchone()[0] for id in ids]
            values = [sealed[0].translate(FLIPPED), sealed[1][:-1], b"", "text where bytes should be"]
            db.executemany("UPDATE sessions SET sealed = ? WHERE record_id = ?", zip(values, ids, strict=True))
        return hurt

    with experiment(folder, provider, "sqlite:") as run, run.load():
        _calmly_out(run, damage(run))
        run.wait(AFTER)
    return run.outcome


def damaged_in_redis(folder: Path, provider: str) -> Outcome:
    def damage(run: Experiment, store: RedisServer) -> list[Member]:
        hurt = run.sleepers[:4]
        keys = [f"doorkey:session:{stored_id(member.jar[COOKIE]).hex()}" for member in hurt]
        with store.client(decode_responses=False) as client:
            sealed = client.hget(keys[0], "s")
            client.hset(keys[0], "s", sealed.translate(FLIPPED))
            client.hset(keys[1], "v", "no number")
            client.hdel(keys[2], "s", "e")
            client.set(keys[3], "not a hash at all")
        return hurt

    with redis_server(folder / "redis") as store, experiment(folder, provider, store.url) as run, run.load():
        _calmly_out(run, damage(run, store))
        run.wait(AFTER)
    return run.outcome


def _calmly_out(run: Experiment, hurt: list[Member]) -> None:
    """They are shown as signed out, see no error, and sign in again."""
    for member in hurt:
        member.standing = OUT
        run.insist(member.home() and not member.look(), "a damaged record signs its owner out calmly")
        run.insist(member.sign_in() and member.look(), "its owner may sign in again")
    run.insist("record_unreadable" in run.site.log, "the log tells of it")


def unknown_key(folder: Path, provider: str) -> Outcome:
    """Doorkey is started with another key, and then with both: whoever did not sign in meanwhile is in again."""
    with experiment(folder, provider, "sqlite:") as run:
        run.site.stop()
        run.site.start(DOORKEY_SECRET_KEY=OTHER_KEY)
        run.ledger.allowed.add(LOOKS_ENDED)
        asleep, awake = run.sleepers[: len(run.sleepers) // 2], run.crowd
        with run.load():
            for member in asleep:
                run.insist(not member.look(), "a record under an unknown key is no session")
                run.insist(COOKIE in member.jar, "and its cookie stays")
            run.wait(AFTER)
        run.ledger.allowed.remove(LOOKS_ENDED)
        run.site.stop()
        run.site.start(DOORKEY_SECRET_KEY=f"{OTHER_KEY},{KEY}")
        run.insist(all(member.look() for member in awake if member.standing == "in"), "both keys open what they sealed")
    return run.outcome
