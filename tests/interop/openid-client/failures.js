/**
 * What openid-client does with a provider that misbehaves: one step for each name in /dev/failures that
 * happens where a client of this kind looks.
 *
 * Called by run.js; calls flows.js. `reject-NAME` is ok when the client refused the answer because of the
 * failure, `accept-NAME` when it signed a person in all the same.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import * as client from 'openid-client'
import { discover, register, SECRET, signIn } from './flows.js'

const ENDPOINTS = ['id_token', 'metadata', 'authorize', 'userinfo', 'token', 'refreshed_id_token', 'jwks']

/** What openid-client leaves to the program that uses it, with the check that such a program makes. */
const LEFT_TO_THE_PROGRAM = {
  'invalid-athash': (tokens) =>
    assert.equal(tokens.claims().at_hash, halfHash(tokens.access_token), 'at_hash is of another token'),
  'invalid-secondary-aud-with-azp': (tokens) =>
    assert.equal([tokens.claims().aud].flat().length, 1, 'there is an audience that we do not know'),
  'refresh-token-invalid-sub': (tokens, refreshed) =>
    assert.equal(refreshed.claims().sub, tokens.claims().sub, 'the refreshed ID token is of somebody else'),
}

function halfHash(token) {
  return createHash('sha256').update(token, 'ascii').digest().subarray(0, 16).toString('base64url')
}

export async function failureSteps(provider) {
  const rejected = await provider.failures('reject', ENDPOINTS)
  const accepted = await provider.failures('accept', ENDPOINTS)
  return Object.fromEntries([
    ...rejected.map((name) => [`reject-${name}`, () => isRejected(provider, name)]),
    ...accepted.map((name) => [`accept-${name}`, () => isAccepted(provider, name)]),
  ])
}

async function isRejected(provider, failure) {
  const { error, waiting } = await provider.during({ failure }, () => start(provider, LEFT_TO_THE_PROGRAM[failure]))
  assert.ok(error, 'the client accepted it')
  assert.ok(isRefusal(error, failure), `not a refusal, but ${error.stack}`)
  assert.equal(waiting, 0, `${failure} did not happen; the client said: ${error.message}`)
}

function isRefusal(error, failure) {
  if (failure === 'expired-code') return error.error === 'invalid_grant'
  if (failure === 'discovery-issuer-mismatch') return error instanceof TypeError // the port becomes none
  if (failure in LEFT_TO_THE_PROGRAM) return error instanceof assert.AssertionError
  return error instanceof client.ClientError || error instanceof client.AuthorizationResponseError
}

/** Twice, because some failures are about what changes from one sign-in to the next. */
async function isAccepted(provider, failure) {
  const ownCheck = failure === 'happy-path' ? everyOwnCheck : undefined
  const { error } = await provider.during({ failure }, async () => {
    await start(provider, ownCheck)
    await start(provider, ownCheck)
  })
  if (error) throw error
}

function everyOwnCheck(tokens, refreshed) {
  for (const check of Object.values(LEFT_TO_THE_PROGRAM)) check(tokens, refreshed)
}

/** A program that starts, signs somebody in, asks who it is, and refreshes. */
async function start(provider, ownCheck = () => {}) {
  const { id } = await register(provider)
  const config = await discover(provider, id, { auth: client.ClientSecretBasic(SECRET) })
  const tokens = await signIn(config)
  await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  ownCheck(tokens, refreshed)
}
