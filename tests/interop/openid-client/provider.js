/**
 * What a test does at the development provider beside the client under test: its control interface
 * (/dev/...), and a person who signs in at once (prompt=none with login_hint).
 *
 * Called by flows.js and the steps; calls nothing but fetch.
 */

import assert from 'node:assert/strict'

export class Provider {
  constructor(issuer) {
    this.issuer = issuer
  }

  /** Another issuer of the same process, with its own clients, clock and failures. */
  tenant(name) {
    return new Provider(`${this.issuer}/${name}`)
  }

  async control(method, path, body) {
    const response = await fetch(`${this.issuer}/dev/${path}`, {
      method,
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    })
    const text = await response.text()
    assert.ok(response.ok, `${method} /dev/${path}: ${response.status} ${text}`)
    return text ? JSON.parse(text) : undefined
  }

  /** The names of /dev/failures of one kind that happen at one of `endpoints`. */
  async failures(kind, endpoints) {
    const { failures } = await this.control('GET', 'failures')
    const fitting = failures.filter((failure) => failure.kind === kind && endpoints.includes(failure.endpoint))
    return fitting.map(({ name }) => name)
  }

  /** Run `action` while `response` is armed, and tell what became of both. */
  async during(response, action) {
    await this.control('POST', 'responses', response)
    const outcome = await settled(action)
    const { responses } = await this.control('GET', 'responses')
    await this.control('DELETE', 'responses')
    return { ...outcome, waiting: responses.length }
  }
}

/** {value} or {error}, whichever it was. */
export async function settled(action) {
  try {
    return { value: await action() }
  } catch (error) {
    return { error }
  }
}

/** Where the provider sends the browser: a URL, or a Request when the answer is a form that posts itself. */
export async function visit(url) {
  const response = await fetch(url, { redirect: 'manual' })
  const page = await response.text()
  if (response.status === 200) return posted(page)
  assert.ok([302, 303].includes(response.status), `${response.status} ${page}`)
  return new URL(response.headers.get('location'))
}

function posted(page) {
  const action = page.match(/<form[^>]*\saction="([^"]+)"/)
  assert.ok(action, `a page, and no form in it: ${page}`)
  const inputs = [...page.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => [
    attribute(input, 'name'),
    attribute(input, 'value'),
  ])
  return new Request(unescaped(action[1]), { method: 'POST', body: new URLSearchParams(inputs) })
}

function attribute(tag, name) {
  return unescaped(tag.match(new RegExp(`\\s${name}="([^"]*)"`))?.[1] ?? '')
}

function unescaped(text) {
  const characters = { amp: '&', quot: '"', lt: '<', gt: '>', '#39': "'", '#34': '"' }
  return text.replace(/&(amp|quot|lt|gt|#39|#34);/g, (_, name) => characters[name])
}
