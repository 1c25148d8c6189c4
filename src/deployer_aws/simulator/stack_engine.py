"""How a stack changes in time: resources level by level, and the ways back when one of them fails.

The statuses and their order are those of 'Stack status codes' and 'Understand stack creation events' in the AWS
CloudFormation User Guide. Each operation raises the stack's epoch, so the steps of an overtaken one are void.
"""

from collections.abc import Callable

from deployer_aws.simulator import nested, resources
from deployer_aws.simulator.account import Account, due
from deployer_aws.simulator.resources import ResourceChange, live, scope_of
from deployer_aws.simulator.rows import Json, Stack
from deployer_aws.simulator.script import Rule
from deployer_aws.simulator.stack_events import (
    old_resource_status,
    publish_outputs,
    resource_status,
    retract_exports,
    set_status,
)
from deployer_aws.simulator.stack_inputs import parsed
from deployer_aws.simulator.templates import parse
from deployer_aws.templates import needs

CREATE_TAKES, UPDATE_TAKES, DELETE_TAKES, ROLLBACK_TAKES, CLEANUP_TAKES = 60.0, 40.0, 20.0, 30.0, 10.0
_DONE = {"CREATE": "CREATE_COMPLETE", "UPDATE": "UPDATE_COMPLETE", "DELETE": "DELETE_COMPLETE"}
_REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


def begin_create(account: Account, stack: Stack, token: str | None, rule: Rule) -> None:
    """Begin to create what the template holds."""
    _begin(account, stack, "create", token, rule, CREATE_TAKES)
    set_status(account, stack, "CREATE_IN_PROGRESS", "User Initiated")
    scope = scope_of(account, stack)
    plan = [(name, "CREATE") for name, body in scope.template.resources.items() if scope.applies(body)]
    timeout = stack.settings.get("timeout")
    if timeout is not None:
        _after(account, stack, timeout * 60.0, "time_out")
    _run(account, stack, plan)


def begin_update(account: Account, stack: Stack, token: str | None, rule: Rule, target: Json) -> None:
    """Begin to change the template, parameters and tags; keep the old ones for a rollback."""
    stack.before = {
        "template": stack.template,
        "parameters": stack.parameters,
        "tags": stack.tags,
        "resources": {name: dict(entry) for name, entry in stack.resources.items()},
    }
    stack.template, stack.parameters, stack.tags = target["template"], target["parameters"], target["tags"]
    stack.updated = account.now
    _begin(account, stack, "update", token, rule, UPDATE_TAKES)
    set_status(account, stack, "UPDATE_IN_PROGRESS", "User Initiated")
    _run(account, stack, _differences(account, stack))


def begin_delete(account: Account, stack: Stack, token: str | None, rule: Rule, retained: list[str]) -> None:
    """Begin to delete everything but what is to be retained ('DeletionPolicy attribute', User Guide)."""
    _begin(account, stack, "delete", token, rule, DELETE_TAKES)
    set_status(account, stack, "DELETE_IN_PROGRESS", "User Initiated")
    for name in live(stack):
        if name in retained or _keeps(account, stack.template, name, "DeletionPolicy"):
            resource_status(account, stack, name, "DELETE_SKIPPED")
    _run(account, stack, [(name, "DELETE") for name in live(stack)])


def cancel(account: Account, stack: Stack, token: str | None) -> None:
    """Roll back an update in progress; the events from here on bear the token of the request."""
    stack.token = token
    _abandon(account, stack, "Resource update cancelled")
    _roll_back(account, stack, "User Initiated")


def _begin(
    account: Account, stack: Stack, operation: str, token: str | None, rule: Rule, takes: float
) -> None:
    stack.epoch += 1
    stack.operation, stack.token, stack.failed = operation, token, []
    fail = rule.fail
    cleanup = CLEANUP_TAKES if rule.cleanup_takes is None else rule.cleanup_takes
    stack.options = {
        "takes": takes if rule.takes is None else rule.takes,
        "fail": None if fail is None else {"resource": fail.resource, "reason": fail.reason},
        "rollback_takes": ROLLBACK_TAKES if rule.rollback_takes is None else rule.rollback_takes,
        "rollback_fails": rule.rollback_fails,
        "cleanup_takes": cleanup,
        "linger": rule.linger,
    }
    stack.options["ends"] = account.now + stack.options["takes"] + (cleanup if operation == "update" else 0.0)


