"""The intake: what EventBridge tells of stacks and tasks, from an SQS queue to the runner.

`understanding` says what an event means, and does nothing; `matching` finds the pending commands that it speaks of;
`answers` decides what may be taken from it; `queue` receives, appends, and only then deletes.
"""

from deployer_aws.events.parsing import Container, Kind, Understood, explain, parse, understand_event
from deployer_aws.events.queue import Intake, SafetyNet

__all__ = [
    "Container",
    "Intake",
    "Kind",
    "SafetyNet",
    "Understood",
    "explain",
    "parse",
    "understand_event",
]
