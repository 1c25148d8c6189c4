"""What a deployment will do, before anything is touched: the exact commands in order, and what follows when one fails.

    preview(spec, exists=True, memory)    the values, for programs
    render(preview)                       the same as text, for people

Nothing here knows the path of a deployment: the deployer itself runs it, with an answer made up for each command. The
first pending command is always answered next, so the databases, which really advance side by side, are shown in the
order of the spec.
"""

from collections.abc import Callable, Iterator
from typing import Any

from attrs import evolve, frozen

from deployer_core.analysis.preview_values import (
    Branch,
    Caution,
    Outcome,
    Preview,
    PreviewCommand,
    PreviewStep,
    ShownCounts,
    TaskRun,
)
from deployer_core.engine import messages, reducer
from deployer_core.engine.memory import EMPTY, Memory
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.kernel.machine import Microstep, name_of
from deployer_core.machines import deployment, ecs_task, postgres_migration
from deployer_core.machines.deployment import NoWayBack, StabiliseStack
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.postgres_migration import CleanupDatabase
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import Counts, DeploymentSpec, Previous, TaskSpec, outputs_named

AS_BEFORE = -1
"""Stands for the count that the stack has, which is unknown before the deployment."""
ID = "preview"
PUT_BACK = "put back"
"""Of the way back: it went well."""


def preview(spec: DeploymentSpec, exists: bool, memory: Memory = EMPTY) -> Preview:
    """Return the commands of a deployment to a stack that exists or not, and every branch that leaves the good path.

    With `changes` to come in every database that is evaluated, since that is the long way; a branch shows the other.
    `memory` is what the stack remembers of deployments before: by default there was none.
    """
    requested = messages.Requested(ID, spec, 0, stream=32 * "0")
    walk = _take(_PreviewWalk(evolve(INITIAL, memory=memory), spec, exists), requested)
    branches: dict[int, tuple[Branch, ...]] = {}
    while (pending := _next(walk)) is not None:
        branches[pending.id] = tuple(_branch(walk, when, answer) for when, answer in _others(walk, pending))
        walk = _answer(walk, pending, _good(walk, pending))
    steps = tuple(
        PreviewStep(number, command, branches.get(number, ())) for number, command in enumerate(walk.given, 1)
    )
    return Preview(
        spec.environment,
        spec.application,
        spec.version,
        spec.stack.name,
        spec.quick,
        exists,
        cautions(spec, exists),
        steps,
        _outcome(walk),
    )


def cautions(spec: DeploymentSpec, exists: bool | None = None) -> tuple[Caution, ...]:
    """Return what a person should know of a spec that is not wrong; `exists` is None where nobody knows."""
    found: list[Caution] = []
    names = ", ".join(database.name for database in spec.databases)
    if spec.quick and spec.databases:
        found.append(Caution("quick", f"quick mode skips the databases, so these are not migrated: {names}"))
    if not spec.quick and spec.databases and not spec.stack.scaling:
        text = f"with no counts to scale, the application runs during its migrations: {names}"
        found.append(Caution("stack.scaling", text))
    kept = [name for name, value in spec.stack.parameters if isinstance(value, Previous)]
    if exists is False and kept:
        text = f"the stack does not exist, so it has no previous value for {', '.join(kept)}: it can't be created"
        found.append(Caution("stack.parameters", text))
    return tuple(found)


# A walk: the deployer under way, and what it has asked of the world so far


@frozen
class _PreviewWalk:
    """`given` are all commands as they are shown, `asked` those that had to be answered: well, badly, or not yet.

    `back` says what became of the way back, empty where none is asked for.
    """

    state: DeployerState
    spec: DeploymentSpec
    exists: bool
    at: float = 0
    given: tuple[PreviewCommand, ...] = ()
    asked: tuple[messages.Pending, ...] = ()
    good: frozenset[int] = frozenset()
    bad: frozenset[int] = frozenset()
    notice: messages.Notice | None = None
    back: str = ""


def _take(walk: _PreviewWalk, event: messages.Event) -> _PreviewWalk:
    """Reduce; whatever is given out is sent, and accepted, at once. A look is not: it only waits."""
    taken = [step for machine, step in reducer.microsteps(walk.state, event) if machine == "Deployment"]
    state, commands = reducer.reduce(walk.state, event)
    walk = evolve(walk, state=state, back=_way_back(taken) or walk.back)
    for command in commands:
        walk = evolve(walk, given=(*walk.given, _describe(walk.state, command)))
        if isinstance(command, messages.Notice):
            walk = evolve(walk, notice=command)
            continue
        walk = evolve(walk, asked=(*walk.asked, command))
        if isinstance(command.command, StabiliseStack):
            continue
        state, _ = reducer.reduce(walk.state, messages.Attempted(command.id, 1, walk.at))
        state, _ = reducer.reduce(state, messages.Accepted(command.id, f"ref-{command.id}", walk.at))
        walk = evolve(walk, state=state)
    return walk


