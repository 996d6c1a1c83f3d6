"""A whole sign-in at the development provider by hand, and what was observed in it.

`RelyingParty.observe()` reads the metadata, asks for a code without a page, redeems it, reads the keys, UserInfo,
refreshes, introspects and signs out. It refuses nothing: all that came is in the observation, as plain values by
name, such as `id_token.claims.iss`. What is random or a time by nature stands there as its name, when it has the
shape it has to have; `RANDOM` and `TIMES` list these. Everything else is as it came.
"""

import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from cryptography.hazmat.primitives.asymmetric import ec

from tests.failures import raw_jose
from tests.failures.raw_http import Http, Reply
from tests.failures.raw_jose import Jws

Observation = dict[str, Any]

STEPS = ("metadata", "authorize", "token", "jwks", "id_token", "userinfo", "refresh", "refreshed_id_token",
         "introspect", "logout", "logout_token")  # fmt: skip
STATE, NONCE, VERIFIER = "state-1", "nonce-1", "v" * 43
RANDOM = {
    "code": r"dk-dev-code-[\w-]{43}",
    "access_token": r"dk-dev-at-[\w-]{43}",
    "refresh_token": r"dk-dev-rt-[\w-]{43}",
    "id_token": r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{40,}",
    "sid": r"[\w-]{16}",
    "jti": r"dk-dev-[\w-]{22}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000",
}
COOKIE = (
    re.compile(r"(doorkey-dev-session=)[\w-]{43}(; .*)"),
    re.compile(r"Expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"),
)
"""Its value is random, and its end is a time."""

TIMES = ("iat", "exp", "auth_time")
"""Said as what they are from the time of the request, in tens of seconds: `now+3600`."""


@dataclass(frozen=True)
class Registered:
    """A client as it is registered."""

    client_id: str
    secret: str
    redirect_uri: str
    leave_to: str
    key: ec.EllipticCurvePrivateKey | None = None


