"""What happened in one sign-in, step by step (oauth/trace.py)."""

import json

import pytest

from doorkey.oauth.trace import Trace


def test_steps_are_kept_in_order_with_their_time() -> None:
    moments = iter([1.0, 1.25, 2.0, 2.0004])
    trace = Trace(lambda: next(moments))
    for name in ("callback", "token request"):
        with trace.step(name):
            pass
    assert [(step.name, step.milliseconds, step.failed) for step in trace.steps] == [
        ("callback", 250.0, False),
        ("token request", 0.4, False),
    ]


def test_an_exception_marks_its_step_and_goes_on() -> None:
    trace = Trace()

    def fail() -> None:
        with trace.step("callback") as step:
            step.check("a rule", "RFC 1", False)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert trace.steps[0].failed
    assert trace.steps[0].checks == [{"rule": "a rule", "rfc": "RFC 1", "passed": False}]


def test_its_data_can_be_written_as_json() -> None:
    trace = Trace()
    with trace.step("callback") as step:
        assert step.check("a rule", "RFC 1", True) is True
        step.sent, step.received = {"a": 1}, {"b": "c"}
    assert json.loads(json.dumps(trace.as_data()))[0]["received"] == {"b": "c"}
