"""The first test environment: our simulator."""

import json
from typing import Any

from deployer_aws.ports import Clock
from deployer_aws.simulator.simulator import Simulator
from tests.deployer_aws.scenarios.environment import Change, Environment
from tests.support.conformance import CheckedSimulator


class SimulatedEnvironment(Environment):
    """Our simulator, every answer of which is checked against botocore's models."""

    name = "simulator"

    def __init__(self, stack: str) -> None:
        super().__init__(stack)
        self.script: dict[str, Any] = {
            "clusters": ["main"],
            "rules": [],
            "events": [],
            "task_definitions": [],
        }
        self._sim: Simulator | None = None

    @property
    def sim(self) -> Simulator:
        """The simulated AWS; its script is closed from here on."""
        if self._sim is None:
            self._sim = CheckedSimulator(self.script)
        return self._sim

    @property
    def clock(self) -> Clock:
        return self.sim.clock

    def client(self, service: str) -> Any:
        return self.sim.client(service)

    def _extend(self, section: str, entry: dict[str, Any]) -> None:
        assert self._sim is None, "the script is read once, before the first deployment"
        self.script[section].append(entry)

    def rule(self, **rule: Any) -> None:
        self._extend("rules", rule)

    def event(self, **event: Any) -> None:
        self._extend("events", event)

    def task_definition(self, family: str, **settings: Any) -> None:
        self._extend("task_definitions", {"family": family, "containers": ["migrate"], **settings})

    def given_stack(self, **settings: Any) -> None:
        self.script.setdefault("stacks", []).append({"name": self.stack, **settings})

    def _do(self, deed: dict[str, Any]) -> None:
        """Let others do something in this very moment."""
        account = self.sim._account
        with account.store.transaction():
            account.after(0.0, "outside", at=0.0, **deed)
            account.advance(0.0)

    def others_update(self, parameters: dict[str, str], takes: float) -> None:
        self._do({"stack": self.stack, "update": {"parameters": parameters, "takes": takes}})

    def lift(self, service: dict[str, Any], count: int) -> None:
        deed = {
            "service": service["serviceName"],
            "cluster": service["clusterArn"].split("/")[-1],
            "count": count,
        }
        self._do({"desired_count": deed})

    @property
    def changes(self) -> list[Change]:
        return [
            Change(c.action, c.target, c.token, c.details)
            for c in self.sim.changes
            if c.details.get("by") != "others"
        ]

    def hasten(self) -> None:
        self.rule(on="update_stack", takes=1, cleanup_takes=0.1)
        self.rule(on="run_task", starts_in=1, takes=1)

    def parameter_store(self, name: str, value: str) -> None:
        """Return the template as it is: the simulator takes any."""

    def failing(self, change: str, nth: int = 1) -> tuple[str, str]:
        reason = "Resource handler returned message: no capacity (HandlerErrorCode: GeneralServiceException)"
        self.rule(on=change, nth=nth, fail={"resource": "Service", "reason": reason})
        return self.template(), f"Service (AWS::ECS::Service): {reason}"

    def cancelled_by_others(self) -> str:
        self.rule(
            on="update_stack",
            nth=1,
            takes=100,
            meanwhile=[{"after": 20, "cancel": {"token": "Console-Cancel-1"}}],
        )
        return self.template()

    def other_stack(self, sections: dict[str, Any]) -> str:
        stacks = self.script.setdefault("stacks", [])
        name = f"other-{len(stacks)}"
        resources = {"Topic": {"Type": "AWS::SNS::Topic"}}
        stacks.append({"name": name, "template": json.dumps({"Resources": resources, **sections})})
        return name

    def listener(self, *priorities: int) -> str:
        arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/front/50dc6c495c0c9188/f2f7dc8efc522ab2"
        properties: dict[str, Any] = {"ListenerArn": arn, "Actions": [], "Conditions": []}
        rules: dict[str, Any] = {
            f"Rule{n}": {
                "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
                "Properties": {**properties, "Priority": n},
            }
            for n in priorities
        }
        self.other_stack({"Resources": rules})
        return arn

    def sent(self, operation: str, **having: Any) -> list[dict[str, Any]]:
        requests = [call.request for call in self.sim.calls if call.operation == operation]
        return [request for request in requests if having.items() <= request.items()]
