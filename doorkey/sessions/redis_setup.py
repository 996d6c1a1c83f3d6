"""How the servers behind an address are set up: the wrong kind is refused at the start, the rest is said.

Called by redis_store.py for the start of the app and for `doorkey check`.
"""

from typing import Any

from redis.exceptions import RedisError, ResponseError

from doorkey.clock import Clock
from doorkey.errors import SettingsError, StoreUnavailable
from doorkey.sessions.redis_link import Link
from doorkey.sessions.redis_servers import Servers
from doorkey.setting_stores import StoreAddress

NAME = "DOORKEY_SESSION_STORE"
CLOCK_SECONDS = 3
"""Leases last for five: clocks that differ by more let two machines do what one should."""

ADDRESSES = {"cluster": "redis+cluster://", "sentinel": "redis+sentinel://", "standalone": "redis://"}
OTHER_KINDS = (
    ("cluster", "cluster support disabled", "is not a Cluster; write redis://"),
    ("cluster", "unknown command", "is not a Cluster; write redis+sentinel:// if it names Sentinels"),
    ("sentinel", "unknown command", "names no Sentinels; write redis:// or redis+cluster://"),
)
"""What the wrong kind of server answers to the question where the data is."""


def words(error: Exception) -> str:
    """What Redis says, without the arguments that it repeats: one of AUTH is a password."""
    return f"{type(error).__name__}: {str(error).partition(', with args')[0]}"


def concerns(servers: Servers, address: StoreAddress, clock: Clock) -> list[str]:
    """Sentences about what may go wrong there. Raises `SettingsError` for the wrong kind, `StoreUnavailable`."""
    try:
        found = [_info(server, address, clock) for server in servers.everywhere()]
        untold = [_untold(connection) for connection in servers.connections()]
    except RedisError as error:
        for kind, answer, advice in OTHER_KINDS:
            if kind == address.kind and answer in str(error):
                raise SettingsError([f"{NAME}: {address} {advice}"]) from error
        raise StoreUnavailable(words(error)) from error
    return sorted({sentence for info in found for sentence in _sentences(info)}.union(*untold))


def _info(server: Any, address: StoreAddress, clock: Clock) -> dict[str, Any]:
    """The kind first: a Sentinel understands little else."""
    info = {**server.info("server"), **server.info("replication")}
    _refuse_other_kinds(address, info)
    seconds, microseconds = server.time()
    ahead = clock() - seconds - microseconds / 1e6
    return {**info, **server.info("memory"), **server.info("persistence"), "ahead": ahead}


def _refuse_other_kinds(address: StoreAddress, info: dict[str, Any]) -> None:
    mode = info.get("redis_mode", info.get("server_mode", "standalone"))
    wanted = "cluster" if address.kind == "cluster" else "standalone"
    if mode != wanted:
        raise SettingsError([f"{NAME}: {address} leads to a server in {mode} mode; write {ADDRESSES.get(mode, mode)}"])
    if info.get("role") == "slave":
        raise SettingsError([f"{NAME}: {address} is a replica, which cannot be written; name its master"])


def _untold(connection: Any) -> list[str]:
    link = Link(connection)
    try:
        link.open()
    except ResponseError as error:
        return [
            f"This server tells nobody what changes ({words(error)}), so every check reads the session again. "
            "Redis 6 or newer can; its user needs CLIENT TRACKING (in an ACL: +client|tracking)."
        ]
    finally:
        link.close()
    return []


def _sentences(info: dict[str, Any]) -> list[str]:
    found = []
    policy = info.get("maxmemory_policy", "noeviction")
    if info.get("maxmemory") and policy != "noeviction":
        found.append(f"maxmemory-policy is {policy}: when memory is short, people are signed out. Set noeviction.")
    if info.get("aof_enabled") == 0:
        found.append("appendonly is off: a restart may lose sign-ins and bring back sessions that were ended.")
    if abs(info["ahead"]) > CLOCK_SECONDS:
        found.append(
            f"The clock here and that of Redis differ by {abs(info['ahead']):.0f} seconds. "
            "Machines that share sessions need the same time."
        )
    return found
