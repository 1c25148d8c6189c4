"""The simulated account: its clock, its ids, its schedule, and its records of what happened."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs

from deployer_aws.simulator.hosting import Host
from deployer_aws.simulator.rows import Json, Meta, Pointer, RuleCount, Stack, Text, is_list, is_map
from deployer_aws.simulator.script import Rule, Script, is_inline
from deployer_aws.simulator.store import R, Store
from deployer_aws.templates import digest

ACCOUNT_ID = "123456789012"
REGION = "eu-west-1"

Handler = Callable[["Account", Json], None]
HANDLERS: dict[str, Handler] = {}


def due(topic: str) -> Callable[[Handler], Handler]:
    """Register what happens when something scheduled under a topic falls due."""

    def register(handler: Handler) -> Handler:
        HANDLERS[topic] = handler
        return handler

    return register


def moment(seconds: float) -> datetime:
    """Return a time as boto3 does: aware, in UTC."""
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def iso(seconds: float) -> str:
    """Return a time as events have it."""
    return moment(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fingerprint(request: Json) -> str:
    """Return a digest of a request that does not depend on the order of its members."""
    return hashlib.sha256(repr(_canonical(request)).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if is_map(value):
        return sorted((name, _canonical(inner)) for name, inner in value.items())
    return [_canonical(item) for item in value] if is_list(value) else value


@attrs.frozen
class CountedRule:
    """A rule with the key under which its uses are counted."""

    rule: Rule
    key: str


class Account:
    """Everything that the simulated services share; used inside a transaction of its store."""

    def __init__(self, store: Store, script: Script) -> None:
        self.store = store
        self.script = script
        self.host: Host | None = None
        self._faults: list[CountedRule] = []
        self._behaviours: list[CountedRule] = []
        for index, rule in enumerate(script.rules):
            counted = CountedRule(rule, f"{script.digest}/{index}")
            (self._faults if rule.is_fault else self._behaviours).append(counted)

    # time

    @property
    def meta(self) -> Meta:
        """The one row that holds the clock and the counter."""
        return self.need(Meta, "meta")

    @property
    def now(self) -> float:
        """The virtual time in epoch seconds; while something due happens, the time at which it was due."""
        return self.meta.now

    def advance(self, seconds: float) -> None:
        """Let time pass, and do all that falls due, each at its own time."""
        until = self.now + seconds
        while (entry := self.store.next_due(until)) is not None:
            meta = self.meta
            meta.now = max(meta.now, entry.at)
            HANDLERS[entry.topic](self, entry.payload)
        self.meta.now = until

    def after(self, seconds: float, topic: str, **payload: Any) -> None:
        """Schedule what is registered under a topic."""
        self.store.schedule(self.now + seconds, topic, payload)

    # rows

    def need(self, kind: type[R], key: str) -> R:
        """Return a row that must be there."""
        row = self.store.get(kind, key)
        if row is None:
            raise LookupError(f"the simulated account lacks {kind.KIND} {key}")
        return row

    def remember(self, body: str) -> str:
        """Keep a template's text; return its key."""
        name = digest(body)
        if self.store.get(Text, name) is None:
            self.store.add(Text(name, body))
        return name

    def text(self, name: str) -> str:
        """Return a template's text by its key."""
        return self.need(Text, name).body

    def unique(self, length: int = 32) -> str:
        """Return hexadecimal digits that are unique in the account, and the same in each run."""
        meta = self.meta
        meta.counter += 1
        return hashlib.sha256(f"{self.script.seed}/{meta.counter}".encode()).hexdigest()[:length]

    def uuid(self) -> str:
        """Return an id in the form of a UUID."""
        digits = self.unique()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this account and region."""
        return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}"

    # stacks

    def add_stack(self, stack: Stack) -> None:
        """Add a stack, which is from now on the living one of its name."""
        self.store.add(stack)
        self.store.add(Pointer(f"stack:{stack.name}", stack.key))
        self.store.link("stacks", stack.key)

    def living_stack(self, name: str | None) -> Stack | None:
        """Find the living stack of a name."""
        pointer = self.store.get(Pointer, f"stack:{name}")
        return self.need(Stack, pointer.to) if pointer else None

    def bury_stack(self, stack: Stack) -> None:
        """Make a stack a deleted one, found by its id alone."""
        self.store.drop(Pointer, f"stack:{stack.name}")
        self.store.unlink("stacks", stack.key)
        stack.deleted = self.now

    # records

    def record_change(self, action: str, target: str, token: str | None, **details: Any) -> None:
        """Record a real effect: counting these proves that nothing was done twice."""
        self.store.append(
            "changes", {"at": self.now, "action": action, "target": target, "token": token, **details}
        )

    def emit(self, source: str, detail_type: str, resources: list[str], detail: Json) -> None:
        """Emit an event in the shape of EventBridge."""
        event = {
            "version": "0",
            "id": self.uuid(),
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT_ID,
            "time": moment(self.now).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": resources,
            "detail": detail,
        }
        self.store.append("emitted", event)

    # the script

    def fault(self, operation: str, facts: dict[str, str]) -> Rule | None:
        """Return the fault of a call, if any; every rule about such calls counts it."""
        return self._decide(self._faults, operation, facts)

    def behaviour(self, operation: str, **facts: str) -> Rule:
        """Return the rule for a change that begins now; without one, the change succeeds."""
        return self._decide(self._behaviours, operation, facts) or Rule(on=operation)

    def _decide(self, rules: list[CountedRule], operation: str, facts: dict[str, str]) -> Rule | None:
        chosen = None
        for counted in rules:
            rule = counted.rule
            if rule.on not in ("*", operation):
                continue
            if rule.stack is not None and rule.stack != facts.get("stack"):
                continue
            if rule.definition is not None and rule.definition != facts.get("definition"):
                continue
            if self._applies(counted) and chosen is None:
                chosen = rule
        return chosen

    def _applies(self, counted: CountedRule) -> bool:
        tally = self.store.get(RuleCount, counted.key)
        if tally is None:
            tally = RuleCount(counted.key)
            self.store.add(tally)
        tally.seen += 1
        rule, seen = counted.rule, tally.seen
        if rule.nth is not None and seen != rule.nth:
            return False
        if rule.first is not None and seen > rule.first:
            return False
        if rule.every is not None and seen % rule.every:
            return False
        if rule.rate is not None:
            roll = hashlib.sha256(f"{self.script.seed}/{counted.key}/{seen}".encode()).digest()
            return int.from_bytes(roll[:4], "big") / 2**32 < rule.rate
        return True

    def template_body(self, template: str) -> str:
        """Return the text of a template of the script, given in full or by its name in the script."""
        return template if is_inline(template) else self.script.templates[template]
