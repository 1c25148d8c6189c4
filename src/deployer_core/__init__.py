"""Deployments as pure state machines: `reduce(state, event) -> (state, commands)`.

One state is all that there is to know of one CloudFormation stack and of the deployments to it: which one runs, which
wait, what was sent to AWS and has not been answered. This package decides what happens next, and does nothing: it has
no clock, no randomness, no environment, no I/O and no logging. The program that uses it keeps the events, carries the
commands out, and reports what came of them. `deployer_aws` is such a program, for AWS and PostgreSQL.

The whole loop
--------------

`World` stands for AWS here, and does at once what it is sent; a list stands for the journal.

    >>> import deployer_core as deployer
    >>> class World:
    ...     sent = {}
    ...     def now(self):
    ...         return 0.0
    ...     def send(self, command, token):
    ...         print(type(command).__name__)
    ...         self.sent[token] = "CREATE_COMPLETE"
    ...     def look(self, token):
    ...         complete, missing = deployer.stack_status.Lifecycle.COMPLETE, deployer.stack_status.Lifecycle.MISSING
    ...         status = self.sent.get(token, "")
    ...         return deployer.stack_status.StackStatus(complete if status else missing, status)
    >>> template = deployer.TemplateUrl("https://templates.s3.amazonaws.com/orders-1.4.yaml")
    >>> counts = (deployer.PreviousCount("DesiredCount", initial=2),)
    >>> orders = deployer.StackSpec("staging-orders", template, scaling=counts)
    >>> spec = deployer.DeploymentSpec("staging", "orders", "1.4", orders)

The program takes each event by `take`, and goes round a loop as long as something is pending:

    >>> world, journal, state = World(), [], deployer.INITIAL
    >>> def take(event):
    ...     global state
    ...     after, commands = deployer.reduce(state, event)  # IllegalEvent: nothing has changed
    ...     if after is state:
    ...         return False  # stale: nothing is written down, nothing may be sent
    ...     journal.append(event)  # durable, together with `after`, before anything else happens
    ...     state = after
    ...     for notice in commands:
    ...         if isinstance(notice, deployer.Notice):
    ...             print(notice.deployment, notice.outcome)
    ...     return True
    >>> def act(pending):
    ...     token = deployer.token(state.stream, pending.deployment, pending.id, 1)
    ...     sendable = not isinstance(pending.command, deployer.deployment.StabiliseStack)  # that is only looked at
    ...     if sendable and not pending.ref and not world.look(token).status:
    ...         if take(deployer.Attempted(pending.id, 1, at=world.now(), token=token)):
    ...             world.send(pending.command, token)
    ...             take(deployer.Accepted(pending.id, "arn:staging-orders", at=world.now()))
    ...     take(deployer.Replied(pending.id, world.look(token), at=world.now()))
    >>> take(deployer.Requested("orders-1.4", spec, at=world.now(), stream="4f1c9a" + 26 * "0"))
    True
    >>> while state.pending:
    ...     act(state.pending[0])
    CreateStack
    ScaleStack
    orders-1.4 DONE
    >>> state.stack
    Available()

Events and commands
-------------------

Six kinds of event come in. People send `Requested`, `Terminated` and `Repaired`. The program that carries the commands
out sends, for each command by its id, `Attempted` (about to send), `Accepted` (the world took it, and calls it `ref`)
and `Replied` (an answer, one of `Answer`). Each event bears the time `at`, in seconds since 1970.

Two kinds of thing go out. A `Pending` is a command with its id and its deadline; it stays in `state.pending` until its
last answer. A `Notice` says that a deployment has ended, DONE or FAILED; it is given out once, and nobody waits for it.

Each machine can be used alone: `stack.MACHINE.reduce(stack.MACHINE.initial, stack.Triggered("orders-1.4"))`. Its
states, events and commands are named by their module, since several machines have a `FAILED`: `deployment.Failed`.

The caller's duties
-------------------

1. Append each event and the state that it leads to in one transaction, at the version that it was reduced from, before
   anything else happens. Where somebody else has appended first, reduce again from the newest state.
2. Let one process at a time act for a stream. Reducing is safe for any number of them; sending is not.
3. Carry out what is in `state.pending`, and nothing else. After a crash that is where to go on: what `reduce` gave out
   is not given out again.
4. Look before sending. Where `ref` is known, look at that and send nothing. Else look for what bears the `token` of the
   latest attempt. Only where there is nothing, append `Attempted`, and send if that was not stale.
5. Send each attempt with its own `token`, which `Attempted` keeps, and which AWS takes as a client token: a repeated
   send then starts nothing twice.
6. Append `Accepted` as soon as the world's name for what was sent is known.
7. Report what was seen, not what it may mean. `Progress` may be reported at any time; a task's attempt that certainly
   began nothing is answered with `Declined`. The first look at a stack may be answered with `Refused`. It changes
   nothing; where it is about to cancel an update, or to discard a stack that holds nothing, append `Attempted` first.
8. Answer `DeadlinePassed` for a command whose deadline is over, after one more look that was begun after it.
9. Deliver each `Notice` at least once; keep it in the transaction of its event until it is delivered.
10. Give each deployment an id that is used once, and each stream a random id with its first request.

What is guaranteed
------------------

- The same events lead to the same state and commands, in every process and on every machine: replaying a journal gives
  its head, as long as `LOGIC` is the one that wrote it.
- `IllegalEvent` changes nothing. A stale event (a duplicate, a late answer, progress that is no news) returns the very
  same state object.
- A request with an id and a spec that are known is stale; with a known id and another spec it is illegal.
- One deployment at a time changes a stack; others wait in the order of their requests. One that failed leaves the
  stack broken, and what waits stays until it is `Repaired`; one that ended before it changed anything does not.
- No database is migrated before the changes of every database are known, nor while the services are scaled up. A
  `quick` deployment migrates none.
- A task that may still run is stopped, or named, before its stack can be repaired.
- Values are immutable and hashable. `wire` writes all that is stored as JSON under versioned tags; equal values give
  equal bytes.

What begins with an underscore, and every module that is not named here, is private. Public beside this module is
`deployer_core.testing`, for the tests of those who use it; it needs Hypothesis.
"""

