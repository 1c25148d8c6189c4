"""The two other test environments: emulators that real boto3 reaches over HTTP. What they lack is said here, and nowhere else."""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from deployer_aws.ports import Clock
from deployer_aws.runner import PollingPolicy
from deployer_core.spec import DatabaseSpec, Text
from tests.deployer_aws.scenarios.environment import Change, Environment
from tests.deployer_aws.scenarios.specs import Json, template
from tests.deployer_aws.scenarios.wire import CHANGES, FAULTS, Fault, Wire

NOT_SCRIPTED = "what becomes of changes and tasks cannot be scripted, and this is not to be had otherwise"


class RealClock:
    """Time that passes by itself; others do their deeds while somebody sleeps."""

    def __init__(self) -> None:
        self.deeds: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.2))
        for due in [deed for deed in self.deeds if deed[0] <= time.monotonic()]:
            self.deeds.remove(due)
            due[1]()

    def later(self, seconds: float, deed: Callable[[], None]) -> None:
        """Do something when so many seconds have passed."""
        self.deeds.append((time.monotonic() + seconds, deed))


class Emulated(Environment):
    """An emulator; a second of the scenarios' is a hundredth of one here."""

    kill_points: ClassVar[Sequence[int]] = (3, 4, 5, 6, 7, 10, 13)
    polling: ClassVar[PollingPolicy] = PollingPolicy(quick=0.02, slow=0.1)
    scripted: ClassVar[Mapping[str, str]] = {}

    def __init__(self, stack: str, endpoint: str) -> None:
        super().__init__(stack)
        self.wire = Wire(endpoint)
        self._clock = RealClock()
        self._others = 0
        self.wire.plain("ecs").create_cluster(clusterName=self.cluster)
        self.wire.plain("s3").create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def cluster(self) -> str:
        return f"{self.stack}-tasks"

    def seconds(self, scripted: int) -> int:
        return max(1, scripted // 100)

    def client(self, service: str) -> Any:
        return self.wire.client(service)

    def rule(self, **rule: Any) -> None:
        kinds = [name for name in rule if name in FAULTS]
        if kinds and "rate" not in rule and "every" not in rule:
            fault = Fault(rule["on"], kinds[0], rule[kinds[0]], rule.get("nth"), rule.get("first"))
            self.wire.faults.append(fault)
            return
        behaviour = [name for name in rule if name not in ("on", "nth", "first", "definition", "stack")]
        reasons = [self.scripted.get(f"{rule['on']}.{name}", NOT_SCRIPTED) for name in behaviour]
        for reason in filter(None, reasons):
            pytest.skip(f"{self.name}: {', '.join(behaviour)} of {rule['on']}: {reason}")

    def event(self, **event: Any) -> None:
        pytest.skip(f"{self.name}: {NOT_SCRIPTED}")

    def task_definition(self, family: str, **settings: Any) -> None:
        containers: list[Json] = [
            c if isinstance(c, dict) else {"name": c} for c in settings.get("containers", ["migrate"])
        ]
        by_name = all(isinstance(c, str) for c in settings.get("containers", ["migrate"]))
        self.wire.plain("ecs").register_task_definition(
            family=self.family(family),
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": c["name"],
                    "image": "shop:1",
                    "cpu": 128,
                    "memory": 128,
                    "essential": n == 0 if by_name else c.get("essential", True),
                }
                for n, c in enumerate(containers)
            ],
        )

    def family(self, name: str) -> str:
        """Name a task definition after its scenario, since the scenarios share a server."""
        return f"{self.stack}-{name}"

    def database(self, **settings: Any) -> DatabaseSpec[Text]:
        subnet = self.wire.plain("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        return super().database(prefix=f"{self.stack}-", subnets=(subnet,), **settings)

    def other_stack(self, sections: Json) -> str:
        self._others += 1
        name = f"{self.stack}-other-{self._others}"
        body = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, **sections}
        stacks = self.wire.plain("cloudformation")
        stacks.create_stack(StackName=name, TemplateBody=json.dumps(body))
        self._settle(name)
        return name

    def listener(self, *priorities: int) -> str:
        balancers = self.wire.plain("elbv2")
        subnets = [s["SubnetId"] for s in self.wire.plain("ec2").describe_subnets()["Subnets"]]
        front = balancers.create_load_balancer(Name=f"front-{self.stack}", Subnets=subnets[:2])[
            "LoadBalancers"
        ][0]
        answer: list[Json] = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
        made = balancers.create_listener(
            LoadBalancerArn=front["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=answer
        )
        arn: str = made["Listeners"][0]["ListenerArn"]
        for priority in priorities:
            path: list[Json] = [{"Field": "path-pattern", "Values": [f"/{priority}/*"]}]
            balancers.create_rule(ListenerArn=arn, Priority=priority, Conditions=path, Actions=answer)
        return arn

    def parameter_store(self, name: str, value: str) -> None:
        self.wire.plain("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def hasten(self) -> None:
        """All is over soon as it is."""

    def close(self) -> None:
        self.wire.close()
        super().close()

    def _settle(self, name: str) -> str:
        """Wait until another's change has come to an end; its status."""
        stacks = self.wire.plain("cloudformation")
        for _ in range(200):
            status: str = stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            if not status.endswith("IN_PROGRESS"):
                return status
            time.sleep(0.05)
        raise AssertionError(f"{name} never settled")

    def sent(self, operation: str, **having: Any) -> list[Json]:
        requests = [call.request for call in self.wire.calls if call.operation == operation]
        return [request for request in requests if having.items() <= request.items()]

    @property
    def changes(self) -> list[Change]:
        made = [c for c in self.wire.calls if c.operation in CHANGES and c.answer is not None]
        return [
            Change(
                c.operation,
                c.request.get("StackName", ""),
                c.request.get("ClientRequestToken") or c.request.get("clientToken"),
            )
            for c in made
            if c.operation != "run_task" or (c.answer or {}).get("tasks")
        ]


GATE: Json = {
    "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
    "Gate": {
        "Type": "AWS::CloudFormation::WaitCondition",
        "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "20", "Count": 1},
    },
}
"""What holds a change up until it is told to go on, or its time is over."""
TOO_LATE = "WaitCondition timed out. Received 0 conditions when expecting 1"


class Ministack(Emulated):
    """ministack: real waiting, real rollbacks, tokens in events."""

    name = "ministack"
    lacks: ClassVar[Mapping[str, str]] = {
        "virtual time": "time passes by itself",
        "tasks that end": "without Docker its tasks stay RUNNING until they are stopped",
        "tokens": "it does not honour tokens: a repeated request is carried out or refused as a new one",
        "clusters have to exist": "RunTask makes the cluster that it is asked for",
    }
    scripted: ClassVar[Mapping[str, str]] = {"run_task.takes": ""}

    def template(self, **parts: Any) -> str:
        """Its services take no Ref for a count, only what a condition gives as a number."""
        whole: Json = json.loads(template(**parts))
        service = whole["Resources"].get("Service", {}).get("Properties", {})
        if isinstance(service.get("DesiredCount"), dict):
            whole["Conditions"] = {f"Is{n}": {"Fn::Equals": [{"Ref": "Count"}, str(n)]} for n in range(3)}
            counts: Any = 3
            for n in range(3):
                counts = {"Fn::If": [f"Is{n}", n, counts]}
            service["DesiredCount"] = counts
        return json.dumps(whole)

    def failing(self, change: str, nth: int = 1) -> tuple[str, str]:
        gate = {
            **GATE,
            "Gate": {**GATE["Gate"], "Properties": {**GATE["Gate"]["Properties"], "Timeout": "1"}},
        }
        return self.template(resources=gate), f"Gate (AWS::CloudFormation::WaitCondition): {TOO_LATE}"

    def cancelled_by_others(self) -> str:
        def console() -> None:
            stacks = self.wire.plain("cloudformation")
            stacks.cancel_update_stack(StackName=self.stack, ClientRequestToken="Console-Cancel-1")
            self._open_gate()

        def when_updating() -> None:
            shown = self.describe()["StackStatus"] == "UPDATE_IN_PROGRESS"
            self._clock.later(0.2 if shown else 0.05, console if shown else when_updating)

        self._clock.later(0.0, when_updating)
        return self.template(resources=GATE)

    def others_update(self, parameters: dict[str, str], takes: float) -> None:
        kept = {**self.parameters(), **parameters}
        self.wire.plain("cloudformation").update_stack(
            StackName=self.stack,
            TemplateBody=self.template(resources=GATE),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in kept.items()],
            ClientRequestToken="Console-UpdateStack-1",
        )
        self._clock.later(min(takes / 100, 1.5), self._open_gate)

    def _open_gate(self) -> None:
        stacks = self.wire.plain("cloudformation")
        found = stacks.list_stack_resources(StackName=self.stack)["StackResourceSummaries"]
        for url in [r["PhysicalResourceId"] for r in found if r["LogicalResourceId"] == "Handle"]:
            said = json.dumps({"Status": "SUCCESS", "UniqueId": "1", "Data": "", "Reason": "go on"}).encode()
            with urllib.request.urlopen(
                urllib.request.Request(url, said, {"Content-Type": ""}, method="PUT"), timeout=5
            ):
                pass

    def given_stack(self, **settings: Any) -> None:
        stacks = self.wire.plain("cloudformation")
        status = settings["status"]
        parameters = [{"ParameterKey": "Count", "ParameterValue": "1"}]
        request: Json = {"StackName": self.stack, "Parameters": parameters}
        if status == "REVIEW_IN_PROGRESS":
            stacks.create_change_set(
                ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=self.template(), **request
            )
        elif status in ("ROLLBACK_COMPLETE", "CREATE_FAILED"):
            on_failure = "ROLLBACK" if status == "ROLLBACK_COMPLETE" else "DO_NOTHING"
            stacks.create_stack(TemplateBody=self.failing("create_stack")[0], OnFailure=on_failure, **request)
            assert self._settle(self.stack) == status
        else:
            pytest.skip(f"{self.name}: no stack can be brought to {status}")
        if settings.get("protected"):
            stacks.update_termination_protection(StackName=self.stack, EnableTerminationProtection=True)


class Moto(Emulated):
    """moto: AWS's shapes, and changes that are complete at once."""

    name = "moto"
    at_once = "every change is complete at once, and none fails or rolls back"
    lacks: ClassVar[Mapping[str, str]] = {
        "virtual time": "time passes by itself",
        "no updates": "it updates a stack though nothing has changed",
        "tokens": "it ignores tokens, and its events bear none",
        "tokens in events": "it ignores tokens, and its events bear none",
        "cancel": "cancel_update_stack is not implemented",
        "transforms": "GetTemplateSummary does not tell of transforms",
        "templates by URL": "it reads templates from its own S3 by AWS's address alone",
        "capabilities in descriptions": "it does not say with which capabilities a stack was made",
    }

    def template(self, **parts: Any) -> str:
        """Leave the service without a name: ministack would replace a named one by a deleted one."""
        whole: Json = json.loads(template(**parts))
        whole["Resources"].get("Service", {}).get("Properties", {}).pop("ServiceName", None)
        return json.dumps(whole)

    def failing(self, change: str, nth: int = 1) -> tuple[str, str]:
        pytest.skip(f"{self.name}: {self.at_once}")

    def cancelled_by_others(self) -> str:
        pytest.skip(f"{self.name}: {self.at_once}")

    def others_update(self, parameters: dict[str, str], takes: float) -> None:
        pytest.skip(f"{self.name}: {self.at_once}")

    def given_stack(self, **settings: Any) -> None:
        pytest.skip(f"{self.name}: {self.at_once}")
