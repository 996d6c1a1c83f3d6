"""What a form request says, read strictly, and the error that says what is wrong with it.

The body is read here and not by Flask: parameters in the query do not count, repeated ones
are refused (RFC 6749 section 3.2), empty ones count as absent. Who sends it: client_proof.py.
"""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import parse_qsl

from doorkey.clock import utc

MOST_FIELDS = 50
PHRASES = {status.value: status.phrase for status in HTTPStatus}
REALM = "Doorkey development provider"
REPEATABLE = "resource"
"""RFC 8707 section 2: may come several times. URIs hold no space, so that one joins them."""


class OAuthError(Exception):
    """An error of the contract: `error`, a sentence, and the status. `reason` is for the log only."""

    def __init__(self, error: str, description: str, status: int = 400, *, reason: str = ""):
        super().__init__(error)
        self.reason = reason
        self.error = error
        self.description = description
        self.status = status

    def body(self, path: str, now: float) -> dict[str, str]:
        """The six fields of the contract; `status` is a string, the time has a numeric offset."""
        milliseconds = int(now * 1000) % 1000
        return {
            "error": self.error,
            "error_description": self.description,
            "message": PHRASES.get(self.status, "Error"),
            "path": path,
            "status": str(self.status),
            "timestamp": utc(now).strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds:03}+0000",
        }

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'} if self.status == 401 else {}


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The parameters of a form body; several `resource` are joined by spaces. Raises `OAuthError` invalid_request."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "The body must be application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise OAuthError("invalid_request", "The body is not a form in UTF-8.") from None
    form = dict(pairs)
    resources = [value for name, value in pairs if name == REPEATABLE]
    if len(form) + max(len(resources) - 1, 0) != len(pairs):
        raise OAuthError("invalid_request", "A parameter stands there twice.")
    if resources:
        form[REPEATABLE] = " ".join(resources)
    return {name: value for name, value in form.items() if value}


def resources_of(values: Sequence[str]) -> tuple[str, ...] | None:
    """The resource indicators (RFC 8707); None when one is not an absolute URI without fragment."""
    found = tuple(uri for value in values for uri in value.split())
    return None if any(":" not in uri or "#" in uri for uri in found) else found
