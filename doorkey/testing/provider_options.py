"""How a provider for tests is to be, in the words of `OAuthProvider` and of the marker, as a `DevProvider`."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from doorkey.devprovider.definitions import read_lifetimes, read_user
from doorkey.devprovider.realm import DevProvider
from doorkey.devprovider.users import USERS, Client, User
from doorkey.testing.issued_token import Masked

CLIENT_ID = "doorkey-tests"
CLIENT_SECRET = Masked(secrets.token_urlsafe(32))
"""Another one in each process."""

SCOPE = "openid profile email"
TRANSPORTS = ("responses", "server")
HOME_PAGES = tuple(
    f"{scheme}://{host}/" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1", "[::1]")
)
T = TypeVar("T")
UserGiven = str | Mapping[str, Any]


@dataclass(frozen=True)
class ProviderOptions:
    """`users` are subs, or mappings with `sub` and what `add_user()` takes; they replace the usual four."""

    strict: bool = True
    users: Iterable[UserGiven] | None = None
    access_token_lifetime: int | None = None
    lifetimes: Mapping[str, int] | None = None
    redirect_uris: Iterable[str] = ()

    def dev_provider(self) -> DevProvider:
        """Raises `ValueError` with what is wrong with an option."""
        lifetimes = dict(self.lifetimes or {})
        if self.access_token_lifetime is not None:
            if "access_token" in lifetimes:
                raise ValueError("access_token_lifetime is in lifetimes too: keep one.")
            lifetimes["access_token"] = self.access_token_lifetime
        users = USERS if self.users is None else tuple(_user(given) for given in _listed(self.users, "users"))
        return DevProvider([self._client()], users, read_lifetimes(lifetimes))

    def _client(self) -> Client:
        """Any local address is good, unless there are `redirect_uris`; without `strict`, any at all."""
        uris = tuple(_listed(self.redirect_uris, "redirect_uris"))
        return Client(
            CLIENT_ID,
            CLIENT_SECRET,
            redirect_uris=uris,
            client_name="Doorkey tests",
            token_endpoint_auth_method="client_secret_basic" if self.strict else "any",
            post_logout_redirect_uris=HOME_PAGES,
            redirect_check="exact" if self.strict and uris else "local" if self.strict else "any",
        )


def _listed(values: Iterable[T], name: str) -> list[T]:
    if isinstance(values, str | Mapping):
        raise ValueError(f"{name} must be a list.")
    return list(values)


def _user(given: UserGiven) -> User:
    if isinstance(given, str):
        return next((user for user in USERS if user.sub == given), None) or read_user(given, {})
    if not isinstance(given, Mapping) or not isinstance(given.get("sub"), str):
        raise ValueError("users are subs, or mappings with a sub.")
    return read_user(given["sub"], {name: value for name, value in given.items() if name != "sub"})
