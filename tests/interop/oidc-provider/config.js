/**
 * How the provider is configured: accounts, keys, resources, and what the library leaves off by default.
 *
 * Calls clients.js. server.js makes one provider of it, and another when the keys change.
 */

import * as crypto from 'node:crypto'
import { promisify } from 'node:util'

import { errors } from 'oidc-provider'
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js'

import { clients } from './clients.js'

const ACCOUNTS = {
  alice: { name: 'Alice Example', email: 'alice@example.test', email_verified: true, groups: ['staff', 'admins'] },
  bob: { name: 'Bob Bücher', email: 'bob@example.test', email_verified: false, groups: [] },
}

/** One of each format, so that a relying party cannot mistake an access token for something to read. */
export const RESOURCES = {
  'https://one.example.test/api': { scope: 'read write', accessTokenFormat: 'jwt' },
  'https://two.example.test/api': { scope: 'read', accessTokenFormat: 'opaque' },
}

/** Both outlive a change of keys: sessions and tokens do not end with it. */
const adapter = createMemoryAdapter()
const cookieKeys = [crypto.randomBytes(32).toString('hex')]

export function configuration(settings, keys) {
  return {
    adapter,
    clients: clients(settings),
    jwks: { keys },
    cookies: { keys: cookieKeys },
    findAccount,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    scopes: ['openid', 'offline_access'],
    acrValues: ['urn:example:password', 'urn:example:two-factors'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_ctx, { clientId }, source) =>
      source.scopes.has('offline_access') || clientId === 'always-refresh',
    ttl: { AccessToken: 3600, IdToken: 3600, Session: 86400, Grant: 86400, Interaction: 600, RefreshToken: 86400 },
    // Left to itself the library refuses to call loopback addresses, by an agent of its own.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519', 'HS256'],
      idTokenEncryptionAlgValues: ['A256KW'],
    },
    features: features(),
  }
}

function features() {
  return {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    encryption: { enabled: true },
    introspection: { enabled: true },
    jwtUserinfo: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_ctx, resource) {
        if (!Object.hasOwn(RESOURCES, resource)) throw new errors.InvalidTarget()
        return { audience: resource, ...RESOURCES[resource] }
      },
    },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    userinfo: { enabled: true },
  }
}

/** Whoever says a name has an account; only some have claims. */
function findAccount(_ctx, id) {
  return { accountId: id, claims: () => ({ sub: id, ...ACCOUNTS[id] }) }
}

const KEY_TYPES = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
  Ed25519: ['ed25519', {}],
}
let generation = 0

/** A new private key for every algorithm, as JWKs. */
export async function newKeys() {
  generation += 1
  const generate = promisify(crypto.generateKeyPair)
  return Promise.all(
    Object.entries(KEY_TYPES).map(async ([alg, [type, options]]) => {
      const { privateKey } = await generate(type, options)
      return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg.toLowerCase()}-${generation}` }
    }),
  )
}
