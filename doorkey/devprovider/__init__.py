"""The other party: a small OAuth 2.0 provider for development, with nothing to configure.

    users.py      people and clients, as values
    provider_store.py  codes and tokens: bounded, single use, revoked as families
    token_request.py  what a token request says and who sends it, checked
    grants.py     the three grants of the token endpoint
    consent.py    the authorization request, and the ticket that binds its page to a browser
    app.py        the Flask app: /oauth/authorize, /oauth/token, /oauth/userinfo
    inprocess.py  reached without a socket, as a requests adapter

It shares only the words of the project with Doorkey's client half and never imports
`doorkey.oauth`: client and provider are two parties, so that a mistake in one shows in the other.
"""
