/**
 * What openid-client does with a provider that behaves: each function is a step by its name.
 *
 * Called by run.js with a Provider; calls flows.js. A step fails by throwing.
 */

import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as client from 'openid-client'
import {
  begin,
  configure,
  discover,
  LOGGED_OUT_URI,
  register,
  REDIRECT_URI,
  SECRET,
  signIn,
  signInAndAsk,
} from './flows.js'
import { settled, visit } from './provider.js'

async function discovered(provider, algorithm) {
  const config = await configure(provider, { algorithm })
  const metadata = config.serverMetadata()
  assert.equal(metadata.issuer, provider.issuer)
  assert.ok(metadata.supportsPKCE())
  assert.equal(metadata.authorization_response_iss_parameter_supported, true)
  for (const name of ['authorization', 'token', 'userinfo', 'introspection', 'revocation', 'device_authorization']) {
    assert.ok(metadata[`${name}_endpoint`].startsWith(`${provider.issuer}/oauth/`), name)
  }
  assert.equal((await signIn(config)).claims().iss, provider.issuer)
}

async function signsIn(provider, options) {
  const config = await configure(provider, options)
  const tokens = await signIn(config)
  assert.equal(tokens.claims().sub, 'alice')
  assert.deepEqual(tokens.claims().aud, config.clientMetadata().client_id)
  return tokens
}

async function signsInWithAlg(provider, alg) {
  const tokens = await signsIn(provider, { metadata: { id_token_signed_response_alg: alg } })
  assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, alg)
}

async function privateKeyJwt(provider, alg) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'interop', use: 'sig', alg }
  const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } }
  await signsIn(provider, { metadata, auth: client.PrivateKeyJwt({ key: privateKey, kid: 'interop' }) })
}

async function refused(action, code) {
  const { error } = await settled(action)
  assert.ok(error instanceof client.ResponseBodyError, `not refused: ${error ?? 'it was accepted'}`)
  assert.equal(error.error, code)
}

