"""For whoever runs Doorkey, and for providers: is it alive, can it serve, what it counts, which keys are its own."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import NotFound

from doorkey.addresses import is_in
from doorkey.errors import StoreUnavailable
from doorkey.oauth.client_keys import published
from doorkey.setting_urls import is_loopback
from doorkey.setting_values import Network
from doorkey.web.runtime import doorkey, public_url, request_host

bp = Blueprint("ops", __name__)


@bp.get("/healthz")
def alive() -> Response:
    """The process answers; says nothing about anything else."""
    return Response("ok\n", mimetype="text/plain")


@bp.get("/readyz")
def ready() -> Response:
    """Sessions can be read and written; 503 otherwise.

    A provider that is down makes nobody unready: sessions go on. Nor does a broken policy file: the last one counts.
    """
    told = {"policy": "stale" if doorkey().gate.policy.is_stale else "ok"}
    told |= {"providers": {id: _state(id) for id in doorkey().providers}}  # type: ignore[dict-item]
    try:
        doorkey().sessions.check_store()
    except StoreUnavailable as error:
        response = jsonify({"ready": False, "store": error.code, **told})
        response.status_code = 503
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return jsonify({"ready": True, "store": "ok", **told})


def _state(id: str) -> str:
    """`ok` (as far as is known), or the code of what went wrong when its metadata was last asked for."""
    failure = doorkey().directory.failure(doorkey().provider(id))
    return failure.code if failure else "ok"


@bp.get("/.well-known/jwks.json")
def client_keys() -> Response:
    """The public halves of the keys that Doorkey proves itself with (private_key_jwt), for providers to fetch."""
    return jsonify(published(key for provider in doorkey().providers.values() for key in provider.private_keys))


@bp.get("/.well-known/doorkey-identity.json")
def identity_keys() -> Response:
    """Those that X-Doorkey-Assertion is signed with: for applications, and apart from those for providers."""
    return jsonify(published(doorkey().gate.asserter.keys))


@bp.get("/metrics")
def metrics() -> Response:
    """For Prometheus, from `METRICS_ALLOW` and directly: not by way of a proxy, nor under the public name."""
    name, _ = request_host()
    is_public = name.strip("[]") == (urlsplit(public_url()).hostname or "") and not is_loopback(name)
    if is_public or "X-Forwarded-For" in request.headers or not is_in(request.remote_addr or "", _metrics_allow()):
        raise NotFound()
    return Response("\n".join([*_metrics(), ""]), mimetype="text/plain", content_type="text/plain; version=0.0.4")


def _metrics_allow() -> tuple[Network, ...]:
    return doorkey().settings.metrics_allow


def _metrics() -> Iterator[str]:
    """The text format 0.0.4. Every worker counts for itself; `process` tells them apart."""
    gate, process = doorkey().gate, f'process="{os.getpid()}"'
    yield "# HELP doorkey_policy_stale 1 while the policy file cannot be read and the one before it counts."
    yield "# TYPE doorkey_policy_stale gauge"
    yield f"doorkey_policy_stale{{{process}}} {int(gate.policy.is_stale)}"
    yield "# HELP doorkey_policy_reads_total How often a policy was read and taken."
    yield "# TYPE doorkey_policy_reads_total counter"
    yield f"doorkey_policy_reads_total{{{process}}} {gate.policy.reads}"
    yield "# HELP doorkey_checks_total Answers to reverse proxies, by dialect and verdict."
    yield "# TYPE doorkey_checks_total counter"
    for (dialect, verdict), count in sorted(gate.checkpoint.counts.items()):
        yield f'doorkey_checks_total{{dialect="{dialect}",verdict="{verdict}",{process}}} {count}'
