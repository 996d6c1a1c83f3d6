"""Which claims a scope releases (OpenID Connect Core section 5.4)."""

from collections.abc import Collection
from typing import Any

from doorkey.devprovider.users import User

_PROFILE = (
    "name family_name given_name middle_name nickname preferred_username profile picture website "
    "gender birthdate zoneinfo locale updated_at"
)
CLAIMS_OF_SCOPE = {
    "profile": tuple(_PROFILE.split()),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "groups": ("groups",),
}
_STANDARD = {claim for scope in ("email", "address", "phone") for claim in CLAIMS_OF_SCOPE[scope]}
ALL_CLAIMS = ("sub", *(claim for claims in CLAIMS_OF_SCOPE.values() for claim in claims))


def released(user: User, scope: Collection[str], *, openid: bool) -> dict[str, Any]:
    """What UserInfo and ID tokens may say. When `openid` was not asked this is not OpenID: everything, as ever.

    `groups` and claims of one's own come with `profile` too, because no standard scope is for them.
    """
    claims = user.claims()
    if not openid:
        return claims
    if user.email:
        claims.setdefault("email_verified", True)
    claims.setdefault("preferred_username", user.sub)
    wanted = {claim for name in scope for claim in CLAIMS_OF_SCOPE.get(name, ())}
    return {
        name: value
        for name, value in claims.items()
        if name == "sub" or name in wanted or ("profile" in scope and name not in _STANDARD)
    }