export const STEPS = {
  'discovery-oidc': (provider) => discovered(provider, 'oidc'),
  'discovery-oauth2': (provider) => discovered(provider, 'oauth2'),
  'discovery-oidc-of-another-issuer': (provider) => discovered(provider.tenant('tenant-a'), 'oidc'),
  'discovery-oauth2-of-another-issuer': (provider) => discovered(provider.tenant('tenant-b'), 'oauth2'),

  async 'code-flow'(provider) {
    const tokens = await signsIn(provider)
    assert.equal(tokens.token_type, 'bearer')
    assert.ok(tokens.expiresIn() > 0)
    assert.ok(tokens.refresh_token)
    assert.deepEqual(new Set(tokens.scope.split(' ')), new Set(['openid', 'profile', 'email']))
  },

  async 'authorization-response-has-iss'(provider) {
    const config = await configure(provider)
    const answer = await visit(client.buildAuthorizationUrl(config, (await begin()).parameters))
    assert.equal(answer.searchParams.get('iss'), provider.issuer)
  },

  async 'code-flow-without-state'(provider) {
    const tokens = await signIn(await configure(provider), { state: '' })
    assert.equal(tokens.claims().sub, 'alice')
  },

  async 'code-flow-without-openid'(provider) {
    const config = await configure(provider)
    const tokens = await signIn(config, { scope: 'message_read' })
    assert.equal(tokens.id_token, undefined)
    assert.equal(tokens.scope, 'message_read')
  },

  async 'wrong-code-verifier-is-refused'(provider) {
    const config = await configure(provider)
    const { parameters, checks } = await begin()
    const answer = await visit(client.buildAuthorizationUrl(config, parameters))
    const wrong = { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() }
    await refused(() => client.authorizationCodeGrant(config, answer, wrong), 'invalid_grant')
  },

  async 'unknown-user-without-a-page'(provider) {
    const { error } = await settled(async () => signIn(await configure(provider), { user: 'nobody' }))
    assert.ok(error instanceof client.AuthorizationResponseError, String(error))
    assert.equal(error.error, 'login_required')
  },

  async refresh(provider) {
    const config = await configure(provider)
    const first = await signIn(config)
    const second = await client.refreshTokenGrant(config, first.refresh_token)
    assert.notEqual(second.access_token, first.access_token)
    assert.equal(second.claims().sub, first.claims().sub)
    await client.fetchUserInfo(config, second.access_token, 'alice')
    await refused(() => client.refreshTokenGrant(config, first.refresh_token), 'invalid_grant')
  },

  async userinfo(provider) {
    const info = await signInAndAsk(await configure(provider), { user: 'bob' })
    assert.equal(info.sub, 'bob')
    assert.equal(info.email, 'bob@example.com')
  },

  async 'userinfo-signed'(provider) {
    const metadata = { userinfo_signed_response_alg: 'RS256' }
    const info = await signInAndAsk(await configure(provider, { metadata }))
    assert.equal(info.sub, 'alice')
  },

  async 'userinfo-refuses-a-foreign-token'(provider) {
    const config = await configure(provider)
    const { error } = await settled(() => client.fetchUserInfo(config, 'not-a-token', 'alice'))
    assert.ok(error instanceof client.WWWAuthenticateChallengeError, String(error))
    assert.equal(error.status, 401)
    assert.equal(error.cause[0].parameters.error, 'invalid_token')
  },

  async introspection(provider) {
    const config = await configure(provider)
    const tokens = await signIn(config)
    const told = await client.tokenIntrospection(config, tokens.access_token)
    assert.equal(told.active, true)
    assert.equal(told.sub, 'alice')
    assert.equal(told.client_id, config.clientMetadata().client_id)
    assert.equal((await client.tokenIntrospection(config, 'not-a-token')).active, false)
  },

  async revocation(provider) {
    const config = await configure(provider)
    const tokens = await signIn(config)
    await client.tokenRevocation(config, tokens.refresh_token)
    assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, false)
    await refused(() => client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant')
    await client.tokenRevocation(config, 'not-a-token')
  },

  /** At an issuer of its own, because it moves the clock to poll sooner than a device would. */
  async 'device-grant'(provider) {
    const ours = provider.tenant('device')
    const config = await configure(ours)
    const device = await client.initiateDeviceAuthorization(config, { scope: 'openid profile' })
    assert.ok(device.verification_uri.startsWith(`${ours.issuer}/oauth/device`))
    assert.ok(device.verification_uri_complete.includes(device.user_code))
    assert.equal(device.interval, 5)
    const answers = []
    config[client.customFetch] = async (url, options) => {
      const response = await fetch(url, options)
      if (url !== config.serverMetadata().token_endpoint) return response
      answers.push((await response.clone().json()).error ?? 'token')
      if (answers.length === 1) await ours.control('POST', 'device', { user_code: device.user_code, user: 'carol' })
      await ours.control('POST', 'clock', { advance: 6 })
      return response
    }
    const tokens = await client.pollDeviceAuthorizationGrant(config, { ...device, interval: 0.1 })
    assert.deepEqual(answers, ['authorization_pending', 'token'])
    assert.equal(tokens.claims().sub, 'carol')
  },

  async 'device-grant-denied'(provider) {
    const config = await configure(provider)
    const device = await client.initiateDeviceAuthorization(config, { scope: 'openid' })
    await provider.control('POST', 'device', { user_code: device.user_code, deny: true })
    await refused(() => client.pollDeviceAuthorizationGrant(config, { ...device, interval: 0.1 }), 'access_denied')
  },

  async 'pushed-authorization-request'(provider) {
    const config = await configure(provider, { metadata: { require_pushed_authorization_requests: true } })
    const { parameters, checks } = await begin()
    const url = await client.buildAuthorizationUrlWithPAR(config, parameters)
    assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'])
    const tokens = await client.authorizationCodeGrant(config, await visit(url), checks)
    assert.equal(tokens.claims().sub, 'alice')
    const again = await fetch(url, { redirect: 'manual' })
    assert.equal(again.status, 400, 'a request_uri is good once')
  },

  'client-secret-basic': (provider) =>
    signsIn(provider, {
      metadata: { token_endpoint_auth_method: 'client_secret_basic' },
      auth: client.ClientSecretBasic(SECRET),
    }),

  'client-secret-post': (provider) =>
    signsIn(provider, {
      metadata: { token_endpoint_auth_method: 'client_secret_post' },
      auth: client.ClientSecretPost(SECRET),
    }),

  'public-client': (provider) =>
    signsIn(provider, { metadata: { token_endpoint_auth_method: 'none' }, auth: client.None() }),

  'client-secret-jwt': (provider) =>
    signsIn(provider, {
      metadata: { token_endpoint_auth_method: 'client_secret_jwt' },
      auth: client.ClientSecretJwt(SECRET),
    }),

  'private-key-jwt-rs256': (provider) => privateKeyJwt(provider, 'RS256'),
  'private-key-jwt-es256': (provider) => privateKeyJwt(provider, 'ES256'),

  async 'wrong-client-secret-is-refused'(provider) {
    const auth = client.ClientSecretBasic('another secret')
    const { error } = await settled(async () => signIn(await configure(provider, { auth })))
    assert.equal(error?.status, 401, String(error))
  },

  async 'end-session'(provider) {
    const config = await configure(provider)
    const tokens = await signIn(config)
    const url = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: LOGGED_OUT_URI,
      state: 'the-state-of-the-logout',
    })
    const back = await visit(url)
    assert.equal(back.href, `${LOGGED_OUT_URI}?state=the-state-of-the-logout`)
  },

  async 'client-credentials'(provider) {
    const config = await configure(provider)
    const tokens = await client.clientCredentialsGrant(config, { scope: 'message_read' })
    assert.equal(tokens.scope, 'message_read')
    assert.equal(tokens.refresh_token, undefined)
    assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, true)
  },

  async 'form-post'(provider) {
    const config = await configure(provider)
    const { parameters, checks } = await begin({ response_mode: 'form_post' })
    const answer = await visit(client.buildAuthorizationUrl(config, parameters))
    assert.ok(answer instanceof Request)
    assert.equal(answer.url, REDIRECT_URI)
    const tokens = await client.authorizationCodeGrant(config, answer, checks)
    assert.equal(tokens.claims().sub, 'alice')
  },

  'id-token-rs256': (provider) => signsInWithAlg(provider, 'RS256'),
  'id-token-ps256': (provider) => signsInWithAlg(provider, 'PS256'),
  'id-token-es256': (provider) => signsInWithAlg(provider, 'ES256'),
  'id-token-eddsa': (provider) => signsInWithAlg(provider, 'EdDSA'),

  async 'jwt-access-token'(provider) {
    const { id } = await register(provider, { access_token_format: 'jwt' })
    const config = await discover(provider, id, { auth: client.ClientSecretBasic(SECRET) })
    const tokens = await signIn(config)
    const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
    const { payload } = await jose.jwtVerify(tokens.access_token, keys, {
      issuer: provider.issuer,
      typ: 'at+jwt',
      requiredClaims: ['aud', 'exp', 'iat', 'jti', 'client_id', 'scope'],
    })
    assert.equal(payload.sub, 'alice')
    assert.equal(payload.client_id, id)
  },

  async 'max-age-and-auth-time'(provider) {
    const config = await configure(provider)
    const { parameters, checks } = await begin({ max_age: '60' })
    const answer = await visit(client.buildAuthorizationUrl(config, parameters))
    const tokens = await client.authorizationCodeGrant(config, answer, { ...checks, maxAge: 60 })
    assert.equal(typeof tokens.claims().auth_time, 'number')
  },
}
