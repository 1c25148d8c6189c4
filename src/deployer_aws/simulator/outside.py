"""What somebody else does to the world: from the console, by hand, or by auto scaling.

Deeds of others take no part in the rules' counting. One that the state of things does not allow does nothing, as
somebody in front of a console would get an error and leave it at that.
"""

from typing import Any

import attrs

from deployer_aws.simulator import resources, service_life, task_life
from deployer_aws.simulator.reading import of
from deployer_aws.simulator.rows import Json, Pointer, Service, Stack, Task, is_map
from deployer_aws.simulator.script import (
    Deed,
    DesiredCount,
    Event,
    Meanwhile,
    OutsideUpdate,
    Rule,
    StopTasks,
)
from deployer_aws.simulator.stack_engine import begin_delete, begin_update, cancel
from deployer_aws.simulator.stack_inputs import parameters
from deployer_aws.simulator.templates import parse
from deployer_aws.simulator.world import World, due

SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


def plan(world: World, events: list[Event]) -> None:
    """Schedule a script's events, counted from now; those of an earlier script that are still to come are dropped."""
    world.store.unschedule("outside")
    for event in events:
        world.after(event.at, "outside", **_plain(event))


def meanwhile(world: World, rule: Rule, stack: str | None) -> None:
    """Schedule what others do while a change runs that has just begun; without a stack's name it is that one's."""
    for deed in rule.meanwhile:
        world.after(deed.after, "meanwhile", **_said({"stack": stack, **_plain(deed)}))


def _plain(deed: Deed) -> Json:
    """The deed as data that a store can keep, without what it does not say."""
    return dict(_said(attrs.asdict(deed)))


def _said(value: Any) -> Any:
    if not is_map(value):
        return value
    return {name: _said(inner) for name, inner in value.items() if inner is not None}


@due("outside")
def _event(world: World, payload: Json) -> None:
    _do(world, of(Event)(payload, "events"))


@due("meanwhile")
def _meanwhile(world: World, payload: Json) -> None:
    _do(
        world,
        of(Meanwhile)(payload, "meanwhile"),
    )


def _do(world: World, deed: Any) -> None:
    pointer = world.store.get(Pointer, f"stack:{deed.stack}")
    stack = world.store.get(Stack, pointer.to) if pointer else None
    if stack is not None:
        _to_stack(world, stack, deed)
    if deed.desired_count is not None:
        _set_count(world, stack, deed.desired_count)
    if deed.stop_tasks is not None:
        _stop_tasks(world, deed.stop_tasks)
    if deed.deregister is not None:
        arn = resources.world_pointer(world, deed.deregister)
        if arn is not None:
            resources.deregister(world, arn)


def _to_stack(world: World, stack: Stack, deed: Deed) -> None:
    if deed.protect is not None:
        stack.settings = {**stack.settings, "protected": deed.protect}
    if deed.update is not None and stack.status in SETTLED:
        _update(world, stack, deed.update)
    if deed.cancel is not None and stack.status == "UPDATE_IN_PROGRESS":
        token = deed.cancel.token or f"Console-CancelUpdateStack-{world.uuid()}"
        world.record_change("cancel_update_stack", stack.key, token, by="others")
        cancel(world, stack, token)
    refused = stack.settings.get("protected") or stack.status.endswith("IN_PROGRESS")
    if deed.delete is not None and not refused:
        token = deed.delete.token or f"Console-DeleteStack-{world.uuid()}"
        world.record_change("delete_stack", stack.key, token, by="others")
        begin_delete(world, stack, token, Rule(on="delete_stack"), [])


def _update(world: World, stack: Stack, update: OutsideUpdate) -> None:
    body = world.text(stack.template) if update.template is None else world.template_body(update.template)
    template = parse(body)
    kept = {name: value for name, value in stack.parameters.items() if name in template.parameters}
    given = [{"ParameterKey": k, "ParameterValue": v} for k, v in {**kept, **update.parameters}.items()]
    values = parameters(template, given, None)
    target = {"template": world.remember(body), "parameters": values, "tags": stack.tags}
    token = update.token or f"Console-UpdateStack-{world.uuid()}"
    world.record_change("update_stack", stack.key, token, by="others")
    rule = Rule(on="update_stack", takes=update.takes, fail=update.fail)
    begin_update(world, stack, token, rule, target)


def _set_count(world: World, stack: Stack | None, deed: DesiredCount) -> None:
    """Find the service by its name in the stack or in a cluster, and change its count."""
    entry = stack.resources.get(deed.service) if stack else None
    if entry is not None:
        arn = str(entry["physical"])
    else:
        arn = world.arn("ecs", f"service/{deed.cluster or 'default'}/{deed.service}")
    service = world.store.get(Service, arn)
    if service is not None and service.status == "ACTIVE":
        world.record_change("set_desired_count", arn, None, by="others", count=deed.count)
        service_life.apply(
            world,
            arn,
            desired=deed.count,
            definition=service.definition,
            within=task_life.STARTS_IN,
            lasts=None,
        )


def _stop_tasks(world: World, deed: StopTasks) -> None:
    """Stop what runs of a family, in every cluster."""
    for arn in world.store.members(f"tasks:of:{deed.definition}"):
        task = world.store.get(Task, arn)
        if task is not None:
            task_life.stop(world, task, task_life.STOPS_IN, deed.stop_code, deed.reason)
