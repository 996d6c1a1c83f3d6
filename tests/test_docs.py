"""The documents agree with the code (aesthetics, habit 19)."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorkey import __version__
from doorkey.settings import ProviderSettings, Settings, rows
from doorkey.web import problems
from tests.test_errors import KINDS

ROOT = Path(__file__).parents[1]
SKIPPED = {"instance", "node_modules", "__pycache__", "dist", "build", "config.env"}
LARGEST_TEXT = 1_000_000
CODES = sorted(
    {kind.code for kind in KINDS} | {code for code, _, _ in problems.HTTP_WORDS.values()} | {problems.OTHER_WORDS[0]}
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]


def top_section(name: str) -> list[str]:
    """The pins before the second heading: what we chose, and not what those need."""
    return pins(read(name).partition("\n\n")[0])


def names(found: list[str]) -> list[str]:
    return [pin.partition("==")[0] for pin in found]


def texts() -> Iterator[tuple[str, str]]:
    """Every text file of the repository with its path."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
        if hidden or SKIPPED & set(parts) or not path.is_file() or path.stat().st_size > LARGEST_TEXT:
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            yield "/".join(parts), content.decode("utf-8", "replace")


def test_pyproject_begins_where_requirements_are_pinned() -> None:
    """A project that tests itself with Doorkey has pins of its own; the floor is what we test."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    floors = [re.sub(r",<.*", "", requirement).replace(">=", "==") for requirement in project["dependencies"]]
    assert sorted(floors) == sorted(top_section("requirements.txt"))


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-bench.txt"])
def test_every_version_is_pinned_once(name: str) -> None:
    found = pins(read(name))
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in found)
    assert len({pin.lower() for pin in names(found)}) == len(found)


@pytest.mark.parametrize(
    "name",
    names(
        top_section("requirements.txt") + top_section("requirements-dev.txt") + top_section("requirements-bench.txt")
    ),
)
def test_contributing_says_why_each_dependency_is_here(name: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", read("CONTRIBUTING.md"), re.IGNORECASE)


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_the_readme_says_how_to_start_within_its_first_screen(command: str) -> None:
    assert command in "\n".join(read("README.md").splitlines()[:25])


@pytest.mark.parametrize("command", ["run", "test"])
def test_the_makefile_has_what_the_readme_names(command: str) -> None:
    assert re.search(rf"^{command}:", read("Makefile"), re.MULTILINE)


def test_every_make_command_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.MULTILINE))
    for name, text in texts():
        if name.endswith(".md"):
            named = set(re.findall(r"(?:^|`)(?:\$ )?make ([a-z][a-z-]*)", text, re.MULTILINE))
            assert named <= targets, name


@pytest.mark.parametrize("row", [pytest.param(row, id=row.metadata["name"]) for row in rows(Settings)])
def test_every_setting_is_in_the_example_file(row: object) -> None:
    assert f"DOORKEY_{row.metadata['name']}=" in read("config.example.env")  # type: ignore[attr-defined]


def test_every_setting_that_a_document_names_exists() -> None:
    """A misspelt name in a document costs somebody an hour."""
    known = {f"DOORKEY_{row.metadata['name']}" for row in rows(Settings)} | {"DOORKEY_CONFIG"}
    ends = {row.metadata["name"] for row in rows(ProviderSettings)}
    for name, text in texts():
        if not name.endswith((".md", "Dockerfile", ".yml", ".yaml", ".env")):
            continue
        for setting in set(re.findall(r"\bDOORKEY_[A-Z0-9_]*[A-Z0-9]\b", text)):
            plain = setting if setting in known else setting.removesuffix("_FILE")
            of_provider = plain.startswith("DOORKEY_PROVIDER_") and any(plain.endswith("_" + end) for end in ends)
            prefix_only = setting in ("DOORKEY_PROVIDER",)
            assert plain in known or of_provider or prefix_only, f"{name} names {setting}"


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_is_explained(code: str) -> None:
    assert re.search(rf"(?<!\w){code}(?!\w)", read("docs/errors.md"))


def test_no_error_code_is_explained_that_does_not_exist() -> None:
    listed = re.findall(r"^(?:\| *|#+ *)`([a-z]+(?:_[a-z]+)+)`", read("docs/errors.md"), re.MULTILINE)
    assert set(listed) <= set(CODES)


def test_the_changelog_knows_this_version_or_what_comes_next() -> None:
    assert re.search(rf"^## \[?({re.escape(__version__)}|Unreleased)", read("CHANGELOG.md"), re.MULTILINE)


def test_links_between_documents_lead_somewhere() -> None:
    for name, text in texts():
        if not name.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not re.match(r"[a-z]+:", target):
                assert (ROOT / name).parent.joinpath(target).exists(), f"{name} links to {target}"


PRIVATE = [
    "py" + "pi.org", "python" + "hosted.org", "registry.np" + "mjs", "index" + "-url", "trusted" + "-host",
    "docker" + ".io", "quay" + ".io", "gh" + "cr.io",
]  # fmt: skip
PLACES = re.compile(r"(?<![\w.-])/" + r"(?:wor" + r"k/|tm" + r"p/v\d)")


def test_nothing_mentions_a_registry_or_a_place_on_the_machine_it_was_written_on() -> None:
    found = []
    for name, text in texts():
        found += [f"{name}: {word}" for word in PRIVATE if word in text]
        found += [f"{name}: {match[0]}" for match in PLACES.finditer(text)]
    assert found == []
