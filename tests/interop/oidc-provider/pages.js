/**
 * The pages between the authorization request and its answer: who are you, and do you agree.
 *
 * The least that a form can be, because tests/interop/oidc_provider.py reads them, not people. Called by
 * server.js for /interaction/...; finishes what the library began (provider.interactionFinished).
 */

/** GET shows the page of what is asked for, POST answers it. */
export async function interaction(provider, request, response, form) {
  const details = await provider.interactionDetails(request, response)
  if (request.method !== 'POST') return show(response, details)
  const result = form.get('answer') === 'refuse' ? refused() : await agreed(provider, details, form)
  // Together with the answer to the page before: the second page must not forget who signed in.
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: !result.error })
}

function show(response, { prompt, params }) {
  const fields =
    prompt.name === 'login'
      ? `<input name="account" value="${escaped(params.login_hint ?? '')}">
         <input name="acr" value="${escaped(params.acr_values?.split(' ')[0] ?? '')}">`
      : `<p>${escaped(params.client_id)} asks for ${escaped(params.scope ?? '')}</p>`
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
  response.end(`<!DOCTYPE html><title>${prompt.name}</title>
    <form method="post" data-page="${prompt.name}">${fields}
      <button name="answer" value="continue">Continue</button>
      <button name="answer" value="refuse">Refuse</button>
    </form>`)
}

function refused() {
  return { error: 'access_denied', error_description: 'The person refused' }
}

async function agreed(provider, details, form) {
  if (details.prompt.name === 'login') return loggedIn(form)
  return { consent: { grantId: await granted(provider, details) } }
}

function loggedIn(form) {
  const acr = form.get('acr')
  return { login: { accountId: form.get('account'), amr: ['pwd'], ...(acr ? { acr } : {}) } }
}

/** Everything that was asked for and not agreed to before. */
async function granted(provider, { grantId, session, params, prompt: { details } }) {
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '))
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims)
  for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '))
  }
  return grant.save()
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
