"""The simulator without botocore, and with a thousand stacks."""

import os
import subprocess
import sys
import time

from deployer_aws.simulator import Simulator

WITHOUT = """
import sys
for name in ("boto3", "botocore"):
    sys.modules[name] = None
from deployer_aws.simulator import ClientError, ConnectionClosedError, Simulator

sim = Simulator("rules: [{on: list_tasks, lost_reply: true}]")
ecs = sim.client("ecs")
try:
    ecs.describe_tasks(cluster="nowhere", tasks=["x"])
except ClientError as error:
    assert error.operation_name == "DescribeTasks"
    assert error.response["Error"] == {"Code": "ClusterNotFoundException", "Message": "Cluster not found."}
    print(error)
try:
    ecs.list_tasks()
except ConnectionClosedError as error:
    print(error)
assert not any(name.startswith(("boto3.", "botocore.")) for name in sys.modules)
"""
PLAIN = "Resources: {A: {Type: 'AWS::SNS::Topic'}, B: {Type: 'AWS::SNS::Topic', DependsOn: A}}"


def test_botocore_is_not_needed() -> None:
    """Without botocore the simulator works, and its errors look like botocore's."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    refused, lost = done.stdout.splitlines()
    assert refused == (
        "An error occurred (ClusterNotFoundException) when calling the DescribeTasks operation: Cluster not found."
    )
    assert lost.startswith("Connection was closed before we received a valid response")


def test_a_thousand_stacks_cost_no_more_each() -> None:
    """A call's cost does not grow with the number of stacks in flight: no work is done but for what is due."""

    def seconds_a_stack(number: int) -> float:
        sim = Simulator()
        cloudformation = sim.client("cloudformation")
        started = time.process_time()
        for index in range(number):
            cloudformation.create_stack(StackName=f"s{index}", TemplateBody=PLAIN)
        for index in range(number):
            cloudformation.describe_stacks(StackName=f"s{index}")
        sim.clock.sleep(200)
        return (time.process_time() - started) / number

    seconds_a_stack(20)  # to load models first
    assert seconds_a_stack(1000) < 5 * seconds_a_stack(100)
