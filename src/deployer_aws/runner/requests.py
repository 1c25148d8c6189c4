"""Requests: what people ask for becomes an event in the journal. The runner of the stream carries it out."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from deployer_aws.ports import NO_PROPERTIES, Clock, Journal, Properties
from deployer_aws.runner.writer import Writer
from deployer_core.engine.messages import Repaired, Requested, Terminated
from deployer_core.machines.stack import QUEUE_LIMIT
from deployer_core.spec import DeploymentSpec

_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"


def deployment_id(now: float) -> str:
    """Return an id: the second in UTC, by which ids sort, and four random signs, as in `20261123-140501-x7f3`."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{time}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"


class Requests:
    """Takes requests for the streams of a journal, and needs nothing else: no executor, and no AWS."""

    def __init__(self, journal: Journal, clock: Clock, writer: Writer | None = None) -> None:
        self._clock, self._writer = clock, writer or Writer(journal)

    def request(
        self,
        deployment: str,
        spec: DeploymentSpec,
        templates: Mapping[str, str],
        *,
        queue_limit: int = QUEUE_LIMIT,
        properties: Properties = NO_PROPERTIES,
    ) -> bool:
        """Ask for a deployment; return False where the same was asked before. `templates` are texts by their SHA-256.

        `properties` are what the journal keeps of the stream, and of itself. Raises IllegalEvent where the id stands
        for another spec, or too many are waiting.
        """
        event = Requested(deployment, spec, self._clock.now(), secrets.token_hex(16), queue_limit)
        return self._writer.commit(spec.key, event, templates, properties) is not None

    def terminate(self, key: str, deployment: str, by: str) -> None:
        """End a deployment. Raises IllegalEvent where there is none of that id to end."""
        self._writer.commit(key, Terminated(deployment, by, self._clock.now()))

    def repair(self, key: str, by: str, force: tuple[str, ...] = ()) -> None:
        """Say that a stack is sound again. Raises IllegalEvent where it is not broken, or a task may still run."""
        self._writer.commit(key, Repaired(by, self._clock.now(), force))
