"""How what earlier versions have written is read: each old form of a tagged class becomes the next one."""

from deployer_core.wire import Payload, upcaster


@upcaster("spec.Stack/1", "spec.Stack/2")
def _(old: Payload) -> Payload:
    """Rolled-back creations were always discarded."""
    return {**old, "discard_rolled_back_creation": True}


@upcaster("Deployer.Sent/1", "Deployer.Sent/2")
def _(old: Payload) -> Payload:
    """A refusal was not written down; it is replayed where the attempt is made again."""
    return {**old, "refused": False}
