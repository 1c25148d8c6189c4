"""The life of ECS services: a desired count and a definition, and tasks that follow them in time."""

from deployer_aws.simulator import task_life
from deployer_aws.simulator.rows import Json, Pointer, Service, Task
from deployer_aws.simulator.world import World, due


def cluster_arn(world: World, named: str | None) -> str:
    """The ARN of a cluster that a template names, or that a call names; no name is 'default'."""
    name = str(named or "default").rsplit("/", 1)[-1]
    if world.store.get(Pointer, f"cluster:{name}") is None:
        add_cluster(world, name)  # a stack may use a cluster of another team: it exists, then
    return world.arn("ecs", f"cluster/{name}")


def add_cluster(world: World, name: str) -> None:
    """Make a cluster known."""
    world.store.add(Pointer(f"cluster:{name}", world.arn("ecs", f"cluster/{name}")))


def drop_cluster(world: World, name: str) -> None:
    """Make a cluster unknown again."""
    world.store.drop(Pointer, f"cluster:{name}")


def tasks(world: World, service: Service) -> list[Task]:
    """The service's tasks that ECS still remembers."""
    found = (world.store.get(Task, arn) for arn in world.store.members(f"tasks:service:{service.key}"))
    return [task for task in found if task is not None]


def create(
    world: World,
    *,
    name: str,
    cluster: str,
    definition: str,
    desired: int,
    launch_type: str,
    tags: dict[str, str],
    within: float,
) -> str:
    """A new service, whose tasks run within a time; the answer is its ARN."""
    arn = world.arn("ecs", f"service/{cluster.rsplit('/', 1)[-1]}/{name}")
    service = Service(
        arn, name, cluster, definition, desired, world.now,
        launch_type=launch_type, tags=tags, deployment=f"ecs-svc/{world.unique(19)}", deployed=world.now,
        changed=world.now,
    )  # fmt: skip
    world.store.add(service)
    world.store.link(f"services:{cluster}", arn)
    _scale(world, service, within, None)
    return arn


def apply(
    world: World, arn: str, *, desired: int | None, definition: str, within: float, lasts: float | None
) -> None:
    """Change a service's count, its definition, or both; None leaves the count as it is.

    Tasks of an old definition stop once those of the new one run, as in a rolling deployment. `lasts` is how long
    stopping tasks take, where that is scripted.
    """
    service = world.need(Service, arn)
    if desired is not None:
        service.desired = desired
    service.changed = world.now
    if definition != service.definition:
        service.definition = definition
        service.deployment, service.deployed = f"ecs-svc/{world.unique(19)}", world.now
        _tell(world, service, "has started a deployment")
    _scale(world, service, within, lasts)


def remove(world: World, arn: str, *, within: float, lasts: float | None) -> None:
    """The service drains, and is then INACTIVE."""
    service = world.need(Service, arn)
    service.desired, service.status = 0, "DRAINING"
    _scale(world, service, within, lasts)
    world.after(within if lasts is None else lasts, "service.drained", service=arn)


@due("service.drained")
def _drained(world: World, payload: Json) -> None:
    world.need(Service, payload["service"]).status = "INACTIVE"


def _scale(world: World, service: Service, within: float, lasts: float | None) -> None:
    """Start and stop tasks so that what is desired runs within the time."""
    active = [task for task in tasks(world, service) if task.desired == "RUNNING"]
    current = [task for task in active if task.definition == service.definition]
    old = [task for task in active if task.definition != service.definition]
    for _ in range(service.desired - len(current)):
        start(world, service, within * 0.6)
    patience = within * 0.6 if old and service.desired else 0.0
    stopping = lasts if lasts is not None else max(0.0, within * 0.95 - patience)
    surplus = max(0, len(current) - service.desired)
    for task in old:
        task_life.stop_later(world, task, patience, stopping, "ServiceSchedulerInitiated", _why(service))
    for task in current[len(current) - surplus :]:
        task_life.stop(world, task, stopping, "ServiceSchedulerInitiated", _why(service))
    if surplus or old or service.desired > len(current):
        _tell(world, service, f"has begun to bring its tasks to a desired count of {service.desired}")


def start(world: World, service: Service, starts_in: float) -> Task:
    """One more task of a service."""
    return task_life.start(
        world,
        cluster=service.cluster,
        definition=service.definition,
        group=f"service:{service.name}",
        started_by=service.deployment,
        service=service.key,
        launch_type=service.launch_type,
        options={"starts_in": starts_in, "forever": True},
    )


def _why(service: Service) -> str:
    return f"Scaling activity initiated by (deployment {service.deployment})"


def _tell(world: World, service: Service, what: str) -> None:
    entry = {"id": world.uuid(), "createdAt": world.now, "message": f"(service {service.name}) {what}."}
    service.news = [entry, *service.news][:100]
