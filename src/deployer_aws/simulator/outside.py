"""Actions by others: from the console, by hand, or by auto scaling.

Deeds of others take no part in the rules' counting. One that the state of things does not allow does nothing, as
somebody in front of a console would get an error and leave it at that.
"""

from typing import Any

import attrs

from deployer_aws.simulator import ecs_services, ecs_tasks, resources
from deployer_aws.simulator.account import Account, due
from deployer_aws.simulator.reading import from_data
from deployer_aws.simulator.rows import EcsService, Json, Stack, Task, is_map
from deployer_aws.simulator.script import (
    DesiredCount,
    MeanwhileAction,
    OutsideAction,
    OutsideUpdate,
    Rule,
    ScheduledAction,
    StopTasks,
)
from deployer_aws.simulator.stack_engine import begin_delete, begin_update, cancel
from deployer_aws.simulator.stack_inputs import parameters
from deployer_aws.simulator.templates import parse

SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


def plan(account: Account, events: list[ScheduledAction]) -> None:
    """Schedule a script's events, counted from now; drop those of an earlier script that are still to come."""
    account.store.unschedule("outside")
    for event in events:
        account.after(event.at, "outside", **_plain(event))


def meanwhile(account: Account, rule: Rule, stack: str | None) -> None:
    """Schedule what others do after a change has begun, by default to the same stack."""
    for action in rule.meanwhile:
        account.after(action.after, "meanwhile", **_said({"stack": stack, **_plain(action)}))


def _plain(action: OutsideAction) -> Json:
    """Return the action as data that a store can keep, without keys that are not given."""
    return dict(_said(attrs.asdict(action)))


def _said(value: Any) -> Any:
    if not is_map(value):
        return value
    return {name: _said(inner) for name, inner in value.items() if inner is not None}


@due("outside")
def _event(account: Account, payload: Json) -> None:
    _do(account, from_data(ScheduledAction, payload, "events"))


@due("meanwhile")
def _meanwhile(account: Account, payload: Json) -> None:
    _do(account, from_data(MeanwhileAction, payload, "meanwhile"))


def _do(account: Account, action: OutsideAction) -> None:
    stack = account.living_stack(action.stack)
    if stack is not None:
        _to_stack(account, stack, action)
    if action.desired_count is not None:
        _set_count(account, stack, action.desired_count)
    if action.stop_tasks is not None:
        _stop_tasks(account, action.stop_tasks)
    if action.deregister is not None:
        arn = resources.definition_arn(account, action.deregister)
        if arn is not None:
            resources.deregister(account, arn)


def _to_stack(account: Account, stack: Stack, action: OutsideAction) -> None:
    if action.protect is not None:
        stack.settings = {**stack.settings, "protected": action.protect}
    if action.update is not None and stack.status in SETTLED:
        _update(account, stack, action.update)
    if action.cancel is not None and stack.status == "UPDATE_IN_PROGRESS":
        token = action.cancel.token or f"Console-CancelUpdateStack-{account.uuid()}"
        account.record_change("cancel_update_stack", stack.key, token, by="others")
        cancel(account, stack, token)
    refused = stack.settings.get("protected") or stack.status.endswith("IN_PROGRESS")
    if action.delete is not None and not refused:
        token = action.delete.token or f"Console-DeleteStack-{account.uuid()}"
        account.record_change("delete_stack", stack.key, token, by="others")
        begin_delete(account, stack, token, Rule(on="delete_stack"), [])


def _update(account: Account, stack: Stack, update: OutsideUpdate) -> None:
    body = account.text(stack.template) if update.template is None else account.template_body(update.template)
    template = parse(body)
    kept = {name: value for name, value in stack.parameters.items() if name in template.parameters}
    given = [{"ParameterKey": k, "ParameterValue": v} for k, v in {**kept, **update.parameters}.items()]
    values = parameters(template, given, None)
    target = {"template": account.remember(body), "parameters": values, "tags": stack.tags}
    token = update.token or f"Console-UpdateStack-{account.uuid()}"
    account.record_change("update_stack", stack.key, token, by="others")
    rule = Rule(on="update_stack", takes=update.takes, fail=update.fail)
    begin_update(account, stack, token, rule, target)


def _set_count(account: Account, stack: Stack | None, action: DesiredCount) -> None:
    """Find the service by its name in the stack or in a cluster, and change its count."""
    entry = stack.resources.get(action.service) if stack else None
    if entry is not None:
        arn = str(entry["physical"])
    else:
        arn = account.arn("ecs", f"service/{action.cluster or 'default'}/{action.service}")
    service = account.store.get(EcsService, arn)
    if service is not None and service.status == "ACTIVE":
        account.record_change("set_desired_count", arn, None, by="others", count=action.count)
        ecs_services.apply(
            account,
            arn,
            desired=action.count,
            definition=service.definition,
            within=ecs_tasks.STARTS_IN,
            lasts=None,
        )


def _stop_tasks(account: Account, action: StopTasks) -> None:
    """Stop the tasks of a family in every cluster."""
    for arn in account.store.members(f"tasks:of:{action.definition}"):
        task = account.store.get(Task, arn)
        if task is not None:
            ecs_tasks.stop(account, task, ecs_tasks.STOPS_IN, action.stop_code, action.reason)
