"""The pages of the gate, for tour.py: a refusal, a form that was not sent, sign-ins that go round in circles.

Where a proxy can lead there, it does; pages about addresses that are not on this machine are opened with a ticket.
"""

import time
from typing import Any

from playwright.sync_api import Page

from doorkey.gate.tickets import TICKET_SECONDS, Ticket, Tickets
from doorkey.sessions.seal import Keyring
from tests.browser.sites import LONG, SECRET_KEY, Sites
from tests.browser.ways import come_back, sign_in

LONG_HOST = ".".join(["a-very-long-part-of-a-host-name-for-this-page"] * 5) + ".example.com:8443"
LONG_URL = f"https://{LONG_HOST}/reports/" + "a-long-name-without-a-break" * 66
LONG_RULE = "everybody-who-keeps-the-books-of-the-eastern-branch" * 2
ARABIC: dict[str, object] = {"sub": "user-2", "name": "محمد بن عبد الله الأندلسي", "groups": []}
"""Has no e-mail address."""


def ticket(url: str = "https://books.example.com/accounts/2026", *, age: float = 0, **more: Any) -> str:
    """As a check of `configured` would seal it."""
    authority = url.split("/")[2]
    usual = {"method": "GET", "reason": "not_allowed", "rule": "admins only", "dialect": "forward"}
    made = Ticket(url, authority, issued=time.time() - age, **{"request_id": "2181145114b81b4a", **usual, **more})
    return Tickets(Keyring([SECRET_KEY.encode()]), Ticket, time.time).seal(made)


def open_page(page: Page, sites: Sites, path: str, rt: str = "") -> None:
    page.goto(f"{sites.configured.url}{path}" + (f"?rt={rt}" if rt else ""))


def denied(page: Page, sites: Sites) -> None:
    sign_in(page, sites.newcomer.url, "Bob Baker")
    page.goto(sites.front.guarded_by(sites.newcomer) + "/admin/users?page=2")


def denied_somewhere(page: Page, sites: Sites) -> None:
    """For the documents: as it looks to somebody at work."""
    come_back(page, sites)
    open_page(page, sites, "/denied", ticket())


def denied_long_values(page: Page, sites: Sites) -> None:
    sites.answer(user=LONG)
    come_back(page, sites)
    open_page(page, sites, "/denied", ticket(LONG_URL, rule=LONG_RULE, policy="accounts-of-the-eastern-branch" * 3))


def denied_right_to_left(page: Page, sites: Sites) -> None:
    sites.answer(user=ARABIC)
    come_back(page, sites)
    open_page(page, sites, "/denied", ticket())


def denied_signed_out(page: Page, sites: Sites) -> None:
    open_page(page, sites, "/denied", ticket())


def denied_long_ago(page: Page, sites: Sites) -> None:
    come_back(page, sites)
    open_page(page, sites, "/denied", ticket(age=TICKET_SECONDS + 1))


def denied_by_the_proxy(page: Page, sites: Sites) -> None:
    """The few words of the gate itself."""
    sites.answer(user={**LONG, "email": "averylongmailboxname" * 4 + "@example.com"})
    come_back(page, sites)
    page.goto(sites.front.guarded_by(sites.configured, dialect="forward") + "/admin?" + "long=value&" * 180)


def form_not_sent(page: Page, sites: Sites) -> None:
    page.goto(sites.front.guarded_by(sites.newcomer) + "/form")
    page.get_by_label("Note").fill("quite some words")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Continue as Bob Baker").click()
    page.get_by_role("heading", name="Your form was not sent").wait_for()


def form_not_sent_long_values(page: Page, sites: Sites) -> None:
    open_page(page, sites, "/form-not-sent", ticket(LONG_URL, method="POST"))


def login_loop(page: Page, sites: Sites) -> None:
    sign_in(page, sites.newcomer.url)
    page.goto(sites.front.guarded_by(sites.newcomer, loses_cookies=True) + "/reports?year=2026")


def login_loop_long_values(page: Page, sites: Sites) -> None:
    """With two causes."""
    come_back(page, sites)
    url = LONG_URL.replace("https:", "http:")
    for _ in range(3):
        rt = ticket(url, cookies="several", reason="no_session")
        page.request.get(f"{sites.configured.url}/login?rt={rt}", max_redirects=0)
    open_page(page, sites, "/login", ticket(url, cookies="several", reason="no_session", age=-20))


STOPS = (
    *(denied, denied_long_values, denied_right_to_left, denied_signed_out, denied_long_ago, denied_by_the_proxy),
    *(form_not_sent, form_not_sent_long_values, login_loop, login_loop_long_values),
)
