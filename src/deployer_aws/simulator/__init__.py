"""A simulated AWS account behind the methods of boto3 clients, in virtual time, without boto3 or a network.

    sim = Simulator("rules: [{on: update_stack, nth: 2, fail: {resource: Service}}]")
    cloudformation = sim.client("cloudformation")
    cloudformation.create_stack(StackName="orders", TemplateBody=template)
    sim.clock.sleep(60)
    cloudformation.describe_stacks(StackName="orders")

`sim.calls` are the calls of its clients, `sim.changes` the effects that they had, and `sim.emitted` the events that
EventBridge would have delivered. `Simulator.open(path)` keeps the account in a file. A script says what is there at the
beginning, what fails, and what others do meanwhile: `docs/simulator.md`. `SimulatedPostgres` is an executor for
databases that do not exist.

The names below are for users of the library; everything else in this room may change without notice.
"""

from deployer_aws.simulator.errors import ClientError, ConnectionClosedError
from deployer_aws.simulator.hosting import Container, Host, NotStarted
from deployer_aws.simulator.postgres import SimulatedPostgres
from deployer_aws.simulator.reading import ScriptError
from deployer_aws.simulator.script import Script
from deployer_aws.simulator.script_file import load_script
from deployer_aws.simulator.simulator import Call, Change, Simulator, VirtualClock

__all__ = [
    "Call",
    "Change",
    "ClientError",
    "ConnectionClosedError",
    "Container",
    "Host",
    "NotStarted",
    "Script",
    "ScriptError",
    "SimulatedPostgres",
    "Simulator",
    "VirtualClock",
    "load_script",
]
