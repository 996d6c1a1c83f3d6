"""A certified provider that is not ours, and a person at its pages: `oidc-provider` for Node, on loopback over TLS.

    with oidc_provider.running(folder, redirect_uri=..., jwks=...) as provider:
        answer = provider.sign_in(authorization_url)      # the redirect to the client, not followed
        provider.requests()                               # what the client sent, secrets hidden

The provider is oidc-provider/server.js; `npm ci` brings it, as oidc-provider/package-lock.json says. Its
clients are in oidc-provider/clients.js, its accounts (alice and bob; any other name has no claims) and its
resources in config.js. In the three addresses, `{client}` stands for the client_id.

It calls back-channel logout addresses at plain http, or at https with a certificate of `OidcProvider.authority`.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import trustme
from requests import Response, Session

from tests.interop import node

HERE = Path(__file__).parent / "oidc-provider"
PATIENCE = 20.0
"""Seconds that the provider may take to start, to answer or to stop on a busy machine."""
PAGES = 10
"""More than there are between a request and its answer: beyond it, they go round in circles."""


class Refused(AssertionError):
    """The provider showed an error instead of sending the browser back."""

    def __init__(self, status: int, page: str):
        super().__init__(f"the provider answered {status}: {page[-2000:]}")
        self.status = status
        self.page = page


@dataclass(frozen=True)
class Client:
    """A registered client; `metadata` is all of its registration."""

    id: str
    secret: str | None
    auth_method: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Post:
    """A form that posts itself to the client: response_mode=form_post."""

    action: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Form:
    """The first form of a page. `page` is login, consent, or empty when it is not one of pages.js."""

    action: str
    page: str
    fields: dict[str, str]


@dataclass
class OidcProvider:
    """The running provider. `ca_file` is what DOORKEY_CA_BUNDLE needs."""

    issuer: str
    ca_file: Path
    authority: trustme.CA
    clients: Mapping[str, Client]
    resources: tuple[str, ...]
    seconds: float
    """How long its start took."""
    log_file: Path
    _control: Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._control = self.browser()

    @property
    def metadata_url(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"

    def browser(self) -> Session:
        """Somebody with no cookies; give it to two sign-ins and the second needs no password."""
        browser = Session()
        browser.verify = str(self.ca_file)
        browser.trust_env = False  # a proxy or a CA bundle of the machine must not decide what is tested
        return browser

    def sign_in(
        self,
        authorization_url: str,
        account: str = "alice",
        *,
        acr: str | None = None,
        browser: Session | None = None,
    ) -> str:
        """The address at the client that the browser is sent to, an error of the protocol included.

        `acr` is how the person authenticated; the first of acr_values when not given.
        """
        answers = {"login": _login(account, acr), "consent": {"answer": "continue"}}
        return _address(self._walk(authorization_url, answers, browser))

    def sign_in_by_post(
        self, authorization_url: str, account: str = "alice", *, browser: Session | None = None
    ) -> Post:
        """The same for response_mode=form_post: what the page would post to the client."""
        answers = {"login": _login(account, None), "consent": {"answer": "continue"}}
        answer = self._walk(authorization_url, answers, browser)
        assert isinstance(answer, Post), f"a redirect, not a form: {answer}"
        return answer

    def deny(self, authorization_url: str, account: str = "alice", *, browser: Session | None = None) -> str:
        """Sign in and refuse to let the client know; the address at the client with access_denied."""
        answers = {"login": _login(account, None), "consent": {"answer": "refuse"}}
        return _address(self._walk(authorization_url, answers, browser))

    def confirm_logout(self, url: str, *, browser: Session | None = None) -> str:
        """Say yes at the page of the end_session_endpoint; where the browser is sent then.

        Without a registered post_logout_redirect_uri that is a page of the provider (/session/end/success).
        """
        browser = browser or self.browser()
        page = browser.get(url, allow_redirects=False, timeout=PATIENCE)
        if page.status_code != 200:
            raise Refused(page.status_code, page.text)
        form = _form(page)
        done = browser.post(form.action, {**form.fields, "logout": "yes"}, allow_redirects=False, timeout=PATIENCE)
        if not done.is_redirect:
            raise Refused(done.status_code, done.text)
        return urljoin(done.url, done.headers["Location"])

    def requests(self, path: str = "") -> list[dict[str, Any]]:
        """Every request so far, or those for `path`: method, path, authorization (its scheme), accept,
        content_type, params, status, error. Secrets, codes and tokens are "(hidden)"; client_assertion is
        its header and claims.
        """
        seen: list[dict[str, Any]] = self._ask("GET", "requests")
        return [request for request in seen if path in ("", request["path"])]

    def forget_requests(self) -> None:
        self._ask("DELETE", "requests")

    def rotate_keys(self) -> list[str]:
        """Replace every signing key; the ids of the new ones. The old ones are no longer in the JWKS."""
        kids: list[str] = self._ask("POST", "rotate-keys")
        return kids

    @property
    def log(self) -> str:
        """What it wrote so far: its errors, and logout tokens that it could not deliver."""
        return self.log_file.read_text(errors="replace")

    def _ask(self, method: str, path: str) -> Any:
        response = self._control.request(method, f"{self.issuer}/test/{path}", timeout=PATIENCE)
        response.raise_for_status()
        return response.json()

    def _walk(self, url: str, answers: Mapping[str, Mapping[str, str]], browser: Session | None) -> str | Post:
        """From page to page until one is not the provider's: its address, or the form that goes there."""
        browser = browser or self.browser()
        response = browser.get(url, allow_redirects=False, timeout=PATIENCE)
        for _ in range(PAGES):
            if response.is_redirect:
                target = urljoin(response.url, response.headers["Location"])
                if not self._ours(target):
                    return target
                response = browser.get(target, allow_redirects=False, timeout=PATIENCE)
                continue
            form = _form(response)
            if not self._ours(form.action):
                return Post(form.action, form.fields)
            fields = {**form.fields, **answers.get(form.page, {})}
            response = browser.post(form.action, fields, allow_redirects=False, timeout=PATIENCE)
        raise AssertionError(f"no end to the pages of the provider, the last is {response.url}")

    def _ours(self, url: str) -> bool:
        return url.startswith(f"{self.issuer}/")