from deployer_core import wire
from deployer_core._version import __version__
from deployer_core.engine.memory import Memory, rollback_target
from deployer_core.engine.messages import (
    Accepted,
    Answer,
    Attempt,
    Attempted,
    CommandProgress,
    DeadlinePassed,
    Declined,
    DeploymentOutcome,
    Event,
    Failure,
    Infrastructure,
    Notice,
    Pending,
    Progress,
    Refused,
    Repaired,
    Replied,
    Requested,
    Rollback,
    StackProgress,
    StopTask,
    TaskProgress,
    Terminated,
    WorldCommand,
    stream_of,
    token,
)
from deployer_core.engine.reducer import LOGIC, Busy, microsteps, reduce
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.kernel.machine import IllegalEvent, Machine, Microstep
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack, stack_status
from deployer_core.spec import (
    Admin,
    AdminIam,
    AdminSecret,
    AdminUrl,
    Counts,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    FixedCount,
    ListenerPriority,
    Migration,
    OnFailure,
    Output,
    Pairs,
    ParameterValue,
    Previous,
    PreviousCount,
    Scale,
    SpecError,
    StackOutput,
    StackSpec,
    TaskSpec,
    Template,
    TemplateBody,
    TemplateUrl,
    Text,
)

__all__ = [
    "INITIAL",
    "LOGIC",
    "Accepted",
    "Admin",
    "AdminIam",
    "AdminSecret",
    "AdminUrl",
    "Answer",
    "Attempt",
    "Attempted",
    "Busy",
    "CommandProgress",
    "Counts",
    "DatabaseSpec",
    "DeadlinePassed",
    "Declined",
    "DeployerState",
    "DeploymentOutcome",
    "DeploymentSpec",
    "Evaluation",
    "Event",
    "Failure",
    "FixedCount",
    "IllegalEvent",
    "Infrastructure",
    "ListenerPriority",
    "Machine",
    "Memory",
    "Microstep",
    "Migration",
    "Notice",
    "OnFailure",
    "Output",
    "Pairs",
    "ParameterValue",
    "Pending",
    "Previous",
    "PreviousCount",
    "Progress",
    "Refused",
    "Repaired",
    "Replied",
    "Requested",
    "Rollback",
    "Scale",
    "SpecError",
    "StackOutput",
    "StackProgress",
    "StackSpec",
    "StopTask",
    "TaskProgress",
    "TaskSpec",
    "Template",
    "TemplateBody",
    "TemplateUrl",
    "Terminated",
    "Text",
    "WorldCommand",
    "__version__",
    "deployment",
    "ecs_task",
    "microsteps",
    "postgres_migration",
    "reduce",
    "rollback_target",
    "stack",
    "stack_status",
    "stream_of",
    "token",
    "wire",
]


def __dir__() -> list[str]:
    return __all__
