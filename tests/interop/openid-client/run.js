/**
 * Every step against one development provider:  node run.js ISSUER
 *
 * Prints one line of JSON for each, {"step", "ok", "error"}; `error` is null when it is ok. Steps follow
 * one another, because a failure belongs to whoever asks next.
 */

import { failureSteps } from './failures.js'
import { Provider, settled } from './provider.js'
import { STEPS } from './steps.js'

async function run(name, step, provider) {
  const began = performance.now()
  const { error } = await settled(() => step(provider))
  const milliseconds = Math.round(performance.now() - began)
  console.log(JSON.stringify({ step: name, ok: !error, error: error ? described(error) : null, milliseconds }))
}

function described(error) {
  const causes = []
  for (let cause = error.cause; cause; cause = cause.cause) causes.push(cause.message ?? JSON.stringify(cause))
  return [error.stack ?? String(error), ...causes].join('\n  because ')
}

const provider = new Provider(process.argv[2])
for (const [name, step] of Object.entries(STEPS)) await run(name, step, provider)
for (const [name, step] of Object.entries(await failureSteps(provider))) await run(name, step, provider)
