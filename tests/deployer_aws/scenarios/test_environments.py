"""The same calls in all three test environments, and how each differs, as `docs/test-environments.md` lists it."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.deployer_aws.scenarios.emulators import Ministack, Moto
from tests.deployer_aws.scenarios.environment import Environment
from tests.deployer_aws.scenarios.probes import PROBES
from tests.support.conformance import Nonconforming, check_answer

DOCS = Path(__file__).parents[3] / "docs" / "test-environments.md"


def table() -> dict[str, dict[str, str]]:
    """Return the document's answers: by question, then by test environment."""
    lines = [line for line in DOCS.read_text().splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


@pytest.mark.parametrize("question", sorted(table()))
def test_differences_are_as_documented(env: Environment, question: str) -> None:
    """Each test environment answers each question as the document says."""
    assert PROBES[question](env) == table()[question][env.name]


@pytest.mark.parametrize("kind", [Ministack, Moto])
def test_every_lack_is_asked_about(kind: type[Environment]) -> None:
    """What a test environment is said to lack, some scenario needs: an unused lack would be out of date unseen."""
    scenarios = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    asked = set(re.findall(r'needs\("([^"]+)"\)|"([^"]+)" (?:not )?in env\.lacks', scenarios))
    assert set(kind.lacks) <= {ability for found in asked for ability in found}


def test_every_question_is_documented() -> None:
    """The document has a row for each question, and none besides."""
    assert sorted(table()) == sorted(PROBES)


@pytest.mark.parametrize("service", ["cloudformation", "ecs"])
def test_answers_have_the_shapes_of_botocores_models(env: Environment, service: str) -> None:
    """What boto3 hands over of a deployment conforms to botocore's models everywhere, but for what is listed."""
    env.task_definition("orders-migrate")
    quick = "tasks that end" in env.lacks
    env.deploy("d1", quick=quick, databases=() if quick else (env.database(),))
    env.deploy("d2", quick=True, version="2")
    found: set[str] = set()
    for operation, answer in looks(env, service):
        try:
            check_answer(service, operation, answer)
        except Nonconforming as difference:
            found |= {line.split(":")[0] for line in str(difference).splitlines()}
    assert found == set()


def looks(env: Environment, service: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the answers to everything that the executors look at."""
    client = env.client(service)
    if service == "cloudformation":
        one = {"StackName": env.stack}
        return [
            ("DescribeStacks", client.describe_stacks(**one)),
            ("DescribeStackEvents", client.describe_stack_events(**one)),
            ("ListStackResources", client.list_stack_resources(**one)),
            ("GetTemplateSummary", client.get_template_summary(**one)),
            ("GetTemplate", client.get_template(**one)),
        ]
    answers = [("ListTasks", client.list_tasks(cluster=env.cluster))]
    if tasks := env.tasks():
        answers.append(("DescribeTasks", client.describe_tasks(cluster=env.cluster, tasks=tasks)))
    service_arn = env.service()["serviceArn"]
    described = client.describe_services(cluster=service_arn.split("/")[-2], services=[service_arn])
    return [*answers, ("DescribeServices", described)]
