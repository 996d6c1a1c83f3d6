/**
 * The relying parties that the provider knows, one for each thing that they may do differently.
 *
 * Calls nothing. config.js registers them; server.js tells them to the test, so that no secret is
 * written twice.
 */

/** All that must be form-encoded in HTTP Basic (RFC 6749 2.3.1); the library allows printable ASCII only. */
const AWKWARD_SECRET = 'a:b+c d%2Fe/f&g=h?i~j"k\\l <m> 0123456789'
/** Long enough to be a key of HS256. */
const LONG_SECRET = 'a-secret-that-is-long-enough-for-hs256-0123456789'

const WITH_SECRET = { client_secret: LONG_SECRET }

/** What differs from `client_secret_basic` and RS256, by client_id. */
const DIFFERENCES = {
  basic: { client_secret: AWKWARD_SECRET },
  post: { client_secret: AWKWARD_SECRET, token_endpoint_auth_method: 'client_secret_post' },
  'jwt-secret': { ...WITH_SECRET, token_endpoint_auth_method: 'client_secret_jwt' },
  key: { token_endpoint_auth_method: 'private_key_jwt' },
  public: { token_endpoint_auth_method: 'none' },
  par: { ...WITH_SECRET, require_pushed_authorization_requests: true },
  'par-key': { token_endpoint_auth_method: 'private_key_jwt', require_pushed_authorization_requests: true },
  'form-post': { ...WITH_SECRET, response_modes: ['form_post'] },
  ps256: { ...WITH_SECRET, id_token_signed_response_alg: 'PS256' },
  es256: { ...WITH_SECRET, id_token_signed_response_alg: 'ES256' },
  eddsa: { ...WITH_SECRET, id_token_signed_response_alg: 'EdDSA' },
  ed25519: { ...WITH_SECRET, id_token_signed_response_alg: 'Ed25519' },
  hs256: { ...WITH_SECRET, id_token_signed_response_alg: 'HS256' },
  'signed-userinfo': { ...WITH_SECRET, userinfo_signed_response_alg: 'RS256' },
  encrypted: { ...WITH_SECRET, id_token_encrypted_response_alg: 'A256KW', id_token_encrypted_response_enc: 'A256GCM' },
  /** Gets refresh tokens without offline_access; see config.js. */
  'always-refresh': WITH_SECRET,
  /** Its logout tokens say who has left, and not which session ended. */
  'logout-by-sub': { ...WITH_SECRET, backchannel_logout_session_required: false },
}

/** The metadata of every client; `{client}` in an address stands for its client_id. */
export function clients(settings) {
  return Object.entries(DIFFERENCES).map(([id, differences]) => {
    const address = (name) => settings[name].replaceAll('{client}', id)
    return {
      client_id: id,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [address('redirect_uri')],
      post_logout_redirect_uris: [address('post_logout_redirect_uri')],
      backchannel_logout_uri: address('backchannel_logout_uri'),
      backchannel_logout_session_required: true,
      ...(differences.token_endpoint_auth_method === 'private_key_jwt' ? { jwks: settings.jwks } : {}),
      ...differences,
    }
  })
}
