"""What templates/home.html shows of a session, as plain values: texts, times, rows of the scope table.

my_sessions.py writes names and times the same way.
"""

from dataclasses import dataclass
from typing import Any

from doorkey.clock import iso, utc
from doorkey.events import clean_text
from doorkey.oauth.id_token import LONGEST_SUBJECT
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.record import TOUCH_SECONDS, Record
from doorkey.sessions.refresh import BACK_OFF_SECONDS


@dataclass(frozen=True)
class ScopeRow:
    name: str
    asked: bool
    granted: bool


@dataclass(frozen=True)
class Expiry:
    """`left_text` reads well without JavaScript; the countdown script uses the two epochs."""

    known: bool
    expired: bool
    at_epoch: int | None
    at_iso: str
    at_text: str
    left_text: str
    now_epoch: int
    issued_iso: str
    issued_text: str


def account_view(record: Record, label: str, now: float) -> dict[str, Any]:
    """What templates/home.html shows of `record` at `now`."""
    identity, token = record.identity, record.token
    return {
        "heading": shown_name(identity),
        "email": identity.email,
        "user": clean_text(identity.user, limit=LONGEST_SUBJECT),
        "groups": [clean_text(group) for group in identity.groups],
        "provider": identity.provider,
        "provider_label": label,
        "scopes": scope_rows(token),
        "scope_summary": scope_summary(token),
        "scope_note": ""
        if token.scope_confirmed
        else "The provider did not say what it granted, which means: as asked.",
        "token_type": token.token_type,
        "has_refresh_token": token.refresh_token is not None,
        "renewal_note": renewal_note(record, now),
        "expiry": expiry_view(token, now),
        "session": {
            name: value
            for prefix, moment in (
                ("idle", record.idle_ends),
                ("absolute", record.absolute_ends),
                ("started", record.created),
            )
            for name, value in ((f"{prefix}_iso", iso(moment)), (f"{prefix}_text", moment_text(moment)))
        },
    }


def scope_rows(token: Token) -> list[ScopeRow]:
    """First what was asked, in that order, then what came on top."""
    asked, granted = set(token.scope_asked), set(token.scope_granted)
    names = dict.fromkeys((*token.scope_asked, *token.scope_granted))
    return [ScopeRow(name, name in asked, name in granted) for name in names]


def scope_summary(token: Token) -> str:
    """`2 of 3 granted`, and what came unasked."""
    asked, granted = set(token.scope_asked), set(token.scope_granted)
    unasked = len(granted - asked)
    if not asked:
        return f"{unasked} granted"
    return f"{len(granted & asked)} of {len(asked)} granted" + (f", {unasked} more unasked" if unasked else "")


def shown_name(identity: Identity) -> str:
    """What to call somebody; "" when the provider did not say."""
    return identity.name or identity.email or clean_text(identity.user, limit=LONGEST_SUBJECT)


def renewal_note(record: Record, now: float) -> str:
    """What became of the last renewal, and when the button works again; "" when there is nothing to say."""
    failure = f"The last renewal failed ({record.refresh_error})." if record.refresh_error else ""
    if failure and record.token.refresh_token is None:
        return f"The provider renews this token no more ({record.refresh_error}). Sign in again to get another."
    if 0 < record.refresh_after - now <= BACK_OFF_SECONDS:
        wait = duration_text(record.refresh_after - now)
        return f"{failure or 'It was renewed just now.'} The next try is possible in {wait}."
    return failure


def expiry_view(token: Token, now: float) -> Expiry:
    at = token.expires_at
    expired = token.is_expired(now)
    return Expiry(
        known=at is not None,
        expired=expired,
        at_epoch=None if at is None else int(at),
        at_iso="" if at is None else iso(at),
        at_text="" if at is None else moment_text(at),
        left_text="" if at is None else "expired" if expired else duration_text(at - now),
        now_epoch=int(now),
        issued_iso=iso(token.received_at),
        issued_text=moment_text(token.received_at),
    )


def moment_text(seconds: float) -> str:
    """`24 November 2026, 15:56:54 UTC`"""
    moment = utc(seconds)
    return f"{moment.day} {moment:%B %Y, %H:%M:%S} UTC"


def minute_text(seconds: float) -> str:
    """`24 November 2026, 15:56 UTC`"""
    moment = utc(seconds)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def ago_text(seconds: float) -> str:
    """`just now`, `5 minutes ago`, `3 hours ago`: last-seen is a minute late at times, and need not look exact."""
    if seconds < 2 * TOUCH_SECONDS:
        return "just now"
    whole = seconds - seconds % next(size for size in (86400, 3600, 60) if seconds >= size)
    return f"{duration_text(whole)} ago"


def duration_text(seconds: float) -> str:
    """The two largest units: `59 minutes 32 seconds`, `2 days 3 hours`."""
    left, parts = int(seconds), []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}" + ("" if count == 1 else "s"))
    return " ".join(parts[:2]) or "less than a second"
