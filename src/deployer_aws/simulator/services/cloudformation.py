"""AWS CloudFormation: stacks, their events and resources, templates."""

import json
from typing import Any, ClassVar

from deployer_aws.simulator.account import moment
from deployer_aws.simulator.errors import ServiceError, invalid
from deployer_aws.simulator.outside import meanwhile
from deployer_aws.simulator.reading import refuse
from deployer_aws.simulator.rows import Json, Stack, fresh
from deployer_aws.simulator.script import Rule
from deployer_aws.simulator.service import Service, operation, page
from deployer_aws.simulator.stack_engine import begin_create, begin_delete, begin_update, cancel
from deployer_aws.simulator.stack_inputs import (
    check_capabilities,
    check_name,
    describe_parameters,
    no_echo,
    note,
    parameters,
    parsed,
    replay,
    tags,
    template_body,
)
from deployer_aws.simulator.templates import parse
from deployer_aws.templates import Template

STACKS_A_PAGE, EVENTS_A_PAGE, RESOURCES_A_PAGE = 100, 100, 100
_UPDATABLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
    "CREATE_FAILED",
    "UPDATE_FAILED",
)
_UNDELETABLE = (
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
)


class CloudFormation(Service):
    """The operations on stacks that a deployer needs."""

    name = "cloudformation"
    throttled: ClassVar[str] = "Throttling"
    denied: ClassVar[str] = "AccessDenied"
    expired: ClassVar[str] = "ExpiredToken"

    def _find(self, named: str, *, visible: bool = True) -> Stack | None:
        """Find a stack by its id, or a living one by its name, unless it is too young to be seen."""
        stack = self.account.living_stack(named) or self.store.get(Stack, named)
        if stack is not None and visible and stack.hidden_until > self.account.now:
            return None
        return _as_read(stack, self.account.now) if stack is not None and visible else stack

    def _seen(self, named: str, message: str = "Stack with id {} does not exist") -> Stack:
        stack = self._find(named)
        if stack is None:
            raise invalid(message.format(named))
        return stack

    @operation
    def describe_stacks(self, request: Json) -> Json:
        """Describe one stack, or all living ones page by page; deleted ones are found by id only."""
        if "StackName" in request:
            return {"Stacks": [self._describe(self._seen(request["StackName"]))]}
        found, more = page(self.store.members("stacks"), request.get("NextToken"), STACKS_A_PAGE)
        stacks = [stack for stack in map(self._find, found) if stack is not None]
        return _paged({"Stacks": [self._describe(stack) for stack in stacks]}, more)

    @operation
    def describe_stack_events(self, request: Json) -> Json:
        """Describe a stack's events, the newest first."""
        stack = self._seen(request["StackName"], "Stack [{}] does not exist")
        token = request.get("NextToken")
        offset = int(token.removeprefix("page-")) if token else 0
        log = f"events:{stack.key}"
        offset = max(offset, self._unseen(stack))
        entries = self.store.read(log, newest_first=True, offset=offset, limit=EVENTS_A_PAGE + 1)
        more = f"page-{offset + EVENTS_A_PAGE}" if len(entries) > EVENTS_A_PAGE else None
        events = [{**entry, "Timestamp": moment(entry["Timestamp"])} for entry in entries[:EVENTS_A_PAGE]]
        return _paged({"StackEvents": events}, more)

    def _unseen(self, stack: Stack) -> int:
        """Count the newest events that a stale read does not show."""
        living = self.account.need(Stack, stack.key)
        if living.stale is None or self.account.now >= living.stale["until"]:
            return 0
        log = self.store.read(f"events:{stack.key}", newest_first=True, limit=EVENTS_A_PAGE)
        return sum(entry["Timestamp"] >= living.stale["at"] for entry in log)

    @operation
    def list_stack_resources(self, request: Json) -> Json:
        """List a stack's resources, the deleted ones included."""
        stack = self._seen(request["StackName"])
        found, more = page(sorted(stack.resources), request.get("NextToken"), RESOURCES_A_PAGE)
        summaries = [_summary(name, stack.resources[name]) for name in found]
        return _paged({"StackResourceSummaries": summaries}, more)

    @operation
    def get_template(self, request: Json) -> Json:
        """Return the template in force; a JSON text is parsed, as boto3 does."""
        if "StackName" not in request:
            raise invalid("StackName is required if ChangeSetName is not specified.")
        body = self.account.text(self._seen(request["StackName"]).template)
        try:
            given: Any = json.loads(body)
        except ValueError:
            given = body
        return {"TemplateBody": given, "StagesAvailable": ["Original", "Processed"]}

    @operation
    def get_template_summary(self, request: Json) -> Json:
        """Summarise a template that is in force, in the request, or behind a URL."""
        if "StackName" in request:
            template = parsed(self.account, self._seen(request["StackName"]))
        else:
            template = parse(template_body(self.account, request, None))
        declared = [
            {**entry, "ParameterType": str(template.parameters[entry["ParameterKey"]]["Type"])}
            for entry in describe_parameters(template)
        ]
        types = sorted({resource["Type"] for resource in template.resources.values()})
        return {**_template_facts(template), "Parameters": declared, "ResourceTypes": types}

    @operation
    def validate_template(self, request: Json) -> Json:
        """Check that a template is well-formed, and summarise it."""
        template = parse(template_body(self.account, request, None))
        return {**_template_facts(template), "Parameters": describe_parameters(template)}

    @operation
    def create_stack(self, request: Json) -> Json:
        """Begin to create a stack."""
        name, token = request["StackName"], request.get("ClientRequestToken")
        check_name(name)
        before = replay(self.account, "create_stack", name, request)
        if before is not None:
            return before
        if self._find(name, visible=False) is not None:
            raise ServiceError("AlreadyExistsException", f"Stack [{name}] already exists")
        body = template_body(self.account, request, None)
        template = parse(body)
        values = parameters(template, request.get("Parameters", []), None)
        check_capabilities(template, request.get("Capabilities", []))
        account = self.account
        stack = Stack(account.arn("cloudformation", f"stack/{name}/{account.uuid()}"), name, account.now)
        rule = self._rule("create_stack", stack, template)
        stack.template, stack.parameters = account.remember(body), values
        stack.tags, stack.settings = tags(request.get("Tags"), {}), _settings(request, {})
        account.add_stack(stack)
        stack.hidden_until = account.now + rule.hidden
        account.record_change("create_stack", stack.key, token)
        begin_create(account, stack, token, rule)
        meanwhile(account, rule, name)
        return note(account, "create_stack", name, request, {"StackId": stack.key})

    @operation
    def update_stack(self, request: Json) -> Json:
        """Begin to update a stack."""
        stack = self._changeable(request["StackName"])
        before = replay(self.account, "update_stack", stack.name, request)
        if before is not None:
            return before
        if stack.status not in _UPDATABLE:
            raise invalid(f"Stack:{stack.key} is in {stack.status} state and can not be updated.")
        body = template_body(self.account, request, self.account.text(stack.template))
        template = parse(body)
        target = {
            "template": self.account.remember(body),
            "parameters": parameters(template, request.get("Parameters", []), stack.parameters),
            "tags": tags(request.get("Tags"), stack.tags),
        }
        check_capabilities(template, request.get("Capabilities", []))
        same = template.document == parsed(self.account, stack).document
        if same and (target["parameters"], target["tags"]) == (stack.parameters, stack.tags):
            raise invalid("No updates are to be performed.")
        return self._update(stack, request, target)

    def _update(self, stack: Stack, request: Json, target: Json) -> Json:
        account, token = self.account, request.get("ClientRequestToken")
        settings = _settings(request, stack.settings)
        rule = self._rule("update_stack", stack, parse(account.text(target["template"])))
        stack.settings = settings
        account.record_change("update_stack", stack.key, token)
        begin_update(account, stack, token, rule, target)
        meanwhile(account, rule, stack.name)
        return note(account, "update_stack", stack.name, request, {"StackId": stack.key})

    def _rule(self, change: str, stack: Stack, template: Template) -> Rule:
        """Return the rule for a change. Raises ScriptError where it names a resource that the template lacks."""
        rule = self.account.behaviour(change, stack=stack.name)
        if rule.fail is not None and rule.fail.resource not in (None, *template.resources):
            known = ", ".join(sorted(template.resources))
            raise refuse(
                f"{change} of {stack.name} is to fail at {rule.fail.resource!r}; its resources: {known}"
            )
        if rule.stale:
            until = self.account.now + rule.stale
            stack.stale = {
                "until": until,
                "at": self.account.now,
                "row": fresh({**stack.to_json(), "stale": None}),
            }
        return rule

    def _changeable(self, named: str) -> Stack:
        """Find the living stack that a change is about."""
        stack = self._find(named, visible=False)
        if stack is None:
            raise invalid(f"Stack [{named}] does not exist")
        return stack

    @operation
    def cancel_update_stack(self, request: Json) -> Json:
        """Roll back an update in progress."""
        stack = self._changeable(request["StackName"])
        token = request.get("ClientRequestToken")
        if replay(self.account, "cancel_update_stack", stack.name, request) is not None:
            return {}
        if stack.status != "UPDATE_IN_PROGRESS":
            raise invalid("CancelUpdateStack cannot be called from current stack status")
        self.account.record_change("cancel_update_stack", stack.key, token)
        cancel(self.account, stack, token)
        note(self.account, "cancel_update_stack", stack.name, request, {"StackId": stack.key})
        return {}

    @operation
    def delete_stack(self, request: Json) -> Json:
        """Begin to delete a stack; one that is not there, or on its way out, is no error."""
        stack = self._find(request["StackName"], visible=False)
        token = request.get("ClientRequestToken")
        if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
            return {}
        if replay(self.account, "delete_stack", stack.name, request) is not None:
            return {}
        if stack.settings.get("protected"):
            raise invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        if stack.status in _UNDELETABLE:
            raise invalid(f"Stack [{stack.key}] cannot be deleted while in status {stack.status}")
        rule = self._rule("delete_stack", stack, parsed(self.account, stack))
        self.account.record_change("delete_stack", stack.key, token)
        begin_delete(self.account, stack, token, rule, request.get("RetainResources", []))
        meanwhile(self.account, rule, stack.name)
        note(self.account, "delete_stack", stack.name, request, {"StackId": stack.key})
        return {}

    def _describe(self, stack: Stack) -> Json:
        template, settings = parsed(self.account, stack), stack.settings
        described: Json = {
            "StackId": stack.key,
            "StackName": stack.name,
            "CreationTime": moment(stack.created),
            "StackStatus": stack.status,
            "DisableRollback": bool(settings.get("disable_rollback")),
            "RollbackConfiguration": {},
            "NotificationARNs": settings.get("notifications", []),
            "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
            "EnableTerminationProtection": bool(settings.get("protected")),
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
        masked = {name for name, spec in template.parameters.items() if no_echo(spec)}
        optional: Json = {
            "Description": template.description,
            "StackStatusReason": stack.reason,
            "LastUpdatedTime": stack.updated and moment(stack.updated),
            "DeletionTime": stack.deleted and moment(stack.deleted),
            "Capabilities": settings.get("capabilities"),
            "RoleARN": settings.get("role"),
            "TimeoutInMinutes": settings.get("timeout"),
            "Outputs": stack.outputs,
            "ParentId": stack.parent,
            "RootId": stack.parent,
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": "****" if name in masked else value}
                for name, value in stack.parameters.items()
            ],
        }
        described.update({name: value for name, value in optional.items() if value})
        return described


