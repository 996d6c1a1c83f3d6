"""How the client proves itself at the provider's own endpoints: one row per method.

`ClientProof` is what requests and Authlib take as `auth`; it is ours where Authlib leaves something out. Basic
wants both halves form-encoded first (RFC 6749 section 2.3.1; `client_secret_basic_raw` is for servers that
expect them as they are). Assertions (RFC 7523) name one audience, so that one that was sent to a wrong address is
of no use at the right one: the issuer (without one, the address of the request) unless a setting says otherwise.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

from joserfc.jwk import Key, OctKey
from requests.auth import AuthBase

from doorkey.base64url import encode
from doorkey.clock import Clock, RandomBytes, system_random
from doorkey.oauth.jws import sign_compact
from doorkey.oauth.provider import Provider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60


@dataclass(frozen=True)
class Proof:
    """What is added to a request: headers, and fields of its form."""

    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


Make = Callable[[Provider, str, Clock, RandomBytes], Proof]
"""provider, URL of the request, time and randomness -> proof"""


def _pair(encoded: Callable[[str], str], provider: Provider) -> str:
    pair = f"{encoded(provider.client_id)}:{encoded(provider.client_secret)}"
    return b64encode(pair.encode()).decode("ascii")


def basic_credentials(provider: Provider) -> tuple[str, ...]:
    """What stands behind `Basic ` in either style; for masking it where a provider repeats it."""
    return (_pair(quote_plus, provider), _pair(str, provider)) if provider.client_secret else ()


def masks(provider: Provider, *more: str) -> tuple[str, ...]:
    """Every form in which a provider could repeat the client's secret, or `more` secrets of this request."""
    plain = [secret for secret in (*more, provider.client_secret) if secret]
    return (*plain, *(quote_plus(secret) for secret in plain), *basic_credentials(provider))


def _basic(encoded: Callable[[str], str]) -> Make:
    return lambda provider, url, clock, random: Proof({"Authorization": "Basic " + _pair(encoded, provider)})


def _post(provider: Provider, url: str, clock: Clock, random: RandomBytes) -> Proof:
    return Proof(fields={"client_id": provider.client_id, "client_secret": provider.client_secret})


def _secret_assertion(provider: Provider, url: str, clock: Clock, random: RandomBytes) -> Proof:
    header = {"alg": "HS256", "typ": "JWT"}
    return _assertion(provider, url, header, OctKey.import_key(provider.client_secret), clock, random)


def _key_assertion(provider: Provider, url: str, clock: Clock, random: RandomBytes) -> Proof:
    own = provider.private_keys[0]
    header = {"alg": own.alg(provider.assertion_algs_offered), "typ": "JWT", "kid": own.kid}
    return _assertion(provider, url, header, own.key, clock, random)


def _assertion(
    provider: Provider, url: str, header: dict[str, str], key: Key, clock: Clock, random: RandomBytes
) -> Proof:
    now, me = int(clock()), provider.client_id
    audience = provider.token_endpoint if provider.assertion_audience == "token_endpoint" else provider.issuer or url
    claims = {
        "iss": me,
        "sub": me,
        "aud": audience,
        "jti": encode(random(16)),
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    signed = sign_compact(header, claims, key)
    return Proof(fields={"client_id": me, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed})


CLIENT_AUTH: Mapping[str, Make] = {
    "client_secret_basic": _basic(quote_plus),
    "client_secret_basic_raw": _basic(str),
    "client_secret_post": _post,
    "client_secret_jwt": _secret_assertion,
    "private_key_jwt": _key_assertion,
    "none": lambda provider, url, clock, random: Proof(fields={"client_id": provider.client_id}),
}


class ClientProof(AuthBase):
    """The method of `provider` for one request. `extra` is added to the form too: Authlib cannot repeat a name."""

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        random: RandomBytes = system_random,
        *,
        extra: Sequence[tuple[str, str]] = (),
    ):
        self._provider = provider
        self._clock = clock
        self._random = random
        self._extra = extra

    def __call__(self, request: Any) -> Any:
        proof = CLIENT_AUTH[self._provider.auth_method](self._provider, request.url, self._clock, self._random)
        request.headers.update(proof.headers)
        if proof.fields or self._extra:
            form = parse_qsl(request.body or "", keep_blank_values=True)
            named = {name for name, _ in form}
            added = [(name, value) for name, value in proof.fields.items() if name not in named]
            request.body = urlencode([*form, *self._extra, *added])  # requests counts its length after this
        return request
