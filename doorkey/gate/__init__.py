"""What reverse proxies ask for every request: may this pass? No Flask, and no server.

original_request.py  what the proxy says the visitor asked for (one dialect for each kind of proxy)
oauth2_proxy_dialect.py  the same, for whoever comes from oauth2-proxy
request_path.py      the one meaning of a path, or the knowledge that it has several
policy.py            rules compiled so that their number costs nothing; policy_text.py reads them from TOML
policy_file.py       the file, read again when it changes; a broken one changes nothing
decide.py            allow, log in or forbid: one pure function; explain.py says why
replies.py           from a decision to its answer; answer.py has their forms for each dialect
identity_headers.py  what an application is told
gate_cookies.py      what a visitor came with
tickets.py           where somebody wanted to go, sealed, and the way back; login_loop.py notices circles
bearer.py            what API clients come with; gate_tokens.py are our own, foreign_tokens.py are others'
checkpoint.py        from the request of a proxy to its answer: the order of all this
lookup.py            what is known of those who ask again and again
behind.py            what is done behind the answers
echo.py              what reaches an application, for `doorkey check --through`
gate_request.py      a request as every adapter hands it in
parts.py             everything put together
asgi.py, wsgi.py     thin adapters; authorizer.py is Apache's, over fastcgi.py; lifespan.py starts and stops it
"""
