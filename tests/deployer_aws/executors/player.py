"""What the lines of the executors' transcripts mean, and how what an executor does is written.

spec {role: ROLE, tags: {team: shop}}         (members of the spec that differ, as YAML, before its command)
UpsertStack Count=2 | RunTask evaluate        (the pending command, issued now, with an executor of its own)
StabiliseStack cancel | look | check | adopt=STREAM force | counted=Count  (it may discard a shell, unless it only looks)
accepted UpsertStack                          (the same, issued, sent and accepted ten seconds ago)
scaled                                        (ScaleStack Count=0 of a stack with one service, accepted and complete)
known UPDATE_IN_PROGRESS                      (the stack's status that the journal has for the command)
describe_stacks UPDATE_COMPLETE {Outputs: []} (what AWS answers: the stack's status, and members in AWS's own words)
describe_stack_events token-2                 (a page, with the token of the next one; its events follow, indented, newest first)
  UPDATE_COMPLETE token-1 at=-5               (an event of the stack, its request's token if it has one, and its time)
  CREATE_FAILED token-1 Topic: name taken     (an event of a resource, and its reason)
list_stack_resources                          (a page in the same way; its resources follow: type, status, physical id)
  AWS::ECS::Service UPDATE_COMPLETE service-arn
describe_tasks STOPPED {containers: []}       (the task's status, and members in AWS's own words)
describe_task_definition | update_stack {StackId: stack-id}
update_stack raises Throttling: words         (an error in the shape of boto3's)
later                                         (it is a later command, with an id of its own)
look                                          (one look at the command; what it says is then known to the next look)
view UPDATE_COMPLETE                          (what a batch describe has shown to the next look)
observe                                       (a batch describe, whose view the next look has)
wait 60
another                                       (executor of tasks, that has read no definition yet)

An operation that is answered more than once gives its answers in turn, and then the last of them again; its answers
after a look are in the place of those before. `token-1` is the token of the first attempt, `token-other` one of another
stream, `stream-other`; `stack-id`, `nested-id`, `service-arn`, `task-arn` and `definition-3` are identifiers of AWS's.
"""

import json
import logging
from collections.abc import Iterator
from enum import Enum
from typing import Any

import attrs
import yaml

from deployer_aws.aws.stacks import StackDescription, read_description
from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.ports import Observer, Work
from deployer_core.engine.messages import (
    Accepted,
    Attempt,
    Attempted,
    Declined,
    Pending,
    Progress,
    Replied,
    StackProgress,
    TaskProgress,
)
from deployer_core.engine.messages import token as make_token
from deployer_core.machines import deployment
from deployer_core.machines.ecs_task import Purpose, Run, RunTask, Status
from deployer_core.machines.stack_status import StackStatus
from tests.deployer_aws.aws_answers import (
    ARN,
    ID,
    NESTED,
    NEWEST,
    NOW,
    SERVICE,
    SPEC,
    TASK,
    Refused,
    Stub,
    defined,
    event,
    resource,
    shown,
    task,
    work,
)
from tests.deployer_aws.scenarios.specs import template

__all__ = ["Looking"]

OTHER = "fedcba9876543210" * 2
TOKENS = {
    **{f"token-{number}": work(None).token(number) for number in (1, 2, 3)},
    "token-other": make_token(OTHER, "x1", 1, 1),
}
NAMES = {
    **TOKENS,
    "stream-other": OTHER,
    "stack-id": ID,
    "nested-id": NESTED,
    "task-arn": ARN,
    "definition-3": NEWEST,
    "service-arn": SERVICE,
}
SCALED = (
    "accepted ScaleStack Count=0",
    "describe_stacks UPDATE_COMPLETE",
    "describe_stack_events",
    "  UPDATE_COMPLETE token-1",
    "list_stack_resources",
    "  AWS::ECS::Service UPDATE_COMPLETE service-arn",
    "describe_services {services: [{status: ACTIVE, desiredCount: 0}]}",
)


