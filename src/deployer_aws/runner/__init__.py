"""The runner: what people ask for is journaled, carried out, and told.

`Requests` takes what people ask for, `loop` acts on what is pending, `Outbox` delivers the notices; `Runner` is all
three, for a program to embed. Of many runners on one journal, `leases` lets one act on a stream at a time; `polling`,
`schedule` and `durations` decide when AWS is looked at.
"""

from deployer_aws.runner.earlier import NoSuchDeployment
from deployer_aws.runner.polling import PollingPolicy
from deployer_aws.runner.requests import Requests
from deployer_aws.runner.runner import Runner

__all__ = ["NoSuchDeployment", "PollingPolicy", "Requests", "Runner"]