def _differences(account: Account, stack: Stack) -> list[tuple[str, str]]:
    """Return what an update creates or changes; the cleanup deletes what the template lacks."""
    scope = scope_of(account, stack)
    there = live(stack)
    fail = stack.options["fail"]["resource"] if _fails(stack) else None
    plan: list[tuple[str, str]] = []
    replaced: set[str] = set()
    depth = scope.template.depth
    for name, body in sorted(scope.template.resources.items(), key=lambda item: depth[item[0]]):
        if not scope.applies(body):
            continue
        properties = scope.value(body.get("Properties") or {})
        if name not in there:
            plan.append((name, "CREATE"))
        elif there[name]["properties"] != properties or needs(body) & replaced or name == fail:
            plan.append((name, "UPDATE"))
            if resources.is_replaced(there[name]["type"], there[name]["properties"], properties):
                replaced.add(name)
    if stack.options["fail"] and not plan and there:
        plan.append((next(iter(there)), "UPDATE"))
    return plan


def _run(account: Account, stack: Stack, plan: list[tuple[str, str]]) -> None:
    """Schedule the steps: the resources of a level overlap in time, and a level waits for the one before."""
    if _fails(stack) and stack.options["fail"]["resource"] is None and plan:
        stack.options["fail"]["resource"] = plan[-1][0]
    depth = parsed(account, stack).depth
    order = sorted({depth.get(name, 0) for name, _ in plan}, reverse=stack.operation == "delete")
    takes = stack.options["takes"]
    width = takes / max(1, len(order))
    stack.plan = []
    for logical, action in plan:
        begins = order.index(depth.get(logical, 0)) * width
        step = {"logical": logical, "action": action, "within": width * 0.8}
        stack.plan.append(step)
        _after(account, stack, begins + width * 0.05, "start", **step)
        failing = _fails(stack) and stack.options["fail"]["resource"] == logical
        _after(
            account, stack, begins + width * (0.5 if failing else 0.9), "fail" if failing else "done", **step
        )
    _after(account, stack, takes, "finish")


def _fails(stack: Stack) -> bool:
    return stack.options["fail"] is not None


def _after(account: Account, stack: Stack, seconds: float, do: str, **payload: object) -> None:
    account.after(seconds, "stack.step", stack=stack.key, epoch=stack.epoch, do=do, **payload)


def _work(account: Account, stack: Stack, logical: str, within: float, properties: Json) -> ResourceChange:
    linger = stack.options["linger"]
    lasts = stack.options["ends"] - account.now + linger if linger else None
    return ResourceChange(
        account, stack, logical, stack.resources[logical]["type"], properties, within, lasts
    )


@due("stack.step")
def _step(account: Account, payload: Json) -> None:
    stack = account.need(Stack, payload["stack"])
    if stack.epoch == payload["epoch"]:
        _STEPS[payload["do"]](account, stack, payload)


def _start(account: Account, stack: Stack, step: Json) -> None:
    logical, action = step["logical"], step["action"]
    scope = scope_of(account, stack)
    body = scope.template.resources.get(logical, {})
    properties = scope.value(body.get("Properties") or {})
    if action == "CREATE":
        stack.resources[logical] = {
            "type": body["Type"], "physical": "", "status": "", "reason": None, "at": account.now,
            "properties": properties,
        }  # fmt: skip
        resource_status(account, stack, logical, "CREATE_IN_PROGRESS")
        change = _work(account, stack, logical, step["within"], properties)
        make = nested.make if change.kind == nested.TYPE else resources.make
        stack.resources[logical]["physical"] = make(change)
        resource_status(account, stack, logical, "CREATE_IN_PROGRESS", "Resource creation Initiated")
        return
    entry = stack.resources[logical]
    replaced = action == "UPDATE" and resources.is_replaced(entry["type"], entry["properties"], properties)
    resource_status(account, stack, logical, f"{action}_IN_PROGRESS", _REPLACING if replaced else None)
    if action == "DELETE":
        _remove(account, stack, logical, step["within"])
    else:
        change = _work(account, stack, logical, step["within"], properties)
        entry["physical"] = resources.change(change, entry["physical"])
        entry["properties"] = properties
        if replaced:
            resource_status(account, stack, logical, "UPDATE_IN_PROGRESS", "Resource creation Initiated")
        if change.kind == nested.TYPE:
            nested.tell(account, entry["physical"], "UPDATE_IN_PROGRESS")


