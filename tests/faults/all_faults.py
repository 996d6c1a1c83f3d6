"""Every fault, by the words of the table: what runs it, and whether somebody has to be refused meanwhile.

Read by __main__.py, which prints the table, and by test_every_fault.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import clock_faults, file_faults, record_faults, redis_faults, topology_faults, worker_faults
from tests.faults.experiment import Outcome


@dataclass(frozen=True)
class Fault:
    """`run` takes an empty folder and the address of a provider. `refuses`: without any 503 nothing has happened."""

    name: str
    run: Callable[[Path, str], Outcome]
    refuses: bool = True


FAULTS = (
    Fault("Redis stopped and started again", redis_faults.stopped),
    Fault("Redis killed and started again", redis_faults.killed),
    Fault("Redis paused", redis_faults.paused),
    Fault("Redis restarted under load", redis_faults.restarted),
    Fault("Redis full", redis_faults.full),
    Fault("Redis's clock moved both ways", redis_faults.clock_moved, refuses=False),
    Fault("Sentinel: master killed", topology_faults.master_killed),
    Fault("Sentinel: master paused and back", topology_faults.master_paused),
    Fault("Cluster: node killed and back", topology_faults.node_killed),
    Fault("Cluster: node paused", topology_faults.node_paused),
    Fault("Cluster: node lost to its replica", topology_faults.node_replaced),
    Fault("SQLite file locked", file_faults.locked),
    Fault("Disk full", file_faults.disk_full),
    Fault("File may not grow", file_faults.file_may_not_grow),
    Fault("File made read-only", file_faults.read_only),
    Fault("Records damaged, SQLite", record_faults.damaged_in_sqlite, refuses=False),
    Fault("Records damaged, Redis", record_faults.damaged_in_redis, refuses=False),
    Fault("Sealed by an unknown key", record_faults.unknown_key, refuses=False),
    Fault("Clock jumps, SQLite", clock_faults.jumps_with_sqlite, refuses=False),
    Fault("Clock jumps, Redis", clock_faults.jumps_with_redis, refuses=False),
    Fault("Worker killed, SQLite", worker_faults.killed_with_sqlite, refuses=False),
    Fault("Worker killed, Redis", worker_faults.killed_with_redis, refuses=False),
)
