"""What an invariant is: a sentence, and a function that tells whether it holds."""

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import frozen

from deployer_core.engine import messages
from deployer_core.engine.messages import DeploymentOutcome
from deployer_core.engine.state import Commands, DeployerState

T = TypeVar("T")


@frozen
class Taken:
    """An event that was taken: the state before it, the state after it, and what was given out."""

    before: DeployerState
    event: Any
    after: DeployerState
    commands: Commands

    def ended(self, *outcomes: DeploymentOutcome) -> list[str]:
        """Return the deployments whose notice of one of these outcomes was given out."""
        return [
            c.deployment for c in self.commands if isinstance(c, messages.Notice) and c.outcome in outcomes
        ]


@frozen
class Invariant(Generic[T]):
    """What holds in every state, or of every event of some kinds that was taken; of all kinds where it names none."""

    sentence: str
    check: Callable[[T], bool]
    events: tuple[type, ...] = ()

    def is_of_kind(self, event: type) -> bool:
        """Tell whether it can fail by such an event."""
        return not self.events or event in self.events

    def holds(self, subject: T) -> bool:
        """Tell whether it holds, whatever the event was."""
        return not self.is_of_kind(type(getattr(subject, "event", None))) or self.check(subject)


Keep: TypeAlias = Callable[[Callable[[T], bool]], Callable[[T], bool]]


def into(*lists: list[Invariant[T]], events: tuple[type, ...] = ()) -> Keep[T]:
    """Keep an invariant. Its sentence is its docstring in one line; its name where Python strips docstrings."""

    def keep(holds: Callable[[T], bool]) -> Callable[[T], bool]:
        for kept in lists:
            kept.append(Invariant(" ".join((holds.__doc__ or holds.__name__).split()), holds, events))
        return holds

    return keep
