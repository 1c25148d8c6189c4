"""Read what AWS says before anything is changed; `preflight` decides on it.

Where AWS refuses an answer, a `Problem` stands in its place. What is no error of AWS's is raised.
"""

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import product
from typing import Any, TypeAlias, TypeVar

from attrs import evolve, field, frozen

from deployer_aws.aws.clients import Clients
from deployer_aws.aws.errors import Problem, classify
from deployer_aws.aws.permissions import Statement
from deployer_aws.aws.secrets import read_json
from deployer_aws.aws.services import ServiceReader, cluster_and_name
from deployer_aws.aws.stacks import StackReader
from deployer_aws.aws.template_urls import https
from deployer_core.spec import Output, Text

T = TypeVar("T")
Response: TypeAlias = Mapping[str, Any]
"""An answer of AWS's, or a part of one, as boto3 gives it."""
Endpoint: TypeAlias = tuple[str, int]
"""A host and a port."""


@frozen
class Questions:
    """The questions that a spec raises. An empty template is not validated; `services` asks where the stack's run."""

    stack: str
    template_body: str = ""
    template_url: str = ""
    services: bool = False
    definitions: tuple[Text, ...] = ()
    secrets: tuple[Text, ...] = ()


@frozen
class SecretEndpoint:
    """The host and the port that a secret holds, empty where it holds none. Nothing else of it is kept."""

    host: str = ""
    port: str = ""


@frozen
class Facts:
    """The answers of AWS.

    `stack` is None where there is none, `validation` where nothing was validated, `principal` where IAM cannot simulate
    the caller. Definitions and secrets stand by the names with which they were asked for.
    """

    identity: Response | Problem
    region: str
    region_is_known: bool
    endpoint_url: str = ""
    temporary: bool | Problem = False
    service_linked_role: bool | Problem = True
    stack: Response | Problem | None = None
    validation: Response | Problem | None = None
    principal: str | None = None
    clusters: tuple[str, ...] = ()
    definitions: Mapping[str, Response | Problem] = field(factory=dict[str, Any])
    secrets: Mapping[str, SecretEndpoint | Problem] = field(factory=dict[str, Any])

    @property
    def has_stack(self) -> bool:
        """True where there is a stack that may be seen."""
        return self.stack is not None and not isinstance(self.stack, Problem)

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack, as far as it may be seen."""
        if self.stack is None or isinstance(self.stack, Problem):
            return {}
        return {output["OutputKey"]: output["OutputValue"] for output in self.stack.get("Outputs", [])}


@frozen
class Denial:
    """The actions of a statement that IAM would refuse."""

    statement: Statement
    actions: tuple[str, ...]


def read_facts(clients: Clients, questions: Questions) -> Facts:
    """Ask AWS; nothing is changed. Where it does not know who asks, it is asked nothing else."""
    identity = _try(clients.sts.get_caller_identity)
    facts = Facts(identity, clients.region, clients.region in _regions(), clients.endpoint_url)
    if isinstance(identity, Problem):
        return facts
    facts = evolve(
        facts,
        temporary=_try(clients.temporary),
        service_linked_role=bool(clients.endpoint_url) or _has_service_linked_role(clients),
        stack=_stack(clients, questions.stack),
        validation=_validation(clients, questions),
        principal=None if clients.endpoint_url else _principal(clients, identity),
    )
    return evolve(
        facts,
        clusters=_clusters(clients, questions.stack) if questions.services and facts.has_stack else (),
        definitions={
            name: _try(partial(_definition, clients, name))
            for name in _known(questions.definitions, facts.outputs)
        },
        secrets={
            name: _try(partial(_secret_endpoint, clients, name))
            for name in _known(questions.secrets, facts.outputs)
        },
    )


def read_denials(
    clients: Clients, principal: str, statements: Iterable[Statement]
) -> tuple[Denial, ...] | Problem:
    """Ask IAM's own simulation about each statement."""
    return _try(lambda: tuple(_denials(clients, principal, statements)))


def find_unreachable(
    endpoints: Iterable[Endpoint], connect: Callable[[str, int], None]
) -> Mapping[Endpoint, str]:
    """Return why nobody can be reached at an endpoint, for each where that is so."""
    found: dict[Endpoint, str] = {}
    for endpoint in dict.fromkeys(endpoints):
        try:
            connect(*endpoint)
        except OSError as error:
            found[endpoint] = str(error)
    return found