class Looking:
    """An executor that looks at one command, with clients that answer as they are told."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._answers: dict[str, list[Any]] = {}
        self._old, self._paged = set[str](), ""
        self._spec: dict[str, Any] = {}
        self._work: Work = work(None)
        self._client = Stub(self._answers)
        self._executor: Observer = CloudFormation(self._client, self._client)

    def take(self, line: str) -> None:
        """Carry out one line."""
        if line.startswith("  "):
            self._row(_real(line.strip()))
            return
        verb, _, rest = _real(line).partition(" ")
        match verb:
            case "spec":
                self._spec = {name: _frozen(value) for name, value in yaml.safe_load(rest).items()}
            case "look":
                self._look()
            case "later":
                self._change(id=self._work.pending.id + 1)
            case "view":
                self._work = attrs.evolve(self._work, view=read_description(shown(rest)["Stacks"][0]))
            case "observe":
                self._observe()
            case "another":
                self._executor = Ecs(self._client)
            case "wait":
                self._work = attrs.evolve(self._work, now=self._work.now + float(rest))
            case "RunTask":
                self._work = work(self._run_task(rest), database="orders")
                self._executor = Ecs(self._client)
            case "accepted" if rest.startswith("RunTask"):
                sent = Attempt(1, NOW - 10)
                task = self._run_task(rest.removeprefix("RunTask").strip())
                self._work = work(task, attempt=sent, ref=ARN, age=10, database="orders")
                self._executor = Ecs(self._client)
            case "accepted":
                self._work = work(
                    self._stack_command(*rest.split()), attempt=Attempt(1, NOW - 10), ref=ID, age=10
                )
            case "scaled":
                for step in SCALED:
                    self.take(step)
                self._old = set(self._answers)  # so that a scenario may have others
            case "known":
                self._change(progress=StackProgress(rest))
            case _ if verb[0].isupper():
                self._work = work(self._stack_command(verb, *rest.split()))
            case _:
                self._answer(verb, rest)

    def _run_task(self, purpose: str) -> RunTask:
        why = Purpose.EVALUATE if purpose == "evaluate" else Purpose.MIGRATE
        return RunTask(Run("d1", "orders", why, attrs.evolve(TASK, **self._spec), (0,)))

    def _change(self, **members: Any) -> None:
        self._work = attrs.evolve(self._work, pending=attrs.evolve(self._work.pending, **members))

    def _stack_command(self, name: str, *words: str) -> Any:
        spec = attrs.evolve(SPEC, **self._spec)
        if name == "StabiliseStack":
            given = dict(word.split("=") for word in words if "=" in word)
            return deployment.StabiliseStack(
                "d1",
                spec,
                3600,
                "cancel" in words,
                "look" not in words,
                (given["counted"],) if "counted" in given else (),
                given.get("adopt", ""),
                force="force" in words,
                check="check" in words,
            )
        counts = tuple((key, int(count)) for key, count in (word.split("=") for word in words))
        return getattr(deployment, name)("d1", spec, counts)

    # What AWS answers

    def _answer(self, operation: str, rest: str) -> None:
        if operation in self._old:
            del self._answers[operation]
            self._old.remove(operation)
        self._answers.setdefault(operation, []).append(_answer(operation, rest))
        self._paged = operation

    def _row(self, line: str) -> None:
        """Add a row to the page that was last answered."""
        page = self._answers[self._paged][-1]
        if self._paged == "describe_stack_events":
            page["StackEvents"].append(_event(line))
        else:
            page["StackResourceSummaries"].append(_resource(*line.split()))

    # What is written down

    def _observe(self) -> None:
        self._old, self._client.calls = set(self._answers), _Calls(self._said)
        view = self._executor.observe([self._work]).get(self._work.id)
        match view:
            case None:
                self._said.append("sees nothing")
            case StackDescription():
                self._said.append(f"sees {view.status}")
            case Refused():
                self._said.append(f"sees {view.response['Error']['Code']}")
            case _:
                self._said.append("sees tasks that run")
        self._work = attrs.evolve(self._work, view=view)

    def _look(self) -> None:
        self._old, self._client.calls = set(self._answers), _Calls(self._said)
        with _Warnings(self._said):
            try:
                for said in self._executor.act(self._work):
                    self._said.append(_words(said))
                    self._take_up(said)
            except Refused as refusal:
                self._said.append(f"raises {refusal.response['Error']['Code']}")
        self._work = attrs.evolve(self._work, view=None)

    def _take_up(self, said: Attempted | Accepted | Replied) -> None:
        pending: Pending = self._work.pending
        match said:
            case Attempted() if pending.attempt is None or pending.attempt.number < said.number:
                attempt = Attempt(said.number, said.at, said.resolved, token=said.token)
                pending = attrs.evolve(pending, attempt=attempt)
            case Accepted():
                pending = attrs.evolve(pending, ref=said.ref)
            case Replied(answer=Progress() as progress):
                pending = attrs.evolve(pending, seen=progress.text, progress=progress.value)
            case Replied(answer=StackStatus() as seen):
                pending = attrs.evolve(pending, seen=seen.status, progress=StackProgress(seen.status))
            case Replied(answer=Status() as seen):
                pending = attrs.evolve(
                    pending, seen=seen.last_status, progress=TaskProgress(seen.last_status)
                )
            case Replied(answer=Declined() as refused) if pending.attempt:
                attempt = attrs.evolve(pending.attempt, over=True)
                pending = attrs.evolve(pending, seen=refused.reason, attempt=attempt)
            case _:
                pass
        self._work = attrs.evolve(self._work, pending=pending)

    def changed(self) -> list[str]:
        """Say what was asked of AWS and said of the command since this was last called."""
        lines, self._said[:] = list(self._said), []
        return lines or ["nothing"]


class _Calls(list[tuple[str, dict[str, Any]]]):
    """Writes each call down as it is made."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._lines = said

    def append(self, call: tuple[str, dict[str, Any]]) -> None:
        operation, request = call
        members = " ".join(f"{name}={_value(value)}" for name, value in request.items())
        self._lines.append(_named(f"{operation} {members}"))


