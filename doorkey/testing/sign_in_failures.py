"""Which failures a test of one sign-in can go through: the names behind `oauth_failure` and `oauth_variation`."""

from doorkey.devprovider.failures import FAILURES, Failure, names

IN_A_SIGN_IN = ("authorize", "token", "id_token", "userinfo", "jwks", "metadata")
"""Refreshing and leaving come later."""


def failure_names(kind: str, *at: str) -> list[str]:
    """The failures that a client must `reject`, or must `accept`, and that show within a single sign-in.

    `at` names endpoints (authorize, token, userinfo, jwks, metadata, and id_token for what is wrong inside one);
    all of them when none is named. Raises `ValueError` for what is not one.
    """
    wrong = [name for name in at if name not in IN_A_SIGN_IN]
    if wrong or kind not in ("reject", "accept"):
        raise ValueError(
            f"There is no {wrong[0] if wrong else kind}: it is failure_names('reject' or 'accept', "
            f"and of {', '.join(IN_A_SIGN_IN)} those you want)."
        )
    return [
        name for name in names(kind) if _shows_at_once(FAILURES[name]) and FAILURES[name].at in (at or IN_A_SIGN_IN)
    ]


def _shows_at_once(failure: Failure) -> bool:
    """Not those that begin with a right answer (`uses`), and not another issuer than the one in `config()`."""
    return failure.at in IN_A_SIGN_IN and failure.uses == 1 and failure.seam != "issuer"
