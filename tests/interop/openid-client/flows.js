/**
 * A program that signs people in with openid-client, as its manual says: one function for each thing it does.
 *
 * Called by steps.js and failures.js; calls openid-client and provider.js.
 */

import * as client from 'openid-client'
import { visit } from './provider.js'

export const REDIRECT_URI = 'http://127.0.0.1:8765/callback'
export const LOGGED_OUT_URI = 'http://127.0.0.1:8765/logged-out'
export const SECRET = 'a secret: with/characters that+have to be encoded%'
export const SCOPE = 'openid profile email'

let registered = 0

/** Register a client with `metadata`; {id, metadata} of it. */
export async function register(provider, metadata = {}) {
  const id = `interop-${++registered}`
  const secret = metadata.token_endpoint_auth_method === 'none' ? {} : { client_secret: SECRET }
  const whole = {
    redirect_uris: [REDIRECT_URI],
    post_logout_redirect_uris: [LOGGED_OUT_URI],
    client_name: 'openid-client',
    ...secret,
    ...metadata,
  }
  await provider.control('PUT', `clients/${id}`, whole)
  return { id, metadata: whole }
}

/** Registered, and configured from the provider's metadata; `auth` is how it authenticates. */
export async function configure(provider, { metadata = {}, auth = client.ClientSecretBasic(SECRET), ...options } = {}) {
  const { id } = await register(provider, metadata)
  return discover(provider, id, { metadata, auth, ...options })
}

export async function discover(provider, id, { metadata = {}, auth, algorithm = 'oidc' } = {}) {
  const config = await client.discovery(new URL(provider.issuer), id, knownToClient(metadata), auth, {
    algorithm,
    execute: [client.allowInsecureRequests],
    timeout: 10,
  })
  client.enableNonRepudiationChecks(config)
  return config
}

function knownToClient({ id_token_signed_response_alg, userinfo_signed_response_alg }) {
  const chosen = { id_token_signed_response_alg, userinfo_signed_response_alg }
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value))
}

/** An authorization request: its parameters, and what has to be checked in the answer. */
export async function begin({ user = 'alice', scope = SCOPE, state = client.randomState(), ...more } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedNonce = scope.split(' ').includes('openid') ? client.randomNonce() : undefined
  const parameters = {
    redirect_uri: REDIRECT_URI,
    scope,
    state,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    prompt: 'none',
    login_hint: user,
    ...more,
  }
  const sent = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value))
  return { parameters: sent, checks: { pkceCodeVerifier, expectedNonce, expectedState: state || undefined } }
}

/** The whole authorization code flow; the token response. */
export async function signIn(config, request = {}) {
  const { parameters, checks } = await begin(request)
  const answer = await visit(client.buildAuthorizationUrl(config, parameters))
  return client.authorizationCodeGrant(config, answer, checks)
}

/** Signed in, and UserInfo asked for the same person; what the person is. */
export async function signInAndAsk(config, request = {}) {
  const tokens = await signIn(config, request)
  return client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
}
