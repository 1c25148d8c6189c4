"""Specs that several tests read, beside the template in this folder."""

from pathlib import Path

import pytest

from deployer_aws import specfile
from deployer_aws.specfile import LoadedSpec, SpecFileError

FOLDER = Path(__file__).parent
TEMPLATE = (FOLDER / "template.yaml").read_text(encoding="utf-8")
HEAD = "environment: test\napplication: shop\nversion: '1'\n"
STACK = "stack: {template: template.yaml, scaling: none}\n"
MINIMAL = HEAD + STACK
FULL = """\
environment: test
application: shop
version: 7
stack:
  template: template.yaml
  name: shop-of-test
  parameters: {Image: "1.10", Zone: true}
  counts: {Count: 3}
  tags: {team: shop, cost: 12}
  role: arn:aws:iam::123456789012:role/deployer
  timeout: 1h30m
databases:
  shop:
    admin: {secret: admin-secret}
    migrate:
      cluster: {output: Cluster}
      task_definition: migrations
      container: migrate
      command: [up]
      environment: {DEBUG: false}
      subnets: {output: Subnets}
      launch_type: FARGATE
      timeout: 90
    evaluate:
      command: [look]
"""


def read(text: str | bytes) -> LoadedSpec:
    """Read a spec beside the template."""
    return specfile.loads(text, FOLDER, "spec.yaml")


def problems(text: str | bytes) -> list[tuple[str, int, str]]:
    """Return what is wrong with a text."""
    with pytest.raises(SpecFileError) as raised:
        read(text)
    return [(p.path, p.line, p.text) for p in raised.value.problems]


def problem(text: str | bytes) -> tuple[str, int, str]:
    """Return the one thing that is wrong with a text."""
    (one,) = problems(text)
    return one


def beside(tmp_path: Path, template: str, spec: str) -> LoadedSpec:
    """Read a spec beside a template of its own."""
    (tmp_path / "template.yaml").write_text(template, encoding="utf-8")
    return specfile.loads(spec, tmp_path)


def database(lines: str) -> str:
    """Return a spec with one database."""
    return MINIMAL + f"databases: {{shop: {lines}}}\n"


def task(lines: str) -> str:
    """Return a spec with one task, `evaluate` after it if wanted."""
    return database(f"{{admin: {{secret: s}}, migrate: {{cluster: c, task_definition: t, {lines}}}}}")
