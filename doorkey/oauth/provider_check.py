"""What `doorkey check` says of a provider: what it tells of itself, held against what Doorkey will do.

`check_provider()` yields findings as they come, in the order in which a sign-in would meet them. What has to be
tried with requests of their own is in provider_probes.py. Nobody is signed in, and nothing is changed there.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from doorkey.clock import RandomBytes
from doorkey.errors import DoorkeyError, MetadataInvalid
from doorkey.oauth.flow import Checks
from doorkey.oauth.http import Transport
from doorkey.oauth.id_token import accepted_algorithms
from doorkey.oauth.metadata import Metadata
from doorkey.oauth.provider import SECRET_METHODS, Provider
from doorkey.oauth.provider_directory import ProviderDirectory

OK, NOTE, WARNING, FAILED = "ok", "note", "warning", "failed"


@dataclass(frozen=True)
class Finding:
    """One sentence, what to do about it, and the error behind a failure where there is one."""

    result: str
    what: str
    hint: str = ""
    error: DoorkeyError | None = None


@dataclass(frozen=True)
class Trial:
    """What a check needs: Doorkey's own collaborators, and where people would come back to."""

    public_url: str
    callback_path: Callable[[str], str]
    directory: ProviderDirectory
    checks: Checks
    transport: Transport
    random: RandomBytes

    def redirect_uri(self, provider: Provider) -> str:
        return self.public_url + self.callback_path(provider.id)


def failed(error: DoorkeyError) -> Finding:
    """An error as a finding, with the provider's own words."""
    words = [text for name, text in (error.provider_error or {}).items() if name in ("error", "error_description")]
    said = f" It says: {': '.join(words)}" if words else ""
    where = f" ({error.detail})" if error.detail else ""
    step = f"{error.step[:1].upper()}{error.step[1:]}: " if error.step else ""
    return Finding(FAILED, f"{step}{error.message}{said}{where}", error.hint, error)


def check_settings(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """What has to be registered there; nothing is asked for this."""
    yield Finding(NOTE, f"Redirect URI to register there: {trial.redirect_uri(provider)}")
    if provider.private_keys:
        yield Finding(NOTE, f"Key set to register there: {trial.public_url}/.well-known/jwks.json")
    settled = provider.client_auth or provider.described or provider.auth_method not in SECRET_METHODS
    proof = f", which proves itself by {provider.auth_method}" if settled else ""
    yield Finding(NOTE, f"Client id {provider.client_id}{proof}")
    if provider.auth_method == "none":
        yield Finding(NOTE, "Doorkey is a public client there: neither a secret nor a key proves who it is.")
    if provider.auth_method == "private_key_jwt" and provider.client_secret:
        yield Finding(NOTE, "CLIENT_SECRET is not used to prove the client: there is a key.")
    if ("prompt", "none") in provider.authorization_params:
        yield Finding(
            WARNING,
            "With prompt=none nobody signs in who has no session at the provider.",
            "Take it out of AUTHORIZATION_PARAMS; a link to /login may have it.",
        )


def check_metadata(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """Raises what describing the provider raises."""
    if provider.described:
        yield Finding(NOTE, "Its endpoints are configured one by one; metadata is not read.")
        return
    started = time.monotonic()
    metadata = trial.directory.metadata(provider)
    took = round((time.monotonic() - started) * 1000)
    yield Finding(OK, f"Metadata read in {took} ms from {metadata.location}")
    yield Finding(OK, f"Issuer is exactly the configured one: {metadata.issuer}")
    yield from _check_promises(provider, metadata)


def _check_promises(provider: Provider, metadata: Metadata) -> Iterator[Finding]:
    """Does it offer what Doorkey is going to ask for?"""
    methods, modes = metadata.code_challenge_methods_supported, metadata.response_modes_supported
    if not provider.pkce:
        yield Finding(WARNING, "PKCE is switched off.", "Take PKCE=off away unless the provider refuses PKCE.")
    elif methods is not None and "S256" not in methods:
        yield Finding(WARNING, f"It offers PKCE with {', '.join(methods) or 'nothing'} only, and Doorkey uses S256.")
    else:
        silent = "it does not say that it knows S256, and Doorkey uses it anyway"
        yield Finding(OK if methods else NOTE, "PKCE with S256" + ("" if methods else f": {silent}"))
    if modes is not None and provider.response_mode not in modes:
        yield Finding(WARNING, f"It does not offer response_mode {provider.response_mode}.", "See RESPONSE_MODE.")
    known = metadata.scopes_supported
    missing = [name for name in provider.scope if known is not None and name not in known]
    if missing:
        yield Finding(WARNING, f"It does not list these scopes: {' '.join(missing)}", "See SCOPE.")
    offered = metadata.token_endpoint_auth_methods_supported
    method = provider.described_by(metadata).auth_method.removesuffix("_raw")
    if offered is not None and method not in offered and method != "none":
        yield Finding(WARNING, f"It lists {', '.join(offered)} for clients, and not {method}.", "See CLIENT_AUTH.")
    if metadata.authorization_response_iss_parameter_supported:
        yield Finding(OK, "It names itself in its answers (iss, RFC 9207), and Doorkey insists on that.")
    else:
        yield Finding(NOTE, "It does not promise to name itself in its answers (iss, RFC 9207).")


def check_keys(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """Can its ID tokens be checked? Raises what fetching keys raises."""
    if not provider.is_openid:
        yield Finding(NOTE, "The scope does not ask for openid: there is no ID token to check.")
        return
    algorithms = accepted_algorithms(provider, provider.id_token_algs_offered)
    if not algorithms:
        offered = ", ".join(provider.id_token_algs_offered or ())
        raise MetadataInvalid(
            "no algorithm in common",
            message=f"It signs ID tokens with {offered or 'nothing'} only, which is not accepted.",
            hint="Set ID_TOKEN_ALGS if you trust that, or choose a signing key at the provider.",
        )
    offered_algs = provider.id_token_algs_offered
    if offered_algs is not None and not set(algorithms) & set(offered_algs):
        what = f"It signs ID tokens with {', '.join(offered_algs)}, and ID_TOKEN_ALGS accepts {', '.join(algorithms)}."
        yield Finding(FAILED, what, "See ID_TOKEN_ALGS.")
    else:
        yield Finding(OK, f"ID tokens may be signed with {', '.join(algorithms)}")
    source = trial.checks.source(provider, trial.transport)
    if not provider.needs_keys or source is None:
        return
    keys = source.keys()
    fitting = [alg for alg in algorithms if any(True for _ in keys.candidates(alg, ""))]
    for reason in keys.skipped:
        yield Finding(NOTE, f"Not used for signatures: {reason}")
    if not fitting:
        yield Finding(FAILED, "None of its keys fits the signatures that are accepted.", "See ID_TOKEN_ALGS.")
    else:
        number = len(keys.keys)
        yield Finding(OK, f"{number} key{'s' if number > 1 else ''} to check signatures with: {', '.join(fitting)}")
