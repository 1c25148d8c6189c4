"""Given / when / then for one machine."""

from typing import Any, TypeVar

from attrs import frozen

from deployer_core.machine import IllegalEvent, name_of
from tests.core.plausible import AnyMachine

S = TypeVar("S")


@frozen
class Scene:
    """A machine in a state, and the commands of the last reduction."""

    machine: AnyMachine
    state: Any
    commands: tuple[Any, ...] = ()

    def when(self, *events: Any) -> "Scene":
        """The events come, one after the other."""
        scene = self
        for event in events:
            scene = Scene(self.machine, *self.machine.reduce(scene.state, event))
        return scene

    def then(self, state: type[S], *commands: Any) -> S:
        """It is in this state, and the last event gave out exactly these commands."""
        assert type(self.state) is state, f"it is in {name_of(type(self.state))}"
        assert self.commands == commands
        return self.state

    def refuses(self, event: Any) -> str:
        """It refuses the event; the guard's reason."""
        try:
            self.machine.reduce(self.state, event)
        except IllegalEvent as refusal:
            return refusal.why
        raise AssertionError(f"{name_of(type(self.state))} took {event}")


def given(machine: AnyMachine, *events: Any) -> Scene:
    """A machine after these events."""
    return Scene(machine, machine.initial).when(*events)
