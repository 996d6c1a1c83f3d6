"""What a provider says of itself: OpenID Connect Discovery 1.0 and RFC 8414, read strictly.

Read by `fetch_metadata()`, which provider_directory.py calls, and kept by `documents.py`; provider.py puts it under
the settings. Only the
names below are ever read: a document can switch nothing else on or off, such as PKCE or TLS checks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from doorkey.errors import DoorkeyError, MetadataInvalid, ResponseTooLarge
from doorkey.events import clean_text
from doorkey.oauth.http import LARGEST_DOCUMENT, Transport, read_json_object
from doorkey.oauth.return_target import host_matches
from doorkey.setting_urls import authorization_endpoint, endpoint, is_loopback

STEP = "metadata"
_WORD = re.compile(r"[\x21-\x7e]{1,200}")
OPENID = "openid-configuration"
RFC_8414 = "oauth-authorization-server"


def _endpoint() -> Any:
    return field(default="", metadata={"read": "endpoint"})


def _names() -> Any:
    return field(default=None, metadata={"read": "names"})


def _flag() -> Any:
    return field(default=False, metadata={"read": "flag"})


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """One document. Empty: it does not say; a list that is absent is None."""

    issuer: str
    location: str
    authorization_endpoint: str = _endpoint()
    token_endpoint: str = _endpoint()
    userinfo_endpoint: str = _endpoint()
    jwks_uri: str = _endpoint()
    introspection_endpoint: str = _endpoint()
    revocation_endpoint: str = _endpoint()
    end_session_endpoint: str = _endpoint()
    pushed_authorization_request_endpoint: str = _endpoint()
    require_pushed_authorization_requests: bool = _flag()
    authorization_response_iss_parameter_supported: bool = _flag()
    id_token_signing_alg_values_supported: tuple[str, ...] | None = _names()
    userinfo_signing_alg_values_supported: tuple[str, ...] | None = _names()
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = _names()
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] | None = _names()
    scopes_supported: tuple[str, ...] | None = _names()
    response_modes_supported: tuple[str, ...] | None = _names()
    code_challenge_methods_supported: tuple[str, ...] | None = _names()


_READ = {
    kind: tuple(row.name for row in fields(Metadata) if row.metadata.get("read") == kind)
    for kind in ("endpoint", "names", "flag")
}


def locations(issuer: str, *, openid: bool) -> tuple[str, str]:
    """Where the document of `issuer` may be: first by the specification that fits, then by the other one.

    OpenID Connect Discovery 1.0 section 4 appends to the path, RFC 8414 section 3 puts in before it.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    appended, inserted = f"{origin}{path}/.well-known/{OPENID}", f"{origin}/.well-known/{RFC_8414}{path}"
    return (appended, inserted) if openid else (inserted, appended)


def fetch_metadata(
    issuer: str, *, openid: bool, hosts: Sequence[str], known: Sequence[str], transport: Transport
) -> Metadata:
    """The document of `issuer`. Endpoints named in `known` come from settings and are not looked at.

    Raises `MetadataInvalid`, `ProviderUnreachable` or another `ProviderError`.
    """
    first, second = locations(issuer, openid=openid)
    response = transport.get(first, {}, STEP, largest_body=LARGEST_DOCUMENT)
    location = first
    if 400 <= response.status_code < 500:
        response, location = transport.get(second, {}, STEP, largest_body=LARGEST_DOCUMENT), second
    if response.status_code != 200:
        error = MetadataInvalid(f"status {response.status_code} from {location}", hint=_hint_for(response.status_code))
        error.absent = True
        raise error
    try:
        document = read_json_object(response.content)
    except ValueError as error:
        raise MetadataInvalid(f"{location}: {error}", hint=f"The answer of {location} is not a JSON object.") from None
    return read_metadata(document, issuer=issuer, location=location, hosts=hosts, known=known)


def _hint_for(status: int) -> str:
    if status >= 500:
        return "The provider has a problem of its own. Try again later."
    if 300 <= status < 400:
        return "The address of the metadata redirects, which is never followed. Configure the final issuer."
    return "There is no metadata under the configured issuer. Check it, or configure the endpoints one by one."


def read_metadata(
    document: dict[str, Any], *, issuer: str, location: str, hosts: Sequence[str], known: Sequence[str]
) -> Metadata:
    """The names that Doorkey knows, checked. Raises `MetadataInvalid` (Discovery 4.3, RFC 8414 section 3.3)."""
    if document.get("issuer") != issuer:
        shown = clean_text(document["issuer"]) if "issuer" in document else "nothing"
        error = MetadataInvalid(
            f"issuer is {shown} at {location}, expected {issuer}",
            message="The provider calls itself by another name than the configured issuer.",
            hint=f"It calls itself {shown}, and the configured issuer is {issuer}: a slash at the end counts.",
        )
        error.contradicts = True
        raise error
    found: dict[str, Any] = {"issuer": issuer, "location": location}
    for name in _READ["endpoint"]:
        if name in document and name not in known:
            found[name] = _read_endpoint(name, document[name], issuer, hosts)
    for name in _READ["names"]:
        value = document.get(name)
        if isinstance(value, list):
            found[name] = tuple(item for item in value if isinstance(item, str) and _WORD.fullmatch(item))
    for name in _READ["flag"]:
        found[name] = document.get(name) is True
    return Metadata(**found)


def _read_endpoint(name: str, value: Any, issuer: str, hosts: Sequence[str]) -> str:
    """A URL at the issuer's own origin, or at a host that settings allow (RFC 9700 section 4.4)."""
    try:
        read = authorization_endpoint if name == "authorization_endpoint" else endpoint
        url = read(value) if isinstance(value, str) and value else ""
    except ValueError as error:
        raise MetadataInvalid(f"{name} {error}", message=f"The provider's {name} cannot be used.") from None
    if not url:
        raise MetadataInvalid(f"{name} is not a URL", message=f"The provider's {name} cannot be used.")
    there, own = urlsplit(url), urlsplit(issuer)
    host = there.hostname or ""
    usual = there.port in (None, 443) or is_loopback(host)
    at_home = there.netloc.lower() == own.netloc.lower() or (usual and host_matches(host, hosts))
    if there.scheme != own.scheme or not at_home:
        raise MetadataInvalid(
            f"{name} is at {clean_text(there.netloc)}",
            message=f"The provider's {name} is on another host than the provider.",
            hint=f"If {clean_text(there.hostname)} belongs to it, add that to the provider's ENDPOINT_HOSTS.",
        )
    return url


def is_outage(error: DoorkeyError) -> bool:
    """Whether the provider was down, so that an old copy may serve; a document that contradicts us is no outage."""
    return error.absent if isinstance(error, MetadataInvalid) else not isinstance(error, ResponseTooLarge)