class _Warnings(logging.Handler):
    """Writes down what is logged as a warning."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = said

    def __enter__(self) -> None:
        logging.getLogger("deployer").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("deployer").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(_named(f"warns: {record.getMessage()}"))


def _answer(operation: str, rest: str) -> Any:
    if rest.startswith("raises "):
        code, _, words = rest.removeprefix("raises ").partition(": ")
        head, _, members = words.partition(" {")
        return Refused(code, head or "in AWS's words", **(yaml.safe_load(f"{{{members}") if members else {}))
    if operation == "describe_stack_events":
        return {"StackEvents": [], **({"NextToken": rest} if rest else {})}
    if operation == "list_stack_resources" and not rest.startswith("{"):
        return {"StackResourceSummaries": [], **({"NextToken": rest} if rest else {})}
    if operation == "describe_task_definition" and not rest:
        return defined()
    if rest.startswith("{"):
        return yaml.safe_load(rest)
    status, _, members = rest.partition(" ")
    known = yaml.safe_load(members) if members else {}
    containers = known.pop("containers", [])
    return shown(status, **known) if operation == "describe_stacks" else task(status, *containers, **known)


def _event(line: str) -> dict[str, Any]:
    about, _, reason = line.partition(": ")
    status, *words = about.split()
    options = dict(word.split("=", 1) for word in words if "=" in word)
    plain = [word for word in words if "=" not in word]
    token = next((word for word in plain if word in TOKENS.values() or word == "other"), None)
    name = next((word for word in plain if word != token), "")
    when, of = float(options.pop("at", 0)), options.pop("of", ID)
    if not name:
        return event(status, token, when, of=of, **({"ResourceStatusReason": reason} if reason else {}))
    return {**resource(status, reason, token, name=name, **options), **_time(when), "StackId": of}


def _resource(kind: str, status: str, physical: str = "") -> dict[str, str]:
    return {"ResourceType": kind, "ResourceStatus": status, "PhysicalResourceId": physical}


def _time(when: float) -> dict[str, Any]:
    """Return the member of an event that is its time."""
    return {"Timestamp": event("", None, when)["Timestamp"]}


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, item) for name, item in value.items())
    return tuple(value) if isinstance(value, list) else value


def _words(said: Attempted | Accepted | Replied) -> str:
    match said:
        case Attempted():
            resolved = "".join(f" {name}={value}" for name, value in said.resolved)
            return _named(f"Attempted {said.number}{resolved}")
        case Accepted():
            return _named(f"Accepted {said.ref}")
        case Replied():
            return _named(f"Replied {_value(said.answer)}")


def _value(value: Any) -> str:
    if attrs.has(type(value)):
        return " ".join([type(value).__name__, *_members(value)])
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if " " in value and value != template() else value
    return json.dumps(value, ensure_ascii=False, default=_value)


def _members(value: Any) -> Iterator[str]:
    for field in attrs.fields(type(value)):
        member = getattr(value, field.name)
        if member != field.default:
            yield f"{field.name}={_value(member)}"


def _named(line: str) -> str:
    for name, real in [("TEMPLATE", template()), *NAMES.items()]:
        line = line.replace(real, name)
    return line


def _real(line: str) -> str:
    for name, real in NAMES.items():
        line = line.replace(name, real)
    return line
