"""A provider of other people is gone when its block has ended (tests/interop/oidc_provider.py)."""

from pathlib import Path

import pytest
from requests.exceptions import ConnectionError as NobodyThere

from tests.interop import oidc_provider
from tests.interop.visits import ORIGIN


def test_oidc_provider_is_gone_afterwards(tmp_path: Path) -> None:
    """Node is started through a script, which does not pass signals on."""
    with oidc_provider.running(
        tmp_path,
        redirect_uri=f"{ORIGIN}/callback/{{client}}",
        post_logout_redirect_uri=f"{ORIGIN}/logged-out",
        backchannel_logout_uri=f"{ORIGIN}/backchannel-logout/{{client}}",
        jwks={"keys": []},
    ) as provider:
        browser = provider.browser()
        assert browser.get(provider.metadata_url, timeout=10).status_code == 200
    with pytest.raises(NobodyThere):
        provider.browser().get(provider.metadata_url, timeout=10)
