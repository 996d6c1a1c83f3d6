"""Every option of oauth2-proxy 7 and what becomes of it, as one table.

Names are those of its configuration file. Called by oauth2_proxy_reading.py (how a value is written) and
oauth2_proxy_move.py (what is said of an option that nothing else dealt with); docs/oauth2-proxy.md repeats the
rows and a test compares. Sources: the option structs and the reference page of oauth2-proxy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

CARRIED = "carried"
BY_HAND = "by hand"
NEEDLESS = "not needed"
REFUSED = "refused"
LOCKED = "locked"
"""It kept people out, and the policy cannot say the same: nobody gets in until somebody has written a rule."""

ON = "on"
OFF = "off"
TEXT = "text"
LIST = "list"
"""How a value is written. The first two are switches, named after their default."""


@dataclass(frozen=True)
class Option:
    """`says` is half a sentence: what became of it, or what to do."""

    kind: str
    fate: str
    says: str


_PROVIDER = """
[text, carried]
provider: the preset or the issuer of the provider
client_id: `CLIENT_ID`
client_secret: `CLIENT_SECRET`
client_secret_file: `CLIENT_SECRET_FILE`
oidc_issuer_url: `ISSUER`
login_url: `AUTHORIZATION_ENDPOINT`, or the issuer where it can be read from it
redeem_url: `TOKEN_ENDPOINT`
profile_url: `USERINFO_ENDPOINT`
validate_url: `USERINFO_ENDPOINT` for GitHub and Nextcloud; Doorkey asks no other such address
oidc_jwks_url: `JWKS_URI`
scope: `SCOPE`
prompt acr_values: `AUTHORIZATION_PARAMS`
oidc_email_claim: `CLAIM_EMAIL`
oidc_groups_claim: `CLAIM_GROUPS`
user_id_claim: `CLAIM_EMAIL`, which is what it meant, unless `oidc_email_claim` is set too
provider_display_name: `LABEL`
auth_request_response_mode: `RESPONSE_MODE`: query or form_post
code_challenge_method force_code_challenge_method: `PKCE` is always on with S256, in place of plain too
azure_tenant: the issuer, when it is the id of one tenant
jwt_key: `PRIVATE_KEY` with private_key_jwt
jwt_key_file: `PRIVATE_KEY_FILE` with private_key_jwt
[list, carried]
oidc_extra_audiences: `TRUSTED_AUDIENCES`
oidc_enabled_signing_algs: `ID_TOKEN_ALGS`
provider_ca_files: `DOORKEY_CA_BUNDLE`; several files must be joined into one by hand
[text, by hand]
approval_prompt: an old name: write `AUTHORIZATION_PARAMS=prompt=consent` if consent must be asked each time
resource: the endpoints of today take no such parameter from it; see `RESOURCE`
azure_graph_group_field: groups come from the token: choose ids or names where the token is configured
backend_logout_url: the address to sign out at is in the provider's metadata; see `END_SESSION_ENDPOINT`
pubjwk_url: Doorkey publishes its keys at `/.well-known/jwks.json`
google_target_principal google_admin_email: only for Google groups, which Doorkey does not ask for
google_service_account_json: only for Google groups, which Doorkey does not ask for
google_admin_api_user_scope: only for Google's directory, which Doorkey does not ask
github_token: only for `github_repo`, which Doorkey does not ask for
[list, by hand]
oidc_public_key_files: keys come from `JWKS_URI`
[off, by hand]
google_use_application_default_credentials: only for Google groups, which Doorkey does not ask for
google_use_organization_id: only for Google's directory, which Doorkey does not ask
entra_id_federated_token_auth: no federated tokens: use a client secret
skip_oidc_discovery: set all endpoints, then nothing is discovered
skip_claims_from_profile_url: `USERINFO=never` if the ID token has all that is needed
use_system_trust_store: join the authorities into the file that `DOORKEY_CA_BUNDLE` names
[off, refused]
ssl_insecure_skip_verify: certificates are always checked; name your own authority in `DOORKEY_CA_BUNDLE`
insecure_oidc_skip_issuer_verification: the issuer is always checked; one tenant, by its exact issuer
insecure_oidc_allow_unverified_email: an address that is said to be unverified decides nothing; name groups or claims
[on, not needed]
insecure_oidc_skip_nonce: the nonce is always checked
[list, refused]
oidc_audience_claims: the audience is the claim `aud`, as the standard says
"""

_WHO = """
[list, carried]
email_domains: `domains` in the policy; `*` is whoever is signed in
allowed_groups keycloak_groups gitlab_groups: `groups` in the policy
allowed_roles: `groups` in the policy, with `CLAIM_GROUPS=realm_access.roles`, when no groups are asked for
entra_id_allowed_tenants: the issuer, when it is one tenant; else nobody gets in
skip_auth_routes skip_auth_regex: a rule with `allow = "anyone"`, where the expression is a plain path
api_routes: a rule with `login = "never"`, where the expression is a plain path
extra_jwt_issuers: `DOORKEY_BEARER_ISSUER`, the first whose audience is not the client
[text, carried]
authenticated_emails_file: `emails` in the policy, copied from the file
[off, carried]
skip_auth_preflight: a rule that lets OPTIONS through
skip_jwt_bearer_tokens: `DOORKEY_BEARER_ISSUER` and `DOORKEY_BEARER_AUDIENCE`, for an audience that is not the client
force_json_errors: `login = "never"` for everything
[list, locked]
google_groups: no claim has them; write a rule with e-mail addresses, or use a provider that knows groups
gitlab_projects: projects are not asked for; write a rule with groups
github_users: logins are not asked for; write a rule with e-mail addresses
[text, locked]
github_org: organizations are not asked for; write a rule with e-mail addresses
github_team: teams are not asked for; write a rule with e-mail addresses
github_repo: repositories are not asked for; write a rule with e-mail addresses
bitbucket_team: teams are not asked for; write a rule with users
bitbucket_repository: repositories are not asked for; write a rule with users
alpha_config: that file was not read, and it says who may get in; write the rules by hand
config: that file was not read, and it may say who may get in; import that file too
[text, by hand]
htpasswd_file: no passwords here: `doorkey gate-token new` makes tokens for programs
[list, by hand]
htpasswd_user_groups: no passwords here: gate tokens have scopes
trusted_ips: nobody passes by address; let the proxy itself skip the check for such addresses
"""

_FRONT = """
[text, carried]
redirect_url: `DOORKEY_PUBLIC_URL`, without its path; the path to register is another
http_address: `DOORKEY_HOST` and `DOORKEY_PORT`
proxy_prefix: `DOORKEY_OAUTH2_PROXY_PATHS=on` when it is `/oauth2`
cookie_expire: `DOORKEY_SESSION_ABSOLUTE` and `DOORKEY_SESSION_IDLE`
session_store_type: `DOORKEY_SESSION_STORE`: redis, or a file in place of cookies
redis_connection_url redis_password redis_username redis_sentinel_password: `DOORKEY_SESSION_STORE`
redis_sentinel_master_name: `DOORKEY_SESSION_STORE`
redis_ca_path: `DOORKEY_SESSION_STORE`, with rediss
[list, carried]
redis_sentinel_connection_urls redis_cluster_connection_urls: `DOORKEY_SESSION_STORE`
cookie_domains: `DOORKEY_COOKIE_DOMAIN`, the one that Doorkey's own host is in
whitelist_domains: `DOORKEY_ALLOWED_HOSTS`
trusted_proxy_ips: `DOORKEY_TRUSTED_PROXIES`
[off, carried]
redis_use_sentinel redis_use_cluster: `DOORKEY_SESSION_STORE`
set_xauthrequest: `DOORKEY_GATE_HEADERS=oauth2-proxy`
pass_access_token: `headers = ["access-token"]` in the policy
[off, refused]
redis_insecure_skip_tls_verify: certificates are always checked; see `ssl_ca_certs`
[off, by hand]
reverse_proxy: `DOORKEY_TRUSTED_PROXIES` names the proxies, when they are not on this machine
pass_authorization_header: no ID token for applications: `headers = ["assertion"]` gives a signed one
set_authorization_header: no ID token for applications: `headers = ["assertion"]` gives a signed one
set_basic_auth: no Basic header for applications; they can read the identity headers
prefer_email_to_user: let the proxy send X-Doorkey-Email under the name that the application reads
relative_redirect_url: Doorkey has one address, `DOORKEY_PUBLIC_URL`
force_https: let the proxy redirect to https
bearer_token_login_fallback: a wrong bearer token is answered with 401
ssl_upstream_insecure_skip_verify: the proxy talks to the application
allow_query_semicolons: the proxy passes the query on
[on, by hand]
pass_basic_auth pass_user_headers: X-Forwarded-User and the like: let the proxy set them from X-Doorkey-User
skip_auth_strip_headers: the proxy deletes identity headers on every path; see `doorkey proxy-config`
pass_host_header proxy_websockets: the proxy talks to the application
[text, by hand]
basic_auth_password: no Basic header for applications; they can read the identity headers
real_client_ip_header: Doorkey reads X-Forwarded-For, of `DOORKEY_TRUSTED_PROXIES` only
signature_key: no signed requests: `headers = ["assertion"]` gives a signed identity
https_address: the proxy speaks TLS, Doorkey plain HTTP behind it
tls_cert_file tls_key_file tls_min_version: the proxy speaks TLS
flush_interval upstream_timeout: the proxy talks to the application
metrics_address metrics_secure_address metrics_tls_cert_file: `/metrics` is on the same port
metrics_tls_key_file: `/metrics` is on the same port
ping_path: `/healthz`
ping_user_agent: `/healthz`, whatever the user agent
ready_path: `/readyz`
redis_connection_idle_timeout: connections are kept as the store needs them
custom_templates_dir custom_sign_in_logo: pages have their own look
banner footer: pages have their own words
[list, by hand]
upstreams: Doorkey is no proxy: `doorkey proxy-config` writes the configuration of one
tls_cipher_suites: the proxy speaks TLS
"""

_OTHER = """
[text, not needed]
cookie_secret cookie_secret_file: not used again, it means something else; `DOORKEY_SECRET_KEY` is a new one
cookie_refresh: tokens are refreshed before they expire
cookie_name: cookies have names of their own
cookie_path: cookies have a path of their own
cookie_samesite cookie_csrf_samesite: cookies are SameSite=Lax
cookie_csrf_domain: a sign-in has a cookie of its own host
cookie_csrf_expire: a sign-in may take ten minutes
cookie_csrf_per_request_limit: at most five sign-ins at once, the oldest is dropped
auth_logging_format request_logging_format standard_logging_format: the log has a format of its own
logging_filename logging_max_age logging_max_backups logging_max_size: the log goes to stderr
request_id_header: every answer has X-Doorkey-Request-Id
[list, not needed]
exclude_logging_paths: health checks are not logged
[on, not needed]
cookie_secure: cookies are Secure, but for http on this machine
cookie_httponly: cookies are HttpOnly
display_htpasswd_form: no passwords here
auth_logging: the log tells of every sign-in
request_logging: the proxy logs requests
standard_logging: the log is always on
logging_local_time: times in the log are UTC
[off, not needed]
cookie_csrf_per_request: every sign-in has a cookie of its own
session_cookie_minimal: the cookie holds no token
skip_provider_button: with one provider nobody has to press a button
encode_state: the state is safe in a URL
errors_to_info_log: the log is one stream
logging_compress: the log goes to stderr
silence_ping_logging: health checks are not logged
show_debug_on_error: pages never show such detail
gcp_healthchecks: `/healthz`
"""


def _rows(text: str) -> Iterator[tuple[str, Option]]:
    """In a line: names, a colon, what becomes of them; in brackets before them how they are written, and the fate."""
    kind = fate = ""
    for line in text.strip().splitlines():
        if line.startswith("["):
            kind, fate = line.strip("[]").split(", ")
            continue
        names, _, says = line.partition(": ")
        for name in names.split():
            yield name, Option(kind, fate, says)


OPTIONS: dict[str, Option] = dict(sorted(_rows(_PROVIDER + _WHO.lstrip() + _FRONT.lstrip() + _OTHER.lstrip())))


def known_name(written: str) -> str:
    """The name in `OPTIONS` of what stands in a file, an environment or an argument; as it is when nobody knows it."""
    name = written.strip().lstrip("-").lower().replace("-", "_")
    return name if name in OPTIONS or name + "s" not in OPTIONS else name + "s"
