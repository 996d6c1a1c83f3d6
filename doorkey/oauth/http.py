"""How Doorkey talks to providers: one warm pool, and limits on everything.

Connect 3 s, all of an answer 7 s more (10 s together), no redirects, no proxies or netrc
from the environment, bodies capped after decompression, TLS verified against one context
that is built once (building one per call costs tens of milliseconds of CPU).

Called by everything here that speaks to a provider. `Transport` is passed in, so that the embedded
development provider can be reached without a socket and tests can put in what they need.
"""

import copy
import json
import math
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import certifi
import requests
import urllib3
from authlib.common.errors import AuthlibBaseError
from requests.adapters import BaseAdapter, HTTPAdapter

from doorkey import __version__
from doorkey.errors import DoorkeyError, ProviderError, ProviderUnreachable, ResponseTooLarge
from doorkey.oauth.deadline import HTTPPool, HTTPSPool

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 7.0
LOGIN_CALL_SECONDS = CONNECT_SECONDS + ANSWER_SECONDS
"""For all calls of one sign-in together."""
LARGEST_BODY = 64 * 1024
LARGEST_DOCUMENT = 256 * 1024
"""For metadata and keys."""
FOREIGN = (
    DoorkeyError,
    AuthlibBaseError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,
)
"""What may come out of a call to a provider; `translate()` makes it ours."""

POOLS = {"http": HTTPPool, "https": HTTPSPool}
HEADERS = {
    "User-Agent": f"doorkey/{__version__}",
    "Accept-Encoding": "identity",
    "Accept": "application/json",
    "Connection": "keep-alive",
}
FORM = "application/x-www-form-urlencoded"


class BoundedAdapter(HTTPAdapter):
    """requests' adapter with our pools, our TLS context, and a body that is read here and capped."""

    def __init__(self, tls: ssl.SSLContext, *, connect: float, answer: float, largest_body: int):
        self._tls = tls
        self._timeout = (connect, answer)
        self._largest_body = largest_body
        super().__init__(pool_connections=16, pool_maxsize=64)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {**tls, "ssl_context": self._tls, "cert_reqs": "CERT_REQUIRED"}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to do: the authorities are in our context, and loading them again is slow."""

    def send(self, request: Any, stream: bool = False, timeout: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`timeout`, when it is a number, is the seconds left for connecting and the answer together."""
        connect, answer = self._timeout
        if isinstance(timeout, (int, float)):
            connect = min(connect, timeout / 2)
            answer = min(answer, timeout - connect)
        response = super().send(request, True, (connect, answer), *args, **kwargs)
        try:
            _read_capped(response, getattr(request, "largest_body", self._largest_body))
        except BaseException:
            response.close()
            raise
        return response

    def close(self) -> None:
        """Nobody closes it: the pool stays warm."""


def _read_capped(response: requests.Response, limit: int) -> None:
    """Read the body here, where size and deadline hold, and leave it in `response.content`."""
    body = bytearray()
    for chunk in response.iter_content(16 * 1024):
        body += chunk
        if len(body) > limit:
            raise ResponseTooLarge(f"more than {limit} bytes from {response.url}")
    response._content = bytes(body)


