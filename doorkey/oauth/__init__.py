"""The client half of OAuth 2.0, without Flask.

    flow.py            begin() -> the provider -> check_callback() -> finish()
    provider.py        one provider as a value, and its authorization URL
    token_endpoint.py  the exchange, through Authlib's OAuth2Session
    client_auth.py     how the client proves itself there
    token.py           Token, and the strict reading of a token response
    user_info.py       Identity, and the question who signed in
    http.py            the transport: pooled, bounded in time and size, no redirects
    deadline.py        what makes "bounded in time" true for a peer that drips
    return_target.py   where a browser may be sent after sign-in
    trace.py           what happened, step by step, with secrets masked

Authlib, requests and urllib3 are named nowhere else, and their exceptions end here.
"""
