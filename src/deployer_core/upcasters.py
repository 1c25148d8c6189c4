"""How what earlier versions have written is read: each old form of a tagged class becomes the next one."""

from deployer_core.wire import Payload, upcaster


@upcaster("spec.Stack/1", "spec.Stack/2")
def _(old: Payload) -> Payload:
    """Empty shells were always discarded."""
    return {**old, "discard_shells": True}
