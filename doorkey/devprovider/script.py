"""Which of the next answers fail, and how: the queue that `/dev/responses` and the others fill.

`Script.enter()` begins a request and gives its `Play`. `Play.early` is what happens instead of (or
before) the right answer; `Play.change()` lets the failures of the moment at a draft. Each rule
has a number of uses, and every use is one answer: one logout, say, however many clients it tells.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from doorkey.devprovider.drafts import Draft, Occasion
from doorkey.devprovider.failures import MINTED, Failure

D = TypeVar("D", bound=Draft)
MOST_RULES = 1000
NO_ANSWER = ("closed", "garbage", "huge")
"""Transport failures that send nothing of an answer."""


@dataclass
class Early:
    """What happens whatever the right answer is. `delay` in seconds; `wire` is a transport failure by name."""

    status: int = 0
    error: str = ""
    error_description: str = ""
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    redirect: str = ""
    delay: float = 0.0
    wire: str = ""

    @property
    def replaces_answer(self) -> bool:
        """True when the endpoint is not asked at all: nothing is spent and nothing is issued."""
        instead = self.status or self.error or self.body is not None
        return bool(instead) or self.wire in NO_ANSWER


@dataclass
class Rule:
    """What happens to the next `left` answers at `seam`; `text` is how it is said on the command line.

    `memory` is for its changes. `owed` says by place how often a change there is still to follow an answer
    at `seam` (1), or was already given ahead of it (-1).
    """

    endpoint: str
    seam: str
    text: str
    left: float = 1
    failure: Failure | None = None
    early: Early | None = None
    merge: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.failure.name if self.failure else self.text

    def described(self) -> dict[str, Any]:
        """For `/dev/responses` and the page."""
        left: int | str = "always" if math.isinf(self.left) else int(self.left)
        return {"endpoint": self.endpoint, "name": self.name, "spec": self.text, "left": left}


class ScriptFull(Exception):
    """More rules than anybody means to give."""


class Script:
    """Every method is atomic."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._queues: dict[str, deque[Rule]] = {}
        self._lingering: dict[str, Rule] = {}

    def add(self, rule: Rule) -> None:
        """A copy of `rule` behind those already waiting at the same place. Raises `ScriptFull`."""
        with self._lock:
            if sum(len(queue) for queue in self._queues.values()) >= MOST_RULES:
                raise ScriptFull(f"{MOST_RULES} responses are waiting already.")
            self._queues.setdefault(rule.seam, deque()).append(replace(rule, memory={}, owed={}))

    def clear(self) -> None:
        with self._lock:
            self._queues.clear()
            self._lingering.clear()

    def waiting(self) -> list[Rule]:
        """The rules that have uses left."""
        with self._lock:
            return [rule for queue in self._queues.values() for rule in queue]

    def take(self, seam: str, *, early: bool) -> Rule | None:
        """The rule for the next answer at `seam`, one use of it spent.

        `early`: at the beginning of a request, where rules that have something early are due, and no others.
        """
        with self._lock:
            queue = self._queues.get(seam)
            rule = queue[0] if queue else None
            if early and (rule is None or rule.early is None):
                return None
            self._lingering.pop(seam, None)
            if rule is None or queue is None or (rule.early is not None) != early:
                return None
            rule.left -= 1
            for place in _elsewhere(rule):
                rule.owed[place] = min(rule.owed.get(place, 0) + 1, 1)
            if rule.left <= 0:
                queue.popleft()
                if not queue:
                    del self._queues[seam]
                self._lingering[seam] = rule
            return rule

    def reaching(self, seam: str) -> list[Rule]:
        """Rules of other places that have a change at `seam`: with each answer of their own goes one here.

        Which of the two is asked first is up to the client, so a rule reaches here while it waits for its own
        answer, and once after its last one if nobody was here before that.
        """
        with self._lock:
            places = dict.fromkeys((*self._lingering, *self._queues))
            found = [rule for place in places if (rule := self._reaching_from(place, seam))]
            for rule in found:
                rule.owed[seam] = max(rule.owed.get(seam, 0) - 1, -1)
            return found

    def _reaching_from(self, place: str, seam: str) -> Rule | None:
        left_over = self._lingering.get(place)
        if left_over and left_over.owed.get(seam, 0) > 0:
            return left_over
        queue = self._queues.get(place)
        return queue[0] if queue and seam in _elsewhere(queue[0]) else None

    def gates(self) -> list[Rule]:
        """The rules that may refuse any request as long as they wait."""
        with self._lock:
            return [queue[0] for queue in self._queues.values() if queue[0].failure and queue[0].failure.gate]

    def enter(self, endpoint: str, path: str) -> "Play":
        """Begin a request to `endpoint`."""
        return Play(self, endpoint, path)


class Play:
    """The failures of one request; `names` are those that had a part in it, for the log."""

    def __init__(self, script: Script, endpoint: str, path: str):
        self.endpoint = endpoint
        self._script = script
        self._taken: dict[str, Rule | None] = {}
        self.names: list[str] = []
        self.early: Early | None = None
        self.refused = self._ask_gates(endpoint, path)
        rule = None if self.refused else script.take(endpoint, early=True)
        if rule:
            self._note(rule)
            self._taken[endpoint] = rule
            self.early = rule.early

    def change(self, seam: str, draft: D, occasion: Callable[[dict[str, Any]], Occasion]) -> D:
        """`draft` after the failures at `seam`; `occasion` makes one for a rule's memory. Raises `CannotFail`."""
        if seam not in self._taken:
            self._taken[seam] = self._script.take(seam, early=False)
        own = self._taken[seam]
        for rule in [*([own] if own else []), *self._script.reaching(seam)]:
            change = rule.failure.changes.get(seam) if rule.failure else None
            if change:
                change(draft, occasion(rule.memory))
                self._note(rule)
        if own and own.merge:
            draft.fields = _merged(draft.fields, own.merge)
            self._note(own)
        return draft

    def _ask_gates(self, endpoint: str, path: str) -> str:
        if not endpoint:
            return ""  # the controls among others, which must always be able to end it
        for rule in self._script.gates():
            gate = rule.failure.gate if rule.failure else None
            refused = gate(endpoint, path, rule.memory) if gate else ""
            if refused:
                self._note(rule)
                return refused
        return ""

    def _note(self, rule: Rule) -> None:
        if rule.name not in self.names:
            self.names.append(rule.name)


def delivered_at(failure: Failure) -> tuple[str, ...]:
    """The endpoints that a failure may be asked for at."""
    return (failure.at, MINTED[failure.at]) if failure.at in MINTED else (failure.at,)


def _elsewhere(rule: Rule) -> set[str]:
    return set(rule.failure.changes) - {rule.seam} if rule.failure else set()


def _merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396, into a copy: null takes a field away, an object goes into an object, anything else replaces."""
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            before = result.get(name)
            result[name] = _merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[name] = value
    return result
