"""What may be deployed in the explorer's small world: a menu of specs, with what a request says beside them."""

from functools import lru_cache
from itertools import combinations_with_replacement

from attrs import evolve, frozen

from deployer_core.spec import (
    AdminUrl,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    FixedCount,
    Migration,
    OnFailure,
    Output,
    Previous,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateUrl,
    Text,
)

AT = 0.0
"""When everything happens, but for what has to be late."""
STREAM, OTHER = "5" * 32, "7" * 32
"""The stream's own id, and another journal's."""

KINDS = ("evaluated", "unevaluated", "unmigrated")
"""The kinds of database: with an evaluation, with a migration alone, with neither."""

COUNT, SECRET = "Count", "Password"
STACK = StackSpec(
    "shop", TemplateUrl("https://templates.example/shop.yaml"), scaling=(PreviousCount(COUNT, 1),)
)
TASK: TaskSpec[Text] = TaskSpec(Output("Cluster"), "migrate")
QUICK = DeploymentSpec("staging", "shop", "quick", STACK, quick=True)
ADMIN = AdminUrl("postgresql://admin@db.example/postgres")


def database(name: str, kind: str, task: TaskSpec[Text] = TASK) -> DatabaseSpec[Text]:
    """Return a database of one of the kinds."""
    migrate = None if kind == "unmigrated" else Migration(task)
    return DatabaseSpec(
        name, ADMIN, migrate=migrate, evaluate=Evaluation(task) if kind == "evaluated" else None
    )


@frozen
class Ask:
    """What may be asked for: a spec, and what the deployment is told of the request."""

    spec: DeploymentSpec
    force: bool = False
    adopt: str = ""

    @property
    def name(self) -> str:
        """Return what tells it from the others."""
        return f"{self.spec.version}{' forced' * self.force}{' adopting' * bool(self.adopt)}"


HELD = (database("db0", KINDS[0]),)
_SENT = evolve(STACK, parameters=((SECRET, "new"),))
_FIXED = evolve(STACK, scaling=(FixedCount(COUNT, 4),))
_KEPT = evolve(STACK, parameters=((SECRET, Previous()),))


@lru_cache
def menu(databases: int) -> tuple[Ask, ...]:
    """Return all that may be asked for, each named by its version.

    Databases are interchangeable (they differ by name alone), so the order of their kinds makes no difference. All but
    one are put back when they fail: `leave` is the end of that way which it has anyhow where nothing can be put back.
    Two have no database, and one of them no counts; the last kind has a count by number.
    """
    task = evolve(TASK, attempts=2)
    kinds = [*combinations_with_replacement(KINDS, databases)]
    held = {k: tuple(database(f"db{i}", one, task) for i, one in enumerate(k)) for k in kinds}
    first = held[kinds[0]]
    quick = evolve(QUICK, stack=_KEPT, databases=first)
    full = [
        DeploymentSpec(
            "staging",
            "shop",
            "+".join(k) or "plain",
            _SENT if k == kinds[0] else _FIXED if k == kinds[-1] else STACK,
            held[k],
            on_failure=OnFailure.RESTORE,
        )
        for k in kinds
    ]
    left = evolve(full[0], version="left", databases=(), stack=STACK, on_failure=OnFailure.LEAVE)
    unscaled = evolve(full[-1], version="unscaled", databases=(), stack=evolve(STACK, scaling=()))
    terms = (Ask(quick), Ask(quick, force=True), Ask(quick, adopt=OTHER))
    return (*terms, *(Ask(spec) for spec in (*full, left, unscaled)))
