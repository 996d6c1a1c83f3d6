"""How requests reaches the provider without a socket: the package `responses`, for the provider's address only.

Requests to anywhere else go on to whatever was there before, untouched. Used by oauth_provider.py.
"""

import pkgutil
from collections.abc import Callable
from typing import Any

import responses

from doorkey.devprovider.inprocess import exchange
from doorkey.devprovider.wire import Wsgi


class ProviderResponse(responses.CallbackResponse):
    """Answers every request below `url`, whatever its method."""

    def __init__(self, url: str, app: Wsgi):
        super().__init__("", url, self._ask, content_type=None)
        self._prefix = url
        self._app = app

    def matches(self, request: Any) -> tuple[bool, str]:
        found = is_below(self._prefix, str(request.url))
        return found, "" if found else f"not below {self._prefix}"

    @property
    def call_count(self) -> int:
        """At least one: a test need not ask the provider only because it could."""
        return max(1, super().call_count)

    def _ask(self, request: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        answer = exchange(self._app, request, request.req_kwargs.get("timeout"))
        return answer.status, answer.headers, answer.body


class ProviderMock(responses.RequestsMock):
    """Active from `start()` to `stop()`."""

    def __init__(self, url: str, app: Wsgi):
        super().__init__(assert_all_requests_are_fired=False)
        self._prefix = url
        self.add(ProviderResponse(url, app))

    def unbound_on_send(self) -> Callable[..., Any]:
        """What takes the place of `HTTPAdapter.send`."""
        ours, before = super().unbound_on_send(), pkgutil.resolve_name(self.target)

        def send(adapter: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            return (ours if is_below(self._prefix, str(request.url)) else before)(adapter, request, *args, **kwargs)

        return send


def is_below(prefix: str, url: str) -> bool:
    """True when `url` is `prefix` or something at that address."""
    return url == prefix or url.startswith((f"{prefix}/", f"{prefix}?", f"{prefix}#"))
