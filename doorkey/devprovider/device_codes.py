"""Device codes (RFC 8628): asked for by a device, decided in a browser, polled until then.

Called by device_grant.py (both ends of the wire) and by the pages and `/dev/device`, where a person
or a test decides.
"""

import secrets
import threading
from dataclasses import dataclass, field, replace

from doorkey.devprovider.expiring import Expiring
from doorkey.devprovider.provider_store import Grant, new_token

INTERVAL_SECONDS = 5
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no words come out (RFC 8628 section 6.1)."""


@dataclass
class Device:
    """One device waiting; `grant` is what it asked for until `decided`, then what it gets (None: denied)."""

    device_code: str
    user_code: str
    grant: Grant | None
    client_id: str
    interval: int = INTERVAL_SECONDS
    decided: bool = False
    ends: float = 0.0
    last_poll: float = field(default=float("-inf"))


class DeviceCodes:
    """Every method takes the time and is atomic."""

    def __init__(self, seconds: int):
        self.seconds = seconds
        self._lock = threading.Lock()
        self._devices: Expiring[Device] = Expiring(2 * seconds)  # a while longer, to say why it no longer works
        self._by_user_code: Expiring[Device] = Expiring(seconds)

    def begin(self, grant: Grant, now: float) -> Device:
        """A waiting device that asks for `grant`."""
        letters = "".join(secrets.choice(LETTERS) for _ in range(8))
        device = Device(new_token("device"), f"{letters[:4]}-{letters[4:]}", grant, grant.client_id)
        device.ends = now + self.seconds
        with self._lock:
            self._devices.put(device.device_code, device, now)
            self._by_user_code.put(device.user_code, device, now)
        return device

    def waiting(self, user_code: str, now: float) -> Device | None:
        """The undecided device with this user code, however it was typed."""
        with self._lock:
            device = self._by_user_code.get(_normal(user_code), now)
            return device if device and not device.decided else None

    def decide(self, user_code: str, now: float, *, sub: str = "", scope: tuple[str, ...] | None = None) -> bool:
        """Allow as the user `sub`, with `scope` or all that was asked; without `sub`, deny. False: nobody waits."""
        with self._lock:
            device = self._by_user_code.pop(_normal(user_code), now)
            if device is None or device.grant is None or device.decided:
                return False
            allowed = device.grant.scope if scope is None else scope
            device.grant = replace(device.grant, sub=sub, scope=allowed, auth_time=int(now)) if sub else None
            device.decided = True
            return True

    def poll(self, device_code: str, client_id: str, now: float) -> Grant | str:
        """The grant, once, or the error of RFC 8628 section 3.5."""
        with self._lock:
            device = self._devices.get(device_code, now)
            if device is None or device.client_id != client_id:
                return "invalid_grant"
            if device.ends <= now:
                return "expired_token"
            if not device.decided:
                too_soon = now - device.last_poll < device.interval
                device.last_poll = now
                device.interval += 5 if too_soon else 0
                return "slow_down" if too_soon else "authorization_pending"
            self._devices.pop(device_code, now)
            return device.grant or "access_denied"


def _normal(user_code: str) -> str:
    letters = "".join(c for c in user_code.upper() if c in LETTERS)
    return f"{letters[:4]}-{letters[4:]}"
