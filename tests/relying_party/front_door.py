"""A Doorkey with one OpenID provider, the development provider, and a browser that signs in there.

    door = FrontDoor(folder, clock)
    door.fail("invalid-iss")
    seen = Browser(door).sign_in()          # seen.status, seen.code, seen.step
    door.asked()                            # ("metadata", "authorize", "token", "jwks")
    door.end_at_provider(sub="alice")       # what Doorkey answered to each logout token

The provider is asked in process unless a `transport` to a real socket is given; it asks Doorkey in process always.
Used by all tests in this folder.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from werkzeug.test import Client as ProviderClient
from werkzeug.test import TestResponse

from doorkey.base64url import decode
from doorkey.clock import Clock
from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.inprocess import InProcessAdapter
from doorkey.devprovider.realm import DevProvider, Realm
from doorkey.devprovider.scripted_responses import read_response
from doorkey.devprovider.users import Client
from doorkey.devprovider.wire import HANG_UP, SLEEP, HungUp
from doorkey.factory import create_app
from doorkey.oauth.http import Transport
from doorkey.sessions.lifecycle import OpenSession
from doorkey.settings import load
from doorkey.testing.provider_app import KEYS, PAGES
from doorkey.testing.visitor import Page
from doorkey.web.runtime import Doorkey
from tests.support.person import Person

ORIGIN = "http://127.0.0.1:8000"
PROVIDER = "http://127.0.0.1:9000"
CLIENT_ID = "front-door"
SECRET = "canary %41+x:/ &=?k-0123456789-0123456789"
"""Everything that goes wrong when one side encodes and the other does not; long enough for HS256."""

JSON, HTML = "application/json", "text/html"
SETTINGS = {
    "DOORKEY_CONFIG": os.devnull,
    "DOORKEY_PUBLIC_URL": ORIGIN,
    "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
    "DOORKEY_RATE_LIMIT": "0",
    "DOORKEY_PROVIDERS": "op",
    "DOORKEY_PROVIDER_OP_CLIENT_ID": CLIENT_ID,
    "DOORKEY_PROVIDER_OP_CLIENT_SECRET": SECRET,
}
ADDRESSES: dict[str, Any] = {
    "post_logout_redirect_uris": (f"{ORIGIN}/logged-out",),
    "backchannel_logout_uri": f"{ORIGIN}/backchannel-logout/op",
    "initiate_login_uri": f"{ORIGIN}/login",
}
FRAMED = {
    "frontchannel_logout_uri": f"{ORIGIN}/frontchannel-logout/op",
    "frontchannel_logout_session_required": True,
}
"""With it the provider shows a page when somebody leaves, instead of sending the browser back at once."""


class FrontDoor:
    """`provider` is where the provider is; `op` are settings of it beside its issuer, `settings` those of Doorkey.

    `more` is how we are registered there, beside what every Doorkey registers.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        provider: str = PROVIDER,
        transport: Transport | None = None,
        op: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        jwks: tuple[Mapping[str, Any], ...] = (),
        more: Mapping[str, Any] | None = None,
    ):
        self.provider = provider
        self.delivered: list[TestResponse] = []
        client = Client(CLIENT_ID, SECRET, (f"{ORIGIN}/callback/op",), jwks=jwks, **{**ADDRESSES, **(more or {})})
        config = DevProvider([client])
        self.realm = Realm(config, clock=clock, pool=KEYS)
        provider_app = create_provider_app(config, realm=self.realm, deliver=self.deliver)
        provider_app.jinja_env.bytecode_cache = PAGES
        self.wsgi = provider_app.wsgi_app
        environ = {**SETTINGS, "DOORKEY_INSTANCE": str(folder / "instance"), **(settings or {})}
        environ |= {f"DOORKEY_PROVIDER_OP_{name}": text for name, text in {"ISSUER": provider, **(op or {})}.items()}
        here = transport or Transport(adapters={provider: InProcessAdapter(self.wsgi)})
        self.app = create_app(load(environ), transport=here, clock=clock)

    @property
    def doorkey(self) -> Doorkey:
        found: Doorkey = self.app.extensions["doorkey"]
        return found

    def fail(self, name: str, **fields: Any) -> None:
        """Let the next answer of the provider that can fail as `name` do so."""
        self.realm.script.add(read_response({"failure": name, **fields}))

    def mend(self) -> None:
        """No failure waits any more."""
        self.realm.script.clear()

    def asked(self) -> tuple[str, ...]:
        """What the provider was asked since this was last called, in order."""
        return self.asked_with_failures()[0]

    def asked_with_failures(self) -> tuple[tuple[str, ...], set[str]]:
        """And the failures that had a part in it."""
        requests = list(self.realm.log)
        self.realm.log.clear()
        return tuple(one.endpoint for one in requests), {name for one in requests for name in one.failures}

    def deliver(self, uri: str, token: str) -> int:
        """A logout token on its way from the provider's server to Doorkey; the answers are in `delivered`."""
        sent = self.app.test_client().post(uri.removeprefix(ORIGIN), base_url=ORIGIN, data={"logout_token": token})
        self.delivered.append(sent)
        return sent.status_code

    def end_at_provider(self, **who: str) -> list[int]:
        """The sessions there end of `sub` or `sid`; what Doorkey answered to each logout token."""
        here = {"REMOTE_ADDR": "127.0.0.1"}
        client = ProviderClient(self.wsgi)
        answer = client.post("/dev/logout", json=who, base_url=self.provider, environ_overrides=here)
        assert answer.status_code == 200, answer.text
        return [one["status"] for one in answer.get_json()["told"]]

    def secrets(self) -> set[str]:
        """What nobody may read anywhere: the client's secret, and every token that lives at the provider."""
        return {SECRET, *(token for token, _ in self.realm.store.live(self.realm.clock()))}


