"""Event names, one log line per event, and the masking of what must not be read there.

Anything may call `log()`. A line carries the UTC time, the event, the request id of the
request being served, and the given fields; values are escaped, so nobody can forge a line.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

UNSAFE_DEFAULT = "unsafe_default"
PUBLIC_CLIENT = "public_client"
REQUEST = "request"
METADATA_FAILED = "metadata_failed"
LOGIN_STARTED = "login_started"
LOGIN_OK = "login_ok"
LOGIN_FAILED = "login_failed"
LOGOUT = "logout"
LOGOUT_BY_PROVIDER = "logout_by_provider"
SESSIONS_ENDED = "sessions_ended"
TOKEN_REFRESHED = "token_refreshed"  # noqa: S105
REFRESH_FAILED = "refresh_failed"
TOKEN_REVOKED = "token_revoked"  # noqa: S105
REVOCATION_FAILED = "revocation_failed"
REDIRECT_REJECTED = "redirect_rejected"
REQUEST_REFUSED = "request_refused"
STORE_FAILED = "store_failed"
STORE_CONCERN = "store_concern"
RECORD_UNREADABLE = "record_unreadable"
POLICY_READ = "policy_read"
POLICY_BROKEN = "policy_broken"
GATE_REFUSED = "gate_refused"
GATE_LOOP = "gate_loop"
PROBLEM = "problem"
UNEXPECTED_ERROR = "unexpected_error"

LONGEST_VALUE = 500
"""Characters of one field; a line stays readable whatever was sent to us."""

request_id: ContextVar[str] = ContextVar("request_id", default="-")
_logger = logging.getLogger("doorkey")
_JSON = json.JSONEncoder(default=str)
"""Made once: `json.dumps()` makes one for every line."""


def log(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Write one line: `event` with `fields`; `error` adds its traceback to that same line."""
    extra = {"event": event, "fields": fields}
    _logger.log(level, event, extra=extra, exc_info=error)


@contextmanager
def of_request(id: str) -> Iterator[None]:
    """Lines that are written inside carry this request id."""
    before = request_id.set(id)
    try:
        yield
    finally:
        request_id.reset(before)


def fingerprint(secret: str) -> str:
    """A short stand-in for a token or code, so that two people can see that it is the same."""
    return "sha256:" + hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def clean_text(text: object, *, secrets: tuple[str, ...] = (), limit: int = 200) -> str:
    """Foreign text fit to be shown: `secrets` masked, control characters gone, at most `limit`."""
    shown = str(text)
    for secret in sorted(secrets, key=len, reverse=True):  # one may be part of another
        if secret:
            shown = shown.replace(secret, "****")
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else " " for c in shown)
    shown = shown.strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def configure(log_format: Literal["json", "text"]) -> None:
    """Send everybody's lines to stderr in this format; for processes that are Doorkey's own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    quiet_libraries()


def quiet_libraries() -> None:
    """Keep libraries from logging what they were sent: Authlib logs the PKCE verifier, urllib3 URLs and
    (as a warning, whole) headers that it cannot parse. What matters of it is in our own errors.
    """
    for chatty in ("authlib", "urllib3", "requests", "uvicorn.access", "werkzeug"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _entry(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, Any]:
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    entry: dict[str, Any] = {
        "time": moment.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": getattr(record, "event", None) or record.name,
        "request_id": request_id.get(),
    }
    if not hasattr(record, "event"):
        entry["message"] = _short(record.getMessage())
    entry.update({name: _short(value) for name, value in getattr(record, "fields", {}).items()})
    if record.exc_info:
        entry["traceback"] = formatter.formatException(record.exc_info)
    return entry


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_short(inner) for inner in value]
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return value[: LONGEST_VALUE - 1] + "…"
    return value


class JsonLines(logging.Formatter):
    """One JSON object per line, ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        return _JSON.encode(_entry(record, self))


class TextLines(logging.Formatter):
    """`time level event name=value ...` for a person at a terminal; same content, same escaping."""

    def format(self, record: logging.LogRecord) -> str:
        entry = _entry(record, self)
        traceback = entry.pop("traceback", "")
        head = f"{entry.pop('time')} {entry.pop('level'):7} {entry.pop('event')}"
        pairs = " ".join(f"{name}={_JSON.encode(value)}" for name, value in entry.items())
        # Indented, so that a line inside an exception's text cannot pass for one of ours.
        return f"{head} {pairs}" + "".join(f"\n    {line}" for line in traceback.splitlines())
