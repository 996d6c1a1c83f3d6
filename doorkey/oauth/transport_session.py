"""Authlib's OAuth2Session, for what it knows of requests and answers; http.py sends them.

Imported with the first sign-in: no start waits for it.
"""

from collections.abc import Callable
from typing import Any

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.client import OAuth2Client

Post = Callable[..., requests.Response]
"""Of a URL, with `data`, `headers` and `auth`."""


class TransportSession(OAuth2Session):  # type: ignore[misc]
    """It posts by `post`. What a session of requests keeps is not set up: making it costs more CPU than a call, and
    its cookies, redirects and environment are what a call with a token in it must not have.
    """

    def __init__(self, post: Post, **options: Any):
        OAuth2Client.__init__(self, _Posting(post), **options)


class _Posting:
    def __init__(self, post: Post):
        self.post = post