def proof_in(request: Mapping[str, Any]) -> str:
    """How the client proved itself in one of `requests()`: by a scheme, by the algorithm of an assertion, ..."""
    if request["authorization"]:
        return str(request["authorization"])
    if "client_assertion" in request["params"]:
        return str(request["params"]["client_assertion"]["header"]["alg"])
    return "client_secret" if "client_secret" in request["params"] else "nothing"


@contextmanager
def running(
    folder: Path,
    *,
    redirect_uri: str,
    post_logout_redirect_uri: str,
    backchannel_logout_uri: str,
    jwks: Mapping[str, Any],
) -> Iterator[OidcProvider]:
    """The provider in a process of its own, its files in `folder`; `jwks` are the client's public keys."""
    node.install(HERE)
    folder = folder.resolve()  # the process has another working directory
    authority = trustme.CA()
    config = {
        **_certificate(authority, folder),
        "redirect_uri": redirect_uri,
        "post_logout_redirect_uri": post_logout_redirect_uri,
        "backchannel_logout_uri": backchannel_logout_uri,
        "jwks": jwks,
    }
    config_file, ca_file, log_file = folder / "config.json", folder / "ca.pem", folder / "oidc-provider.log"
    config_file.write_text(json.dumps(config))
    authority.cert_pem.write_to_path(str(ca_file))
    began = time.monotonic()
    process = node.start(
        HERE, "server.js", str(config_file), log=log_file, environ={"NODE_EXTRA_CA_CERTS": str(ca_file)}
    )
    said: dict[str, Any] = {}
    try:
        said = _first_line(process, log_file)
        yield OidcProvider(
            issuer=said["issuer"],
            ca_file=ca_file,
            authority=authority,
            clients={metadata["client_id"]: _client(metadata) for metadata in said["clients"]},
            resources=tuple(said["resources"]),
            seconds=time.monotonic() - began,
            log_file=log_file,
        )
    except BaseException as error:
        error.add_note(f"oidc-provider wrote:\n{log_file.read_text(errors='replace')[-3000:]}")
        raise
    finally:
        _stop(process, said.get("pid"))


def _certificate(authority: trustme.CA, folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    issued = authority.issue_cert("127.0.0.1", "localhost")
    key, chain = folder / "key.pem", folder / "cert.pem"
    issued.private_key_pem.write_to_path(str(key))
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    return {"key": str(key), "cert": str(chain)}


def _client(metadata: Mapping[str, Any]) -> Client:
    return Client(
        metadata["client_id"], metadata.get("client_secret"), metadata["token_endpoint_auth_method"], metadata
    )


def _first_line(process: subprocess.Popen[bytes], log_file: Path) -> dict[str, Any]:
    """What it says when it listens; the library may write words of its own before."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for line in log_file.read_text(errors="replace").splitlines(keepends=True):
            if line.startswith('{"issuer"') and line.endswith("\n"):
                said: dict[str, Any] = json.loads(line)
                return said
        assert process.poll() is None, f"the provider ended with {process.returncode} before it listened"
        time.sleep(0.01)
    raise AssertionError("the provider did not listen in time")


def _stop(process: subprocess.Popen[bytes], pid: int | None) -> None:
    """`pid` is the server's own: where Node is started by a script, ending that script would leave it running."""
    if pid is None:
        process.terminate()
    elif process.poll() is None:
        os.kill(pid, signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _login(account: str, acr: str | None) -> dict[str, str]:
    return {"answer": "continue", "account": account, **({} if acr is None else {"acr": acr})}


def _address(answer: str | Post) -> str:
    assert isinstance(answer, str), f"a form, not a redirect: {answer.action}"
    return answer


def _form(response: Response) -> Form:
    reader = _FormReader()
    reader.feed(response.text)
    if reader.attributes is None:
        raise Refused(response.status_code, response.text)
    action = urljoin(response.url, reader.attributes.get("action") or response.url)
    return Form(action, reader.attributes.get("data-page") or "", reader.fields)


class _FormReader(HTMLParser):
    """The first form of a page and the fields in it; buttons are for who presses them."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: dict[str, str | None] | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and self.attributes is None:
            self.attributes = given
        elif tag == "input" and self.attributes is not None and given.get("name"):
            self.fields[str(given["name"])] = given.get("value") or ""
