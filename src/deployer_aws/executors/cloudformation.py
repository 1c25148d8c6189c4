"""CloudFormation: StabiliseStack, CreateStack, UpdateStack, UpsertStack and ScaleStack.

Look before you leap, for a change: with a StackId only its outcome is observed; an attempt without one is looked for by
its token in the stack's events; only else is it sent, with the same token again.
"""

from typing import Any

from attrs import evolve, frozen

from deployer_aws.executors.errors import Kind, Problem, understand
from deployer_aws.executors.parameters import (
    Unresolved,
    as_given,
    for_scaling,
    resolve,
    template,
    with_counts,
)
from deployer_aws.executors.stacks import NotAtZero, Stack, StackReader, counts
from deployer_aws.ports import Act, CloudFormationClient, EcsClient, S3Client, Work
from deployer_core.deployment import CreateStack, ScaleStack, StabiliseStack, UpdateStack, UpsertStack
from deployer_core.spec import Pairs, StackSpec
from deployer_core.stack_status import Lifecycle, StackStatus
from deployer_core.world import Sent

UNSEEN = 300.0
"""Seconds after AWS accepted during which 'does not exist' is no news: its reads are eventually consistent."""

Change = CreateStack | UpdateStack | UpsertStack | ScaleStack


@frozen
class Settings:
    """How the executor may act: whether empty shells are deleted, and the bucket for templates too long to send."""

    discard_shells: bool = True
    bucket: str = ""


