"""Requests: what people ask for becomes an event in the journal. The runner of the stream carries it out."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from deployer_aws.ports import NO_PROPERTIES, Clock, Journal, Properties
from deployer_aws.runner.earlier import again, rollback_to, target_before, target_of
from deployer_aws.runner.writer import Writer
from deployer_core.engine.messages import DAY, Repaired, Requested, Rollback, Terminated
from deployer_core.machines.stack import QUEUE_LIMIT
from deployer_core.spec import DeploymentSpec

_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"


def deployment_id(now: float) -> str:
    """Return an id: the second in UTC, by which ids sort, and four random signs, as in `20261123-140501-x7f3`."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{time}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"


class Requests:
    """Takes requests for the streams of a journal, and needs nothing else: no executor, and no AWS.

    In all of them `by` and `reason` say who asks, and why. IllegalEvent is raised, and nothing is journaled, where what
    is asked for makes no sense as the stack stands.
    """

    def __init__(self, journal: Journal, clock: Clock, writer: Writer | None = None) -> None:
        self._journal, self._clock, self._writer = journal, clock, writer or Writer(journal)

    def request(
        self,
        deployment: str,
        spec: DeploymentSpec,
        templates: Mapping[str, str],
        *,
        queue_limit: int = QUEUE_LIMIT,
        properties: Properties = NO_PROPERTIES,
        by: str = "",
        reason: str = "",
        supersede: bool = False,
        start_by: int = DAY,
        exclusive: bool = False,
        adopt: str = "",
        force: bool = False,
        rollback: Rollback | None = None,
    ) -> bool:
        """Ask for a deployment; return False where the same was asked before. `templates` are texts by their SHA-256.

        `properties` are what the journal keeps of the stream, and of itself. What the others mean, `Requested` says.
        Raises IllegalEvent where the id stands for another spec, or too many are waiting; Busy where it is `exclusive`
        and would have to wait.
        """
        event = Requested(
            deployment,
            spec,
            self._clock.now(),
            secrets.token_hex(16),
            queue_limit,
            by,
            reason,
            supersede,
            start_by,
            exclusive,
            adopt,
            force,
            rollback,
        )
        return self._writer.commit(spec.key, event, templates, properties) is not None

    def rollback(
        self,
        key: str,
        deployment: str,
        *,
        to: str = "",
        keep_queue: bool = False,
        by: str = "",
        reason: str = "",
        force: bool = False,
    ) -> str:
        """Ask for a deployment that repeats an earlier one, in quick mode; return the id of that one.

        That is `to`; else what `rollback_target` of the core says. Its spec, its template and the values that were sent
        then are the journal's. A BROKEN stack is repaired by it. Raises NoSuchDeployment.
        """
        to = to or target_before(self._journal, key, deployment)
        target = to if force and to else target_of(self._journal.head(key).state, key, to).id
        spec, rollback = rollback_to(self._journal, key, target, keep_queue=keep_queue)
        self.request(deployment, spec, {}, by=by, reason=reason, force=force, rollback=rollback)
        return target

    def redeploy(self, key: str, deployment: str, *, of: str = "", by: str = "", reason: str = "") -> str:
        """Ask for a deployment with the spec of an earlier one, the newest by default; return the id of that one.

        Raises NoSuchDeployment where there is none, or the newest is not over.
        """
        repeated, spec = again(self._journal, key, of, deployment=deployment)
        self.request(deployment, spec, {}, by=by, reason=reason)
        return repeated

    def terminate(self, key: str, deployment: str, by: str, reason: str = "") -> None:
        """End a deployment. Raises IllegalEvent where there is none of that id to end."""
        self._writer.commit(key, Terminated(deployment, by, self._clock.now(), reason))

    def repair(
        self,
        key: str,
        by: str,
        force: tuple[str, ...] = (),
        *,
        withdraw_queue: bool = False,
        reason: str = "",
    ) -> None:
        """Say that a stack is sound again; `withdraw_queue` ends all that wait, so that nothing begins by it.

        Raises IllegalEvent where it is not broken, or a task may still run.
        """
        self._writer.commit(key, Repaired(by, self._clock.now(), force, withdraw_queue, reason))
