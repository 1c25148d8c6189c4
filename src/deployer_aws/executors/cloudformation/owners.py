"""Whose stack it is: two journals that deploy one stack are two locks, so none.

Each token that is sent bears its stream's id, and CloudFormation keeps it with its events for 90 days. The stack is
that stream's whose deployer changed it last; a stack without such an event is nobody's.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from deployer_aws.aws.errors import classify
from deployer_aws.aws.protocols import EcsClient
from deployer_aws.aws.services import ServiceReader, cluster_and_name
from deployer_aws.aws.stacks import MOVING, DeployerChange, StackDescription, StackReader, counts
from deployer_aws.aws.tasks import is_alive, list_tasks, read_tasks
from deployer_aws.ports import Work
from deployer_core.engine.messages import stream_of, token
from deployer_core.machines.deployment import StabiliseStack, StackChange
from deployer_core.spec import Output

EARLIER = 1_000
"""How many commands back those of one deployment are looked for."""


class Owners:
    """Tells whose a stack is, changes nothing."""

    def __init__(self, reader: StackReader, services: ServiceReader, ecs: EcsClient) -> None:
        self._reader, self._services, self._ecs = reader, services, ecs

    def refusal(self, work: Work, command: StabiliseStack, stack: StackDescription | None) -> str:
        """Say why a deployment may not be begun on this stack: another stream's, unless that is adopted.

        While a stack is under way it is asked for once; then what it has come to counts.
        """
        if stack is None or (stack.lifecycle in MOVING and work.pending.progress is not None):
            return ""
        last = next(self._reader.deployers(stack.id, work.now), None)
        if last is None or last.stream == work.stream:
            return ""
        if last.stream != command.adopt:
            return (
                f"{_who(stack, last)}; two journals must not deploy one stack: deploy by that one, or where it is "
                f"given up, adopt its stream {last.stream}"
            )
        if command.force or stack.lifecycle in MOVING or not (window := self._window(command, stack, last)):
            return ""
        return f"{_who(stack, last)}, and may be in the midst of a deployment: {window}; end it there, or force it"

    def taken_over(self, work: Work, command: StackChange, stack: StackDescription) -> str:
        """Say who has changed the stack since this deployment began; empty where nobody has."""
        changes = self._reader.deployers(stack.id, work.now)
        last = next(changes, None)
        if last is None or last.stream == work.stream:
            return ""
        if last.stream == command.adopt and not _comes_after_ours(work, changes):
            return ""
        return f"taken over: {_who(stack, last)}"

    def _window(self, command: StabiliseStack, stack: StackDescription, last: DeployerChange) -> str:
        """Say what shows that the other stream's deployment may not be over; empty where nothing does."""
        scaled = (*(scale.parameter for scale in command.stack.scaling), *command.counted)
        at = counts(stack, scaled)
        if at and not any(count for _, count in at):
            return f"{', '.join(name for name, _ in at)} is at zero"
        running = next(self._tasks(command, stack, last.stream), "")
        return f"its task {running} has not stopped" if running else ""

    def _tasks(self, command: StabiliseStack, stack: StackDescription, stream: str) -> Iterator[str]:
        """Yield the tasks of a stream that have not stopped, where the spec's tasks or the stack's services run."""
        outputs = dict(stack.outputs)
        named = [outputs.get(c.name, "") if isinstance(c, Output) else c for c in command.clusters]
        services = [cluster_and_name(service)[0] for service in self._services.services(stack.id)]
        for cluster in dict.fromkeys(filter(None, (*named, *services))):
            try:
                tasks = [
                    t for s in ("RUNNING", "STOPPED") for t in list_tasks(self._ecs, cluster, desiredStatus=s)
                ]
            except Exception as error:
                problem = classify(error)
                if problem is None or problem.code != "ClusterNotFoundException":
                    raise
                continue
            for task in read_tasks(self._ecs, tasks):
                if is_alive(task) and stream_of(task.get("startedBy", "")) == stream:
                    yield str(task["taskArn"])


def _comes_after_ours(work: Work, earlier: Iterator[DeployerChange]) -> bool:
    """Tell whether this deployment had changed the stack before somebody else did: it had adopted what was then."""
    ours = next((change.token for change in earlier if change.stream == work.stream), "")
    return ours in earlier_tokens(work)


def earlier_tokens(work: Work) -> frozenset[str]:
    """Return the tokens that changes of this deployment before a command may have had: each was attempted once."""
    pending = work.pending
    before = range(max(1, pending.id - EARLIER), pending.id)
    return frozenset(token(work.stream, pending.deployment, command, 1) for command in before)


def _who(stack: StackDescription, last: DeployerChange) -> str:
    when = datetime.fromtimestamp(last.at, UTC).isoformat(sep=" ", timespec="seconds")
    return f"the stack {stack.name} was last changed by another journal's deployer, at {when}"
