"""The rows of the OpenAPI document for what programs and browsers ask: `/oauth/*` and `/.well-known/*`.

One row for each method and path of protocol_views.py and page_views.py. The examples work as they are once the
client of the example at `PUT /dev/clients/{client_id}` is there.
"""

from collections.abc import Mapping

from doorkey.devprovider.client_proof import ASSERTION_TYPE
from doorkey.devprovider.grants import CHALLENGE, DEVICE_GRANT, GRANTS, VERIFIER
from doorkey.devprovider.openapi_parts import (
    ACCESS_TOKEN,
    CLIENT_BASIC,
    CLIENT_ERRORS,
    NOBODY,
    PAGE_ERRORS,
    PAGE_FORM_ERRORS,
    PROGRAM_ERRORS,
    TOKEN_ERRORS,
    Answer,
    Field,
    Json,
    Operation,
    empty_answer,
    form_body,
    form_schema,
    json_answer,
    page_answer,
    redirect_answer,
    schema,
)
from doorkey.devprovider.openapi_schemas import SCOPE, TEXT, URI, array, choice

EXAMPLE_CLIENT = "my-app"
EXAMPLE_SECRET = "my-app-secret-0123456789-abcdefghij"  # noqa: S105
EXAMPLE_REDIRECT_URI = "http://127.0.0.1:8000/callback"
EXAMPLE_LOGOUT_URI = "http://127.0.0.1:8000/signed-out"
EXAMPLE_PROOF = {"client_id": EXAMPLE_CLIENT, "client_secret": EXAMPLE_SECRET}

OAUTH, OPENID, PAGES, DISCOVERY = "OAuth 2.0", "OpenID Connect", "Pages", "Discovery"
EITHER_WAY = (CLIENT_BASIC, NOBODY)
_GIVEN: Json = {"type": "string", "minLength": 1}

