"""An OAuth provider for the tests of any OAuth client: `OAuthProvider`, with pytest or without.

    oauth_provider.py     what a test calls
    provider_options.py   how a provider is to be: strict, users, lifetimes
    provider_app.py       a provider of such options, made quickly
    visitor.py            a person at the provider's pages
    client_way.py         the way of a browser through the client under test
    through_responses.py  how requests reach the provider without a socket
    socket_server.py      and with one: a server in a thread
    issued_token.py       tokens that are not shown by accident
    sign_in_failures.py   the failures that one sign-in can have

doorkey/pytest_plugin.py makes fixtures of it.
"""

from doorkey.testing.issued_token import IssuedToken
from doorkey.testing.oauth_provider import OAuthProvider
from doorkey.testing.sign_in_failures import failure_names
from doorkey.testing.visitor import SignInError

__all__ = ["IssuedToken", "OAuthProvider", "SignInError", "failure_names"]
