"""What a visitor came with: the cookie of the gate, or a bearer token.

    __Secure-doorkey-gate   the gate secret, for every host under the cookie domain
    __Host-doorkey          the session secret, where no cookie domain is set and the host is Doorkey's own
    __Host-doorkey-gate     for one host outside: the gate secret sealed for it, so that it opens nothing elsewhere

On loopback over http the names have no prefix. Each is looked for at its hosts only.
"""

import msgspec

from doorkey.base64url import decode, encode
from doorkey.gate.original_request import Headers, Original
from doorkey.sessions.ids import SessionIds, decode_secret
from doorkey.sessions.seal import Keyring

DOMAIN_COOKIE = "__Secure-doorkey-gate"
OWN_COOKIE = "doorkey"
OUTSIDE_COOKIE = "doorkey-gate"
PURPOSE = "gate cookie"


class Credentials(msgspec.Struct, frozen=True):
    """`seen`: `none`, `others`, `several` or `unknown`, for whoever has to find out why nobody is let through."""

    gate_secret: bytes | None
    bearer: str
    seen: str

    @property
    def any(self) -> bool:
        return bool(self.gate_secret or self.bearer)

    @property
    def absent(self) -> str:
        """Why there is no session, when there is none."""
        return "no_session" if self.seen in ("none", "others") else "expired"


class GateCookies:
    """`own_host` is that of the public URL; `domain` the cookie domain or ""."""

    def __init__(self, keyring: Keyring, *, own_host: str, domain: str, secure: bool):
        self._keyring = keyring
        self._own_host = own_host
        self._domain = domain
        self._below = "." + domain
        prefix = "__Host-" if secure else ""
        self.own = prefix + OWN_COOKIE
        self.outside = prefix + OUTSIDE_COOKIE

    def reaches(self, host: str) -> bool:
        """Whether a sign-in at Doorkey sets a cookie that `host` (without port) is sent."""
        if self._domain:
            return host == self._domain or host.endswith(self._below)
        return host == self._own_host

    def read(self, headers: Headers, original: Original) -> Credentials:
        cookies = headers.any(b"cookie")
        name = self._name_for(original.host)
        values = _values(cookies, name) if cookies else []
        secret = self._secret(name, values[0], original.host) if len(values) == 1 else None
        seen = "several" if len(values) > 1 else "unknown" if values else "others" if cookies else "none"
        return Credentials(secret, _bearer(headers), seen)

    def _name_for(self, host: str) -> str:
        if not self.reaches(host):
            return self.outside
        return DOMAIN_COOKIE if self._domain else self.own

    def _secret(self, name: str, value: str, host: str) -> bytes | None:
        if name == DOMAIN_COOKIE:
            return decode_secret(value)
        if name == self.own:
            secret = decode_secret(value)
            return SessionIds.of(secret).gate_secret if secret else None
        sealed = decode(value)
        return self._keyring.open(sealed, purpose=PURPOSE, bound_to=host.encode()) if sealed else None

    def for_outside(self, gate_secret: bytes, host: str) -> str:
        """The value of the cookie of a host outside; it opens nothing at any other."""
        return encode(self._keyring.seal(gate_secret, purpose=PURPOSE, bound_to=host.encode()))


def _values(cookies: str, name: str) -> list[str]:
    """Every value of the cookie `name`."""
    if name not in cookies:
        return []
    start = name + "="
    return [part[len(start) :] for part in map(str.strip, cookies.split(";")) if part.startswith(start)]


def _bearer(headers: Headers) -> str:
    if not headers.has(b"authorization"):
        return ""
    scheme, _, token = headers.any(b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
