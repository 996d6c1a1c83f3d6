"""The servers that browser tests visit.

`newcomer` as it comes, nothing configured but rules of the gate; `configured` with providers whose answers a test
writes, one of which posts them from another site, and one that is down; `alone`, the development provider for other
programs, such as `program`; `front`, an application behind the gate. Used by conftest.py, tour.py and
scripts/screenshot.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import parse_qs, urlsplit

import requests

from tests.browser.front import POLICY, Front, front
from tests.browser.program import Program, program
from tests.conftest import provider_settings
from tests.support.scripted_provider import GOOD_TOKEN, ScriptedProvider
from tests.support.servers import Running, app_server, dev_provider, free_port, python_app, server

UNA: dict[str, object] = {"sub": "user-1", "name": "Una User", "email": "una@example.com", "groups": ["staff"]}
LONG: dict[str, object] = {
    "sub": "x" * 200,
    "name": "Donaudampfschifffahrtsgesellschaft" * 4 + " \u202eنص طويل",
    "email": "a-very-long-mailbox-name-without-a-break" * 3 + "@example.com",
    "groups": ["a-group-with-quite-a-long-name" * 4, "<b>bold</b>"],
}

SECRET_KEY = "a-key-for-tests-0123456789-abcdefghijkl"
WORDY = "Zweckverband Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft, single sign-on"
DEVICES = {
    "Firefox on Linux": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Chrome on Android": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
    "Safari on iPhone": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/26.0 Mobile Safari/604.1",
    "Edge on Windows": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Edg/140.0",
    "Unknown device": "curl/8.14.1",
}


@dataclass
class Sites:
    """The three servers, the party behind the second one, a client of the third, and an application to guard."""

    newcomer: Running
    configured: Running
    provider: ScriptedProvider
    alone: Running
    program: Program
    front: Front

    @property
    def servers(self) -> tuple[Running, ...]:
        return (self.newcomer, self.configured, self.alone)

    def answer(self, *, token: dict[str, object] | None = None, user: dict[str, object] | None = None) -> None:
        """What the provider of `configured` says from now on."""
        self.provider.answer("/token", GOOD_TOKEN if token is None else token)
        self.provider.answer("/userinfo", UNA if user is None else user)

    def answer_somebody_new(self, **claims: object) -> None:
        """Una again, and for `configured` somebody who was never there before."""
        self.answer(user={**UNA, "sub": f"user-{token_hex(8)}", **claims})

    def sign_in_elsewhere(self, device: str, provider: str = "stub") -> None:
        """One more browser, `device` of `DEVICES`, comes to `configured` and stays signed in."""
        with requests.Session() as browser:
            browser.trust_env = False
            browser.headers["User-Agent"] = DEVICES[device]
            url = self.configured.url
            begun = browser.get(f"{url}/login?provider={provider}", allow_redirects=False, timeout=10)
            state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
            back = f"{url}/callback/{provider}?code=canary-code&state={state}"
            assert browser.get(back, allow_redirects=False, timeout=10).status_code == 303


@contextmanager
def open_sites(folder: Path) -> Iterator[Sites]:
    """Start everything, keep it in `folder`, and stop it at the end."""
    policy = folder / "policy.toml"
    policy.write_text(POLICY)
    provider, port = ScriptedProvider(), free_port()
    settings = {
        "DOORKEY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DOORKEY_SECRET_KEY": SECRET_KEY,
        "DOORKEY_ALLOWED_HOSTS": "*.example.com, *.example.com:8443",
        "DOORKEY_POLICY_FILE": str(policy),
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_PROVIDERS": "stub,other,posting,down,wordy",
        **provider_settings("stub", provider.url),
        **provider_settings("other", provider.url),
        **provider_settings("posting", provider.url),
        **provider_settings("wordy", provider.url),
        "DOORKEY_PROVIDER_POSTING_AUTHORIZATION_ENDPOINT": f"http://localhost:{provider.port}/authorize",
        "DOORKEY_PROVIDER_POSTING_RESPONSE_MODE": "form_post",
        "DOORKEY_PROVIDER_DOWN_ISSUER": f"http://127.0.0.1:{free_port()}",
        "DOORKEY_PROVIDER_DOWN_CLIENT_ID": "client-of-down",
        "DOORKEY_PROVIDER_DOWN_CLIENT_SECRET": "canary-client-secret",
        "DOORKEY_PROVIDER_DOWN_LABEL": "A Provider That Is Down",
        "DOORKEY_PROVIDER_STUB_LABEL": "Example Works",
        "DOORKEY_PROVIDER_OTHER_LABEL": "Another Provider",
        "DOORKEY_PROVIDER_OTHER_USERINFO": "never",
        "DOORKEY_PROVIDER_WORDY_LABEL": WORDY,
    }
    try:
        # One machine signs in more often than one person does, hence no rate limit.
        with (
            app_server(folder / "newcomer", DOORKEY_RATE_LIMIT="0", DOORKEY_POLICY_FILE=str(policy)) as newcomer,
            server(python_app, folder / "configured", settings, port=port) as configured,
            server(dev_provider, folder / "alone") as alone,
            program() as mine,
            front() as there,
        ):
            yield Sites(newcomer, configured, provider, alone, mine, there)
    finally:
        provider.close()
