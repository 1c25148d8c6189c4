"""CloudFormation: StabiliseStack, CreateStack, UpdateStack, UpsertStack and ScaleStack.

Look before you leap, for a change: with a StackId only its outcome is observed; an attempt without one is looked for by
its token in the stack's events; only else is it sent, with the same token again.

While a stack is under way as the journal has it, its events say nothing new: where a batch describe has shown that,
nothing is asked. Every other look reads them.
"""

from collections.abc import Mapping, Sequence

from attrs import evolve, frozen

from deployer_aws.aws.batch_describe import BatchDescribe
from deployer_aws.aws.errors import ErrorClass, Problem, classify
from deployer_aws.aws.protocols import CloudFormationClient, EcsClient, Elbv2Client, S3Client
from deployer_aws.aws.services import NotAtZero, ServiceReader, not_yet_stopped
from deployer_aws.aws.stacks import MOVING, StackDescription, StackReader, counts
from deployer_aws.executors.cloudformation.owners import Owners, earlier_tokens
from deployer_aws.executors.cloudformation.parameters import UnresolvedValue, resolve
from deployer_aws.executors.cloudformation.requests import RequestBuilder, sent_before
from deployer_aws.ports import Act, CommandId, Work
from deployer_aws.preflight.context import CheckResult
from deployer_aws.preflight.fit import misfits, too_large, unkept
from deployer_aws.templates import TemplateError, read
from deployer_core.engine.messages import Failure, Infrastructure, Progress, StackProgress
from deployer_core.machines.deployment import (
    CreateStack,
    ScaleStack,
    StabiliseStack,
    StackChange,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import Pairs, StackSpec, TemplateBody

AT_REST = frozenset({Lifecycle.COMPLETE, Lifecycle.ROLLED_BACK, Lifecycle.MISSING})
"""Lifecycles of a stack that a deployment can begin with."""
UNSEEN = 300.0
"""Seconds after AWS accepted during which 'does not exist' is no news: its reads are eventually consistent."""


@frozen
class Settings:
    """How the executor acts: the bucket for templates too long to send; for `bare_events` see `StackReader`."""

    bucket: str = ""
    bare_events: bool = True


class CloudFormation:
    """Carries out the stack's commands through boto3's clients, or the simulator's.

    `elbv2` is needed where parameters are listener priorities, `s3` where templates are too long for a request.
    """

    commands: tuple[type, ...] = (StabiliseStack, CreateStack, UpdateStack, UpsertStack, ScaleStack)

    def __init__(
        self,
        client: CloudFormationClient,
        ecs: EcsClient,
        *,
        s3: S3Client | None = None,
        elbv2: Elbv2Client | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._client, self._elbv2, self._settings = client, elbv2, settings or Settings()
        self._reader = StackReader(client, bare_events=self._settings.bare_events)
        self._services = ServiceReader(self._reader, ecs)
        self._owners = Owners(self._reader, self._services, ecs)
        self._requests = RequestBuilder(client, s3, self._settings.bucket)
        self._batch_describe = BatchDescribe(client)

    def act(self, work: Work) -> Act:
        """See `ports.Executor.act`."""
        command = work.pending.command
        if isinstance(command, StabiliseStack):
            yield from self._stabilise(work, command)
        elif isinstance(command, CreateStack | UpdateStack | UpsertStack | ScaleStack):
            yield from self._change(work, command)

    def observe(self, works: Sequence[Work]) -> Mapping[CommandId, object]:
        """See `ports.Observer.observe`. What was sent and has no StackId yet is looked for by itself.

        A command that only waits for tasks to stop has them looked at, and not its stack.
        """
        tasks = self._services.still_running(works)
        names = {work.id: name for work in works if work.id not in tasks and (name := _watched(work))}
        seen = self._batch_describe.of(names.values())
        stopping = {command: still for command, still in tasks.items() if still}
        return {**stopping, **{command: seen[name] for command, name in names.items() if name in seen}}

    # Waiting for a stack to be at rest

    def _stabilise(self, work: Work, command: StabiliseStack) -> Act:
        """Look; cancel an update or discard a shell where that is asked for, and the stack is ours to change."""
        if _goes_on(work):
            return
        stack = self._reader.describe(command.stack.name)
        if why := self._owners.refusal(work, command, stack):
            yield work.fail(why)
            return
        if stack is not None and self._reader.is_empty(stack):
            yield from self._discard(work, command, stack)
            return
        if stack is not None and command.cancel_updates and stack.status == "UPDATE_IN_PROGRESS":
            yield from self._cancel(work, stack)
        scaled = (*_counted(command.stack), *command.counted)
        if stack is None:
            found = StackStatus(Lifecycle.MISSING, "MISSING")
        else:
            found = self._reader.status(stack, scaled, removed=self._removed_before(work, command, stack))
        if command.check and found.lifecycle in AT_REST and (why := self._misfits(work, command, stack)):
            yield work.fail(why)
        else:
            yield work.reply(found)

    def _removed_before(
        self, work: Work, command: StabiliseStack, stack: StackDescription
    ) -> tuple[str, ...]:
        """Return what an update of this deployment that nobody waited for removed; before its first there was none."""
        if command.check or stack.lifecycle not in AT_REST:
            return ()
        since = work.pending.issued - 2 * command.stack.timeout
        return self._reader.removed(stack.id, earlier_tokens(work), since)

    def _misfits(self, work: Work, command: StabiliseStack, stack: StackDescription | None) -> str:
        """Say with what a change by this spec would fail, as far as it can be known; empty where nothing is found."""
        spec, sent = command.stack, command.sent
        found: list[CheckResult] = []
        has = {name for name, _ in stack.parameters} if stack else None
        if isinstance(spec.template, TemplateBody):
            text = work.read_blob(spec.template.sha256)
            found += too_large(text, self._settings.bucket)
            try:
                found += misfits(spec, read(text), has, sent)
            except TemplateError as error:
                return error.problem
        else:
            found += unkept(spec, has, sent)
        problems = [f"{one.text}; {one.advice}" for one in found]
        try:
            resolve(spec, stack, self._reader, self._elbv2, sent)
        except UnresolvedValue as missing_value:
            problems.append(str(missing_value))
        return "; ".join(problems)

    def _discard(self, work: Work, command: StabiliseStack, found: StackDescription) -> Act:
        """Delete a stack that holds nothing by its StackId: a name might stand for another stack by then."""
        spec = command.stack
        stuck = "it holds nothing, and must be deleted before it can be used"
        if found.protected:
            why = f"{stuck}; switch its termination protection off and delete it, then repair"
            yield work.reply(self._reader.status(found, (), reason=why))
        elif not command.discard:
            advice = (
                ""
                if spec.discard_rolled_back_creation
                else ". Without stack.discard_rolled_back_creation: false in the spec the deployer does it"
            )
            yield work.reply(
                self._reader.status(found, (), reason=f"{stuck}; delete it, then repair{advice}")
            )
        else:
            sent, this = work.pending.attempt, (("rolled back", found.id),)
            number = 1 if sent is None else sent.number + (sent.resolved != this)
            yield work.attempt(number, this)
            self._client.delete_stack(StackName=found.id, ClientRequestToken=work.token(number))

    def _cancel(self, work: Work, stack: StackDescription) -> Act:
        """Cancel the update that the first look saw in progress, once; a later one is waited for.

        One that has just ended needs no cancelling, and one that was cancelled is not cancelled again.
        """
        pending, this = work.pending, (("update", repr(stack.updated)),)
        if pending.ref or (pending.progress is not None and pending.attempt is None):
            return
        if pending.attempt is not None and pending.attempt.resolved != this:
            return
        yield work.attempt(1, this)
        try:
            self._client.cancel_update_stack(StackName=stack.id, ClientRequestToken=work.token(1))
        except Exception as error:
            problem = classify(error)
            if problem is None or problem.code not in ("ValidationError", "TokenAlreadyExistsException"):
                raise
        yield work.accept(stack.id)

    # Changing a stack

    def _change(self, work: Work, command: StackChange) -> Act:
        pending = work.pending
        if isinstance(command, ScaleStack) and not command.counts:
            yield work.reply(StackStatus(Lifecycle.COMPLETE, "NOT_SCALED"))
            return
        if pending.ref:
            yield from self._observe(work, command, pending.ref)
            return
        if pending.attempt is not None:
            token = work.token(pending.attempt.number)
            if found := self._reader.find(command.stack.name, token, pending.attempt.at):
                yield work.accept(found)
                return
        yield from self._send(work, command)

    def _send(self, work: Work, command: StackChange) -> Act:
        spec, sent = command.stack, work.pending.attempt
        stack = self._reader.describe(spec.name)
        missing = stack is None or stack.lifecycle is Lifecycle.MISSING
        creates = isinstance(command, CreateStack) or (isinstance(command, UpsertStack) and missing)
        if missing and not creates:
            yield from self._unseen(work, work.pending.issued)
            return
        if stack is not None and (who := self._owners.taken_over(work, command, stack)):
            yield work.reply(
                Failure(f"{type(command).__name__} of stack {spec.name}: {who}", taken_over=True)
            )
            return
        try:
            resolved = sent.resolved if sent else self._resolved(command, stack)
            request = self._requests.build(work, command, stack, resolved)
        except UnresolvedValue as missing_value:
            yield work.fail(f"{type(command).__name__} of stack {spec.name}: {missing_value}")
            return
        number = sent.number if sent else 1
        yield work.attempt(number, resolved)
        try:
            self._requests.upload(request)
            call = self._client.create_stack if creates else self._client.update_stack
            answer = call(StackName=spec.name, ClientRequestToken=work.token(number), **request.members)
        except Exception as error:
            problem = classify(error)
            if problem is None:
                raise
            yield from self._refused(work, command, stack, problem, error)
        else:
            yield work.accept(answer["StackId"])

    def _resolved(self, command: StackChange, stack: StackDescription | None) -> Pairs:
        """Return what is looked up for a change; scaling sends nothing of it."""
        if isinstance(command, ScaleStack):
            return ()
        return resolve(command.stack, stack, self._reader, self._elbv2, sent_before(command))

    def _refused(
        self,
        work: Work,
        command: StackChange,
        stack: StackDescription | None,
        problem: Problem,
        error: Exception,
    ) -> Act:
        """Tell what a refusal means: done already, to be waited for, or failed."""
        sent = work.pending.attempt
        if stack is not None and "No updates are to be performed" in problem.message:
            yield from self._done(work, command, stack, StackProgress("", unchanged=True))
        elif problem.code == "AlreadyExistsException" and (sent is None or work.now - sent.at > UNSEEN):
            why = "somebody else has created the stack meanwhile; repair, and deploy again"
            yield work.fail(f"{type(command).__name__} of stack {command.stack.name}: {problem}; {why}")
        elif problem.error_class is ErrorClass.ACCEPTED_BEFORE:
            rolls_back = stack is not None and stack.lifecycle is Lifecycle.ROLLING_BACK
            yield work.reply(
                Progress(f"WAITING: {problem.message}", StackProgress("", rolling_back=rolls_back))
            )
        else:
            raise error

    # Observing a change of ours

    def _observe(self, work: Work, command: StackChange, ref: str) -> Act:
        if _goes_on(work):
            return
        sent = work.pending.attempt
        since = sent.at if sent else work.pending.issued
        stack = work.view if isinstance(work.view, StackDescription) else self._reader.describe(ref)
        if stack is None:
            yield from self._unseen(work, since)
            return
        if _progress(work).unchanged:
            yield from self._done(work, command, stack, StackProgress("", unchanged=True))
            return
        outcome = self._reader.outcome(stack, work.token(sent.number if sent else 1), since)
        if outcome is None:
            return
        settled = evolve(stack, status=outcome.status)
        if settled.lifecycle is not Lifecycle.COMPLETE:
            yield work.reply(self._reader.status(settled, _counted(command.stack), reason=outcome.reason))
        elif outcome.taken_over:
            yield work.reply(Failure(f"the stack is {stack.status}: {outcome.reason}"))
        elif stack.lifecycle in GONE_SINCE:
            why = f"{type(command).__name__} had ended well, and the stack is {stack.status} since"
            yield work.reply(Failure(f"{why}: {stack.reason}" if stack.reason else why))
        elif stack.status == outcome.status or outcome.followed:
            yield from self._done(work, command, stack, StackProgress(outcome.status))

    def _unseen(self, work: Work, since: float) -> Act:
        """Report a stack as missing once it could not be seen for long enough."""
        if work.now - since > UNSEEN:
            yield work.reply(StackStatus(Lifecycle.MISSING, "MISSING", "the stack has gone"))

    def _done(
        self, work: Work, command: StackChange, stack: StackDescription, progress: StackProgress
    ) -> Act:
        """Report the change as done; where it scaled to zero, only once no task runs any more."""
        try:
            left = self._services.running(stack.id, work.id) if _to_zero(command) else ()
        except NotAtZero as problem:
            why = f"{type(command).__name__} of stack {stack.name}: {problem}"
            yield work.reply(Failure(why, Infrastructure.NEW, self._removed(work, command, stack)))
            return
        if not left:
            at, removed = counts(stack, _counted(command.stack)), self._removed(work, command, stack)
            yield work.reply(StackStatus(Lifecycle.COMPLETE, stack.status, "", stack.outputs, at, removed))
            return
        words = f"{'NO_UPDATES' if progress.unchanged else progress.status}: {not_yet_stopped(left)}"
        yield work.reply(Progress(words, evolve(progress, running=left)))
        yield work.accept(stack.id)

    def _removed(self, work: Work, command: StackChange, stack: StackDescription) -> tuple[str, ...]:
        """Return what an update that was accepted removed or replaced that may hold data."""
        sent = work.pending.attempt
        if not isinstance(command, UpdateStack) or sent is None:
            return ()
        return self._reader.removed(stack.id, (work.token(sent.number),), sent.at)


GONE_SINCE = frozenset({Lifecycle.DELETING, Lifecycle.MISSING, Lifecycle.TERMINAL, Lifecycle.EMPTY_SHELL})
"""What a stack must not be after a change of ours that ended well."""


def _counted(spec: StackSpec) -> tuple[str, ...]:
    """Return the parameters that carry counts."""
    return tuple(scale.parameter for scale in spec.scaling)


def _watched(work: Work) -> str:
    """Return the name or StackId of a stack that is only waited for; empty where there is something to do."""
    command, pending = work.pending.command, work.pending
    if not isinstance(command, StabiliseStack):
        return pending.ref
    return "" if pending.attempt is not None and not pending.ref else command.stack.name


def _goes_on(work: Work) -> bool:
    """Tell whether a batch describe has shown nothing but what the journal has.

    That is a stack under way, in the same status; or that tasks which were to stop still run.
    """
    view = work.view
    return view is True or (
        isinstance(view, StackDescription)
        and view.lifecycle in MOVING
        and view.status == _progress(work).status
    )


def _progress(work: Work) -> StackProgress:
    """Return what the journal knows of a command's progress."""
    known = work.pending.progress
    return known if isinstance(known, StackProgress) else StackProgress("")


def _to_zero(command: StackChange) -> bool:
    """Tell whether a command scales to zero: its end is the last look before the migrations."""
    if not isinstance(command, ScaleStack | UpdateStack) or not command.counts:
        return False
    return not any(count for _, count in command.counts)