def _way_back(taken: list[Microstep[Any, Any]]) -> str:
    """Say what became of the way back in these steps; empty where they do not tell."""
    told = ""
    for step in taken:
        back = getattr(step.event, "back", None) or getattr(step.state, "back", None)
        told = f"not put back: {back.why}" if isinstance(back, NoWayBack) else told
        if isinstance(step.state, deployment.Restoring):
            return PUT_BACK if step.state.change else "not put back: no deployment is DONE"
    return told if taken and isinstance(taken[-1].state, deployment.Failed) else ""


def _answer(walk: _PreviewWalk, pending: messages.Pending, answer: Any, *, good: bool = True) -> _PreviewWalk:
    ended = evolve(walk, good=walk.good | {pending.id}) if good else evolve(walk, bad=walk.bad | {pending.id})
    return _take(ended, messages.Replied(pending.id, answer, walk.at))


def _next(walk: _PreviewWalk) -> messages.Pending | None:
    return next((p for p in walk.state.pending if not isinstance(p.command, messages.StopTask)), None)


def _branch(walk: _PreviewWalk, when: str, answer: Callable[[_PreviewWalk], _PreviewWalk]) -> Branch:
    """Leave the good path by one answer, and go on with good ones to the end."""
    before = len(walk.given)
    walk = answer(walk)
    while (pending := _next(walk)) is not None:
        walk = _answer(walk, pending, _good(walk, pending))
    return Branch(when, walk.given[before:], _outcome(walk))


# Answers


def _good(walk: _PreviewWalk, pending: messages.Pending) -> Any:
    command = pending.command
    if isinstance(command, RunTask):
        return _exit(_codes(walk, pending)[-1])
    if isinstance(command, postgres_migration.UpsertDatabase):
        return postgres_migration.UpsertDone()
    if isinstance(command, CleanupDatabase):
        return postgres_migration.CleanupDone()
    looks = isinstance(command, StabiliseStack)
    if looks and not walk.exists and all(isinstance(p.command, StabiliseStack) for p in walk.asked):
        return StackStatus(Lifecycle.MISSING, "missing")
    outputs = tuple((name, _placeholder(name)) for name in outputs_named(walk.spec.databases))
    counted = command.counted if isinstance(command, StabiliseStack) else ()
    names = dict.fromkeys([*(scale.parameter for scale in walk.spec.stack.scaling), *counted])
    counts = tuple((name, AS_BEFORE) for name in names)
    return StackStatus(Lifecycle.COMPLETE, "UPDATE_COMPLETE", outputs=outputs, counts=counts)


def _others(
    walk: _PreviewWalk, pending: messages.Pending
) -> Iterator[tuple[str, Callable[[_PreviewWalk], _PreviewWalk]]]:
    """Every other way that a step may go, by its name."""
    outputs = outputs_named(walk.spec.databases)
    if isinstance(pending.command, deployment.CreateStack | deployment.UpdateStack) and outputs:
        bare = StackStatus(Lifecycle.COMPLETE, "UPDATE_COMPLETE")
        yield f"done without the output {outputs[0]}", lambda walk: _answer(walk, pending, bare)
    if len(codes := _codes(walk, pending)) > 1:
        yield "no changes", lambda walk: _answer(walk, pending, _exit(codes[0]))
    if isinstance(pending.command, StabiliseStack):
        refused = messages.Refused("it cannot be carried out as asked")
        yield "refused", lambda walk: _answer(walk, pending, refused, good=False)
    yield "fails", lambda walk: _answer(walk, pending, _failure(walk, pending), good=False)
    yield (
        "deadline",
        lambda walk: _take(
            evolve(walk, at=pending.deadline),
            messages.Replied(pending.id, messages.DeadlinePassed(), pending.deadline),
        ),
    )
    yield "terminated", lambda walk: _take(walk, messages.Terminated(ID, "the operator", walk.at))


def _failure(walk: _PreviewWalk, pending: messages.Pending) -> Any:
    """Return how a command usually fails: CloudFormation rolls back what it cannot do."""
    if isinstance(pending.command, RunTask):
        success = pending.command.run.success
        return _exit(next(code for code in range(1, 257) if code not in success))
    if pending.database:
        return postgres_migration.Errored("refused by PostgreSQL")
    if isinstance(pending.command, StabiliseStack):
        return StackStatus(Lifecycle.TERMINAL, "UPDATE_ROLLBACK_FAILED")
    if walk.exists or isinstance(pending.command, deployment.ScaleStack):
        return StackStatus(Lifecycle.ROLLED_BACK, "UPDATE_ROLLBACK_COMPLETE")
    return StackStatus(Lifecycle.EMPTY_SHELL, "ROLLBACK_COMPLETE")


