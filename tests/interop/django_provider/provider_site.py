"""An OpenID provider that is not ours: django-oauth-toolkit, over TLS, with clients and people in a new database.

    python provider_site.py --folder F --certificate PEM --redirect-uri U --post-logout-redirect-uri U

Prints one line of JSON when it answers: its issuer, its clients and its accounts. What it serves is in
provider_pages.py. Started by ../django_oauth_toolkit.py.
"""

import argparse
import json
import socket
from pathlib import Path
from typing import Any

import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import call_command

ACCOUNTS = {"alice": ["engineers", "on call"], "bob": []}
"""People and their groups. The e-mail address is made of the name, the password too."""

CLIENTS: list[dict[str, str]] = [
    # RFC 6749 section 2.3.1 has a client form-encode both before Basic; this secret shows who does not.
    {"id": "basic-client", "secret": "100% +basic:/?&=~ secret", "auth_method": "client_secret_basic"},
    {"id": "post-client", "secret": "100% +post:/?&=~ secret", "auth_method": "client_secret_post"},
    {"id": "public-client", "secret": "", "auth_method": "none"},
    {
        "id": "hs256-client",
        "secret": "the-key-of-id-tokens-0123456789-abcdefghijklmnopqr",
        "auth_method": "client_secret_basic",
        "algorithm": "HS256",
    },
]

LOGIN_PAGE = "<form method=post>{% csrf_token %}{{ form }}<input type=hidden name=next value='{{ next }}'></form>"


def main() -> None:
    told = arguments()
    listener = socket.create_server(("127.0.0.1", 0))
    issuer = f"https://localhost:{listener.getsockname()[1]}/o"
    configure(told.folder, issuer, json.loads(told.settings))
    application = get_asgi_application()
    call_command("migrate", verbosity=0)
    accounts = make_accounts()
    make_clients(told.redirect_uri, told.post_logout_redirect_uri)
    ready = json.dumps({"issuer": issuer, "clients": CLIENTS, "accounts": accounts})
    config = uvicorn.Config(
        application,
        ssl_certfile=told.certificate,
        lifespan="off",
        ws="none",
        loop="asyncio",
        http="h11",
        log_config=None,  # all goes where Django's goes
    )
    Server(config, ready).run([listener])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder for its database")
    parser.add_argument("--certificate", required=True, help="a file with the certificate of localhost and its key")
    parser.add_argument("--redirect-uri", required=True, help="of every client")
    parser.add_argument("--post-logout-redirect-uri", required=True, help="of every client")
    parser.add_argument("--settings", default="{}", help="what to change in OAUTH2_PROVIDER, as JSON")
    return parser.parse_args()


def configure(folder: Path, issuer: str, changes: dict[str, Any]) -> None:
    """All settings of the site; `changes` are of django-oauth-toolkit."""
    loaders = [
        ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN_PAGE}),
        "django.template.loaders.app_directories.Loader",
    ]
    settings.configure(
        SECRET_KEY="a-key-for-tests-0123456789-abcdefghijkl-0123456789-abcdefghijkl",
        ALLOWED_HOSTS=["localhost"],
        ROOT_URLCONF="provider_pages",
        LOGIN_URL="/login/",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "provider.sqlite3"}},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "provider_pages.log_request",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": loaders}}],
        # Hashed as in earnest, only not for a third of a second: secrets of clients are hashed by it too.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        SESSION_COOKIE_SECURE=True,
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["console"], "level": "INFO"},
        },
        OAUTH2_PROVIDER={**provider_settings(issuer), **changes},
    )


def provider_settings(issuer: str) -> dict[str, Any]:
    """With everything that will be the default in 4.0, RFC 9207's `iss` among it."""
    behaviours = (
        "IMPLICIT_GRANT",
        "PASSWORD_GRANT",
        "PKCE_METHOD",
        "ACCESS_TOKEN_TRANSPORT",
        "AUTHZ_RESPONSE_ISS",
        "TOKEN_STORAGE",
    )
    return {
        "SCOPES": {name: f"The scope {name}" for name in ("openid", "profile", "email", "read")},
        "OAUTH2_VALIDATOR_CLASS": "provider_pages.Validator",
        "PKCE_REQUIRED": True,
        "ACCESS_TOKEN_EXPIRE_SECONDS": 300,
        "REFRESH_TOKEN_EXPIRE_SECONDS": 3600,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": issuer,
        "OIDC_RSA_PRIVATE_KEY": new_key(),
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        **{f"COMPLIANT_BCP_RFC9700_{name}": True for name in behaviours},
    }


def new_key() -> str:
    """A private RSA key as PEM."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def make_accounts() -> dict[str, str]:
    """Everybody of `ACCOUNTS`, and their passwords."""
    from django.contrib.auth.models import Group, User  # not before the settings are there

    passwords = {name: f"the password of {name}" for name in ACCOUNTS}
    for name, groups in ACCOUNTS.items():
        user = User.objects.create_user(name, f"{name}@example.com", passwords[name], first_name=name.title())
        user.groups.set(Group.objects.get_or_create(name=group)[0] for group in groups)
    return passwords


def make_clients(redirect_uri: str, post_logout_redirect_uri: str) -> None:
    """Everything of `CLIENTS`. Only secrets that sign ID tokens are kept readable."""
    from oauth2_provider.models import Application

    for client in CLIENTS:
        client.setdefault("algorithm", Application.RS256_ALGORITHM)
        public = client["auth_method"] == "none"
        application = Application(
            name=client["id"],
            client_id=client["id"],
            client_secret=client["secret"],
            hash_client_secret=client["algorithm"] != Application.HS256_ALGORITHM,
            client_type=Application.CLIENT_PUBLIC if public else Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
            redirect_uris=redirect_uri,
            post_logout_redirect_uris=post_logout_redirect_uri,
            algorithm=client["algorithm"],
        )
        application.full_clean()
        application.save()


class Server(uvicorn.Server):
    """Says that it is ready on standard output; all else that it says goes to standard error."""

    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.ready, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
