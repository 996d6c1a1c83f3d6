"""A browser of raw requests, for a real login through a proxy: it keeps cookies and follows redirects.

The provider is not visited: whoever is sent there comes back with a code at once.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.proxies.fronts import BROWSER, Headers
from tests.proxies.raw_client import Answer, request, send
from tests.proxies.running import RunningProxy

LOGIN_HOST = "login.example.com"
MOST_HOPS = 12


@dataclass
class Visitor:
    proxy: RunningProxy
    cookies: dict[tuple[str, str], str] = field(default_factory=dict)
    """Values by domain and name."""

    def ask(self, method: str, url: str, headers: Headers = (), body: bytes = b"") -> Answer:
        parts = urlsplit(url)
        host = parts.netloc
        target = url[len(f"{parts.scheme}://{host}") :]
        known = "; ".join(
            f"{name}={value}" for (at, name), value in self.cookies.items() if f".{host}".endswith(f".{at}")
        )
        sent = [*headers, *([("Cookie", known)] if known else [])]
        raw = request(method, target, sent, body, host=host)
        answer = send(self.proxy.port, raw, tls=self.proxy.site.client_tls, name=host, seconds=15)
        for cookie in answer.values("Set-Cookie"):
            self._keep(host, cookie)
        return answer

    def open(self, url: str) -> tuple[str, Answer]:
        """Follow redirects until there is a page; its address and the page."""
        for _ in range(MOST_HOPS):
            answer = self.ask("GET", url, [BROWSER])
            if answer.status not in (302, 303):
                return url, answer
            url = self._at_the_provider(answer.header("Location"))
        raise AssertionError(f"still going after {MOST_HOPS} redirects: {url}")

    def _at_the_provider(self, url: str) -> str:
        if urlsplit(url).path != "/authorize":
            return url
        state = parse_qs(urlsplit(url).query)["state"][0]
        return f"https://{LOGIN_HOST}/callback/stub?{urlencode({'code': 'a-code', 'state': state})}"

    def _keep(self, host: str, cookie: str) -> None:
        first, *attributes = [part.strip() for part in cookie.split(";")]
        name, _, value = first.partition("=")
        said = {key.lower(): given for key, _, given in (part.partition("=") for part in attributes)}
        at = (said.get("domain", host).lstrip("."), name)
        if said.get("max-age") == "0" or not value:
            self.cookies.pop(at, None)
        else:
            self.cookies[at] = value
