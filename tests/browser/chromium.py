"""Debian's Chromium, driven by Playwright; used by the tests here and by scripts/screenshot.py."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserType, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
NO_PAGE_CACHE = "--disable-back-forward-cache"
"""Playwright says so by default, because a page out of that cache confuses it; people have the cache."""


class ChromiumMissing(Exception):
    """Says what to install."""


def chromium_path() -> str:
    """`DOORKEY_TEST_CHROMIUM`, or where Debian has it. Raises `ChromiumMissing`."""
    path = os.environ.get("DOORKEY_TEST_CHROMIUM") or "/usr/bin/chromium"
    if not Path(path).is_file():
        raise ChromiumMissing(
            f"There is no {path}. The browser tests need Chromium: install the Debian package `chromium` "
            "(apt-get install chromium), or name another one in DOORKEY_TEST_CHROMIUM."
        )
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser, closed at the end."""
    chromium_path()
    with sync_playwright() as playwright, launched(playwright.chromium) as browser:
        yield browser


@contextmanager
def launched(kind: BrowserType, *, page_cache: bool = False) -> Iterator[Browser]:
    """One more browser; `page_cache` keeps Chromium's back/forward cache."""
    left_out = [NO_PAGE_CACHE] if page_cache else None
    browser = kind.launch(executable_path=chromium_path(), args=list(ARGUMENTS), ignore_default_args=left_out)
    try:
        yield browser
    finally:
        browser.close()
