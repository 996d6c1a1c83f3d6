"""Pictures of Doorkey as it really looks.

    python scripts/screenshot.py                  docs/images/: home.png, home-dark.png, dev-dashboard.png, denied.png
    python scripts/screenshot.py --all FOLDER     every page, desktop and phone, light and dark

Starts the app by itself with nothing configured and the development provider alone, signs in as
Alice in headless Chromium, and stops everything again. Needs requirements-dev.txt and Debian's `chromium`.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, ViewportSize  # noqa: E402

from tests.browser.chromium import ChromiumMissing, chromium  # noqa: E402
from tests.browser.gate_tour import denied_somewhere  # noqa: E402
from tests.browser.sites import Sites, open_sites  # noqa: E402
from tests.browser.tour import TOUR, Go  # noqa: E402

IMAGES = ROOT / "docs" / "images"
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SIZES: dict[str, ViewportSize] = {"desktop": {"width": 1200, "height": 400}, "phone": {"width": 360, "height": 640}}

DASHBOARD: ViewportSize = {"width": 1200, "height": 1260}


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201


def picture(
    browser: Browser, sites: Sites, go: Go, file: Path, size: ViewportSize, scheme: Scheme, *, whole: bool = True
) -> None:
    """The page that `go` leads to, as high as its content, or what of it is seen first."""
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    try:
        sites.answer()
        page = context.new_page()
        go(page, sites)
        page.screenshot(path=file, full_page=whole)
    finally:
        context.close()
    say(f"wrote {file}")


def pictures_of_the_documents(browser: Browser, sites: Sites) -> None:
    """Those of README.md and docs/."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        file = IMAGES / ("home.png" if scheme == "light" else "home-dark.png")
        picture(browser, sites, TOUR["home"], file, SIZES["desktop"], scheme)
    picture(browser, sites, denied_somewhere, IMAGES / "denied.png", SIZES["desktop"], "light")
    picture(browser, sites, TOUR["dashboard"], IMAGES / "dev-dashboard.png", DASHBOARD, "light", whole=False)


def all_pictures(browser: Browser, sites: Sites, folder: Path) -> None:
    """Every stop of the tour, for people who review."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, go in TOUR.items():
        for size_name, size in SIZES.items():
            for scheme in SCHEMES:
                picture(browser, sites, go, folder / f"{name}-{size_name}-{scheme}.png", size, scheme)


def main() -> None:
    parser = argparse.ArgumentParser(description="Take pictures of Doorkey's pages.")
    parser.add_argument("--all", metavar="FOLDER", type=Path, help="write every page there instead")
    folder: Path | None = parser.parse_args().all
    with tempfile.TemporaryDirectory() as scratch:
        say("starting Doorkey with nothing configured, one with two providers, the provider alone, and Chromium")
        with open_sites(Path(scratch)) as sites, chromium() as browser:
            if folder:
                all_pictures(browser, sites, folder)
            else:
                say("signing in")
                pictures_of_the_documents(browser, sites)
    say("stopped everything again")


if __name__ == "__main__":
    try:
        main()
    except ChromiumMissing as missing:
        sys.exit(str(missing))
