"""The queue of failures: in which order they are used up, what lasts for how long, and that no use is lost."""

import math
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from doorkey.devprovider.drafts import Draft, Occasion
from doorkey.devprovider.realm import DevProvider, Realm
from doorkey.devprovider.script import MOST_RULES, Play, Script, ScriptFull
from doorkey.devprovider.scripted_responses import read_response, read_spec
from doorkey.devprovider.signing_keys import KeyPool, SigningKeys
from doorkey.devprovider.users import Client

KEYS = SigningKeys(KeyPool())
RIGHT = {"token_type": "bearer", "scope": "openid", "iss": "https://op.test", "alg": "RS256"}


class TokenLike(Draft):
    """A draft that any failure of an ID token may change."""

    alg, damage, key, encrypted = "RS256", False, None, False


def scripted(*specs: str) -> Script:
    script = Script()
    for spec in specs:
        script.add(read_spec(spec))
    return script


def occasion(memory: dict[str, Any]) -> Occasion:
    return Occasion(KEYS, "https://op.test", None, 1000.0, memory)


def changed(play: Play, seam: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    return play.change(seam, TokenLike(dict(RIGHT if fields is None else fields)), occasion).fields


def answer(script: Script, endpoint: str = "token") -> Any:
    """What one request gets: the early answer, or what changed."""
    play = script.enter(endpoint, f"/oauth/{endpoint}")
    if play.early and play.early.replaces_answer:
        return play.early.status or play.early.wire
    found = changed(play, endpoint)
    return {name: found.get(name) for name in {**RIGHT, **found} if found.get(name) != RIGHT.get(name)}


def test_first_come_first_served():
    script = scripted("token-type-unknown", "token:status=503", "no-scope-in-token-endpoint-response")

    assert [answer(script) for _ in range(5)] == [{"token_type": "mac"}, 503, {"scope": None}, {}, {}]


def test_endpoints_do_not_take_from_one_another():
    script = scripted("token:status=500", "userinfo:status=501", "metadata:status=502", "jwks:closed")

    assert [answer(script, name) for name in ("jwks", "metadata", "userinfo", "token")] == ["closed", 502, 501, 500]
    assert [answer(script, name) for name in ("jwks", "metadata", "userinfo", "token")] == [{}, {}, {}, {}]


def test_as_often_as_was_said():
    script = scripted("token:status=503*3", "token:status=504*2")

    assert [answer(script) for _ in range(6)] == [503, 503, 503, 504, 504, {}]


def test_always_is_until_cleared_and_nothing_behind_it_has_a_turn():
    script = scripted("token:status=503*always", "token:status=504")

    assert [answer(script) for _ in range(50)] == [503] * 50
    assert [rule.described()["left"] for rule in script.waiting()] == ["always", 1]
    script.clear()
    assert answer(script) == {}
    assert script.waiting() == []


def test_what_waits_is_told_as_it_is_used_up():
    script = scripted("token:status=503*2", "invalid-iss")
    assert [rule.described() for rule in script.waiting()] == [
        {"endpoint": "token", "name": "token:status=503", "spec": "token:status=503", "left": 2},
        {"endpoint": "id_token", "name": "invalid-iss", "spec": "invalid-iss", "left": 1},
    ]
    answer(script)
    assert [rule.described()["left"] for rule in script.waiting()] == [1, 1]
    answer(script)
    assert [rule.name for rule in script.waiting()] == ["invalid-iss"]


def test_a_request_that_has_no_right_answer_uses_nothing_up():
    """Such as one with a wrong password: the failure is still to come."""
    script = scripted("token-type-unknown")

    for _ in range(3):
        assert script.enter("token", "/oauth/token").names == []
    assert answer(script) == {"token_type": "mac"}


def test_one_request_is_one_use_however_often_it_is_looked_at():
    script = scripted("backchannel-logout-nonce")
    play = script.enter("logout", "/oauth/logout")

    assert [changed(play, "logout_token").get("nonce") for _ in range(2)] == ["dk-dev-nonce"] * 2
    assert "nonce" not in changed(script.enter("logout", "/oauth/logout"), "logout_token")


def test_late_and_changed_is_one_use():
    script = Script()
    script.add(read_response({"endpoint": "token", "delay": 1.5, "merge": {"scope": None, "extra": 1}}))
    play = script.enter("token", "/oauth/token")

    assert play.early
    assert (play.early.delay, play.early.replaces_answer) == (1.5, False)
    assert changed(play, "token") == {name: value for name, value in {**RIGHT, "extra": 1}.items() if name != "scope"}
    assert answer(script) == {}


def test_merging_is_that_of_rfc_7396():
    script = Script()
    patch = {"a": None, "b": {"x": None, "y": 2, "new": {"z": 1}}, "c": [1], "d": {"e": None}, "absent": None}
    script.add(read_response({"endpoint": "metadata", "merge": patch}))

    found = changed(script.enter("metadata", ""), "metadata", {"a": 1, "b": {"x": 1, "y": 1, "k": 1}, "c": {}, "f": 1})

    assert found == {"b": {"y": 2, "k": 1, "new": {"z": 1}}, "c": [1], "d": {}, "f": 1}


def test_a_merge_has_the_last_word():
    script = Script()
    script.add(read_response({"failure": "token-type-unknown", "merge": {"token_type": "mine"}}))
    assert answer(script) == {"token_type": "mine"}


def test_an_answer_tells_what_had_a_part_in_it():
    script = scripted("unadvertised-es256", "mtls-aliases", "token:delay=0.1")
    metadata, token = script.enter("metadata", ""), script.enter("token", "")
    changed(metadata, "metadata")
    changed(token, "id_token")
    changed(token, "token")

    assert metadata.names == ["mtls-aliases", "unadvertised-es256"]
    assert token.names == ["token:delay=0.1", "unadvertised-es256"]
    assert script.enter("token", "").names == []


ALGS = "id_token_signing_alg_values_supported"


def reads(script: Script, *seams: str) -> list[bool]:
    """Whether each of these was changed, one request after the other."""
    right: dict[str, dict[str, Any]] = {"metadata": {ALGS: ["RS256"]}, "id_token": dict(RIGHT)}
    found = []
    for seam in seams:
        draft = TokenLike(dict(right[seam]))
        script.enter("token" if seam == "id_token" else seam, "").change(seam, draft, occasion)
        found.append(draft.fields != right[seam] or draft.alg != "RS256")
    return found


M, T = "metadata", "id_token"


@pytest.mark.parametrize(
    ("times", "seams", "expected"),
    [
        (1, (M, T, M, T), (True, True, False, False)),
        (1, (T, M, T, M), (True, True, False, False)),
        (1, (M, M, T, M), (True, True, True, False)),
        (1, (T, T, M), (True, False, False)),
        (2, (M, T, M, T, M, T), (True, True, True, True, False, False)),
        (2, (T, M, T, M, T, M), (True, True, True, True, False, False)),
        (2, (T, T, M, M), (True, True, True, False)),
        (3, (M, T, T, T, M, M), (True, True, True, True, True, False)),
    ],
)
def test_metadata_that_goes_with_an_id_token_is_seen_once_with_each(times: int, seams: Any, expected: Any):
    """Before it or after it, as the client likes; and once it was seen, the next sign-in is right from its begin."""
    script = scripted(f"idtoken-sig-es256*{times}")
    assert reads(script, *seams) == list(expected)


def test_what_is_left_over_ends_when_it_is_cleared():
    script = scripted("idtoken-sig-es256")
    assert reads(script, T) == [True]
    script.clear()
    assert reads(script, M) == [False]


def test_two_that_wait_bring_their_own_metadata():
    for seams in ((M, T, M, T, M), (T, M, T, M, M)):
        script = scripted("idtoken-sig-es256", "idtoken-sig-ps256")
        seen = []
        for seam in seams:
            draft = TokenLike({ALGS: ["RS256"]})
            script.enter("token" if seam == T else seam, "").change(seam, draft, occasion)
            seen.append(draft.alg if seam == T else draft.fields[ALGS][0])
        assert seen == ["ES256", "ES256", "PS256", "PS256", "RS256"]


def test_gates_refuse_endpoints_and_never_the_controls():
    script = scripted("discovery-openid-config")

    assert script.enter("metadata", "/.well-known/openid-configuration").refused == ""
    for endpoint in ("authorize", "token", "jwks", "device"):
        play = script.enter(endpoint, f"/oauth/{endpoint}")
        assert play.refused
        assert play.names == ["discovery-openid-config"]
    for path in ("/dev/responses", "/dev/", "/openapi.json"):
        assert script.enter("", path).refused == ""
    script.clear()
    assert script.enter("token", "/oauth/token").refused == ""


def test_a_refused_request_uses_nothing_up():
    script = scripted("token:status=503", "discovery-openid-config")
    assert script.enter("token", "/oauth/token").early is None
    assert len(script.waiting()) == 2


def test_a_rule_that_is_added_twice_begins_anew():
    rule = read_spec("signing-key-rotation")
    script = Script()
    keys = SigningKeys(KeyPool())
    generations = []
    for _ in range(2):
        script.add(rule)
    for _ in range(4):
        draft = Draft({})
        script.enter("authorize", "").change("authorize", draft, lambda m: Occasion(keys, "", None, 0.0, m))
        generations.append(keys._generation)
    assert generations == [0, 1, 1, 2]
    assert (rule.left, rule.memory, rule.owed) == (2, {}, {})


def test_a_reset_provider_fails_as_it_did_at_its_start():
    realm = Realm(DevProvider([Client("rp", "s")], script=[read_spec("token:status=503*2"), read_spec("invalid-iss")]))
    for _ in range(3):
        assert [answer(realm.script) for _ in range(3)] == [503, 503, {}]
        assert changed(realm.script.enter("token", ""), "id_token")["iss"] == "https://op.test1"
        realm.script.add(read_spec("token:status=500"))
        realm.reset()


def test_it_holds_a_thousand_and_says_when_it_is_full():
    script = scripted(*["token:closed*always"] * MOST_RULES)
    with pytest.raises(ScriptFull, match=rf"^{MOST_RULES} responses are waiting already\.$"):
        script.add(read_spec("jwks:closed"))
    script.clear()
    script.add(read_spec("jwks:closed"))


def in_threads(count: int, work: Callable[[], list[Any]]) -> list[Any]:
    """What `count` threads found that began at the same time, and interrupt one another all the time."""
    gate, usual = threading.Barrier(count), sys.getswitchinterval()

    def run(_: int) -> list[Any]:
        gate.wait()
        return work()

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(count) as pool:
            return [one for found in pool.map(run, range(count)) for one in found]
    finally:
        sys.setswitchinterval(usual)


@pytest.mark.parametrize("spec", ["token:status=503", "token-type-unknown"])
def test_twenty_threads_use_up_exactly_what_was_asked_for(spec: str):
    script = scripted(f"{spec}*137", f"{spec}*100")

    found = in_threads(20, lambda: [answer(script) == {} for _ in range(50)])

    assert Counter(found) == {False: 237, True: 763}
    assert script.waiting() == []


def test_twenty_threads_see_the_metadata_changed_as_often_as_the_token():
    script = scripted("idtoken-sig-es256*100")

    found = in_threads(20, lambda: [tuple(reads(script, T, M)) for _ in range(20)])

    assert sum(token for token, _ in found) == 100
    assert len(script.waiting()) == 0


def test_twenty_threads_add_while_others_take():
    script, left = Script(), 400

    def work() -> list[Any]:
        found = []
        for _ in range(left // 20):
            script.add(read_spec("token:status=503"))
            found.append(answer(script) == 503)
            script.waiting()
        return found

    assert Counter(in_threads(20, work))[True] + len(script.waiting()) == left


def test_until_cleared_is_for_ever_whatever_times_says():
    for spec in ("trailing-slash-issuer", "discovery-openid-config*3", "discovery-jwks-uri-keys*always"):
        assert math.isinf(read_spec(spec).left)
