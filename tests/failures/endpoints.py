"""A right request to each endpoint, as bytes, with everything made that it needs. Used by test_transport.py."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

from tests.failures.provider import APP, SECRET, Provider
from tests.failures.raw_socket import message

BASIC = "Basic " + b64encode(f"rp:{quote_plus(SECRET)}".encode()).decode()


def asked(provider: Provider, path: str, **form: str) -> bytes:
    return message("POST", provider.url + path, form, Authorization=BASIC)


def read(provider: Provider, path: str, **query: str) -> bytes:
    return message("GET", provider.url + path, query)


def authorize(provider: Provider, scope: str = "openid") -> bytes:
    wanted = {"client_id": "rp", "redirect_uri": f"{APP}/callback", "response_type": "code", "state": "s",
              "scope": scope, "prompt": "none", "login_hint": "alice"}  # fmt: skip
    return read(provider, "/oauth/authorize", **wanted)


def user_info(provider: Provider) -> bytes:
    order = {"sub": "alice", "client_id": "rp", "scope": "openid"}
    token = provider.http.control("POST", "/dev/tokens", order)["access_token"]
    return message("GET", provider.url + "/oauth/userinfo", Authorization=f"Bearer {token}")


def pushed(provider: Provider) -> bytes:
    return asked(provider, "/oauth/par", response_type="code", redirect_uri=f"{APP}/callback", state="s")


def logout(provider: Provider) -> bytes:
    return read(provider, "/oauth/logout", client_id="rp", post_logout_redirect_uri=f"{APP}/bye", state="s")


REQUESTS: Mapping[str, Callable[[Provider], bytes]] = {
    "authorize": authorize,
    "token": lambda provider: asked(provider, "/oauth/token", grant_type="client_credentials"),
    "userinfo": user_info,
    "introspect": lambda provider: asked(provider, "/oauth/introspect", token="unknown"),
    "revoke": lambda provider: asked(provider, "/oauth/revoke", token="unknown"),
    "device_authorization": lambda provider: asked(provider, "/oauth/device_authorization"),
    "par": pushed,
    "jwks": lambda provider: read(provider, "/oauth/jwks"),
    "metadata": lambda provider: read(provider, "/.well-known/openid-configuration"),
    "logout": logout,
}
