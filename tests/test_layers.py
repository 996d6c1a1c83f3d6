"""The shape of the package: imports point downwards, names are unique, sizes stay small (DESIGN section 2)."""

import ast
import functools
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "doorkey"
WORDS = (
    "settings",
    "setting_tables",
    "setting_rules",
    "setting_values",
    "setting_urls",
    "setting_stores",
    "errors",
    "events",
    "clock",
    "presets",
    "paths",
    "http_headers",
    "base64url",
    "addresses",
)
ORDER = ("words", "oauth", "sessions", "gate", "web", "development", "factory", "cli", "testing", "pytest_plugin")
"""Each layer may import itself and those before it."""

ASIDE = {"devprovider": ("words",)}
"""Beside the order: what it may import, and only those listed below may import it."""

USERS_OF_ASIDE = ("development", "cli", "testing", "pytest_plugin")
FLASK_IN_THE_PROVIDER = ("app", "visits", "protocol_views", "page_views", "control_views")
LONGEST_FUNCTION = 50
LONGEST_FILE = 350

FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Parsed once for all tests here, which look at each file many times."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(path)))


def layer_of(module: str) -> str:
    """The layer of a module of the package; the package itself counts as words, `__main__` as cli."""
    part = ([*module.split("."), ""])[1]
    if part in ("", *WORDS):
        return "words"
    return "cli" if part == "__main__" else part


def imports_of(module: str) -> Iterator[str]:
    """Every module that `module` names in an import, wherever in the file, and by `import_module`."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in MODULES else source
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            yield from _lazy(node)


def _lazy(node: ast.Call) -> Iterator[str]:
    """`import_module(f"doorkey.cli.{name}")` counts as an import of all of `doorkey.cli`."""
    text = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
    assert isinstance(text, ast.Constant), "import_module needs a name that begins with a constant"
    yield from (name for name in MODULES if name.startswith(str(text.value)))


def own_imports(module: str) -> set[str]:
    return {name for name in imports_of(module) if name in MODULES} - {module}


def foreign_imports(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(module) if not name.startswith("doorkey")}


def may_import(importer: str, imported: str) -> bool:
    if importer == imported:
        return True
    if importer in ASIDE:
        return imported in ASIDE[importer]
    if imported in ASIDE:
        return importer in USERS_OF_ASIDE
    return ORDER.index(imported) < ORDER.index(importer)


def test_the_reader_of_imports_sees_something() -> None:
    assert "doorkey.errors" in own_imports("doorkey.settings")
    assert "flask" in foreign_imports("doorkey.web.login")
    assert "doorkey.cli.serve" in own_imports("doorkey.cli")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_in_a_layer(module: str) -> None:
    assert layer_of(module) in (*ORDER, *ASIDE)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    wrong = {name for name in own_imports(module) if not may_import(layer_of(module), layer_of(name))}
    assert wrong == set()


def test_there_are_no_cycles() -> None:
    """The command line names its commands and imports them when they are called; that is none."""
    left = {module: own_imports(module) for module in MODULES}
    left["doorkey.cli"] = set()  # lazily, by name, when a command is called
    while left:
        free = [module for module, needs in left.items() if not needs & set(left)]
        assert free, f"these import one another: {sorted(left)}"
        for module in free:
            del left[module]


FLASK_FREE = ("words", "oauth", "sessions")


@pytest.mark.parametrize("module", [m for m in MODULES if layer_of(m) in FLASK_FREE])
def test_below_the_web_nothing_knows_flask(module: str) -> None:
    assert not foreign_imports(module) & {"flask", "flask_session", "werkzeug", "jinja2"}


@pytest.mark.parametrize("module", [m for m in MODULES if layer_of(m) == "devprovider"])
def test_of_the_provider_only_its_views_know_flask(module: str) -> None:
    assert "flask" not in foreign_imports(module) or module.rpartition(".")[2] in FLASK_IN_THE_PROVIDER


@pytest.mark.parametrize("module", [m for m in MODULES if layer_of(m) not in ("oauth", "devprovider")])
def test_authlib_and_requests_are_named_in_the_client_half_only(module: str) -> None:
    assert not foreign_imports(module) & {"authlib", "requests", "urllib3", "joserfc"}


def test_one_module_touches_flask_session() -> None:
    touching = [m for m in MODULES if "flask_session" in foreign_imports(m) or _names_session(MODULES[m])]
    assert touching == ["doorkey.web.session_interface"]


def _names_session(path: Path) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "flask"
        and any(alias.name == "session" for alias in node.names)
        for node in nodes_of(path)
    )


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    docstring = ast.get_docstring(tree_of(MODULES[module]))
    assert docstring
    assert docstring.splitlines()[0].rstrip().endswith((".", ":", ",", "?")) or len(docstring.splitlines()) > 1


def test_a_packages_docstring_lists_its_modules() -> None:
    for path in FILES:
        if path.name != "__init__.py" or path.parent.name in ("doorkey", "cli"):
            continue
        text = path.read_text(encoding="utf-8")
        missing = [other.name for other in path.parent.glob("*.py") if other != path and other.name not in text]
        assert missing == [], path.parent.name


def test_file_names_are_unique() -> None:
    names = sorted(path.name for path in FILES if not path.name.startswith("__"))
    assert [one for one, other in pairwise(names) if one == other] == []


@pytest.mark.parametrize("path", [pytest.param(path, id=path.relative_to(PACKAGE).as_posix()) for path in FILES])
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            assert node.end_lineno - node.lineno + 1 <= LONGEST_FUNCTION, node.name


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, id=p.relative_to(PACKAGE.parent).as_posix()) for p in sorted(Path(__file__).parent.rglob("*.py"))],
)
def test_test_files_stay_small_too(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    assert ast.get_docstring(tree_of(path)) or not text.strip()
