"""The environment of a deployer: its journal, clock, executors and clients, put together in one call.

    with open_environment("journal.sqlite", spec=loaded.spec, options=Options(region="eu-west-1")) as environment:
        runner = environment.runner()
        runner.request("one", loaded.spec, loaded.templates, properties=environment.properties)
        runner.run()

A journal is about the real AWS or about a simulated one, for ever: a property of the journal says so from its first
event on, and the simulated account is kept in a file beside it, `<journal>.simulated`. The two are never mixed.
"""

from deployer_aws.environment._environment import Environment, SystemClock
from deployer_aws.environment._opening import (
    REHEARSAL_FILE,
    WrongEnvironment,
    account_file,
    current_time,
    ensure_not_rehearsal,
    open_environment,
)

__all__ = [
    "REHEARSAL_FILE",
    "Environment",
    "SystemClock",
    "WrongEnvironment",
    "account_file",
    "current_time",
    "ensure_not_rehearsal",
    "open_environment",
]
