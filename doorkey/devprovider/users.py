"""The people and the clients that the development provider knows, as values."""

import re
import uuid
from dataclasses import dataclass, field

from doorkey.presets import WATSONWORK_SCOPES

SCOPES = tuple(WATSONWORK_SCOPES.split())
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::([1-9][0-9]{0,4}))?(/.*)?")


@dataclass(frozen=True)
class User:
    sub: str
    name: str
    email: str = ""
    groups: tuple[str, ...] = ()
    about: str = ""

    def claims(self) -> dict[str, object]:
        """What UserInfo says; a claim without a value is left out."""
        claims = {"sub": self.sub, "name": self.name, "email": self.email, "groups": list(self.groups)}
        return {name: value for name, value in claims.items() if value}


USERS = (
    User("alice", "Alice Archer", "alice@example.com", ("admins", "staff"), "Administrator"),
    User("bob", "Bob Baker", "bob@example.com", ("staff",), "Member"),
    User("carol", "Carol Chandler", "", ("staff",), "Has no e-mail address"),
    User("dana", "Dana Dyer", "dana@example.com", tuple(f"group-{n:02}" for n in range(1, 41)), "Is in 40 groups"),
)


@dataclass(frozen=True)
class Client:
    """A registered client; `app_id` is what client_credentials answers call `id`."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    name: str = "Doorkey"
    scopes: tuple[str, ...] = SCOPES

    @property
    def app_id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "doorkey-dev/" + self.client_id))

    def allows_redirect_to(self, uri: str) -> bool:
        """Exactly as registered (RFC 9700 section 2.1); on a loopback IP any port (RFC 8252 section 7.3)."""
        return any(uri == known or _same_but_port(uri, known) for known in self.redirect_uris)


def _same_but_port(uri: str, known: str) -> bool:
    given, registered = _LOOPBACK.fullmatch(uri), _LOOPBACK.fullmatch(known)
    if not given or not registered or int(given[2] or 80) > 65535:
        return False
    return (given[1], given[3]) == (registered[1], registered[3])