class CloudFormation:
    """Carries out the stack's commands through boto3's clients, or the simulator's."""

    commands: tuple[type, ...] = (StabiliseStack, CreateStack, UpdateStack, UpsertStack, ScaleStack)

    def __init__(
        self,
        client: CloudFormationClient,
        ecs: EcsClient,
        *,
        s3: S3Client | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._client, self._s3, self._settings = client, s3, settings or Settings()
        self._reader = StackReader(client, ecs)

    def act(self, work: Work) -> Act:
        """See `ports.Executor.act`."""
        command = work.pending.command
        if isinstance(command, StabiliseStack):
            yield from self._stabilise(work, command)
        elif isinstance(command, CreateStack | UpdateStack | UpsertStack | ScaleStack):
            yield from self._change(work, command)

    # Waiting for a stack to be at rest

    def _stabilise(self, work: Work, command: StabiliseStack) -> Act:
        spec, pending = command.stack, work.pending
        stack = self._reader.describe(spec.name)
        if stack is None:
            yield work.reply(StackStatus(Lifecycle.MISSING, "MISSING"))
        elif self._reader.is_empty(stack):
            yield from self._discard(work, spec, stack)
        else:
            first = not pending.seen and pending.sent is None
            ours = pending.sent is not None and not pending.ref
            yield work.reply(self._reader.status(stack, spec))
            if command.cancel_updates and stack.status == "UPDATE_IN_PROGRESS" and (first or ours):
                yield from self._cancel(work, stack)

    def _discard(self, work: Work, spec: StackSpec, shell: Stack) -> Act:
        """Delete a stack that holds nothing by its StackId: a name might stand for another stack by then."""
        stuck = f"the stack {spec.name} is {shell.status}: it holds nothing, and must be deleted before it can be used"
        if shell.protected:
            yield work.fail(f"{stuck}; switch its termination protection off and delete it, then repair")
        elif not self._settings.discard_shells:
            yield work.fail(f"{stuck}; delete it, or let the deployer discard empty shells, then repair")
        else:
            number = work.pending.sent.attempt if work.pending.sent else 1
            yield work.attempt(number)
            self._client.delete_stack(StackName=shell.id, ClientRequestToken=work.token(number))

    def _cancel(self, work: Work, stack: Stack) -> Act:
        """Cancel the update that was first seen in progress, once; one that has just ended needs no cancelling."""
        yield work.attempt(1)
        try:
            self._client.cancel_update_stack(StackName=stack.id, ClientRequestToken=work.token(1))
        except Exception as error:
            problem = understand(error)
            if problem is None or problem.code != "ValidationError":
                raise
        yield work.accept(stack.id)

    # Changing a stack

    def _change(self, work: Work, command: Change) -> Act:
        pending = work.pending
        if pending.ref:
            yield from self._observe(work, command, pending.ref)
            return
        if isinstance(command, ScaleStack) and not command.counts:
            yield from self._done(work, command, self._reader.describe(command.stack.name))
            return
        if pending.sent is not None:
            token = work.token(pending.sent.attempt)
            if found := self._reader.find(command.stack.name, token, pending.sent.at):
                yield work.accept(found)
                return
        yield from self._send(work, command, pending.sent)

    def _send(self, work: Work, command: Change, sent: Sent | None) -> Act:
        spec = command.stack
        stack = self._reader.describe(spec.name)
        creates = isinstance(command, CreateStack) or (
            isinstance(command, UpsertStack) and (stack is None or stack.lifecycle is Lifecycle.MISSING)
        )
        try:
            resolved = sent.resolved if sent else resolve(spec, self._outputs_of)
            request = self._request(work, command, stack, creates, resolved)
        except Unresolved as missing:
            yield work.fail(str(missing))
            return
        number = sent.attempt if sent else 1
        yield work.attempt(number, resolved)
        try:
            call = self._client.create_stack if creates else self._client.update_stack
            answer = call(StackName=spec.name, ClientRequestToken=work.token(number), **request)
        except Exception as error:
            problem = understand(error)
            if problem is None:
                raise
            yield from self._refused(work, command, stack, problem, error)
        else:
            yield work.accept(answer["StackId"])

    def _refused(
        self, work: Work, command: Change, stack: Stack | None, problem: Problem, error: Exception
    ) -> Act:
        """What AWS said no to may be done already, or may have to wait."""
        if "No updates are to be performed" in problem.message:
            yield from self._done(work, command, stack)
        elif problem.code == "AlreadyExistsException":
            yield work.fail(
                f"{problem}: somebody else has created the stack meanwhile; repair, and deploy again"
            )
        elif problem.kind is Kind.ACCEPTED_BEFORE:
            yield work.reply(StackStatus(Lifecycle.PROGRESS, "WAITING", problem.message))
        else:
            raise error

    def _request(
        self, work: Work, command: Change, stack: Stack | None, creates: bool, resolved: Pairs
    ) -> dict[str, Any]:
        spec = command.stack
        request: dict[str, Any] = {}
        if isinstance(command, ScaleStack):
            request["UsePreviousTemplate"] = True
            request["Parameters"] = for_scaling(stack, command.counts)
        else:
            request |= template(spec, work.read_blob, self._s3, self._settings.bucket)
            request["Parameters"] = [*as_given(spec, resolved, creates=creates), *with_counts(command.counts)]
            if spec.tags:
                request["Tags"] = [{"Key": key, "Value": value} for key, value in spec.tags]
            if spec.notifications:
                request["NotificationARNs"] = list(spec.notifications)
        if spec.capabilities:
            request["Capabilities"] = list(spec.capabilities)
        if spec.role:
            request["RoleARN"] = spec.role
        return request

    def _outputs_of(self, name: str) -> Pairs | None:
        stack = self._reader.describe(name)
        return stack.outputs if stack else None

    # Observing a change of ours

    def _observe(self, work: Work, command: Change, ref: str) -> Act:
        sent = work.pending.sent
        since = sent.at if sent else work.pending.issued
        stack = self._reader.describe(ref)
        if stack is None:
            if work.now - since > UNSEEN:
                yield work.reply(StackStatus(Lifecycle.MISSING, "MISSING", "the stack has gone"))
            return
        outcome = self._reader.outcome(stack, work.token(sent.attempt if sent else 1), since)
        if outcome is None:
            return
        settled = evolve(stack, status=outcome.status)
        if settled.lifecycle is not Lifecycle.COMPLETE:
            yield work.reply(self._reader.status(settled, command.stack, reason=outcome.reason))
        elif stack.status == outcome.status or outcome.followed:
            yield from self._done(work, command, settled)

    def _done(self, work: Work, command: Change, stack: Stack | None) -> Act:
        """The stack has what it was to have; one that was to be at zero must have nothing running either."""
        if stack is None:
            yield work.reply(StackStatus(Lifecycle.MISSING, "MISSING", "the stack has gone"))
            return
        try:
            left = self._reader.running(stack) if _to_zero(command) else ""
        except NotAtZero as problem:
            yield work.fail(str(problem))
            return
        if left:
            yield work.reply(StackStatus(Lifecycle.PROGRESS, stack.status, left))
        else:
            at = counts(stack, command.stack)
            yield work.reply(StackStatus(Lifecycle.COMPLETE, stack.status, "", stack.outputs, at))


def _to_zero(command: Change) -> bool:
    """At the end of ScaleStack(0) and of UpdateStack(0): the last looks before the migrations."""
    if not isinstance(command, ScaleStack | UpdateStack) or not command.counts:
        return False
    return not any(count for _, count in command.counts)
