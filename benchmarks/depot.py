"""What all sections share: how much to do, a folder, and seeded sessions, made when the first section needs them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.measuring import say
from benchmarks.peers import start_redis
from benchmarks.seeding import Stores, cookies, seed
from benchmarks.servers import Server, Servers

DIFFERENT_COOKIES = 1000


@dataclass(frozen=True)
class Effort:
    """`sessions`: how many the stores hold, the largest last; each divides it. Others are counts and seconds."""

    sessions: tuple[int, ...]
    rounds: int
    seconds: float
    steady_seconds: float
    sign_ins: int
    starts: int
    memory_seconds: float
    rules: tuple[int, int] = (10, 10_000)
    provider_tokens: int = 600

    @property
    def usual(self) -> int:
        """The store of every section that does not vary it."""
        return self.sessions[-2]

    @property
    def most(self) -> int:
        return self.sessions[-1]


FULL = Effort((1_000, 100_000, 1_000_000), 4, 2.0, 6.0, 200, 7, 100.0)
QUICK = Effort((1_000, 5_000, 20_000), 2, 1.0, 2.0, 40, 3, 5.0, provider_tokens=50)


class Depot:
    """`servers` are those that stay up for the whole run: one Redis for each number of sessions."""

    def __init__(self, folder: Path, effort: Effort, servers: Servers):
        self.folder = folder
        self.effort = effort
        self._servers = servers
        self._made = 0

    def section_folder(self) -> Path:
        """A new one, for the files of a section's servers."""
        self._made += 1
        folder = self.folder / f"section-{self._made}"
        folder.mkdir()
        folder.chmod(0o755)
        return folder

    @cached_property
    def _stores(self) -> tuple[dict[int, Path], dict[int, Server]]:
        sizes, most = self.effort.sessions, self.effort.most
        redis = {size: start_redis(self._servers, str(size)) for size in sizes}
        files = {size: self.folder / f"sessions-{size}.sqlite" for size in sizes}
        say(f"making {most:,} sessions, for SQLite and Redis")
        took = seed(Stores(files, {size: server.port for size, server in redis.items()}), most)
        say(f"made {most:,} sessions in {took:.0f} s")
        return files, redis

    def sqlite(self, size: int) -> str:
        """The value of DOORKEY_SESSION_STORE."""
        return f"sqlite:{self._stores[0][size]}"

    def redis(self, size: int) -> tuple[str, Server]:
        server = self._stores[1][size]
        return f"redis://127.0.0.1:{server.port}", server

    def cookies(self, size: int, wanted: int = DIFFERENT_COOKIES) -> list[str]:
        return cookies(size, wanted, self.effort.most)
