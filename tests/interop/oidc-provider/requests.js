/**
 * What was asked of the provider, so that a test can say what a relying party did and did not send.
 *
 * A middleware of the library, because only there the body has been read. Called by server.js.
 */

const SECRETS = new Set([
  'client_secret', 'code', 'code_verifier', 'refresh_token', 'access_token', 'token', 'id_token_hint', 'xsrf',
])
const HIDDEN = '(hidden)'

export const log = []

/** Written in the order of arrival; what comes of a request is filled in when it is known. */
export async function record(ctx, next) {
  const entry = { method: ctx.method, path: ctx.path, ...heads(ctx), params: {}, status: null, error: null }
  log.push(entry)
  try {
    await next()
  } finally {
    entry.params = { ...shown(ctx.query), ...shown(ctx.oidc?.body ?? {}) }
    entry.status = ctx.status
    entry.error = ctx.body?.error ?? null
  }
}

function heads({ headers }) {
  const [scheme] = (headers.authorization ?? '').split(' ')
  return {
    authorization: scheme || null,
    accept: headers.accept ?? null,
    content_type: headers['content-type'] ?? null,
  }
}

/** A parameter sent twice is a list. An assertion is shown as what it asserts. */
function shown(params) {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      if (name === 'client_assertion') return [name, decoded(value)]
      return [name, SECRETS.has(name) ? HIDDEN : value]
    }),
  )
}

function decoded(assertion) {
  try {
    const [header, claims] = assertion.split('.', 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')))
    return { header, claims }
  } catch {
    return HIDDEN
  }
}
