"""My sessions: every browser in which I am signed in, and how to end each of them or all.

They are found by sessions/roster.py, which cannot open them: a token in another browser's session is not revoked
from here, it ends with its own life.
"""

from dataclasses import dataclass

from flask import Blueprint, Response, make_response, render_template

from doorkey import events
from doorkey.clock import iso
from doorkey.sessions.lifecycle import OpenSession
from doorkey.sessions.roster import Entry
from doorkey.web.account import provider_label
from doorkey.web.account_view import ago_text, minute_text, shown_name
from doorkey.web.logout import leave
from doorkey.web.runtime import doorkey
from doorkey.web.security import may_leave_to_provider, redirect_to, refuse_forged_form
from doorkey.web.session_interface import browser_session

bp = Blueprint("my_sessions", __name__)


@dataclass(frozen=True)
class Row:
    """One line of the page."""

    public_id: str
    is_this: bool
    device: str
    began: float
    began_iso: str
    began_text: str
    seen: float
    seen_iso: str
    seen_text: str


@bp.get("/account/sessions")
def show() -> Response:
    current = browser_session().current
    if current is None:
        return redirect_to("/")
    rows = sorted((_row(entry, current) for entry in _mine(current)), key=_order)
    identity = current.record.identity
    page = render_template(
        "my_sessions.html",
        rows=rows,
        who=shown_name(identity),
        is_known=bool(identity.sub),
        provider_label=provider_label(current.record),
        csrf_token=current.ids.csrf_token,
    )
    return may_leave_to_provider(make_response(page), identity.provider)


@bp.post("/account/sessions/<public_id>/revoke")
def revoke(public_id: str) -> Response:
    """End one of mine; one that is over already is what was wanted. Raises `ForgedRequest`."""
    current = browser_session().current
    if current is None:
        return redirect_to("/")
    refuse_forged_form(current.ids)
    if public_id == current.ids.public_id:
        return leave(current)
    ended = sum(doorkey().roster.end(entry) for entry in _mine(current) if entry.public_id == public_id)
    _note(current, ended)
    return redirect_to("/account/sessions#ended")


@bp.post("/account/sessions/revoke-all")
def revoke_all() -> Response:
    """Log out everywhere, here too. Raises `ForgedRequest`."""
    current = browser_session().current
    if current is None:
        return redirect_to("/")
    refuse_forged_form(current.ids)
    identity = current.record.identity

    def end_others() -> None:
        if identity.sub:
            _note(current, doorkey().roster.end_user(identity.provider, identity.sub))

    return leave(current, also=end_others)


def _order(row: Row) -> tuple[bool, float, float, str]:
    """This browser first, then whoever was here last."""
    return not row.is_this, -row.seen, -row.began, row.public_id


def _mine(current: OpenSession) -> list[Entry]:
    now = doorkey().clock()
    return [entry for entry in doorkey().roster.same_person(current) if entry.summary and now < entry.ends]


def _note(current: OpenSession, ended: int) -> None:
    identity = current.record.identity
    events.log(events.SESSIONS_ENDED, provider=identity.provider, user=identity.user, ended=ended, by="user")


def _row(entry: Entry, current: OpenSession) -> Row:
    summary = entry.summary
    assert summary is not None
    is_this = entry.record_id == current.ids.record_id
    now = doorkey().clock()
    seen = now if is_this else summary.last_seen  # that of this request is written after the answer
    return Row(
        public_id=entry.public_id,
        is_this=is_this,
        device=summary.label or "Unknown device",
        began=summary.created,
        began_iso=iso(summary.created),
        began_text=minute_text(summary.created),
        seen=seen,
        seen_iso=iso(seen),
        seen_text=ago_text(now - seen),
    )