class Transport:
    """One long-lived adapter, and what every request through it has in common.

    `adapters` maps a URL prefix to another adapter, as `requests.Session.mount` takes them. No session of requests is
    behind it: making one costs more CPU than the call itself, and its cookies, redirects and environment are what a
    call with a token in it must not have.
    """

    def __init__(
        self,
        *,
        ca_bundle: str = "",
        proxy: str = "",
        connect: float = CONNECT_SECONDS,
        answer: float = ANSWER_SECONDS,
        largest_body: int = LARGEST_BODY,
        adapters: Mapping[str, BaseAdapter] | None = None,
    ):
        tls = ssl.create_default_context(cafile=ca_bundle or certifi.where())
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        shared = BoundedAdapter(tls, connect=connect, answer=answer, largest_body=largest_body)
        mounted = {"https://": shared, "http://": shared, **(adapters or {})}
        self._adapters = dict(sorted(mounted.items(), key=lambda item: len(item[0]), reverse=True))
        self._ends = math.inf
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}

    def within(self, seconds: float) -> "Transport":
        """The same transport for calls that have `seconds` from now, all together."""
        bounded = copy.copy(self)
        bounded._ends = time.monotonic() + seconds
        return bounded

    @property
    def seconds_left(self) -> float:
        """How long calls may still take; ten seconds where nobody said."""
        return max(0.0, min(self._ends - time.monotonic(), LOGIN_CALL_SECONDS))

    def oauth_session(self, **options: Any) -> Any:
        """Authlib's OAuth2Session, which posts through this transport; `options` are its own (client_id, ...)."""
        from doorkey.oauth.transport_session import TransportSession  # here, because a start would wait for it

        return TransportSession(self._post, **options)

    def _post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> requests.Response:
        return self.send("POST", url, headers, form=list(data.items()), auth=auth)

    def get(
        self, url: str, headers: Mapping[str, str], step: str, *, largest_body: int | None = None
    ) -> requests.Response:
        """GET for `step`, without following redirects. Raises `ProviderUnreachable` or another `ProviderError`."""
        try:
            return self.send("GET", url, headers, largest_body=largest_body)
        except FOREIGN as error:
            raise translate(error, step, url) from error

    def post(self, url: str, form: Sequence[tuple[str, str]], auth: Any, step: str) -> requests.Response:
        """POST of a form for `step`; `auth` proves the client (client_auth.py). Raises as `get()` does."""
        try:
            return self.send("POST", url, {"Content-Type": FORM}, form=form, auth=auth)
        except FOREIGN as error:
            raise translate(error, step, url) from error

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        form: Sequence[tuple[str, str]] = (),
        auth: Any = None,
        largest_body: int | None = None,
    ) -> requests.Response:
        """One request, as requests prepares it; an answer that redirects is an answer like any other. Raises `FOREIGN`.

        Following it would carry a code or a token elsewhere.
        """
        request = requests.PreparedRequest()
        request.prepare_method(method)
        request.prepare_url(url, None)
        request.prepare_headers({**HEADERS, **headers})
        request.prepare_body(urlencode(form), None)
        request.prepare_auth(auth)
        if largest_body:
            request.largest_body = largest_body  # type: ignore[attr-defined]
        response = self._adapter(str(request.url)).send(
            request, timeout=self._time_for_a_call(), proxies=dict(self._proxies)
        )
        response.content  # noqa: B018 - read here, so that what fails in it is a failure of this call
        return response

    def _adapter(self, url: str) -> BaseAdapter:
        for prefix, adapter in self._adapters.items():
            if url.lower().startswith(prefix.lower()):
                return adapter
        raise requests.exceptions.InvalidSchema("neither http nor https")

    def _time_for_a_call(self) -> float | None:
        """None: as much as the adapter gives each."""
        if self._ends == math.inf:
            return None
        left = self._ends - time.monotonic()
        if left <= 0:
            raise requests.exceptions.Timeout("no time is left")
        return left


def translate(error: Exception, step: str, url: str) -> DoorkeyError:
    """One of `FOREIGN`, in a call to `url` for `step`, as one of ours. Our own mistakes are not meant: they are 500s.

    What went wrong goes to the log by names only: the texts of these exceptions may hold headers.
    """
    if isinstance(error, DoorkeyError):
        error.step = error.step or step
        return error
    detail = f"{url.partition('?')[0]}: {_names_of_causes(error)}"
    cause = error.args[0] if error.args else None
    if isinstance(error, requests.exceptions.SSLError):
        hint = "The provider's TLS certificate is not trusted; see DOORKEY_CA_BUNDLE."
        if "WRONG_VERSION_NUMBER" in str(error):
            hint = "There is no TLS at that address; is it http?"
        return ProviderUnreachable(detail, hint=hint, step=step)
    if isinstance(cause, urllib3.exceptions.ProtocolError):  # hung up, or spoke something that is not HTTP
        return ProviderError(detail, step=step)
    if isinstance(error, (requests.exceptions.ConnectionError, requests.exceptions.Timeout, TimeoutError)):
        return ProviderUnreachable(detail, step=step)
    return ProviderError(detail, step=step)


def _names_of_causes(error: BaseException | None) -> str:
    """Such as `ConnectionError, MaxRetryError, NewConnectionError, Connection refused`."""
    names: list[str] = []
    while error is not None and len(names) < 8:
        names.append(type(error).__name__)
        if isinstance(error, OSError) and error.strerror:
            names.append(error.strerror)
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return ", ".join(dict.fromkeys(names))


def read_json_object(body: bytes) -> dict[str, Any]:
    """`body` as a JSON object; raises `ValueError` for anything else.

    Invalid UTF-8, a name that stands twice and absurd nesting are refused: two readers of such
    a document could understand different things.
    """
    found = read_json(body)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def read_json(body: bytes) -> Any:
    """Any JSON value, as strictly as `read_json_object()`."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found
