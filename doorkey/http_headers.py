"""Security headers for every answer to a browser, as data.

Doorkey's own pages and the development provider's pages both use them.
"""

from collections.abc import Iterable, Mapping

_CSP = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
    "frame-src": "'none'",
    "worker-src": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
BARE_CSP = "default-src 'none'; base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'"
"""For answers that are not pages: JSON, redirects, errors in text."""

FOREVER = "public, max-age=31536000, immutable"

COMMON = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-write=(self)"
    ),
    "X-Robots-Tag": "noindex",
}


def page_csp(*, secure: bool, form_target: str = "", frame_sources: str = "") -> str:
    """The policy of a page. `form_target` is an origin that a form of it may end up at, `frame_sources` what it frames.

    Chromium applies form-action to the redirect after a POST too, so a consent page names the
    origin of the client it sends the browser back to.
    """
    rules = dict(_CSP)
    if form_target:
        rules["form-action"] += f" {form_target}"
    if frame_sources:
        rules["frame-src"] = frame_sources
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())
    return policy + ("; upgrade-insecure-requests" if secure else "")


def security_headers(
    content_type: str, *, secure: bool, form_target: str = "", frame_sources: str = ""
) -> dict[str, str]:
    """Headers for one answer: never cached, and a policy that fits its content type."""
    csp = BARE_CSP
    if content_type.startswith("text/html"):
        csp = page_csp(secure=secure, form_target=form_target, frame_sources=frame_sources)
    return {**COMMON, "Cache-Control": "no-store", "Content-Security-Policy": csp}


def missing_of(common: Mapping[str, str], given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of `common` that an answer with the headers `given` does not have yet."""
    there = {name.lower() for name, _ in given}
    return [(name, value) for name, value in common.items() if name.lower() not in there]
