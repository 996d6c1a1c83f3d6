"""Without a mouse."""

from playwright.sync_api import Page, expect

FOCUSED = """() => {
    const element = document.activeElement, box = element.getBoundingClientRect(), style = getComputedStyle(element);
    return {
        text: (element.innerText || element.value || "").trim(),
        ringed: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        onScreen: box.width > 0 && box.top >= 0 && box.left >= 0
            && box.bottom <= innerHeight && box.right <= innerWidth,
    };
}"""


def tab_to(page: Page, words: str) -> None:
    """Tab until something that begins with `words` has the focus; each stop on the way must be seen."""
    passed = []
    for _ in range(30):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["ringed"], focused
        assert focused["onScreen"], focused
        if focused["text"].startswith(words):
            return
        passed.append(focused["text"])
    raise AssertionError(f"{words!r} was not reached, only {passed}")


def test_signing_in_and_out_needs_no_mouse(page: Page, home: str) -> None:
    page.goto(home)
    tab_to(page, "Sign in with")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a test user")
    tab_to(page, "Continue as Alice")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice Archer")
    tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    tab_to(page, "Sign in again")


def test_the_first_tab_stop_skips_to_the_content(page: Page, home: str) -> None:
    page.goto(home)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Sign in with")).to_be_focused()


def test_a_scope_is_taken_out_with_the_space_bar(page: Page, home: str) -> None:
    page.goto(f"{home}/login")
    box = page.get_by_label("message_read")
    box.focus()
    page.keyboard.press("Space")
    expect(box).not_to_be_checked()
