"""Tokens and secrets as tests get them: usable as text, and masked where test output shows values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doorkey.events import fingerprint


class Masked(str):
    """Text whose `repr()` is a fingerprint: pytest and debuggers show that, everything else sees the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{fingerprint(self)}>"


@dataclass(frozen=True)
class IssuedToken:
    """A TokenResponse. `str()` of it is not the token: say which one you mean."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: str = ""
    id_token: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "IssuedToken":
        """From the fields of a TokenResponse; what it does not have is empty."""
        token, refresh, id_token = (fields.get(name, "") for name in ("access_token", "refresh_token", "id_token"))
        return cls(
            Masked(token),
            str(fields.get("token_type", "")),
            int(fields.get("expires_in", 0)),
            str(fields.get("scope", "")),
            Masked(refresh) if refresh else "",
            Masked(id_token) if id_token else "",
        )

    @property
    def auth_header(self) -> dict[str, str]:
        """For `headers=`."""
        return {"Authorization": Masked(f"Bearer {self.access_token}")}