def _remove(account: Account, stack: Stack, logical: str, within: float) -> None:
    entry = stack.resources[logical]
    change = _work(account, stack, logical, within, entry["properties"])
    resources.remove(change, entry["physical"])
    if change.kind == nested.TYPE:
        nested.tell(account, entry["physical"], "DELETE_IN_PROGRESS")


def _done(account: Account, stack: Stack, step: Json) -> None:
    logical, status = step["logical"], _DONE[step["action"]]
    resource_status(account, stack, logical, status)
    if stack.resources[logical]["type"] == nested.TYPE:
        nested.tell(account, stack.resources[logical]["physical"], status)


def _fail(account: Account, stack: Stack, step: Json) -> None:
    """Fail a resource, cancel those in progress, and roll the stack back if that is not disabled."""
    logical, action = step["logical"], step["action"]
    resource_status(account, stack, logical, f"{action}_FAILED", stack.options["fail"]["reason"])
    stack.failed.append(logical)
    if action != "DELETE":
        noun = "creation" if action == "CREATE" else "update"
        stack.failed += _abandon(account, stack, f"Resource {noun} cancelled")
    reason = _failed_to(stack.operation, stack)
    if stack.operation == "delete":
        stack.epoch += 1
        set_status(account, stack, "DELETE_FAILED", reason)
    elif stack.settings.get("disable_rollback"):
        stack.epoch += 1
        set_status(account, stack, f"{stack.operation.upper()}_FAILED", reason)
    else:
        _roll_back(
            account, stack, reason + ("Rollback requested by user." if stack.operation == "create" else "")
        )


def _failed_to(verb: str, stack: Stack) -> str:
    return f"The following resource(s) failed to {verb}: [{', '.join(stack.failed)}]. "


def _time_out(account: Account, stack: Stack, _: Json) -> None:
    _abandon(account, stack, "Resource creation cancelled")
    _roll_back(
        account, stack, "Stack creation time exceeded the specified timeout. Rollback requested by user."
    )


def _abandon(account: Account, stack: Stack, reason: str) -> list[str]:
    """Fail the resources in progress, with a reason; return their names."""
    working = [name for name, entry in stack.resources.items() if entry["status"].endswith("IN_PROGRESS")]
    for name in working:
        resource_status(
            account, stack, name, stack.resources[name]["status"].replace("IN_PROGRESS", "FAILED"), reason
        )
    return working


