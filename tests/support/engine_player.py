"""What the lines of the composition's transcripts mean, and how what comes of them is written.

request d1 evaluated unmigrated version=2 scale=Count:1     (databases db0, db1; a count as before, 1 at first)
request d1 quick limit=3 scale=Count=5 | scale=none         (a fixed count; nothing to scale)
request d1 evaluated restore force supersede exclusive start_by=60 by=ann adopt=STREAM stream=STREAM key=shop name=shop
request d1 previous=Image set=Image=shop:2 excused=proxy    (a parameter as it was, or given; a sidecar that may fail)
rollback d2 d1 force keep_queue exclusive by=ann sent=Image=shop:1                    (of d1, as d2)
reply complete Count=3                                      (to the one pending command; else it is named first:)
reply RunTask db0 exited 2 STOP_CODE beside=proxy:1 | started ARN | status PENDING | errored WORDS | lost WORDS
reply db0 upserted | cleaned | errored WORDS
reply missing | progress | rolled_back ... reason=WORDS     (any lifecycle; `outputs=none` takes its outputs away)
reply complete Count=3 removed=Bucket                       (with what the change removed)
reply failure WORDS | refused WORDS | unchanged WORDS | changed WORDS        (what it left of the infrastructure)
reply taken_over WORDS                                      (by another stream's deployer)
reply progressed WORDS | suspending RESOURCE | declined 1 WORDS | again WORDS | upserted took | errored took WORDS
attempt 1 Name=value suspending=RESOURCE | accept REF | late  (of the one pending command, or the one that is named)
run db0 0                                                   (all of a task, from its attempt to its exit code)
terminate d1 | repair RUN... withdraw | wait SECONDS | again  (the last answer once more)
keep NAME | from NAME                                       (remember how all stands; go back to that)
"""

from collections.abc import Iterable
from typing import Any

from attrs import evolve

