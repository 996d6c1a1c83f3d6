"""The small changes that the failures of failures.py are made of.

Each is called with a draft of drafts.py and the occasion, and changes the draft. Those that are
functions returning a change take what differs from one failure to the next.
"""

import itertools
import secrets
from collections.abc import Callable
from typing import Any

from doorkey.devprovider.drafts import AuthorizationDraft, CannotFail, Draft, Occasion, TokenDraft, UserInfoDraft
from doorkey.devprovider.signing_keys import SigningKey, compact

Change = Callable[[Any, Occasion], None]

OTHER_CLIENT = "dk-dev-another-client"
CRITICAL = "urn:doorkey:dev:critical"


def add(name: str, text: str) -> Change:
    """`text` behind the value of `name`."""

    def change(draft: Draft, occasion: Occasion) -> None:
        draft.fields[name] = f"{draft.fields.get(name, '')}{text}"

    return change


def put(**fields: Any) -> Change:
    return lambda draft, occasion: draft.fields.update(fields)


def drop(*names: str) -> Change:
    def change(draft: Draft, occasion: Occasion) -> None:
        for name in names:
            draft.fields.pop(name, None)

    return change


def all_of(*changes: Change) -> Change:
    def change(draft: Draft, occasion: Occasion) -> None:
        for one in changes:
            one(draft, occasion)

    return change


def nothing(draft: Draft, occasion: Occasion) -> None:
    """The module is about what the client does with a right answer."""


def moved(name: str, seconds: int) -> Change:
    """`name` becomes a time that is `seconds` from now."""
    return lambda draft, occasion: draft.fields.update({name: int(occasion.now) + seconds})


def audience(*others: str, keep: bool, azp: bool) -> Change:
    """`aud` becomes a list of ours (`keep`) and `others`; `azp` names us, as if that made it right."""

    def change(draft: TokenDraft, occasion: Occasion) -> None:
        ours = draft.fields["aud"]
        found = [*([ours] if keep else []), *others]
        draft.fields["aud"] = found if keep else found[0]
        if azp:
            draft.fields["azp"] = ours

    return change


def aud_as_array(draft: TokenDraft, occasion: Occasion) -> None:
    draft.fields["aud"] = [draft.fields["aud"]]


def signed_with(alg: str, *, damage: bool = False) -> Change:
    def change(draft: TokenDraft, occasion: Occasion) -> None:
        draft.alg, draft.damage = alg, damage

    return change


def unsigned(draft: TokenDraft, occasion: Occasion) -> None:
    draft.alg = "none"


def without_kid(draft: TokenDraft, occasion: Occasion) -> None:
    draft.alg = "RS256"
    draft.header["kid"] = None


def by_foreign_key(*, header: str = "") -> Change:
    """Signed by a key that is not published, which the token itself brings along in `header`."""

    def change(draft: TokenDraft, occasion: Occasion) -> None:
        draft.alg, draft.key = "RS256", occasion.keys.foreign()
        if header == "jwk":
            draft.header["jwk"] = draft.key.public()
        if header == "jku":
            draft.header["jku"] = f"{occasion.issuer}/oauth/jwks/foreign"

    return change


def critical_header(draft: TokenDraft, occasion: Occasion) -> None:
    draft.header.update({"crit": [CRITICAL], CRITICAL: True})


def encrypted(draft: TokenDraft, occasion: Occasion) -> None:
    draft.encrypted = True


def fresh_keys(draft: TokenDraft, occasion: Occasion) -> None:
    occasion.keys.rotate()


def rotated_once(*, at: int, same_kid: bool = False) -> Change:
    """New keys at every `at`th time."""

    def change(draft: Draft, occasion: Occasion) -> None:
        if next(occasion.memory.setdefault("times", itertools.count(1))) % at == 0:
            occasion.keys.rotate(same_kid=same_kid)

    return change


def keys_beside_the_right_one(draft: Draft, occasion: Occasion) -> None:
    """One fitting RSA key among keys of other kinds and for another use."""
    extra = [
        occasion.keys.foreign("secp256k1").public(alg="ES256K"),
        occasion.keys.foreign("RSA", 1).public(use="enc", alg="RSA-OAEP"),
        occasion.keys.foreign("EC", 1).public(use="enc", alg="ECDH-ES"),
    ]
    draft.fields["keys"] = [*extra, *draft.fields["keys"]]


def three_rsa_keys(draft: Draft, occasion: Occasion) -> None:
    draft.fields["keys"] = [occasion.keys.foreign("RSA", n).public() for n in (1, 2)] + draft.fields["keys"]


def odd_keys(draft: Draft, occasion: Occasion) -> None:
    odd = [
        {"kty": "EC", "use": "sig", "kid": "dk-dev-odd-1", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "dk-dev-odd", "kid": "dk-dev-odd-2"},
    ]
    draft.fields["keys"] = [*odd, *draft.fields["keys"]]


def advertises(*algs: str) -> Change:
    return put(id_token_signing_alg_values_supported=list(algs))


def advertises_too(alg: str) -> Change:
    def change(draft: Draft, occasion: Occasion) -> None:
        draft.fields["id_token_signing_alg_values_supported"] = [
            *draft.fields["id_token_signing_alg_values_supported"],
            alg,
        ]

    return change


def mtls_aliases(draft: Draft, occasion: Occasion) -> None:
    elsewhere = {"token_endpoint": "https://mtls.invalid/oauth/token"}
    draft.fields.update(mtls_endpoint_aliases=elsewhere, tls_client_certificate_bound_access_tokens=False)


def posted(draft: AuthorizationDraft, occasion: Occasion) -> None:
    draft.mode = "form_post"


def third_party_login(draft: AuthorizationDraft, occasion: Occasion) -> None:
    uri = occasion.client.initiate_login_uri if occasion.client else ""
    if not uri and "error" in draft.fields:
        return  # the client's own mistake is what it has to hear of
    if not uri:
        raise CannotFail("The client has no initiate_login_uri, so nothing can send the browser there.")
    draft.target, draft.mode, draft.fields = uri, "query", {"iss": occasion.issuer}


def signed_user_info(draft: UserInfoDraft, occasion: Occasion) -> None:
    alg = occasion.client.userinfo_signed_response_alg if occasion.client else ""
    draft.signed_with = alg or "RS256"


def claims_of_others(*, aggregated: bool) -> Change:
    """Claims from another claims provider (OpenID Connect Core section 5.6.2)."""

    def change(draft: UserInfoDraft, occasion: Occasion) -> None:
        key: SigningKey = occasion.keys.foreign()
        header = {"alg": "RS256", "kid": key.kid}
        token = compact(header, b'{"iss":"https://claims.invalid","score":42}', lambda m: key.sign("RS256", m))
        source = {"JWT": token} if aggregated else {"endpoint": "https://claims.invalid/userinfo"}
        draft.fields.update(_claim_names={"score": "elsewhere"}, _claim_sources={"elsewhere": source})

    return change


def demands(method: str, *, encoded: bool = False) -> Change:
    """The token endpoint takes this authentication method only; `encoded`: Basic halves form-encoded only."""
    return put(method=method, encoded=encoded)


def jwks_elsewhere(draft: Draft, occasion: Occasion) -> None:
    """A jwks_uri that nobody can know who did not read the metadata."""
    occasion.memory["metadata"] = True
    draft.fields["jwks_uri"] += f"/{occasion.memory.setdefault('suffix', secrets.token_hex(8))}"


def jwks_was_read(draft: Draft, occasion: Occasion) -> None:
    occasion.memory["jwks"] = True
