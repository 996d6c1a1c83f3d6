"""The device authorization request (RFC 8628 section 3.1) and the pushed one (RFC 9126): answered alike.

Both come from an authenticated client, and are checked now for a decision that a browser makes later.
"""

from collections.abc import Mapping
from typing import Any

from doorkey.devprovider.consent import LONGEST_VALUE, PageError, checked
from doorkey.devprovider.drafts import Draft
from doorkey.devprovider.provider_store import Grant
from doorkey.devprovider.pushed_requests import PushedRequest
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.token_request import OAuthError, resources_of
from doorkey.devprovider.users import Client, not_registered_for


def authorize_device(visit: Visit, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """The codes, and where a person takes them. Raises `OAuthError`."""
    scope = tuple(dict.fromkeys(form.get("scope", "").split())) or client.scopes
    if not set(scope) <= client.allowed_scopes:
        raise OAuthError("invalid_scope", not_registered_for(client, scope))
    resource = resources_of([form.get("resource", "")])
    if resource is None:
        raise OAuthError("invalid_target", "resource must be an absolute URI without a fragment.")
    devices = visit.realm.devices
    device = devices.begin(Grant(client.client_id, scope, resource=resource, openid="openid" in scope), visit.now)
    page = f"{visit.base}/oauth/device"
    fields = {
        "device_code": device.device_code,
        "user_code": device.user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={device.user_code}",
        "expires_in": devices.seconds,
        "interval": device.interval,
    }
    return visit.change("device_authorization", Draft(fields)).fields


def push(visit: Visit, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """The request_uri. Raises `OAuthError`, for a wrong redirect URI too (RFC 9126 section 2.3)."""
    if "request_uri" in form:
        raise OAuthError("invalid_request", "A pushed request cannot name another one.")
    left_out = ("client_secret", "client_assertion", "client_assertion_type")
    args = {name: [value] for name, value in form.items() if name not in left_out and len(value) <= LONGEST_VALUE}
    args["client_id"] = [client.client_id]
    try:
        checked(visit, client, args)
    except PageError as error:
        raise OAuthError("invalid_request", f"{error.message} {error.hint}") from None
    uri = visit.realm.pushed.keep(PushedRequest(client.client_id, args), visit.now)
    return visit.change("par", Draft({"request_uri": uri, "expires_in": visit.realm.pushed.seconds})).fields
