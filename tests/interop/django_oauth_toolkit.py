"""A provider that is not ours, for Doorkey to sign in at: django-oauth-toolkit, by Django, oauthlib and jwcrypto.

    with running(folder, redirect_uri=..., post_logout_redirect_uri=...) as provider:
        back = provider.sign_in(authorization_url)  # where its pages send the browser: to the client

It is the process django_provider/provider_site.py on loopback, over TLS, in an environment made of
django_provider/requirements.txt. Its pages are walked with requests, one browser for each account.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin

import trustme
from requests import Session

from tests.samples.environments import Environment

HERE = Path(__file__).parent / "django_provider"
PATIENCE = 60.0
"""Seconds that it may take to start, most of them for its migrations, or to answer."""
MOST_PAGES = 10


@dataclass(frozen=True)
class Client:
    """A registered client; `algorithm` is of its ID tokens."""

    id: str
    secret: str
    auth_method: Literal["client_secret_basic", "client_secret_post", "none"]
    algorithm: Literal["RS256", "HS256"]


@dataclass
class DjangoProvider:
    """It as seen from outside. Client ids: `basic-client`, `post-client`, `public-client`, `hs256-client`."""

    issuer: str
    ca_file: Path
    clients: Mapping[str, Client]
    passwords: Mapping[str, str]
    _browsers: dict[str, Session] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return self.issuer.removesuffix("/o")

    @property
    def revocation_endpoint(self) -> str:
        """Not in the OpenID document, only in the one of RFC 8414."""
        return f"{self.issuer}/revoke_token/"

    @property
    def introspection_endpoint(self) -> str:
        return f"{self.issuer}/introspect/"

    def sign_in(self, authorization_url: str, account: str = "alice") -> str:
        """Signs in if it is asked to, consents, and gives the URL that leads to the client."""
        return self._away(self._walk(account, authorization_url, allow=True))

    def deny(self, authorization_url: str, account: str = "alice") -> str:
        """Signs in if it is asked to, refuses consent, and gives the URL that leads to the client."""
        return self._away(self._walk(account, authorization_url, allow=False))

    def confirm_logout(self, end_session_url: str, account: str = "alice") -> str:
        """Signs out, and gives the URL that this leads to: the client's, or the provider's when none was asked for."""
        return self._walk(account, end_session_url, allow=True)

    def requests(self) -> list[dict[str, Any]]:
        """What was asked so far, pages too; values only of parameters that are not secret."""
        answer = self._session().get(f"{self.origin}/test/requests", timeout=PATIENCE)
        answer.raise_for_status()
        seen: list[dict[str, Any]] = answer.json()
        return seen

    def close(self) -> None:
        for browser in self._browsers.values():
            browser.close()

    def _session(self, account: str = "") -> Session:
        if account not in self._browsers:
            session = Session()
            session.trust_env = False
            session.verify = str(self.ca_file)
            self._browsers[account] = session
        return self._browsers[account]

    def _away(self, url: str) -> str:
        assert not self._is_here(url), f"the provider did not send the browser to the client, but to {url}"
        return url

    def _is_here(self, url: str) -> bool:
        return url.startswith(f"{self.origin}/")

    def _walk(self, account: str, url: str, *, allow: bool) -> str:
        """Follows redirects and fills in forms until there are none, or the browser is sent elsewhere."""
        browser = self._session(account)
        answer = browser.get(url, allow_redirects=False, timeout=PATIENCE)
        for _ in range(MOST_PAGES):
            here = answer.url
            if answer.is_redirect:
                there = urljoin(here, answer.headers["Location"])
                if not self._is_here(there):
                    return there
                answer = browser.get(there, allow_redirects=False, timeout=PATIENCE)
                continue
            assert answer.status_code == 200, f"the provider answered {answer.status_code}: {answer.text}"
            inputs = _Inputs(answer.text).values
            if not inputs:
                return here
            filled = self._fill_in(inputs, account, allow)
            # Django wants to know where a form came from, as browsers tell it.
            answer = browser.post(here, data=filled, headers={"Referer": here}, allow_redirects=False, timeout=PATIENCE)
        raise AssertionError(f"the provider's pages do not end: {answer.url}\n{answer.text}")

    def _fill_in(self, inputs: Mapping[str, str], account: str, allow: bool) -> dict[str, str]:
        """The login page, or one with a button `allow` beside one without a name that refuses."""
        if "password" in inputs:
            return {**inputs, "username": account, "password": self.passwords[account]}
        return {name: value for name, value in inputs.items() if allow or name != "allow"}


class _Inputs(HTMLParser):
    """The named inputs of a page with one form."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        if tag == "input" and (name := of.get("name")):
            self.values[name] = of.get("value") or ""


def make_environment(folder: Path) -> Environment:
    """The provider's own environment, without a pip of its own; see tests/samples/environments.py."""
    python = Path(sys.executable)
    ours, made = Environment(python.parents[1]), Environment(folder / "django-environment")
    install = ["pip", "--python", str(made.folder / "bin" / "python"), "install", "--no-compile", "--no-input"]
    for command in (
        ["venv", "--without-pip", str(made.folder)],
        [*install, "--quiet", "--requirement", str(HERE / "requirements.txt")],
    ):
        done = ours.run(python.name, "-m", *command, cwd=folder)
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return made


@contextmanager
def running(
    folder: Path,
    *,
    redirect_uri: str,
    post_logout_redirect_uri: str,
    environment: Environment | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[DjangoProvider]:
    """The provider with all it has in `folder`, stopped at the end; when the block fails, with what it wrote.

    `environment` is of `make_environment`, for another one in the same place; `settings` change
    OAUTH2_PROVIDER, for example {"ACCESS_TOKEN_EXPIRE_SECONDS": 1}.
    """
    environment = environment or make_environment(folder)
    folder = Path(tempfile.mkdtemp(prefix="django-provider-", dir=folder))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "localhost.pem")
    options = {
        "--folder": str(folder),
        "--certificate": str(folder / "localhost.pem"),
        "--redirect-uri": redirect_uri,
        "--post-logout-redirect-uri": post_logout_redirect_uri,
        "--settings": json.dumps(dict(settings or {})),
    }
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [environment.folder / "bin" / "python", HERE / "provider_site.py", *_flat(options)],
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        provider = _provider(_wait_until_it_is_ready(process, folder / "stdout"), folder / "ca.pem")
        try:
            yield provider
        finally:
            provider.close()
    except BaseException as error:
        error.add_note(f"django-oauth-toolkit wrote:\n{(folder / 'stderr').read_text(errors='replace')[-5000:]}")
        raise
    finally:
        process.kill()  # at once: it keeps nothing, and would wait for connections that clients hold open
        process.wait()


def _flat(options: Mapping[str, str]) -> list[str]:
    return [part for pair in options.items() for part in pair]


def _wait_until_it_is_ready(process: subprocess.Popen[bytes], stdout: Path) -> dict[str, Any]:
    """The line that it writes then."""
    deadline = time.monotonic() + PATIENCE
    while not (said := stdout.read_text()).endswith("\n"):
        assert process.poll() is None, f"the provider ended with {process.returncode} before it was ready"
        assert time.monotonic() < deadline, "the provider was not ready in time"
        time.sleep(0.02)
    ready: dict[str, Any] = json.loads(said)
    return ready


def _provider(ready: Mapping[str, Any], ca_file: Path) -> DjangoProvider:
    clients = {client["id"]: Client(**client) for client in ready["clients"]}
    return DjangoProvider(ready["issuer"], ca_file, clients, ready["accounts"])
