"""The runner: the loop, its leases, and how often it looks."""

from deployer_aws.runner.loop import Runner
from deployer_aws.runner.polling import PollingPolicy

__all__ = ["PollingPolicy", "Runner"]
