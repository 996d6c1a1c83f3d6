"""What was asked of the development provider: for `/dev/requests`, its page, and assertions in tests.

Bounded. Secrets are masked in everything that can be printed; equal secrets have equal masks, and
`reveal()` gives the value itself.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, overload

from doorkey.events import fingerprint

MOST_REQUESTS = 1000
MOST_FIELDS = 60
LARGEST_FIELDS = 8192
"""Characters of all values together; what is beyond is cut off."""
LOGGED = (
    *("authorize", "consent", "token", "userinfo", "introspect", "revoke", "device_authorization", "device"),
    *("par", "jwks", "metadata", "logout", "other"),
)
"""`consent` is the decision on the page of an authorization request, `device` the page for a user code."""
SECRETS = frozenset(
    (
        *("access_token", "refresh_token", "id_token", "code", "device_code", "user_code", "client_secret"),
        *("client_assertion", "code_verifier", "token", "id_token_hint", "logout_token", "subject_token"),
        *(
            "proxy-authorization",
            "dpop",
            "x-forwarded-access-token",
            "actor_token",
            "assertion",
            "password",
            "cookie",
            "request_uri",
            "ticket",
        ),
    )
)


class Fields(Mapping[str, str]):
    """Names and values, the secret ones masked; never printed otherwise."""

    def __init__(self, values: Mapping[str, str]):
        self._values: dict[str, str] = {}
        left = LARGEST_FIELDS
        for name, value in itertools.islice(values.items(), MOST_FIELDS):
            self._values[name[:100]] = str(value)[: min(left, 4096)]
            left = max(0, left - len(value))

    def __getitem__(self, name: str) -> str:
        return _masked(name, self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))

    def reveal(self, name: str) -> str:
        """The value as it was sent. Raises `KeyError`."""
        return self._values[name]


def _masked(name: str, value: str) -> str:
    lowered = name.lower()
    if lowered in SECRETS:
        return fingerprint(value)
    if lowered == "referer":
        return value.partition("?")[0]
    if lowered == "authorization":
        scheme, space, credentials = value.partition(" ")
        return f"{scheme[:20]} {fingerprint(credentials)}" if space else fingerprint(value)
    return value


@dataclass(frozen=True)
class LoggedRequest:
    """One request; `client_auth` is the method by which the client proved itself, if it did."""

    number: int
    time: float
    endpoint: str
    method: str
    path: str
    headers: Fields
    query: Fields
    form: Fields
    status: int
    client_id: str = ""
    client_auth: str = ""
    failures: tuple[str, ...] = ()
    milliseconds: float = 0.0
    answer: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        said = " ".join(f"{name}={value}" for name, value in {**self.query, **self.form}.items())
        failed = f" [{', '.join(self.failures)}]" if self.failures else ""
        why = "".join(f" {self.answer[name]}" for name in ("error", "reason") if name in self.answer)
        return f"<{self.number} {self.method} {self.path} {said} {self.client_auth} -> {self.status}{why}{failed}>"

    def described(self) -> dict[str, Any]:
        """For JSON; the same masks."""
        return {
            "number": self.number,
            "time": datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "endpoint": self.endpoint,
            "method": self.method,
            "path": self.path,
            "headers": dict(self.headers),
            "query": dict(self.query),
            "form": dict(self.form),
            "status": self.status,
            "client_id": self.client_id,
            "client_auth": self.client_auth,
            "failures": list(self.failures),
            "milliseconds": self.milliseconds,
            "answer": dict(self.answer),
        }

    def matches(self, endpoint: str | None, wanted: Mapping[str, Any]) -> bool:
        """True when it went to `endpoint` and every wanted value is one of its own, its form's or its query's."""
        return endpoint in (None, self.endpoint) and all(self._has(name, value) for name, value in wanted.items())

    def _has(self, name: str, value: Any) -> bool:
        if name in ("method", "status", "client_auth", "path") and getattr(self, name) == value:
            return True
        return any(name in fields and fields.reveal(name) == value for fields in (self.form, self.query)) or (
            name == "client_id" and self.client_id == value
        )


class RequestLog(Sequence[LoggedRequest]):
    """The last requests, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LoggedRequest] = deque(maxlen=MOST_REQUESTS)
        self.last_number = 0

    def add(self, make: Callable[[int], LoggedRequest]) -> None:
        """Keep what `make` makes of the next number."""
        with self._lock:
            self.last_number += 1
            self._entries.append(make(self.last_number))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def count(self, endpoint: str | None = None, **wanted: Any) -> int:
        """How many went to `endpoint` with these values: `count("token", grant_type="refresh_token")`."""
        return len(self.of(endpoint, **wanted))

    def of(self, endpoint: str | None = None, **wanted: Any) -> list[LoggedRequest]:
        """Those that went to `endpoint` with these values. Raises `ValueError` for a name that no endpoint has."""
        if endpoint not in (None, *LOGGED):
            raise ValueError(f"There is no endpoint {endpoint}; there are {', '.join(LOGGED)}.")
        return [entry for entry in self._snapshot() if entry.matches(endpoint, wanted)]

    def _snapshot(self) -> list[LoggedRequest]:
        with self._lock:
            return list(self._entries)

    @overload
    def __getitem__(self, index: int) -> LoggedRequest: ...
    @overload
    def __getitem__(self, index: slice) -> list[LoggedRequest]: ...
    def __getitem__(self, index: int | slice) -> LoggedRequest | list[LoggedRequest]:
        return self._snapshot()[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return "<requests\n  " + "\n  ".join(repr(entry) for entry in self._snapshot()) + ">"
