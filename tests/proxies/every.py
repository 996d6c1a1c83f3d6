"""All proxies of deploy/, each a row. What the suite lets one of them do differently is a word in `Proxy.limits`.

keeps-cookies      Doorkey's cookies reach the app: the proxy cannot cut one cookie out of many
away-is-500        a Doorkey that cannot be reached is a 500, without Retry-After
keeps-unknown      headers of our names that mean nothing (X-Doorkey-Anything) reach the app
bad-body-is-5xx    a body whose framing breaks off under way, after the check, is 500 or 502 instead of 400
wants-the-body     a client that waits for "100 Continue" is told of a refusal once it sends its body after all
always-302         a form that was posted is sent to the login by 302 as well
"""

from tests.proxies import apache_proxy, caddy_proxy, envoy_proxy, haproxy_proxy, nginx_proxy, traefik_proxy
from tests.proxies.running import Proxy

PROXIES: tuple[Proxy, ...] = (
    *nginx_proxy.PROXIES,
    *caddy_proxy.PROXIES,
    *traefik_proxy.PROXIES,
    *haproxy_proxy.PROXIES,
    *apache_proxy.PROXIES,
    *envoy_proxy.PROXIES,
)
