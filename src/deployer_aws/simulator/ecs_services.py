"""ECS services: a desired count and a task definition, and tasks that are started and stopped accordingly."""

from deployer_aws.simulator import ecs_tasks
from deployer_aws.simulator.account import Account, due
from deployer_aws.simulator.rows import EcsService, Json, Pointer, Task


def cluster_arn(account: Account, named: str | None) -> str:
    """Return the ARN of a cluster by its name or ARN, by default 'default'; add the cluster if it is unknown."""
    name = str(named or "default").rsplit("/", 1)[-1]
    if account.store.get(Pointer, f"cluster:{name}") is None:
        add_cluster(account, name)  # a stack may use a cluster of another team: it exists, then
    return account.arn("ecs", f"cluster/{name}")


def add_cluster(account: Account, name: str) -> None:
    """Add a cluster."""
    account.store.add(Pointer(f"cluster:{name}", account.arn("ecs", f"cluster/{name}")))


def drop_cluster(account: Account, name: str) -> None:
    """Remove a cluster."""
    account.store.drop(Pointer, f"cluster:{name}")


def tasks(account: Account, service: EcsService) -> list[Task]:
    """Return the service's tasks that ECS still remembers."""
    found = (account.store.get(Task, arn) for arn in account.store.members(f"tasks:service:{service.key}"))
    return [task for task in found if task is not None]


def create(
    account: Account,
    *,
    name: str,
    cluster: str,
    definition: str,
    desired: int,
    launch_type: str,
    tags: dict[str, str],
    within: float,
) -> str:
    """Create a service whose tasks run within a time; return its ARN."""
    arn = account.arn("ecs", f"service/{cluster.rsplit('/', 1)[-1]}/{name}")
    service = EcsService(
        arn, name, cluster, definition, desired, account.now,
        launch_type=launch_type, tags=tags, deployment=f"ecs-svc/{account.unique(19)}", deployed=account.now,
        changed=account.now,
    )  # fmt: skip
    account.store.add(service)
    account.store.link(f"services:{cluster}", arn)
    _scale(account, service, within, None)
    return arn


def apply(
    account: Account, arn: str, *, desired: int | None, definition: str, within: float, lasts: float | None
) -> None:
    """Change a service's count, its definition, or both; None leaves the count as it is.

    Tasks of an old definition stop once those of the new one run, as in a rolling deployment. `lasts` is how long
    stopping tasks take, where that is scripted.
    """
    service = account.need(EcsService, arn)
    if desired is not None:
        service.desired = desired
    service.changed = account.now
    if definition != service.definition:
        service.definition = definition
        service.deployment, service.deployed = f"ecs-svc/{account.unique(19)}", account.now
        _tell(account, service, "has started a deployment")
    _scale(account, service, within, lasts)


def remove(account: Account, arn: str, *, within: float, lasts: float | None) -> None:
    """Drain a service, after which it is INACTIVE."""
    service = account.need(EcsService, arn)
    service.desired, service.status = 0, "DRAINING"
    _scale(account, service, within, lasts)
    account.after(within if lasts is None else lasts, "service.drained", service=arn)


@due("service.drained")
def _drained(account: Account, payload: Json) -> None:
    account.need(EcsService, payload["service"]).status = "INACTIVE"


def _scale(account: Account, service: EcsService, within: float, lasts: float | None) -> None:
    """Start and stop tasks so that the desired ones run within the time."""
    active = [task for task in tasks(account, service) if task.desired == "RUNNING"]
    current = [task for task in active if task.definition == service.definition]
    old = [task for task in active if task.definition != service.definition]
    for _ in range(service.desired - len(current)):
        start(account, service, within * 0.6)
    patience = within * 0.6 if old and service.desired else 0.0
    stopping = lasts if lasts is not None else max(0.0, within * 0.95 - patience)
    surplus = max(0, len(current) - service.desired)
    for task in old:
        ecs_tasks.stop_later(account, task, patience, stopping, "ServiceSchedulerInitiated", _why(service))
    for task in current[len(current) - surplus :]:
        ecs_tasks.stop(account, task, stopping, "ServiceSchedulerInitiated", _why(service))
    if surplus or old or service.desired > len(current):
        _tell(account, service, f"has begun to bring its tasks to a desired count of {service.desired}")


def start(account: Account, service: EcsService, starts_in: float) -> Task:
    """Start one more task of a service."""
    return ecs_tasks.start(
        account,
        cluster=service.cluster,
        definition=service.definition,
        group=f"service:{service.name}",
        started_by=service.deployment,
        service=service.key,
        launch_type=service.launch_type,
        options={"starts_in": starts_in, "forever": True},
    )


def _why(service: EcsService) -> str:
    return f"Scaling activity initiated by (deployment {service.deployment})"


def _tell(account: Account, service: EcsService, what: str) -> None:
    entry = {"id": account.uuid(), "createdAt": account.now, "message": f"(service {service.name}) {what}."}
    service.news = [entry, *service.news][:100]
