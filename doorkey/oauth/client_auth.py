"""How the client proves itself at the token endpoint: one row per method.

The values are what Authlib's `token_endpoint_auth_method` takes: a name it knows, or a
callable. Basic is ours because RFC 6749 section 2.3.1 wants both halves form-encoded first,
which Authlib leaves out; `client_secret_basic_raw` is for servers that expect them as they are.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

Sign = Callable[[Any, str, str, Any, Any], tuple[str, Any, Any]]


def _pair(encode: Callable[[str], str], client_id: str, secret: str) -> str:
    return b64encode(f"{encode(client_id)}:{encode(secret)}".encode()).decode("ascii")


def basic_credentials(client: Any) -> tuple[str, ...]:
    """What stands behind `Basic ` in either style; for masking it where a provider repeats it."""
    secret = client.client_secret
    return (_pair(quote_plus, client.client_id, secret), _pair(str, client.client_id, secret)) if secret else ()


def _basic(encode: Callable[[str], str]) -> Sign:
    def sign(client: Any, method: str, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
        headers["Authorization"] = "Basic " + _pair(encode, client.client_id, client.client_secret or "")
        return uri, headers, body

    return sign


CLIENT_AUTH: dict[str, str | Sign] = {
    "client_secret_basic": _basic(quote_plus),
    "client_secret_basic_raw": _basic(str),
    "client_secret_post": "client_secret_post",
    "none": "none",
}
