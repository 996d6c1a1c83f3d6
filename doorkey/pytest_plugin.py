"""The pytest plugin: fixtures `oauth_provider`, `oauth_failure` and `oauth_variation`, and the marker of the first.

Nothing of Doorkey is imported before a test asks for one of them. What they give is in doorkey/testing/.
"""

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from doorkey.testing import OAuthProvider
    from doorkey.testing.socket_server import SocketServer

MARKER = (
    "oauth_provider(transport='responses'|'server', strict=True, users=[...], access_token_lifetime=SECONDS, "
    "lifetimes={...}, redirect_uris=[...]): how the fixture oauth_provider is to be."
)
OPTIONS = ("transport", "strict", "users", "access_token_lifetime", "lifetimes", "redirect_uris")
KIND_OF = {"oauth_failure": "reject", "oauth_variation": "accept"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The names for `oauth_failure` and `oauth_variation`, unless the test gives its own."""
    own = {str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize") if mark.args}
    for name, kind in KIND_OF.items():
        if name in metafunc.fixturenames and not any(name in names.replace(",", " ").split() for names in own):
            from doorkey.testing.sign_in_failures import failure_names

            metafunc.parametrize(name, failure_names(kind), indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the provider was asked, secrets masked."""
    report = yield
    module = sys.modules.get("doorkey.testing")
    provider = (getattr(item, "funcargs", None) or {}).get("oauth_provider")
    if module and isinstance(provider, module.OAuthProvider) and report.when == "call" and report.failed:
        asked = "\n".join(repr(one) for one in provider.requests) or "none"
        unused = "".join(f"\nasked for, and did not happen: {name}" for name in provider.pending)
        report.sections.append(("requests to oauth_provider", asked + unused))
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Secrets that are compared are not shown either."""
    module = sys.modules.get("doorkey.testing.issued_token")
    if module is None or not isinstance(left, module.Masked) | isinstance(right, module.Masked):
        return None
    whole = op in ("==", "!=")
    said = " ".join((_shown(left, module, whole=whole), op, _shown(right, module, whole=whole)))
    for secret in (left, right):
        if isinstance(secret, module.Masked) and secret:
            said = said.replace(secret, repr(secret))
    return [said]


def _shown(value: object, module: Any, *, whole: bool) -> str:
    """A text that a secret is compared with (`whole`) is one too; one that it is looked for in is not."""
    return repr(module.Masked(value)) if whole and isinstance(value, str) else repr(value)


@pytest.fixture
def oauth_provider(request: pytest.FixtureRequest) -> Iterator["OAuthProvider"]:
    """An OAuth 2.0 and OpenID Connect provider that this test has for itself."""
    options = _options(request.node)
    over_socket = options.get("transport") == "server"
    server = request.getfixturevalue("_oauth_provider_server") if over_socket else None
    from doorkey.testing import OAuthProvider

    try:
        provider = OAuthProvider(server=server, **options).start()
    except (ValueError, RuntimeError) as error:
        pytest.fail(f"oauth_provider: {error}", pytrace=False)
    yield provider
    provider.stop()


@pytest.fixture
def oauth_failure(request: pytest.FixtureRequest) -> str:
    """The name of a failure that a client must reject; the test runs once for each that a sign-in can have."""
    return str(request.param)


@pytest.fixture
def oauth_variation(request: pytest.FixtureRequest) -> str:
    """The name of a variation that a client must accept; the test runs once for each that a sign-in can have."""
    return str(request.param)


@pytest.fixture(scope="session")
def _oauth_provider_server() -> Iterator["SocketServer"]:
    from doorkey.testing.socket_server import SocketServer

    server = SocketServer()
    server.start()
    yield server
    server.stop()


def _options(node: pytest.Item) -> dict[str, Any]:
    """What the markers say; the nearest one has the last word."""
    found: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers("oauth_provider"))):
        unknown = [str(value) for value in mark.args] + [name for name in mark.kwargs if name not in OPTIONS]
        if unknown:
            pytest.fail(
                f"The marker oauth_provider does not know {', '.join(unknown)}; it knows {', '.join(OPTIONS)}.",
                pytrace=False,
            )
        found |= mark.kwargs
    return found
