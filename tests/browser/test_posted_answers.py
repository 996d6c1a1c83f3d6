"""RESPONSE_MODE=form_post in Chromium, from a provider on another site (web/posted_callbacks.py).

`localhost` and `127.0.0.1` are two sites, so the posted form comes without our Lax cookies, as in real life.
"""

from html import escape
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Page, expect

from tests.browser.sites import Sites

FORM = """<!doctype html><title>Provider</title>
<form method="post" action="{action}">{fields}</form><script>document.forms[0].submit()</script>"""


def post_back(sites: Sites, **fields: str) -> None:
    """Let the provider's page post `fields` and the state to where the request says."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        assert asked["response_mode"] == "form_post"
        inputs = "".join(
            f'<input name="{name}" value="{escape(value)}">'
            for name, value in {**fields, "state": asked["state"]}.items()
        )
        page = FORM.format(action=escape(asked["redirect_uri"]), fields=inputs).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(page)))
        handler.end_headers()
        handler.wfile.write(page)

    sites.provider.answer_raw("/authorize", answer)


def signing_in(browser: Browser, sites: Sites) -> tuple[Page, list[str]]:
    """A fresh profile that pressed the button, and what of Doorkey it asked for."""
    page = browser.new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    page.goto(f"{sites.configured.url}/login?provider=posting")
    return page, [line for line in asked if sites.configured.url in line]


def test_a_posted_code_signs_in_although_the_cookies_did_not_come_with_it(browser: Browser, sites: Sites) -> None:
    post_back(sites, code="canary-code")
    page, asked = signing_in(browser, sites)
    expect(page.get_by_role("heading", level=1)).to_have_text("Una User")
    assert page.url == f"{sites.configured.url}/"
    assert [cookie["name"] for cookie in page.context.cookies()] == ["doorkey"]
    assert "canary-code" not in " ".join(asked)
    page.context.close()


def test_a_posted_refusal_is_a_problem_page(browser: Browser, sites: Sites) -> None:
    post_back(sites, error="access_denied", error_description="not today")
    page, _ = signing_in(browser, sites)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Access was denied")
    expect(page.get_by_text("not today")).to_be_visible()
    assert page.context.cookies() == []
    page.context.close()