@dataclass(frozen=True)
class Seen:
    """How a sign-in or a sign-out ended for the browser. `at` is where: login, provider, callback or logged-out."""

    at: str
    answer: TestResponse | None
    secrets: set[str] = field(default_factory=set)

    @property
    def status(self) -> int:
        """0 when the connection was closed without an answer."""
        return self.answer.status_code if self.answer else 0

    @property
    def text(self) -> str:
        return self.answer.text if self.answer else ""

    @property
    def problem(self) -> tuple[int, str, str]:
        """Status, code and step, as programs are told."""
        assert self.answer is not None
        assert self.answer.mimetype == JSON, (self.at, self.status, self.answer.mimetype, self.text[:200])
        said = self.answer.get_json()
        return self.status, said["error"], said["step"]


class Browser:
    """One person, with a jar for Doorkey's cookies and one for the provider's; follows redirects by hand."""

    def __init__(self, door: FrontDoor):
        self.person = Person(door.app, ORIGIN)
        self._door = door
        self._provider = ProviderClient(door.wsgi)

    def sign_in(self, user: str = "alice", *, accept: str = JSON) -> Seen:
        """From /login through the provider, who shows no page, to the end of the callback."""
        query = urlencode({"login_hint": user, "prompt": "none"})
        answer = self.person.get(f"/login?{query}", headers={"Accept": accept})
        if answer.status_code != 302:
            return Seen("login", answer)
        sent_to = answer.headers["Location"]
        assert sent_to.startswith(f"{self._door.provider}/oauth/authorize?")
        secrets = _values(sent_to, "state", "request_uri")
        back = self.at_provider(sent_to)
        if back is None or not (back.headers.get("Location") or b"/callback/op" in back.get_data()):
            return Seen("provider", back, secrets)
        return self._at_callback(back, accept, secrets)

    def leave(self) -> Seen:
        """From the button through the provider, where it offers that, to the page at the end."""
        answer = self.person.sign_out()
        assert answer.status_code == 303
        url = answer.headers["Location"]
        if url != "/logged-out":
            back = self.at_provider(url)
            if back is None or not back.headers.get("Location"):
                return Seen("provider", back)
            url = back.headers["Location"]
        path = url.removeprefix(ORIGIN)
        assert path.startswith("/logged-out"), url
        return Seen("logged-out", self.person.get(path))

    def at_provider(self, url: str) -> TestResponse | None:
        """What a browser knows after the head of the answer, or after all of it when it is a page."""
        parts = urlsplit(url)
        waits = {HANG_UP: _hang_up, SLEEP: lambda seconds: None}
        try:
            answer = self._provider.open(
                f"{parts.path}?{parts.query}",
                base_url=f"{parts.scheme}://{parts.netloc}/",
                environ_overrides={"REMOTE_ADDR": "127.0.0.1", **waits},
            )
            if answer.status_code == 200:
                answer.get_data()
        except HungUp:
            return None
        return answer

    def _at_callback(self, back: TestResponse, accept: str, secrets: set[str]) -> Seen:
        url, headers = back.headers.get("Location", ""), {"Accept": accept}
        if url:
            assert url.startswith(f"{ORIGIN}/callback/op?")
            secrets |= _values(url, "code", "state")
            return Seen("callback", self.person.get(url.removeprefix(ORIGIN), headers=headers), secrets)
        form = Page(back)
        assert form.action == f"{ORIGIN}/callback/op"
        secrets |= {form.hidden[name] for name in ("code", "state") if name in form.hidden}
        headers["Origin"] = self._door.provider
        answer = self.person.post("/callback/op", data=form.hidden, headers=headers)
        parked = answer.headers.get("Location", "")
        if "posted=" in parked:
            answer = self.person.get(parked.removeprefix(ORIGIN), headers={"Accept": accept})
        return Seen("callback", answer, secrets)

    def pending(self) -> list[str]:
        """The cookies of sign-ins that could still be finished."""
        return [name for name in self.person.cookies() if name.startswith("doorkey-login-")]

    def session(self) -> OpenSession | None:
        """What the server keeps for this browser."""
        secret = decode(self.person.cookies().get("doorkey", ""))
        return self._door.doorkey.sessions.open(secret) if secret else None

    def user(self) -> str:
        """Who is signed in, "" for nobody, as the browser is told."""
        said = self.person.session()
        assert said["active"] == (self.session() is not None)
        return str(said["user"]) if said["active"] else ""


def leaked(text: str, secrets: Iterable[str]) -> list[str]:
    """Those of `secrets` that can be read in `text`, and whatever begins like a JSON Web Token."""
    return [secret for secret in (*secrets, "eyJ") if secret in text]


def _values(url: str, *names: str) -> set[str]:
    given = parse_qs(urlsplit(url).query)
    return {value for name in names for value in given.get(name, ())}


def _hang_up() -> None:
    raise HungUp
