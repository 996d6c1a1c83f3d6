/**
 * A certified OpenID provider on loopback, over TLS:  node server.js CONFIG.json
 *
 * Prints one line of JSON when it listens, {"issuer", "pid", "clients", "resources"}. CONFIG.json has cert, key,
 * redirect_uri, post_logout_redirect_uri, backchannel_logout_uri and jwks; `{client}` in an address is the client_id.
 *
 * Logout tokens are sent to backchannel_logout_uri by http, or by https when NODE_EXTRA_CA_CERTS names
 * the authority of its certificate: Node reads that variable only when it starts.
 *
 * Beside the provider: GET and DELETE /test/requests, POST /test/rotate-keys.
 */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'

import Provider from 'oidc-provider'

import { clients } from './clients.js'
import { configuration, newKeys, RESOURCES } from './config.js'
import { interaction } from './pages.js'
import { log, record } from './requests.js'

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const server = createServer({ cert: readFileSync(settings.cert), key: readFileSync(settings.key) })
let provider

/** The keys of a provider cannot be changed, so a change of keys is a new provider with the old memory. */
function provide(issuer, keys) {
  provider = new Provider(issuer, configuration(settings, keys))
  provider.use(record)
  provider.on('server_error', (_ctx, error) => console.error(error))
  provider.on('backchannel.error', (_ctx, error, client) => console.error(`no logout at ${client.clientId}:`, error))
}

const CONTROLS = {
  'GET /test/requests': () => log,
  'DELETE /test/requests': () => log.splice(0),
  async 'POST /test/rotate-keys'() {
    const keys = await newKeys()
    provide(provider.issuer, keys)
    return keys.map(({ kid }) => kid)
  },
}

async function handle(request, response) {
  const { pathname } = new URL(request.url, provider.issuer)
  const control = CONTROLS[`${request.method} ${pathname}`]
  if (control) return answer(response, 200, await control())
  if (!pathname.startsWith('/interaction/')) return provider.callback()(request, response)
  return interaction(provider, request, response, await form(request))
}

async function form(request) {
  const chunks = await request.toArray()
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

server.listen(0, '127.0.0.1', async () => {
  const issuer = `https://127.0.0.1:${server.address().port}`
  provide(issuer, await newKeys())
  server.on('request', (request, response) =>
    handle(request, response).catch((error) => {
      console.error(error)
      if (!response.headersSent) answer(response, error.statusCode ?? 500, { error: String(error) })
    }),
  )
  const { pid } = process
  console.log(JSON.stringify({ issuer, pid, clients: clients(settings), resources: Object.keys(RESOURCES) }))
})
