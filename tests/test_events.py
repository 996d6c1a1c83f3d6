"""One event is one line, whatever is in it, and no secret is (events.py)."""

import json
import logging
from collections.abc import Iterator

import pytest

from doorkey import events
from doorkey.events import LONGEST_VALUE, JsonLines, TextLines, clean_text, fingerprint

NASTY = 'a\nb\r\n2026-01-01T00:00:00.000Z info login_ok\x1b[31m "quoted" \u2028 ü \ud800'


class Lines(logging.Handler):
    """Keeps what `formatter` makes of each record."""

    def __init__(self, formatter: logging.Formatter):
        super().__init__()
        self.setFormatter(formatter)
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))


@pytest.fixture(params=[JsonLines, TextLines])
def lines(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    handler, logger = Lines(request.param()), logging.getLogger("doorkey")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.written
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_an_event_is_one_line_of_ascii_whatever_its_values(lines: list[str]) -> None:
    events.log(events.LOGIN_FAILED, provider=NASTY, detail={"nested": NASTY}, odd=object())
    assert len(lines) == 1
    assert len(lines[0].splitlines()) == 1
    assert lines[0].isascii()
    assert lines[0].isprintable()


def test_a_line_has_time_level_event_request_id_and_fields(lines: list[str]) -> None:
    token = events.request_id.set("req-1")
    events.log(events.LOGIN_OK, level=logging.WARNING, provider="acme", count=3)
    events.request_id.reset(token)
    for part in ("Z", "warning", "login_ok", "req-1", "acme", "3"):
        assert part in lines[0]


def test_a_value_is_bounded(lines: list[str]) -> None:
    events.log("x", path="p" * 10_000)
    assert len(lines[0]) < LONGEST_VALUE + 200


def test_an_error_has_its_traceback(lines: list[str]) -> None:
    try:
        raise ValueError("the cause")
    except ValueError as error:
        events.log(events.UNEXPECTED_ERROR, error=error)
    assert "Traceback" in lines[0]
    assert "the cause" in lines[0]


def test_the_text_of_an_exception_cannot_forge_a_line(lines: list[str]) -> None:
    """Exceptions quote what somebody sent; a line that begins like an event must be one."""
    try:
        raise ValueError("\n2026-01-01T00:00:00.000Z info    login_ok provider=forged")
    except ValueError as error:
        events.log(events.UNEXPECTED_ERROR, error=error)
    assert [line for line in lines[0].splitlines()[1:] if line.startswith("2026")] == []


def test_lines_of_libraries_have_the_same_form() -> None:
    record = logging.LogRecord("urllib3", logging.WARNING, "f", 1, "retry %s", (NASTY,), None)
    entry = json.loads(JsonLines().format(record))
    assert (entry["event"], entry["level"]) == ("urllib3", "warning")
    assert entry["message"].startswith("retry a\nb")
    assert len(TextLines().format(record).splitlines()) == 1


def test_configuring_silences_those_who_log_secrets() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        events.configure("json")
        assert len(root.handlers) == 1
        for chatty in ("authlib.oauth2", "urllib3.connectionpool", "requests", "werkzeug", "uvicorn.access"):
            assert not logging.getLogger(chatty).isEnabledFor(logging.INFO), chatty
    finally:
        root.handlers[:], root.level = before


def test_a_fingerprint_tells_sameness_and_nothing_else() -> None:
    assert fingerprint("canary") == fingerprint("canary") != fingerprint("canary2")
    assert "canary" not in fingerprint("canary")
    assert fingerprint("\ud800").startswith("sha256:")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(" plain ", "plain", id="spaces around"),
        pytest.param("a\r\nb\x00c\x1b", "a  b c", id="control characters"),
        pytest.param("a\u202eb\u200bc", "a b c", id="characters that turn or hide"),
        pytest.param("code=canary&x", "code=****&x", id="a secret"),
        pytest.param("x" * 201, "x" * 199 + "…", id="too long"),
        pytest.param(12, "12", id="not a text"),
        pytest.param("grüße", "grüße", id="letters"),
    ],
)
def test_foreign_text_is_cleaned(text: object, shown: str) -> None:
    assert clean_text(text, secrets=("canary", "")) == shown


def test_a_secret_at_the_cut_is_masked_before_it() -> None:
    assert "can" not in clean_text("x" * 197 + "canary", secrets=("canary",))
