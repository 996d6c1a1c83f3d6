"""What the provider serves: the endpoints of django-oauth-toolkit, a login page, and what was asked for.

Claims come from Django's users. Imported by Django, by its settings in provider_site.py.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.urls import metadata_urlpatterns

REQUESTS_PATH = "/test/requests"

NOT_SECRET = {
    "client_id",
    "redirect_uri",
    "post_logout_redirect_uri",
    "response_type",
    "grant_type",
    "scope",
    "token_type_hint",
    "code_challenge_method",
    "prompt",
    "max_age",
    "resource",
}
"""Parameters whose values are kept; of all others only that they were there."""

seen: list[dict[str, Any]] = []


class Validator(OAuth2Validator):
    """Adds what Django knows of a person to ID tokens and the userinfo answer."""

    oidc_claim_scope: ClassVar = {**OAuth2Validator.oidc_claim_scope, "groups": "profile"}

    def get_additional_claims(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "name": lambda request: request.user.get_full_name(),
            "preferred_username": lambda request: request.user.get_username(),
            "groups": lambda request: [group.name for group in request.user.groups.order_by("name")],
            "email": lambda request: request.user.email,
            "email_verified": lambda request: True,
        }

    def validate_silent_login(self, request: Any) -> bool:
        """Never: `prompt=none` is answered with login_required. Without this it is a failure of the server."""
        return False


def log_request(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware: what was asked and how it was answered, but for what is asked at `REQUESTS_PATH`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path != REQUESTS_PATH:
            seen.append(
                {
                    "method": request.method,
                    "path": request.path,
                    "query": masked(request.GET),
                    "form": masked(request.POST),
                    "authorization": request.headers.get("Authorization", "").partition(" ")[0],
                    "status": response.status_code,
                }
            )
        return response

    return middleware


def masked(parameters: QueryDict) -> dict[str, str]:
    return {name: value if name in NOT_SECRET else "***" for name, value in parameters.items()}


def requests_seen(request: HttpRequest) -> JsonResponse:
    return JsonResponse(seen, safe=False)


def start_page(request: HttpRequest) -> HttpResponse:
    """Where a logout ends that names no way back."""
    return HttpResponse("Nothing is here.")


urlpatterns = [
    path("", start_page),
    path("login/", LoginView.as_view()),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    # RFC 8414 puts the document before the path of the issuer, not behind it.
    path("", include((metadata_urlpatterns, "at_the_root"))),
    path(REQUESTS_PATH.removeprefix("/"), requests_seen),
]
