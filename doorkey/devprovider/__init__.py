"""The other party: an OAuth 2.0 and OpenID Connect provider for development, with nothing to configure.

    users.py, definitions.py, users_file.py   people and clients, as values, and how they are read
    realm.py              everything one issuer knows, and one request to it (`Visit`)
    provider_store.py     codes and tokens: bounded, single use, revoked as families
    device_codes.py, pushed_requests.py, provider_sessions.py, expiring.py   the other things that are kept
    signing_keys.py, signed_tokens.py, scope_claims.py   keys and JWTs, and what they may say
    token_request.py, client_proof.py   what a form says, and which client sends it
    grants.py             the grants of the token endpoint
    consent.py            the authorization request, and the ticket that binds a page to a browser
    device_grant.py, token_status.py, provider_metadata.py, end_session.py   the other endpoints
    failures.py           the names of everything that can go wrong on purpose
    failure_changes.py, drafts.py   what a failure does to an answer
    script.py, scripted_responses.py   which of the next answers fail, and how that is said
    wire.py               failures of the connection itself
    request_log.py        what was asked, with secrets masked
    control.py            what `/dev/*` does
    openapi.py            the description of every endpoint, from openapi_parts.py, openapi_schemas.py,
                          openapi_answers.py, openapi_protocol.py, openapi_control.py
    app.py                the Flask app, with visits.py around every request, and the views in
                          protocol_views.py, page_views.py, control_views.py
    issuers.py            several issuers at one address
    inprocess.py          reached without a socket

It shares only the words of the project with Doorkey's client half and never imports
`doorkey.oauth`: client and provider are two parties, so that a mistake in one shows in the other.
"""
