"""A logout token: the provider says which sessions are over (OpenID Connect Back-Channel Logout 1.0 section 2).

Read with keys that are there already: the provider may be waiting for our answer before it answers anybody else.
Called by web/provider_logout.py, which ends the sessions; the rules are the table in id_token.py.
"""

from dataclasses import dataclass

from doorkey.oauth.flow import Checks
from doorkey.oauth.id_token import LOGOUT_TOKEN, OLDEST, Expected, validate
from doorkey.oauth.provider import Provider
from doorkey.oauth.trace import Trace


@dataclass(frozen=True)
class LogoutToken:
    """`sub` and `sid` say who is meant, one of them may be ""; `alg` is how it was signed.

    `over` is when the token is too old to be taken again.
    """

    sub: str
    sid: str
    jti: str
    alg: str
    over: float


def read_logout_token(provider: Provider, token: str, checks: Checks, trace: Trace) -> LogoutToken:
    """What `token` says, after every check. Raises `LogoutTokenInvalid` or another error of a signature."""
    now = checks.clock()
    expected = Expected(provider=provider, now=now, leeway=checks.leeway)
    with trace.step(LOGOUT_TOKEN.step) as step:
        signed = validate(LOGOUT_TOKEN, token, expected, checks.kept(provider), step)
    claims = signed.claims
    over = float(claims["iat"]) + OLDEST + 2 * checks.leeway
    return LogoutToken(claims.get("sub", ""), claims.get("sid", ""), claims["jti"], signed.alg, max(over, now + OLDEST))
