"""Doorkey: a login front door and token workbench for OAuth 2.0.

Where to look, from the bottom up (imports point downwards only):

    settings errors events clock ...       words that everything may use
    oauth/        the client half of the protocol: begin, callback, exchange, user
    sessions/     what a signed-in browser has: record, seal, store
    web/          Flask blueprints and the Flask-Session interface
    cli/          `doorkey serve`, `doorkey dev-provider`
    development.py  without a provider: the development provider, mounted
    factory.py    create_app() and create_asgi(): every collaborator, in start order
    devprovider/  the other party: an OAuth and OpenID provider for development, which can fail on purpose
    testing/      that provider for tests of other programs; pytest_plugin.py makes it a fixture
"""

__version__ = "0.1.0"