_CLIENT_FIELDS: Mapping[str, Field] = {
    "client_id": Field(TEXT, "Needed when the client does not authenticate in a header."),
    "client_secret": Field(TEXT, "client_secret_post."),
    "client_assertion_type": Field(TEXT, f"With client_assertion: {ASSERTION_TYPE}."),
    "client_assertion": Field(TEXT, "A JWT: client_secret_jwt, private_key_jwt."),
}
_RESOURCE = Field(
    array({"type": "string", "pattern": "^([^#]*:[^#]*)?$"}), "RFC 8707: where the token is to be used; absolute URIs."
)
_SCOPE = Field(SCOPE, "All that the client may have, if it is left out.", "openid profile")
_CHALLENGE: Json = {"type": "string", "pattern": f"^({CHALLENGE.pattern})?$"}
_AUTHORIZE_FIELDS: Mapping[str, Field] = {
    "response_type": Field(choice("code"), "code.", "code", required=True),
    "redirect_uri": Field(URI, "A registered one.", EXAMPLE_REDIRECT_URI, required=True),
    "scope": _SCOPE,
    "state": Field(TEXT, "Needed without openid; comes back as it is.", "af0ifjsldkj"),
    "nonce": Field(TEXT, "Goes into the ID token.", "n-0S6_WzA2Mj"),
    "code_challenge": Field(_CHALLENGE, "PKCE.", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    "code_challenge_method": Field(choice("S256", ""), "S256.", "S256"),
    "response_mode": Field(choice("query", "form_post", ""), "query unless it is form_post."),
    "prompt": Field(TEXT, "none for an answer without a page.", "none"),
    "login_hint": Field(TEXT, "With prompt=none: who signs in.", "alice"),
    "max_age": Field({"type": "integer", "minimum": 0, "maximum": 999_999_999}, "With prompt=none: seconds."),
    "acr_values": Field(TEXT, "The first goes into the ID token as acr."),
    "id_token_hint": Field(TEXT, "Not looked at."),
    "resource": _RESOURCE,
}
_AUTHORIZE = {
    "client_id": Field(TEXT, "A registered client.", EXAMPLE_CLIENT, required=True),
    **_AUTHORIZE_FIELDS,
    "request_uri": Field(TEXT, "Of a pushed request (RFC 9126); then nothing but client_id is needed beside it."),
}
_OPTIONAL = {"request_uri": ("response_type", "redirect_uri")}
_LOGOUT_FIELDS: Mapping[str, Field] = {
    "id_token_hint": Field(TEXT, "An ID token that was issued here, however old. Without one the user is asked."),
    "client_id": Field(TEXT, "Whose post_logout_redirect_uri it is.", EXAMPLE_CLIENT),
    "post_logout_redirect_uri": Field(TEXT, "A registered one.", EXAMPLE_LOGOUT_URI),
    "state": Field(TEXT, "Comes back as it is.", "af0ifjsldkj"),
}
_TICKET = Field(TEXT, "From the page that was shown in this browser.", required=True)
_DECISION_FIELDS: Mapping[str, Field] = {
    "ticket": _TICKET,
    "user": Field(TEXT, "Who decides."),
    "scope": Field(array(TEXT), "What is allowed; each scope by itself."),
    "deny": Field(TEXT, "Any value: the user says no."),
}
_GRANT_NEEDS: Mapping[str, tuple[str, ...]] = {
    "authorization_code": ("code", "redirect_uri"),
    "refresh_token": ("refresh_token",),
    "client_credentials": (),
    DEVICE_GRANT: ("device_code",),
}


def _grant(name: str) -> Json:
    needs = _GRANT_NEEDS[name]
    return {
        "properties": {"grant_type": {"const": name}, **{key: {"minLength": 1} for key in needs}},
        "required": list(needs),
    }


_TOKEN_FIELDS: Mapping[str, Field] = {
    "grant_type": Field(choice(*GRANTS), "The grant.", required=True),
    "code": Field(TEXT, "authorization_code: works once."),
    "redirect_uri": Field(TEXT, "authorization_code: the one of the authorization request."),
    "code_verifier": Field(TEXT, f"authorization_code: if there was a code_challenge; {VERIFIER.pattern}"),
    "refresh_token": Field(TEXT, "refresh_token: works once."),
    "device_code": Field(TEXT, "device_code: works once somebody has decided."),
    "scope": Field(SCOPE, "refresh_token and client_credentials: narrows what was allowed."),
    "resource": _RESOURCE,
    **_CLIENT_FIELDS,
}
_ASKED_TOKEN = {
    "token": Field(_GIVEN, "An access token or a refresh token.", required=True),
    "token_type_hint": Field(TEXT, "Not looked at."),
    **_CLIENT_FIELDS,
}
FORMS: Mapping[str, Json] = {  # a parameter without a value counts as left out
    "TokenForm": form_schema(_TOKEN_FIELDS, oneOf=[_grant(name) for name in GRANTS]),
    "BearerForm": form_schema({"access_token": Field(TEXT, "Instead of the header (RFC 6750 section 2.2).")}),
    "AskedTokenForm": form_schema(_ASKED_TOKEN),
    "DeviceAuthorizationForm": form_schema({"scope": _SCOPE, "resource": _RESOURCE, **_CLIENT_FIELDS}),
    "PushedRequestForm": form_schema({**_AUTHORIZE_FIELDS, **_CLIENT_FIELDS}),
    "SignInForm": {
        "anyOf": [
            form_schema(
                {
                    **_DECISION_FIELDS,
                    "failure": Field(TEXT, "What this sign-in is answered with, see GET /dev/failures."),
                }
            ),
            form_schema(_AUTHORIZE) | {"required": ["client_id"]},
        ]
    },
    "DeviceForm": form_schema(_DECISION_FIELDS),
    "LogoutForm": form_schema({**_LOGOUT_FIELDS, "ticket": Field(TEXT, "From the page that asks.")}),
}

_TOKENS = json_answer("The tokens.", "TokenResponse")
_METADATA = {200: json_answer("The metadata.", "Metadata")}
_JWKS = {200: json_answer("The keys.", "Jwks", media="application/jwk-set+json")}
_USER_INFO: Json = Answer("The claims; a JWT for clients that asked for that.").described() | {
    "content": {"application/json": {"schema": schema("UserInfo")}, "application/jwt": {"schema": schema("Jwt")}}
}
_SIGN_IN: Mapping[int, Json] = {
    200: page_answer("The page where a user is chosen; or one that posts the answer (form_post)."),
    302: redirect_answer("To the client: with code, state and iss; or error, error_description, state and iss."),
}
_SIGNED_OUT: Mapping[int, Json] = {
    200: page_answer("A page that asks first, or says that it is done and tells the clients in frames."),
    302: redirect_answer("To post_logout_redirect_uri, with state."),
}


def _parameters(fields: Mapping[str, Field], optional: tuple[str, ...] = ()) -> list[Json]:
    found = [one.as_parameter(name, "query") for name, one in fields.items()]
    return [{k: v for k, v in one.items() if k != "required" or one["name"] not in optional} for one in found]


PROTOCOL_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET", "/oauth/authorize", "show_consent", OAUTH, "Ask for a code (RFC 6749 section 4.1.1)", _SIGN_IN,
        PAGE_ERRORS, _parameters(_AUTHORIZE, _OPTIONAL["request_uri"]),
        description="With prompt=none&login_hint=alice there is no page. response_type and redirect_uri may be "
        "missing beside a request_uri only. What is wrong goes back to the client, except an unknown client or "
        "redirect URI, which is a page.",
    ),
    Operation(
        "POST", "/oauth/authorize", "decide", OAUTH, "Ask for a code by POST, or decide on the sign-in page", _SIGN_IN,
        PAGE_FORM_ERRORS, body=form_body("SignInForm"),
        description="With a ticket it is the decision of the page that was shown in this browser. With a client_id and "
        "no ticket it is a request as by GET (OpenID Connect Core section 3.1.2.1).",
    ),
    Operation(
        "POST", "/oauth/token", "token", OAUTH, "Get tokens (RFC 6749 section 3.2)", {200: _TOKENS}, CLIENT_ERRORS,
        body=form_body("TokenForm", {"grant_type": "client_credentials", **EXAMPLE_PROOF}), security=EITHER_WAY,
    ),
    Operation(
        "GET", "/oauth/userinfo", "user_info", OPENID, "Who a token stands for (OpenID Connect Core section 5.3)",
        {200: _USER_INFO}, TOKEN_ERRORS, security=(ACCESS_TOKEN,),
    ),
    Operation(
        "POST", "/oauth/userinfo", "post_user_info", OPENID, "The same, by POST", {200: _USER_INFO}, TOKEN_ERRORS,
        body=form_body("BearerForm", required=False), security=(ACCESS_TOKEN, NOBODY),
    ),
    Operation(
        "POST", "/oauth/introspect", "introspect", OAUTH, "What a token is worth (RFC 7662)",
        {200: json_answer("Whether it works; if it does, what it stands for.", "Introspection")}, CLIENT_ERRORS,
        body=form_body("AskedTokenForm", {"token": "unknown", **EXAMPLE_PROOF}), security=EITHER_WAY,
    ),
    Operation(
        "POST", "/oauth/revoke", "revoke", OAUTH, "End a token (RFC 7009)",
        {200: empty_answer("It works no longer, or was unknown.")}, CLIENT_ERRORS,
        body=form_body("AskedTokenForm", {"token": "unknown", **EXAMPLE_PROOF}), security=EITHER_WAY,
        description="A refresh token ends with everything that came from it.",
    ),
    Operation(
        "POST", "/oauth/device_authorization", "device_authorization", OAUTH, "Begin on a device (RFC 8628)",
        {200: json_answer("The codes.", "DeviceAuthorization")}, CLIENT_ERRORS,
        body=form_body("DeviceAuthorizationForm", EXAMPLE_PROOF), security=EITHER_WAY,
    ),
    Operation(
        "GET", "/oauth/device", "show_device", PAGES, "The page where a device's code is typed",
        {200: page_answer("The page that asks for the code, or what the device asks for.")},
        {**PAGE_ERRORS, 404: "NotFoundPage"}, [Field(TEXT, "The code.").as_parameter("user_code", "query")],
    ),
    Operation(
        "POST", "/oauth/device", "decide_on_page", PAGES, "Decide on the device's page",
        {200: page_answer("What was decided.")}, PAGE_FORM_ERRORS, body=form_body("DeviceForm"),
    ),
    Operation(
        "POST", "/oauth/par", "pushed_authorization_request", OAUTH, "Push an authorization request (RFC 9126)",
        {201: json_answer("Where it is kept, for one use.", "PushedRequest")}, CLIENT_ERRORS,
        body=form_body("PushedRequestForm", {"response_type": "code", "redirect_uri": EXAMPLE_REDIRECT_URI,
                                             "state": "af0ifjsldkj", **EXAMPLE_PROOF}),
        security=EITHER_WAY,
    ),
    Operation("GET", "/oauth/jwks", "jwks", DISCOVERY, "The public keys (RFC 7517)", _JWKS, PROGRAM_ERRORS),
    Operation(
        "GET", "/oauth/jwks/{suffix}", "moved_jwks", DISCOVERY, "The same keys, where the failure "
        "discovery-jwks-uri-keys says they are", _JWKS, {**PROGRAM_ERRORS, 404: "NotFound"},
        [{**Field(_GIVEN, "Any.", "1").as_parameter("suffix", "path"), "required": True}],
    ),
    Operation(
        "GET", "/oauth/logout", "leave", OPENID, "Sign out (RP-Initiated Logout)", _SIGNED_OUT, PAGE_ERRORS,
        _parameters(_LOGOUT_FIELDS),
    ),
    Operation(
        "POST", "/oauth/logout", "post_leave", OPENID, "The same, by POST", _SIGNED_OUT, PAGE_FORM_ERRORS,
        body=form_body("LogoutForm", required=False),
    ),
    Operation("GET", "/.well-known/openid-configuration", "metadata", DISCOVERY,
              "The metadata (OpenID Connect Discovery)", _METADATA, PROGRAM_ERRORS),
    Operation("GET", "/.well-known/oauth-authorization-server", "oauth_metadata", DISCOVERY,
              "The metadata (RFC 8414)", _METADATA, PROGRAM_ERRORS),
)  # fmt: skip