def connect_to(host: str, port: int) -> None:
    """Connect by TCP, and close. Raises OSError where nobody listens."""
    socket.create_connection((host, port), timeout=3).close()


def _try(ask: Callable[[], T]) -> T | Problem:
    try:
        return ask()
    except Exception as error:
        problem = classify(error)
        if problem is None:
            raise
        return problem


@cache
def _regions() -> frozenset[str]:
    import botocore.session

    session: Any = botocore.session.Session()
    partitions = session.get_available_partitions()
    return frozenset(r for p in partitions for r in session.get_available_regions("cloudformation", p))


def _has_service_linked_role(clients: Clients) -> bool | Problem:
    answer = _try(lambda: clients.iam.get_role(RoleName="AWSServiceRoleForECS"))
    if not isinstance(answer, Problem):
        return True
    return False if answer.code in ("NoSuchEntity", "NoSuchEntityException") else answer


def _stack(clients: Clients, name: str) -> Response | Problem | None:
    found = _try(lambda: clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0])
    if isinstance(found, Problem):
        return None if found.is_missing_stack else found
    return None if found["StackStatus"] == "DELETE_COMPLETE" else found


def _validation(clients: Clients, questions: Questions) -> Response | Problem | None:
    url, body = questions.template_url, questions.template_body
    if not url and not body:
        return None
    request = {"TemplateURL": https(url, clients.s3)} if url else {"TemplateBody": body}
    return _try(lambda: clients.cloudformation.validate_template(**request))


def _principal(clients: Clients, identity: Response) -> str | None:
    """Return the caller's ARN as IAM knows it. That of an assumed role lacks the role's path, so IAM is asked."""
    arn = str(identity["Arn"])
    if ":assumed-role/" not in arn:
        return arn if ":user/" in arn else None
    name = arn.split("/")[1]
    answer = _try(lambda: clients.iam.get_role(RoleName=name))
    if isinstance(answer, Problem):
        return f"{arn.split(':sts:')[0]}:iam::{identity['Account']}:role/{name}"
    return str(answer["Role"]["Arn"])


def _clusters(clients: Clients, stack: str) -> tuple[str, ...]:
    """Return where the stack's services run, as far as it may be looked into."""
    services = ServiceReader(StackReader(clients.cloudformation), clients.ecs)
    found = _try(lambda: [cluster_and_name(arn)[0] for arn in services.services(stack)])
    return () if isinstance(found, Problem) else tuple(found)


def _known(values: Iterable[Text], outputs: Mapping[str, str]) -> Iterator[str]:
    named = (outputs.get(value.name) if isinstance(value, Output) else value for value in values)
    return filter(None, dict.fromkeys(named))


def _definition(clients: Clients, name: str) -> Response:
    found: Response = clients.ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
    return found


def _secret_endpoint(clients: Clients, name: str) -> SecretEndpoint:
    held = read_json(clients.secretsmanager.get_secret_value(SecretId=name))
    return SecretEndpoint(str(held.get("host") or ""), str(held.get("port") or ""))


def _denials(clients: Clients, principal: str, statements: Iterable[Statement]) -> Iterator[Denial]:
    for statement in statements:
        refused: list[str] = []
        for context in _contexts(statement):
            answer = clients.iam.simulate_principal_policy(
                PolicySourceArn=principal,
                ActionNames=list(statement.grant.actions),
                ResourceArns=list(statement.resources),
                **({"ContextEntries": context} if context else {}),
            )
            results: Sequence[Response] = answer["EvaluationResults"]
            refused += [one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed"]
        if refused:
            yield Denial(statement, tuple(dict.fromkeys(refused)))


def _contexts(statement: Statement) -> Iterator[list[dict[str, Any]]]:
    """Give the values that the keys of its condition may have, one of each at a time, as in a request."""
    keys = {key: value for pairs in statement.condition.values() for key, value in pairs.items()}
    values = [value if isinstance(value, list) else [value] for value in keys.values()]
    for chosen in product(*values):
        yield [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in zip(keys, chosen, strict=True)
        ]