def _codes(walk: _PreviewWalk, pending: messages.Pending) -> tuple[int, ...]:
    """Exit codes that stand for a task's different outcomes, the one of the long way last."""
    if not isinstance(pending.command, RunTask):
        return ()
    spec = next(d for d in walk.spec.databases if d.name == pending.database)
    if spec.evaluate is not None and pending.command.run.purpose is ecs_task.Purpose.EVALUATE:
        return spec.evaluate.no_changes[0], spec.evaluate.changes[0]
    return pending.command.run.success[:1]


def _exit(code: int) -> ecs_task.StatusStopped:
    return ecs_task.StatusStopped((ecs_task.Exit("judged", code, judged=True),), ecs_task.EXITED)


def _placeholder(output: str) -> str:
    """Return what stands for an output on its way through the deployer: every rule of the spec lets it through."""
    return f"Output:{output}"


# What is shown of a command


def _describe(state: DeployerState, given: messages.Pending | messages.Notice) -> PreviewCommand:
    if isinstance(given, messages.Notice):
        return PreviewCommand(given.outcome, "Notice")
    command = given.command
    migration = next(
        (m for m in state.migrations if m.database.spec.name == given.database),
        None,
    )
    current = next(iter(state.deployments), None)
    return PreviewCommand(
        name_of(type(current)) if current else "FAILED",
        type(command).__name__,
        given.database,
        name_of(type(migration)) if migration else "",
        _shown(command.counts) if isinstance(command, deployment.StackChange) else (),
        _task(command.run.purpose, command.run.task)
        if isinstance(command, RunTask | messages.StopTask)
        else None,
        round(given.deadline - given.issued),
    )


def _shown(counts: Counts) -> ShownCounts:
    return tuple((name, "as before" if count == AS_BEFORE else count) for name, count in counts)


def _task(purpose: str, task: TaskSpec[str]) -> TaskRun:
    return TaskRun(
        purpose, _unknown(task.task_definition), _unknown(task.cluster), task.container or "", task.command
    )


def _unknown(text: str) -> str:
    return f"<{text}>" if text.startswith(_placeholder("")) else text


# How it ends


def _outcome(walk: _PreviewWalk) -> Outcome:
    assert walk.notice is not None
    left = [p for p in walk.asked if p.id not in walk.good | walk.bad]
    runs_on = [p for p in left if _runs_on(p) and not (walk.back == PUT_BACK and not p.database)]
    return Outcome(
        walk.notice.outcome,
        walk.notice.cause or "",
        name_of(type(walk.state.stack)),
        _services(walk),
        tuple((database.name, _fate(walk, database.name)) for database in walk.spec.databases),
        tuple(
            f"{p.database}/{p.command.run.purpose}" for p in left if isinstance(p.command, messages.StopTask)
        ),
        tuple(f"{type(p.command).__name__} {p.database}".rstrip() for p in runs_on),
        walk.back,
        walk.notice.reason,
    )


def _runs_on(pending: messages.Pending) -> bool:
    """Tasks are stopped, looking is no change, and with nothing to scale there is no call."""
    if isinstance(pending.command, deployment.ScaleStack):
        return pending.command.counts != ()
    return not isinstance(pending.command, StabiliseStack | RunTask | messages.StopTask)


def _services(walk: _PreviewWalk) -> tuple[str, ...]:
    """Count both possibilities of a change that was not seen to end: it may have happened or not.

    One that has failed was rolled back, to the counts from before it.
    """
    possible = ["as before" if walk.exists else "not there"]
    for pending in walk.asked:
        if isinstance(pending.command, deployment.StackChange) and pending.id not in walk.bad:
            wanted = _level(pending.command, possible)
            unsure = pending.id not in walk.good
            possible = list(dict.fromkeys([*possible, *wanted])) if unsure else wanted
    return tuple(possible)


def _level(command: deployment.StackChange, before: list[str]) -> list[str]:
    counts = _shown(command.counts)
    if not counts:
        return before if isinstance(command, deployment.ScaleStack) else ["as the template has them"]
    values = {count for _, count in counts}
    if values == {0}:
        return ["at zero"]
    if values == {"as before"}:
        return ["as before"]
    return ["with " + ", ".join(f"{name}={count}" for name, count in counts)]


def _fate(walk: _PreviewWalk, database: str) -> str:
    """Return what became of a database, as far as its tasks and its cleanup were given out and went well."""
    if walk.spec.quick:
        return "skipped"
    mine = [p for p in walk.asked if p.database == database]
    migrate = [
        p
        for p in mine
        if isinstance(p.command, RunTask) and p.command.run.purpose is ecs_task.Purpose.MIGRATE
    ]
    if not migrate:
        return "not migrated"
    if migrate[0].id not in walk.good:
        return "perhaps half-way"
    clean = any(isinstance(p.command, CleanupDatabase) and p.id in walk.good for p in mine)
    return "migrated" if clean else "migrated, not cleaned up"