class Page(HTMLParser):
    """The forms, frames and links of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.form: dict[str, str] = {}
        self.inputs: dict[str, str] = {}
        self.frames: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.form = found
        elif tag == "input" and found.get("type") == "hidden":
            self.inputs[found["name"]] = found["value"]
        elif tag == "iframe":
            self.frames.append(found["src"])
        elif tag == "a" and "data-go-on" in found:
            self.links.append(found["href"])


class RelyingParty:
    """One client, with the browser of its user. `letters()` are the logout tokens that came since it was asked."""

    def __init__(
        self,
        http: Http,
        client: Registered,
        *,
        scope: str = "openid profile email",
        auth: str = "client_secret_basic",
        bearer: str = "header",
        skip: Sequence[str] = (),
        letters: Callable[[], list[tuple[str, str]]] = list,
    ):
        self.http, self.client, self.scope, self.auth, self.bearer = http, client, scope, auth, bearer
        self._skip, self._letters = skip, letters
        self.seen: Observation = {}
        self.metadata: Mapping[str, Any] = {}
        self.answer: Mapping[str, str] = {}
        self.tokens: Mapping[str, Any] = {}
        self.jwks: Sequence[Mapping[str, Any]] = ()
        self._cookie = ""

    def observe(self) -> Observation:
        """The sign-in, as far as it goes."""
        steps = (self.read_metadata, self.authorize, self.redeem, self.read_keys, self.look_at_id_token,
                 self.ask_user_info, self.refresh, self.introspect, self.sign_out)  # fmt: skip
        for step in steps:
            if step.__name__ not in self._skip and not step():
                break
        return self.seen

    def read_metadata(self) -> bool:
        reply = self.http.get(self.http.url + "/.well-known/openid-configuration")
        self._note("metadata", reply)
        self.metadata = reply.json()
        return reply.status == 200

    def authorize(self) -> bool:
        request = {
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "response_type": "code",
            "scope": self.scope,
            "state": STATE,
            "nonce": NONCE,
            "code_challenge": raw_jose.encode(sha256(VERIFIER.encode()).digest()),
            "code_challenge_method": "S256",
            "prompt": "none",
            "login_hint": "alice",
        }
        reply = self.http.get(self.metadata["authorization_endpoint"], request)
        self._note("authorize", reply)
        self._cookie = reply.header("set-cookie").partition(";")[0]
        mode, target, self.answer = _authorization_response(reply)
        self.seen.update({"authorize.mode": mode, "authorize.target": target})
        self._values("authorize.params", self.answer)
        return "code" in self.answer

    def redeem(self) -> bool:
        grant = {
            "grant_type": "authorization_code",
            "code": self.answer["code"],
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": VERIFIER,
        }
        reply = self.ask_for_tokens(grant)
        self._note("token", reply)
        self.tokens = reply.json() if reply.status == 200 else {}
        return bool(self.tokens)

    def ask_for_tokens(self, form: Mapping[str, str]) -> Reply:
        return self._authenticated(self.metadata["token_endpoint"], form)

    def read_keys(self) -> bool:
        reply = self.http.get(self.metadata["jwks_uri"])
        self._note("jwks", reply)
        self.jwks = reply.json()["keys"]
        return True

    def look_at_id_token(self) -> bool:
        self._token("id_token", self.tokens.get("id_token", ""), self.tokens.get("access_token", ""))
        return True

    def ask_user_info(self) -> bool:
        token, url = self.tokens.get("access_token", ""), self.metadata["userinfo_endpoint"]
        if not token:
            return True
        if self.bearer == "header":
            reply = self.http.get(url, headers={"Authorization": f"Bearer {token}"})
        else:
            reply = self.http.post(url, {"access_token": token})
        self._note("userinfo", reply)
        if reply.header("content-type") == "application/jwt":
            self._token("userinfo", reply.body.decode(), "")
        return True

    def refresh(self) -> bool:
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        reply = self.ask_for_tokens(form)
        self._note("refresh", reply)
        found = reply.json()
        self._token("refreshed_id_token", found.get("id_token", ""), found.get("access_token", ""))
        return True

    def introspect(self) -> bool:
        if "access_token" in self.tokens:
            form = {"token": self.tokens["access_token"]}
            self._note("introspect", self._authenticated(self.metadata["introspection_endpoint"], form))
        return True

    def sign_out(self) -> bool:
        """RP-initiated; without a hint, because the ID token may be a bad one. The user says yes."""
        self._letters()
        wanted = {
            "client_id": self.client.client_id,
            "post_logout_redirect_uri": self.client.leave_to,
            "state": STATE,
        }
        url, cookie = self.metadata["end_session_endpoint"], self._cookie
        question = self.http.get(url, wanted, {"Cookie": cookie})
        ticket = question.header("set-cookie").partition(";")[0]
        asked = Page(question.body.decode()).inputs
        reply = self.http.post(url, asked, {"Cookie": f"{cookie}; {ticket}", "Sec-Fetch-Site": "same-origin"})
        self._note("logout", reply)
        page = Page(reply.body.decode())
        targets = [reply.header("location"), *page.links]
        for place, address in [
            ("logout", next(filter(None, targets), "")),
            *(("logout.frame", f) for f in page.frames),
        ]:
            target, _, query = address.partition("?")
            self.seen[f"{place}.target"] = target
            self._values(f"{place}.params", dict(parse_qsl(query)))
        self.seen["logout_token.count"] = 0
        for path, token in self._letters():
            self.seen["logout_token.count"] += 1
            self.seen["logout_token.sent_to"] = path
            self._token("logout_token", token, "")
        return True

    def proof(self, method: str, audience: str) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form fields by which the client proves itself in a method of OpenID Connect Core section 9."""
        client_id, secret = self.client.client_id, self.client.secret
        write = str if method == "basic, not encoded" else quote_plus
        pair = f"{write(client_id)}:{write(secret)}"
        named = {"client_id": client_id}
        asserted = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
        if "basic" in method:
            return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}, {}
        if method == "client_secret_post":
            return {}, {**named, "client_secret": secret}
        if method == "client_secret_jwt":
            sign, alg = raw_jose.hs256(secret), "HS256"
        elif method == "private_key_jwt":
            assert self.client.key
            sign, alg = raw_jose.es256(self.client.key), "ES256"
        else:
            return {}, named
        return {}, {**named, **asserted, "client_assertion": raw_jose.assertion(client_id, audience, sign, alg=alg)}

    def _authenticated(self, url: str, form: Mapping[str, str]) -> Reply:
        headers, more = self.proof(self.auth, url)
        return self.http.post(url, {**form, **more}, headers)

    def _note(self, step: str, reply: Reply) -> None:
        """The reply itself: status, headers, and the fields of a JSON object."""
        length = reply.header("content-length")
        assert length in ("", str(len(reply.body)))
        told = [(name, value) for name, value in reply.headers if name not in ("date", "content-length", "location")]
        self.seen[f"{step}.status"] = reply.status
        self._values(f"{step}.headers", dict(told))
        if "json" in reply.header("content-type"):
            self._values(f"{step}.fields", reply.json())
        if reply.status in (307, 308):
            self.seen[f"{step}.headers.location"] = reply.header("location")

    def _values(self, place: str, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self.seen[f"{place}.{name}"] = _plain(name, value)

    def _token(self, place: str, token: str, access_token: str) -> None:
        """A JWT: header, claims, and who really signed it."""
        parts = token.split(".") if token else []
        if len(parts) != 3:
            if parts:
                self.seen[f"{place}.parts"] = len(parts)
            return
        jws = raw_jose.parse(token)
        claims = dict(jws.claims)
        if "at_hash" in claims:
            claims["at_hash"] = _at_hash(claims["at_hash"], access_token, jws.header["alg"])
        self._values(f"{place}.header", jws.header)
        self._values(f"{place}.claims", claims)
        self.seen[f"{place}.signed_by"] = self.signers(jws)

    def signers(self, jws: Jws) -> list[str]:
        """Whose signature it is: kids of the JWKS, the client's secret, keys the token itself brings, or none."""
        if jws.header["alg"] == "none":
            return ["nobody"] if not jws.signature else []
        found = [f"kid {jwk['kid']}" for jwk in self.jwks if raw_jose.is_signed_by(jwk, jws)]
        if raw_jose.is_hs256_of(self.client.secret, jws):
            found.append("client secret")
        if raw_jose.is_signed_by(jws.header.get("jwk", {}), jws):
            found.append("jwk")
        if "jku" in jws.header:
            keys = self.http.get(jws.header["jku"]).json()["keys"]
            found += ["jku" for jwk in keys if raw_jose.is_signed_by(jwk, jws)]
        return found


def _authorization_response(reply: Reply) -> tuple[str, str, dict[str, str]]:
    """How the browser is sent where, with what."""
    if reply.status in (302, 303):
        target, _, query = reply.header("location").partition("?")
        return "redirect", target, dict(parse_qsl(query, strict_parsing=True))
    page = Page(reply.body.decode())
    if page.form:
        return page.form["method"], page.form["action"], page.inputs
    return "", "", {}


def _plain(name: str, value: Any) -> Any:
    if name in TIMES and type(value) is int:
        return f"now{round((value - time.time()) / 10) * 10:+}"
    if name == "set-cookie":
        return COOKIE[1].sub("<expires>", COOKIE[0].sub(r"\1<value>\2", value))
    if name in RANDOM and isinstance(value, str) and re.fullmatch(RANDOM[name], value):
        return f"<{name}>"
    return value


def _at_hash(value: str, access_token: str, alg: str) -> str:
    """`<right>` when it is the hash that section 3.1.3.6 makes of the access token."""
    if not access_token:
        return "<of something>" if re.fullmatch(r"[\w-]{22,43}", value) else value
    return value.replace(raw_jose.half_hash(access_token, alg), "<right>", 1)