from deployer_core.analysis.menu import STREAM
from deployer_core.engine.memory import Memory
from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Event,
    Notice,
    Pending,
    Repaired,
    Replied,
    Requested,
    Rollback,
    StopTask,
    Terminated,
)
from deployer_core.engine.reducer import reduce
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.kernel.machine import IllegalEvent, name_of
from deployer_core.machines import deployment
from deployer_core.machines.deployment import (
    ScalableTarget,
    ScaleStack,
    StabiliseStack,
    StackChange,
    StackCommand,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.ecs_task import RunTask
from deployer_core.spec import (
    DeploymentSpec,
    OnFailure,
)
from tests.support.engine_words import (
    PLAIN,
    QUICK,
    excusing,
    full,
    read_answer,
    read_pair,
    read_scaling,
    with_parameters,
)


class Engine:
    """The composed deployer, at a time of its own."""

    def __init__(self) -> None:
        self.state: DeployerState = INITIAL
        self._shown = {key: text for key, text in self._show().items() if key != "pending"}
        self._said: list[str] = []
        self.events: list[Event] = []
        self.now = 1000.0
        self._answer: Replied | None = None
        self._kept: dict[str, DeployerState] = {}
        self._specs: dict[str, DeploymentSpec] = {}

    def take(self, line: str) -> None:
        """Carry out one line."""
        verb, *words = line.split()
        match verb:
            case "keep":
                self._kept[words[0]] = self.state
            case "from":
                self.state = self._kept[words[0]]
                self.changed()
            case "wait":
                self.now += float(words[0])
            case "run":
                name, code = words
                for part in (
                    f"attempt {name} 1",
                    f"accept {name} arn:{name}",
                    f"reply {name} started arn:{name}",
                    f"reply {name} exited {code}",
                ):
                    self.take(part)
            case _:
                self._try(line, self._event(verb, words))

    def _try(self, line: str, event: Event) -> None:
        before = self.state
        if isinstance(event, Replied):
            self._answer = event
        try:
            self.reduce(event)
        except IllegalEvent as refusal:
            why = refusal.why or f"it does not take {refusal.event}"
            self._said.append(f"refused by {refusal.machine} in {refusal.state}: {why}")
            return
        if self.state is before:
            self._said.append(f"stale: {line}")

    def reduce(self, event: Event) -> None:
        """Take an event; raise IllegalEvent where it is refused."""
        before = self.state
        self.state, commands = reduce(before, event)
        assert self.state is not before or not commands
        self.events.append(event)
        self._said += [_notice(command) for command in commands if isinstance(command, Notice)]

    def pending(self, name: str = "") -> Pending:
        """Return the one pending command, or the one of this name."""
        found, _ = self._named([name] if name else [])
        return found

    # What a line means

    def _event(self, verb: str, words: list[str]) -> Event:
        match verb:
            case "request":
                return self._request(*words)
            case "terminate":
                return Terminated(words[0], "ann", self.now)
            case "repair":
                runs = tuple(word for word in words if word != "withdraw")
                return Repaired("ann", self.now, runs, withdraw_queue="withdraw" in words)
            case "rollback":
                return self._rollback(*words)
            case "again":
                assert self._answer is not None
                return self._answer
            case _:
                return self._of_command(verb, *self._named(words))

    def _of_command(self, verb: str, pending: Pending, words: list[str]) -> Event:
        match verb:
            case "reply":
                return Replied(pending.id, read_answer(pending, *words), self.now)
            case "late":
                return Replied(pending.id, DeadlinePassed(), pending.deadline)
            case "attempt":
                given = [(key, value) for key, _, value in (word.partition("=") for word in words[1:])]
                resolved = tuple(pair for pair in given if pair[0] != "suspending")
                targets = tuple(ScalableTarget(value) for key, value in given if key == "suspending")
                return Attempted(pending.id, int(words[0]), self.now, resolved, suspending=targets)
            case "accept":
                return Accepted(pending.id, words[0], self.now)
            case _:
                raise ValueError(f"unknown word {verb!r}")

    def _named(self, words: list[str]) -> tuple[Pending, list[str]]:
        """Find the one pending command that the first words name, and return the words after them."""
        found = list(self.state.pending)
        if words and words[0][0].isupper():
            found = [p for p in found if type(p.command).__name__ == words[0]]
            words = words[1:]
        if words and words[0].startswith("db"):
            found = [p for p in found if p.database == words[0]]
            words = words[1:]
        assert len(found) == 1, f"{len(found)} commands are meant: {found}"
        return found[0], words

    def _request(self, deployment_id: str, *words: str) -> Requested:
        given = dict(word.split("=", 1) for word in words if "=" in word)
        flags: dict[str, Any] = {word: True for word in words if word in ("force", "supersede", "exclusive")}
        kinds = [word for word in words if "=" not in word and word not in (*flags, "restore")]
        spec = QUICK if "quick" in kinds else PLAIN
        if "quick" not in kinds and (kinds or given.keys() & {"scale", "version"}):
            scaling = read_scaling(given.get("scale", "Count:1"))
            spec = full(*kinds, version=given.get("version", "1"), scaling=scaling)
        if "restore" in words:
            spec = evolve(spec, on_failure=OnFailure.RESTORE)
        spec = evolve(
            spec,
            application=given.get("key", spec.application),
            stack=evolve(spec.stack, name=given.get("name", spec.stack.name)),
        )
        spec = with_parameters(spec, given)
        if "excused" in given:
            spec = evolve(spec, databases=tuple(excusing(d, given["excused"]) for d in spec.databases))
        more: dict[str, Any] = {key: given[key] for key in ("by", "reason", "adopt") if key in given}
        more |= {"queue_limit": int(given["limit"])} if "limit" in given else {}
        more |= {"start_by": int(given["start_by"])} if "start_by" in given else {}
        self._specs.setdefault(deployment_id, spec)
        return Requested(deployment_id, spec, self.now, stream=given.get("stream", STREAM), **flags, **more)

    def _rollback(self, deployment_id: str, target: str, *words: str) -> Requested:
        given = dict(word.split("=", 1) for word in words if "=" in word)
        sent = (read_pair(given["sent"]),) if "sent" in given else ()
        spec = evolve(self._specs.get(target, PLAIN), quick=True)
        spec = evolve(spec, version=given.get("version", spec.version))
        self._specs.setdefault(deployment_id, spec)
        return Requested(
            deployment_id,
            spec,
            self.now,
            by=given.get("by", ""),
            exclusive="exclusive" in words,
            force="force" in words,
            rollback=Rollback(target, sent, "keep_queue" in words),
        )

    # What came of it

    def changed(self) -> list[str]:
        """Say what has changed since this was last called, and what was said meanwhile."""
        before, now = self._shown, self._show()
        lines = [*self._said, *(text for key, text in now.items() if before.get(key) != text)]
        self._shown, self._said = now, []
        return lines

    def _show(self) -> dict[str, str]:
        state = self.state
        found = {"stack": f"stack {name_of(type(state.stack))}"}
        if state.stream not in ("", STREAM):
            found["stream"] = f"stream {state.stream}"
        deployments: tuple[Any, ...] = state.deployments
        migrations: tuple[Any, ...] = state.migrations
        for each in deployments:
            found[f"deployment {each.info.id}"] = f"{each.info.id} {name_of(type(each))}"
        for migration in migrations:
            name = migration.database.spec.name
            found[f"migration {name}"] = f"{name} {name_of(type(migration))}"
        for pending in state.pending:
            found[f"pending {pending.id}"] = _pending(pending)
        if not state.pending:
            found["pending"] = "waits for nothing"
        found.update(_memory(state.memory))
        return found


def played(*lines: str) -> Engine:
    """Return a deployer after these lines."""
    engine = Engine()
    for line in lines:
        engine.take(line)
    return engine


def _memory(memory: Memory) -> dict[str, str]:
    baseline, whose = memory.baseline, memory.infrastructure
    kept = "no counts" if baseline is None else _pairs(baseline) or "that nothing was scaled"
    return {
        "baseline": f"remembers {kept}",
        "infrastructure": "infrastructure "
        + ("unsure" if whose is None else f"of {whose}" if whose else "as found"),
        "half_way": f"half-way: {' '.join(memory.half_way) or 'none'}",
        "suspended": f"suspended: {' '.join(t.resource for t in memory.suspended) or 'none'}",
        "moved": f"databases moved: {memory.moved}",
        "removed": f"removed: {' '.join(memory.removed) or 'nothing'}",
    }


def _pending(pending: Pending) -> str:
    command = pending.command
    words = [type(command).__name__, pending.database]
    if isinstance(command, RunTask):
        words.append(command.run.purpose)
    if isinstance(command, StabiliseStack):
        words += [f"for {' '.join(command.counted)}" if command.counted else ""]
    if isinstance(command, StackChange):
        words.append(_pairs(command.counts))
    if isinstance(command, UpdateStack | UpsertStack):
        given = _pairs((name, value) for name, value in command.stack.parameters if isinstance(value, str))
        words += [
            f"with {given}" if given else "",
            f"sent then: {_pairs(command.sent)}" if command.sent else "",
        ]
    if isinstance(command, UpdateStack | UpsertStack | ScaleStack) and command.resume:
        words.append(f"resuming {' '.join(target.resource for target in command.resume)}")
    if isinstance(command, StackCommand) and command.adopt:
        words.append(f"adopting {command.adopt}")
    if isinstance(command, StopTask):
        words += [
            command.arn or "without ARN",
            f"for attempt {command.attempt.number} of command {command.command}",
        ]
    text = " ".join(filter(None, words))
    if pending.attempt is not None:
        tried = pending.attempt
        text += f", attempt {tried.number} at {tried.at:g}{' over' if tried.over else ''}"
        text += f" with {_pairs(tried.resolved)}" if tried.resolved else ""
    text += f", accepted as {pending.ref}" if pending.ref else ""
    text += f", seen: {pending.seen}" if pending.seen else ""
    return text + (", unresolved" if pending.unresolved else "")


def _notice(notice: Notice) -> str:
    ended = notice.cause if notice.cause not in (None, deployment.Cause.FAILURE) else notice.outcome
    return f"{notice.deployment} {ended}" + (f": {notice.reason}" if notice.reason else "")


def _pairs(pairs: Iterable[tuple[str, Any]]) -> str:
    return " ".join(f"{key}={value}" for key, value in pairs)
