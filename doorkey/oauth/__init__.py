"""The client half of OAuth 2.0, without Flask.

    flow.py                begin() -> the provider -> check_callback() -> finish(); later renew()
    authorization.py       the authorization request, in a URL or pushed
    token_endpoint.py      the exchange and the refresh, through Authlib's OAuth2Session
    revocation.py          taking a token back
    rp_logout.py           leaving by way of the provider
    logout_token.py        when the provider says who left
    client_auth.py         how the client proves itself at these
    client_keys.py         the keys it does that with
    token.py               Token, and the strict reading of a token response
    id_token.py            the one validator of signed tokens, as tables of rules
    jws.py                 from a signed token to claims, with the right key
    keys.py                a provider's keys
    user_info.py           Identity, and the question who signed in
    access_token.py        JWT access tokens that API clients come with (RFC 9068)
    introspection.py       asking a provider about an opaque token (RFC 7662)
    identity_assertion.py  a signed word about who passed the gate
    provider.py            one provider as a value
    provider_directory.py  all of them, described by their metadata when that is needed
    metadata.py            what a provider says of itself
    documents.py           how metadata and keys are kept
    provider_check.py      `doorkey check`: what a provider says, held against what will be asked of it
    provider_probes.py     and what has to be tried there
    http.py                the transport: pooled, bounded in time and size, no redirects
    transport_session.py   Authlib's OAuth2Session over it
    deadline.py            what makes "bounded in time" true for a peer that drips
    return_target.py       where a browser may be sent after sign-in
    trace.py               what happened, step by step, with secrets masked

Authlib, joserfc, requests and urllib3 are named nowhere else, and their exceptions end here.
"""
