"""The explorer's findings in words: an event, a command and a state, each in a line."""

from deployer_core.analysis.expand import EdgeEnds
from deployer_core.engine.messages import Event, Notice, Pending, Requested, Terminated
from deployer_core.engine.state import DeployerState
from deployer_core.kernel.machine import name_of


def edge_text(edge: EdgeEnds) -> str:
    """Return an edge in a line."""
    machine, source, event, target = edge
    return f"{machine}: {source} --{event}--> {target}"


def event_text(event: Event, state: DeployerState) -> str:
    """Return an event in a line; an answer with the command that it answers."""
    if isinstance(event, Requested):
        return f"Requested {event.deployment} ({event.spec.version})"
    if isinstance(event, Terminated):
        return f"Terminated {event.deployment}"
    number = getattr(event, "command", None)
    if number is None:
        return f"{type(event).__name__} {' '.join(getattr(event, 'force', ()))}".rstrip()
    asked = next(
        (command_text(p) for p in state.pending if p.id == number), f"command {number}, which is not pending"
    )
    return f"{type(event).__name__} {getattr(event, 'answer', '')} to {asked}".replace("  ", " ")


def command_text(command: Pending | Notice) -> str:
    """Return a command in a line."""
    if isinstance(command, Notice):
        return f"notice: {command.deployment} is {command.outcome} {command.reason}".rstrip()
    return f"{command.id} {type(command.command).__name__} {command.deployment} {command.database}".rstrip()


def state_text(state: DeployerState) -> str:
    """Return a state in a line: the machines' states and what is pending."""
    parts = [f"stack {name_of(type(state.stack))}"]
    parts += [f"{d.info.id} {name_of(type(d))}" for d in state.deployments]
    parts += [f"{m.database.spec.name} {name_of(type(m))}" for m in state.migrations]
    parts += [f"task {t.purpose} of {t.database} {name_of(type(t.state))}" for t in state.tasks]
    return ", ".join(parts)
