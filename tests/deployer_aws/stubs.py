"""Clients that answer as they are told, and commands to carry out with them."""

from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field

from deployer_aws.ports import Act, Work
from deployer_core.engine.messages import Attempt, Attempted, CommandProgress, Pending, Replied, token
from deployer_core.engine.messages import Event as WorldEvent
from tests.deployer_aws.scenarios.specs import template

NOW = 1_000_000.0


class Refused(Exception):
    """An error in the shape of boto3's."""

    def __init__(self, code: str, message: str = "in AWS's words", **members: Any) -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}, **members}


@define
class _Stub:
    """A client: each operation gives its answers in turn, the last of them again and again."""

    answers: dict[str, list[Any]]
    calls: list[tuple[str, dict[str, Any]]] = field(factory=list[tuple[str, dict[str, Any]]])
    meta: Any = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self.answers:
            raise AttributeError(name)

        def call(**request: Any) -> Any:
            self.calls.append((name, request))
            given = self.answers[name]
            answer = given.pop(0) if len(given) > 1 else given[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def sent(self, name: str) -> list[dict[str, Any]]:
        """Return the requests of an operation."""
        return [request for operation, request in self.calls if operation == name]


Stub: Any = _Stub
"""Untyped, as boto3's clients are."""


def work(
    command: Any,
    *,
    attempt: Attempt | None = None,
    ref: str = "",
    progress: CommandProgress | None = None,
    seen: str = "",
    database: str = "",
    age: float = 0.0,
    deadline: float = NOW + 3_600,
) -> Work:
    """Make a pending command, of an age, at the time NOW. Its attempt has its own token, where it has none."""
    if attempt is not None and not attempt.token:
        attempt = evolve(attempt, token=token("stream", "d1", 7, attempt.number))
    seen = seen or ("words for people" if progress else "")
    pending = Pending(7, "d1", database, command, NOW - age, deadline, attempt, ref, seen, progress)
    return Work("test/shop", "stream", pending, NOW, lambda _: template())


def events(act: Act) -> list[WorldEvent]:
    """All that an executor says in one look."""
    return list(act)


def answers(act: Act) -> list[Any]:
    """Return the answers among it."""
    return [event.answer for event in act if isinstance(event, Replied)]


def attempts(found: list[WorldEvent]) -> list[Attempted]:
    """Return the attempts among it."""
    return [event for event in found if isinstance(event, Attempted)]
