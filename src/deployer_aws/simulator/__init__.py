"""A simulated AWS account behind the methods of boto3 clients, in virtual time.

    sim = Simulator("rules: [{on: update_stack, nth: 2, fail: {resource: Service}}]")
    cloudformation = sim.client("cloudformation")
    cloudformation.create_stack(StackName="orders", TemplateBody=template)
    sim.clock.sleep(60)
    cloudformation.describe_stacks(StackName="orders")

It needs neither boto3 nor a network. `sim.calls` tells what was asked, `sim.changes` what truly happened, and
`sim.emitted` what EventBridge would have delivered. `Simulator.open(path)` keeps the world in a file. The script is
described in `docs/simulator.md`.
"""

from deployer_aws.simulator.errors import ClientError, ConnectionClosedError
from deployer_aws.simulator.reading import ScriptError
from deployer_aws.simulator.script import Script, load_script
from deployer_aws.simulator.simulator import Call, Change, Simulator, VirtualClock

__all__ = [
    "Call",
    "Change",
    "ClientError",
    "ConnectionClosedError",
    "Script",
    "ScriptError",
    "Simulator",
    "VirtualClock",
    "load_script",
]
