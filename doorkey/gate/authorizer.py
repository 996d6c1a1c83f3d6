"""Apache asks over FastCGI (mod_authnz_fcgi): its parameters become a request in the dialect `forward`.

What Apache says itself (REQUEST_*, REMOTE_ADDR) stands in parameters that a visitor cannot name: theirs begin with
HTTP_. `SetEnvIf Request_URI ^/ DK_POLICY=admins` chooses a named policy.
"""

from collections.abc import Mapping

from doorkey.gate.asgi import GateAsgi
from doorkey.gate.fastcgi import FcgiAnswer
from doorkey.gate.gate_request import CheckRequest

ASKED = {
    "x-forwarded-method": "REQUEST_METHOD",
    "x-forwarded-proto": "REQUEST_SCHEME",
    "x-forwarded-host": "HTTP_HOST",
    "x-forwarded-uri": "REQUEST_URI",
    "x-forwarded-for": "REMOTE_ADDR",
}
PASSED = (
    *("cookie", "authorization", "accept", "x-requested-with", "sec-fetch-mode", "sec-fetch-dest", "upgrade"),
    "content-type",
)
POLICY = "DK_POLICY"


class Authorizer:
    """Answers AUTHORIZER requests by `gate`."""

    def __init__(self, gate: GateAsgi):
        self._gate = gate

    async def __call__(self, params: Mapping[str, str]) -> FcgiAnswer:
        answer = await self._gate.answer(check_request(params))
        return FcgiAnswer(answer.status, answer.headers, answer.body)


def check_request(params: Mapping[str, str]) -> CheckRequest:
    """What the gate would be asked over HTTP; the connection was admitted by its address already."""
    given = {name: params.get(param, "") for name, param in ASKED.items()}
    given |= {name: params.get("HTTP_" + name.upper().replace("-", "_"), "") for name in PASSED}
    if not given["content-type"]:
        given["content-type"] = params.get("CONTENT_TYPE", "")
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in given.items() if value]
    policy = params.get(POLICY, "")
    path = "/check/forward" + (f"/{policy}" if policy else "")
    return CheckRequest("GET", path.encode("latin-1", "replace"), b"", headers, peer="", is_admitted=True)