def _roll_back(account: Account, stack: Stack, reason: str) -> None:
    """Begin a rollback: a new stack is emptied, an updated one restored."""
    stack.epoch += 1
    takes = stack.options["rollback_takes"]
    if stack.operation == "create":
        touched, undo = list(live(stack)), "remove"
        set_status(account, stack, "ROLLBACK_IN_PROGRESS", reason)
    else:
        before = stack.before or {}
        stack.template, stack.parameters, stack.tags = (
            before["template"],
            before["parameters"],
            before["tags"],
        )
        was = before["resources"]
        touched = [name for name, entry in stack.resources.items() if name in was and entry != was[name]]
        undo = "restore"
        set_status(account, stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
    for logical in reversed(touched):
        _after(account, stack, takes * 0.1, undo, logical=logical, within=takes * 0.7)
        _after(account, stack, takes * 0.9, "undone", logical=logical)
    _after(account, stack, takes, "rolled_back")


def _remove_step(account: Account, stack: Stack, step: Json) -> None:
    _start(account, stack, {**step, "action": "DELETE"})


def _restore_step(account: Account, stack: Stack, step: Json) -> None:
    logical = step["logical"]
    was = (stack.before or {})["resources"][logical]
    resource_status(account, stack, logical, "UPDATE_IN_PROGRESS")
    entry = stack.resources[logical]
    if entry["physical"] != was["physical"]:
        resources.deregister(account, entry["physical"])
    change = _work(account, stack, logical, step["within"], was["properties"])
    resources.restore(change, was["physical"], entry["properties"])
    entry["physical"], entry["properties"] = was["physical"], was["properties"]


def _undone(account: Account, stack: Stack, step: Json) -> None:
    action = "DELETE" if stack.operation == "create" else "UPDATE"
    if not stack.options["rollback_fails"]:
        _done(account, stack, {**step, "action": action})
        return
    resource_status(account, stack, step["logical"], f"{action}_FAILED", stack.options["rollback_fails"])
    stack.failed = [step["logical"]]


def _rolled_back(account: Account, stack: Stack, _: Json) -> None:
    create = stack.operation == "create"
    if stack.options["rollback_fails"]:
        reason = _failed_to("delete" if create else "update", stack)
        set_status(account, stack, "ROLLBACK_FAILED" if create else "UPDATE_ROLLBACK_FAILED", reason)
    elif create:
        set_status(account, stack, "ROLLBACK_COMPLETE")
        if stack.settings.get("on_failure") == "DELETE":
            begin_delete(account, stack, stack.token, Rule(on="delete_stack"), [])
    else:
        set_status(account, stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        new = [name for name in live(stack) if name not in (stack.before or {})["resources"]]
        _clean_up(account, stack, new, "UPDATE_ROLLBACK_COMPLETE")


def _finish(account: Account, stack: Stack, _: Json) -> None:
    stack.epoch += 1  # a timeout that was still to come is void
    if stack.operation == "create":
        publish_outputs(account, stack)
        set_status(account, stack, "CREATE_COMPLETE")
    elif stack.operation == "update":
        publish_outputs(account, stack)
        set_status(account, stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        scope = scope_of(account, stack)
        wanted = {name for name, body in scope.template.resources.items() if scope.applies(body)}
        was = (stack.before or {})["resources"]
        there = live(stack)
        replaced = [n for n, entry in there.items() if n in was and was[n]["physical"] != entry["physical"]]
        takes = stack.options["cleanup_takes"]
        for name in replaced:
            _after(account, stack, takes * 0.1, "discard", logical=name, within=takes * 0.7)
        _clean_up(account, stack, [name for name in there if name not in wanted], "UPDATE_COMPLETE")
    else:
        retract_exports(account, stack)
        account.bury_stack(stack)
        set_status(account, stack, "DELETE_COMPLETE")


def _discard(account: Account, stack: Stack, step: Json) -> None:
    """Delete a resource that was replaced, unless its policy keeps it ('UpdateReplacePolicy attribute', User Guide)."""
    logical = step["logical"]
    before = stack.before or {}
    old = before["resources"][logical]
    if _keeps(account, before["template"], logical, "UpdateReplacePolicy"):
        old_resource_status(account, stack, logical, old, "DELETE_SKIPPED")
        return
    old_resource_status(account, stack, logical, old, "DELETE_IN_PROGRESS")
    if old["type"] == "AWS::ECS::TaskDefinition":
        resources.deregister(account, old["physical"])
    old_resource_status(account, stack, logical, old, "DELETE_COMPLETE")


def _keeps(account: Account, template: str, logical: str, attribute: str) -> bool:
    """Tell whether a policy of a template's resource keeps it when it leaves the stack."""
    body = parse(account.text(template)).resources.get(logical, {})
    return body.get(attribute) in ("Retain", "RetainExceptOnCreate")


def _clean_up(account: Account, stack: Stack, gone: list[str], status: str) -> None:
    takes = stack.options["cleanup_takes"]
    before = stack.before or {}
    for logical in gone:
        if status == "UPDATE_COMPLETE" and _keeps(account, before["template"], logical, "DeletionPolicy"):
            resource_status(account, stack, logical, "DELETE_SKIPPED")
            continue
        step = {"logical": logical, "action": "DELETE", "within": takes * 0.7}
        _after(account, stack, takes * 0.1, "start", **step)
        _after(account, stack, takes * 0.9, "done", **step)
    _after(account, stack, takes, "cleaned", status=status)


def _cleaned(account: Account, stack: Stack, step: Json) -> None:
    stack.before = None
    set_status(account, stack, step["status"])


_STEPS: dict[str, Callable[[Account, Stack, Json], None]] = {
    "start": _start,
    "done": _done,
    "fail": _fail,
    "finish": _finish,
    "time_out": _time_out,
    "remove": _remove_step,
    "restore": _restore_step,
    "undone": _undone,
    "rolled_back": _rolled_back,
    "cleaned": _cleaned,
    "discard": _discard,
}