def _as_read(stack: Stack, now: float) -> Stack:
    """Return the stack as a read shows it: for a scripted time, as it was before its last change."""
    if stack.stale is None or now >= stack.stale["until"]:
        return stack
    return Stack.from_json(stack.stale["row"])


def _paged(answer: Json, more: str | None) -> Json:
    return answer if more is None else {**answer, "NextToken": more}


def _summary(logical: str, entry: Json) -> Json:
    summary: Json = {
        "LogicalResourceId": logical,
        "ResourceType": entry["type"],
        "LastUpdatedTimestamp": moment(entry["at"]),
        "ResourceStatus": entry["status"],
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }
    optional = {"PhysicalResourceId": entry["physical"], "ResourceStatusReason": entry["reason"]}
    return {**summary, **{name: value for name, value in optional.items() if value}}


def _template_facts(template: Template) -> Json:
    capabilities, types = template.capabilities
    facts: Json = {"Capabilities": capabilities, "DeclaredTransforms": template.transforms}
    if types:
        facts["CapabilitiesReason"] = f"The following resource(s) require capabilities: [{', '.join(types)}]"
    if template.description:
        facts["Description"] = template.description
    return facts


def _settings(request: Json, before: Json) -> Json:
    """Return the stack's settings besides template, parameters and tags."""
    on_failure = request.get("OnFailure")
    if on_failure and "DisableRollback" in request:
        raise invalid("You may not specify both DisableRollback and OnFailure")
    given: Json = {
        "capabilities": request.get("Capabilities"),
        "notifications": request.get("NotificationARNs"),
        "role": request.get("RoleARN"),
        "timeout": request.get("TimeoutInMinutes"),
        "protected": request.get("EnableTerminationProtection"),
        "on_failure": on_failure,
        "disable_rollback": request.get("DisableRollback", on_failure == "DO_NOTHING"),
    }
    return {**before, **{name: value for name, value in given.items() if value is not None}}
