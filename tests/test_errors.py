"""Every error has a code, a status and words, and the map at the top names all of them (errors.py)."""

import pickle

import pytest

from doorkey import errors
from doorkey.errors import DoorkeyError, SettingsError


def _family(kind: type[DoorkeyError]) -> list[type[DoorkeyError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _family(child))]


KINDS = [kind for kind in _family(DoorkeyError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_code_status_message_and_hint(kind: type[DoorkeyError]) -> None:
    assert kind.code.replace("_", "a").isalpha()
    assert kind.code == kind.code.lower()
    assert 400 <= kind.status <= 599
    for words in (kind.message, kind.hint):
        assert words[0].isupper() or words.startswith("config.example.env")
        assert words.endswith(".")
    assert kind.rfc == "" or kind.rfc.startswith(("RFC ", "OpenID "))


def test_no_two_share_a_code() -> None:
    codes = [kind.code for kind in KINDS]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("kind", KINDS)
def test_the_map_names_each(kind: type[DoorkeyError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


def test_the_map_names_nothing_else() -> None:
    words = {word.strip(",") for word in (errors.__doc__ or "").split()}
    classes = {word for word in words if word[:1].isupper() and word.isalpha() and word[1:] != word[1:].lower()}
    assert classes - {kind.__name__ for kind in KINDS} <= {"Retry-After"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("CallbackError", 400), ("StateMismatch", 400), ("LoginAlreadyUsed", 400), ("IssuerMismatch", 400),
        ("AccessDenied", 403), ("ProviderError", 502), ("TokenRefused", 502), ("TokenResponseInvalid", 502),
        ("ProviderUnreachable", 504), ("StoreUnavailable", 503), ("TooManyRequests", 429),
    ],
)  # fmt: skip
def test_the_status_is_the_designs(kind: str, status: int) -> None:
    assert getattr(errors, kind).status == status


@pytest.mark.parametrize("kind", ["StoreUnavailable", "TooManyRequests"])
def test_who_should_come_again_is_told_when(kind: str) -> None:
    assert getattr(errors, kind)().retry_after > 0


def test_detail_is_for_the_log_and_not_in_the_words() -> None:
    error = errors.TokenRefused("canary", hint="Other.", step="elsewhere", provider_error={"error": "x"})
    assert "canary" not in error.message + error.hint
    assert (error.detail, error.hint, error.step, error.provider_error) == (
        "canary",
        "Other.",
        "elsewhere",
        {"error": "x"},
    )
    assert errors.TokenRefused.hint != "Other."


def test_a_settings_error_tells_all_problems() -> None:
    error = SettingsError(["one", "two"])
    assert error.problems == ["one", "two"]
    assert str(error) == "one; two"


def test_an_error_survives_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(errors.StoreUnavailable("detail")))
    assert (type(error), error.detail) == (errors.StoreUnavailable, "detail")
