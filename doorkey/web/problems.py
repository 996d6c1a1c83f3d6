"""Any error becomes a page or JSON, in one place; the log gets the detail under the same request id."""

import logging

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from doorkey import events
from doorkey.errors import DoorkeyError, ProviderError, RequestRefused
from doorkey.oauth.return_target import safe_return_target
from doorkey.web.runtime import doorkey, public_url

HTTP_WORDS = {
    404: ("not_found", "There is nothing at this address.", "Check the address, or go back to the home page."),
    405: ("method_not_allowed", "This address does not answer such a request.", "Use the buttons on the pages."),
    413: ("too_large", "The request is too large.", "Doorkey's forms are small; start again from the home page."),
}
OTHER_WORDS = ("bad_request", "This request cannot be understood.", "Start again from the home page.")


def init_app(app: Flask) -> None:
    app.register_error_handler(DoorkeyError, _known)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


class HttpProblem(DoorkeyError):
    """What HTTP itself or werkzeug objects to, in our words."""

    def __init__(self, status: int):
        super().__init__(f"status {status}")
        self.status = status
        self.code, self.message, self.hint = HTTP_WORDS.get(status, OTHER_WORDS)


def _known(error: DoorkeyError) -> Response:
    level = logging.ERROR if error.status >= 500 and not isinstance(error, ProviderError) else logging.WARNING
    event = events.REQUEST_REFUSED if isinstance(error, RequestRefused) else events.PROBLEM
    events.log(event, level=level, code=error.code, step=error.step, detail=error.detail, provider=error.provider_error)
    return render(error)


def _http(error: HTTPException) -> Response:
    response = render(HttpProblem(error.code or 500))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _unknown(error: Exception) -> Response:
    """A mistake of ours: everything for the log, nothing for the page; a page that fails too is replaced by text."""
    events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, kind=type(error).__name__)
    try:
        return render(DoorkeyError())
    except Exception as again:
        events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=again, kind=type(again).__name__)
        words = f"{DoorkeyError.message}\n{DoorkeyError.code}, request id {events.request_id.get()}\n"
        return Response(words, status=500, mimetype="text/plain")


def wants_json() -> bool:
    """JSON when the caller prefers it to HTML; a browser's `*/*` at the end does not count.

    A provider that posts a logout token is no reader of pages.
    """
    if request.endpoint == "provider_logout.back_channel":
        return True
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def render(error: DoorkeyError) -> Response:
    """`error` for the caller, in the form it asked for."""
    request_id = events.request_id.get()
    if wants_json():
        body = {
            "error": error.code,
            "step": error.step,
            "message": error.message,
            "hint": error.hint,
            "request_id": request_id,
        }
        if error.provider_error:
            body["provider_error"] = error.provider_error  # type: ignore[assignment]
        response = jsonify(body)
    else:
        view = {
            "status": error.status,
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "step": error.step,
            "rfc": error.rfc,
            "request_id": request_id,
            "provider_error": error.provider_error,
            "retry_url": _retry_url(error),
        }
        response = make_response(render_template("problem.html", problem=view))
    response.status_code = error.status
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _retry_url(error: DoorkeyError) -> str:
    """Where trying again makes sense: the sign-in that failed, or the page the store could not serve."""
    provider = (request.view_args or {}).get("provider_id", "")
    if request.endpoint == "login.start":
        provider = request.args.get("provider", next(iter(doorkey().providers), ""))
    if (request.endpoint or "").startswith("login.") and provider in doorkey().providers:
        return f"/login?provider={provider}"
    if error.status == 503 and request.method == "GET":
        return safe_return_target(request.path, own_origin=public_url(), allowed_hosts=()) or ""
    return ""
