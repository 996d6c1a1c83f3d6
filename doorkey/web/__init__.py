"""Flask, and only what needs it.

runtime.py            the collaborators of one app, and its public URL
login.py              /login, /callback/<provider>
account.py            /, /session, /account/refresh
account_view.py       what the home page shows of a session
fresh_session.py      the session with a token that lives
my_sessions.py        /account/sessions
logout.py             /logout, /logged-out
logout_states.py      what must come back from a provider after a sign-out
provider_logout.py    /backchannel-logout/<provider>, /frontchannel-logout/<provider>
ops.py                /healthz, /readyz, /metrics, /.well-known/jwks.json
problems.py           any error -> page or JSON, with the request id
security.py           host check, request id, security headers, forged forms
rate_limit.py         how often one address may begin a sign-in
sealed_cookies.py     values that travel in the browser only
transactions.py       one sealed cookie per pending sign-in
posted_callbacks.py   answers that come as a posted form
sign_in_page.py       the buttons that two routes show
device_label.py       a coarse name for a browser
session_interface.py  flask.session over Doorkey's sessions
gate_pages.py         /denied, /form-not-sent, /.doorkey/accept
gate_return.py        the way back to where the gate sent somebody away from
login_circles.py      how often a browser was sent back to a host
oauth2_proxy_paths.py /oauth2/..., for whoever moves over
pages_asgi.py         the pages behind uvicorn, and the gate before them
page_threads.py       its pool of threads: a request goes there whole, and so does its answer come back
mount.py              the development provider inside the same origin
"""
