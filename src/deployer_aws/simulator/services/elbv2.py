"""Elastic Load Balancing: the rules of listeners in the stacks of the account."""

from typing import ClassVar

from deployer_aws.simulator.resources import live
from deployer_aws.simulator.rows import Json, Stack
from deployer_aws.simulator.service import Service, operation, page

RULES_A_PAGE = 10
_KIND = "AWS::ElasticLoadBalancingV2::ListenerRule"


class Elbv2(Service):
    """Just enough to find a priority that is free."""

    name = "elbv2"
    throttled: ClassVar[str] = "Throttling"
    denied: ClassVar[str] = "AccessDenied"
    expired: ClassVar[str] = "ExpiredToken"

    @operation
    def describe_rules(self, request: Json) -> Json:
        """Describe a listener's rules, page by page, the default one last. Every listener exists."""
        listener = request["ListenerArn"]
        rules = [
            self._rule(str(entry["physical"]), str(entry["properties"].get("Priority")))
            for stack in (self.store.get(Stack, key) for key in self.store.members("stacks"))
            for entry in (live(stack).values() if stack else ())
            if entry["type"] == _KIND and entry["properties"].get("ListenerArn") == listener
        ]
        rules.append(self._rule(f"{listener.replace(':listener/', ':listener-rule/')}/default", "default"))
        shown, more = page(rules, request.get("Marker"), request.get("PageSize", RULES_A_PAGE))
        return {"Rules": shown, **({"NextMarker": more} if more else {})}

    @staticmethod
    def _rule(arn: str, priority: str) -> Json:
        return {
            "RuleArn": arn,
            "Priority": priority,
            "Conditions": [],
            "Actions": [],
            "IsDefault": priority == "default",
        }
