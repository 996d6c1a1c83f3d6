"""The rules between settings: what each alone cannot be wrong about. Called by settings.py."""

from collections.abc import Iterator

from doorkey import setting_urls as urls
from doorkey.presets import ISSUER_FORMS
from doorkey.setting_tables import ProviderSettings, Settings

LARGEST_LEEWAY = 600
DEV_PROVIDER_ID = "dev"


def check_provider(provider: ProviderSettings) -> Iterator[tuple[str, str]]:
    """The rules between the settings of one provider: the name that is wrong, and what is wrong with it."""
    form = ISSUER_FORMS.get(provider.preset)
    if form and not provider.issuer:
        yield "ISSUER", f"is missing; it looks like {form}"
        return
    required = ["client_id", *([] if provider.issuer else ["authorization_endpoint", "token_endpoint"])]
    for name in required:
        if not getattr(provider, name):
            yield name.upper(), "is missing" + ("; or set ISSUER" if name != "client_id" else "")
    if provider.client_auth == "private_key_jwt" and not provider.private_key:
        yield "PRIVATE_KEY_FILE", "is missing; private_key_jwt needs it"
    elif provider.client_auth.startswith("client_secret") and not provider.client_secret:
        yield "CLIENT_SECRET", f"is missing; {provider.client_auth} needs it"
    if provider.issuer:
        if any(alg.startswith("HS") for alg in provider.id_token_algs) and not provider.client_secret:
            yield "CLIENT_SECRET", "is missing; HS256 in ID_TOKEN_ALGS needs it"
        return
    if "openid" in provider.scope:
        yield "ISSUER", "is missing; the scope openid needs it, because ID tokens name their issuer"
    if provider.userinfo == "always" and not provider.userinfo_endpoint:
        yield "USERINFO_ENDPOINT", "is missing; USERINFO=always needs it"
    if provider.pushed_authorization == "always" and not provider.pushed_authorization_request_endpoint:
        yield "PUSHED_AUTHORIZATION_REQUEST_ENDPOINT", "is missing; PUSHED_AUTHORIZATION=always needs it"


def cross_check(settings: Settings, *, debug: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    """The rules between settings: the names a rule looks at, and a sentence that says what to do."""
    if settings.clock_leeway > LARGEST_LEEWAY:
        yield ("CLOCK_LEEWAY",), "DOORKEY_CLOCK_LEEWAY must not be longer than 10m"
    if settings.session_absolute < settings.session_idle:
        names = ("SESSION_ABSOLUTE", "SESSION_IDLE")
        yield names, "DOORKEY_SESSION_ABSOLUTE must not be shorter than DOORKEY_SESSION_IDLE"
    if settings.development:
        yield from _check_development(settings)
        return
    if debug:
        yield ("PUBLIC_URL", "PROVIDERS"), "FLASK_DEBUG is set: its debugger runs code for anybody who finds it"
    if settings.insecure_dev_provider:
        yield ("PUBLIC_URL", "PROVIDERS"), "DOORKEY_INSECURE_DEV_PROVIDER is on beside a real configuration; remove it"
    if not settings.providers:
        yield ("PROVIDERS",), "DOORKEY_PROVIDERS is missing: with a public URL at least one provider must be configured"
    if not settings.public_url:
        yield (
            ("PUBLIC_URL",),
            "DOORKEY_PUBLIC_URL is missing: redirect URIs are built from it, such as https://login.example.com",
        )
    elif not settings.secret_key and not urls.is_loopback(urls.host_of(settings.public_url)):
        make = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        yield ("SECRET_KEY",), f"DOORKEY_SECRET_KEY is missing: make one with  {make}"
    yield from _check_cookie_domain(settings)
    yield from _check_bearer(settings)


def _check_bearer(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is accepted of API clients must have been made for here (RFC 8725 section 3.9)."""
    clients = {provider.id: provider.client_id for provider in settings.providers}
    if settings.development:
        clients = {DEV_PROVIDER_ID: settings.dev_client_id}
    issuer, asked, audience = settings.bearer_issuer, settings.bearer_introspection, settings.bearer_audience
    sources = ("BEARER_ISSUER", "BEARER_AUDIENCE", "BEARER_INTROSPECTION", "PROVIDERS")
    if asked and asked not in clients:
        yield sources, f"DOORKEY_BEARER_INTROSPECTION: {asked} is not in DOORKEY_PROVIDERS"
    if (issuer or asked) and not audience:
        yield sources, "DOORKEY_BEARER_AUDIENCE is missing: a token for somebody else must not open anything here"
    if audience and not (issuer or asked):
        yield sources, "DOORKEY_BEARER_AUDIENCE needs DOORKEY_BEARER_ISSUER or DOORKEY_BEARER_INTROSPECTION"
    if settings.bearer_jwks_uri and not issuer:
        yield (*sources, "BEARER_JWKS_URI"), "DOORKEY_BEARER_JWKS_URI needs DOORKEY_BEARER_ISSUER"
    if issuer and audience in clients.values():
        yield sources, "DOORKEY_BEARER_AUDIENCE is our own client id, which ID tokens name: they would open the gate"


def _check_development(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    names = ("PUBLIC_URL", "PROVIDERS", "HOST", "INSECURE_DEV_PROVIDER")
    if not urls.is_loopback(settings.host) and not settings.insecure_dev_provider:
        yield (
            names,
            (
                f"DOORKEY_HOST: {settings.host} is reachable from other machines, and without DOORKEY_PROVIDERS "
                "anybody could sign in through the development provider. Configure a provider, or, inside a "
                "container whose port is published on loopback only, set DOORKEY_INSECURE_DEV_PROVIDER=on"
            ),
        )
    if settings.cookie_domain:
        yield ("PUBLIC_URL", "PROVIDERS", "COOKIE_DOMAIN"), "DOORKEY_COOKIE_DOMAIN needs DOORKEY_PUBLIC_URL"
    yield from _check_bearer(settings)


def _check_cookie_domain(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    names, domain, url = ("PUBLIC_URL", "COOKIE_DOMAIN"), settings.cookie_domain, settings.public_url
    if not domain or not url:
        return
    if not url.startswith("https://"):
        yield names, "DOORKEY_COOKIE_DOMAIN needs an https public URL: the gate cookie is Secure"
    elif not urls.host_of(url).endswith("." + domain) and urls.host_of(url) != domain:
        why = f"is not a parent of {urls.host_of(url)}, so browsers would refuse the cookie"
        yield names, f"DOORKEY_COOKIE_DOMAIN: {domain} {why}"
