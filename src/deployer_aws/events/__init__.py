"""Events: what EventBridge tells of stacks and tasks, from an SQS queue to the runner.

`parsing` reads what an event says; `matching` finds the pending commands that it is about; `answers` decides what may
be taken from it. `EventQueue` receives, and lets go of what the runner has written down. Nothing here writes to the
journal.
"""

from deployer_aws.events.parsing import AwsEvent, Container, EventKind, explain, parse, read_event
from deployer_aws.events.queue import EventQueue

__all__ = [
    "AwsEvent",
    "Container",
    "EventKind",
    "EventQueue",
    "explain",
    "parse",
    "read_event",
]
