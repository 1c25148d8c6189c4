"""What spec files become, and that the documentation says so."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import evolve

from deployer_aws import specfile
from deployer_aws.documents.readers import Key, Record
from deployer_aws.specfile import SpecFileError
from deployer_aws.specfile.schema import DEPLOYMENT
from deployer_core.spec import (
    AdminIam,
    AdminUrl,
    FixedCount,
    ListenerPriority,
    Output,
    Previous,
    PreviousCount,
    StackOutput,
    TemplateBody,
    TemplateUrl,
)
from tests.deployer_aws.specs import (
    FOLDER,
    FULL,
    HEAD,
    MINIMAL,
    TEMPLATE,
    beside,
    database,
    problem,
    read,
)
from tests.support.derived import DOC, ORDERS, derived

pytestmark = pytest.mark.quick


def test_a_full_spec() -> None:
    """Every kind of value arrives as the spec has it."""
    spec = read(FULL).spec
    assert (spec.environment, spec.application, spec.version) == ("test", "shop", "7")
    assert (spec.stack.name, spec.stack.timeout) == ("shop-of-test", 5400)
    assert spec.stack.parameters == (("Image", "1.10"), ("Zone", "true"))
    assert spec.stack.scaling == (FixedCount("Count", 3),)
    assert spec.stack.tags == (("cost", "12"), ("team", "shop"))
    (shop,) = spec.databases
    assert shop.migrate is not None
    assert (shop.migrate.task.timeout, shop.migrate.task.environment) == (90, (("DEBUG", "false"),))
    assert (shop.migrate.task.cluster, shop.migrate.task.subnets) == (Output("Cluster"), (Output("Subnets"),))


def test_what_an_evaluation_lacks_it_takes_from_the_migration() -> None:
    """The same task with another command is a matter of one line."""
    (shop,) = read(FULL).spec.databases
    assert shop.migrate is not None
    assert shop.evaluate is not None
    assert shop.evaluate.task == evolve(shop.migrate.task, command=("look",))
    assert (shop.evaluate.no_changes, shop.evaluate.changes) == ((0,), (2,))


def test_what_belongs_to_another_task_definition_is_not_taken() -> None:
    """A command that migrates never reaches an evaluation that names a task definition of its own."""
    (shop,) = read(FULL.replace("command: [look]", "task_definition: looks")).spec.databases
    assert shop.evaluate is not None
    taken = shop.evaluate.task
    assert (taken.command, taken.container, taken.environment) == ((), None, ())
    assert (taken.cluster, taken.launch_type) == (Output("Cluster"), "FARGATE")


def test_a_launch_type_gives_way_to_a_capacity_provider() -> None:
    """An evaluation may run elsewhere, though ECS takes only one of the two."""
    (shop,) = read(
        FULL.replace("command: [look]", "{command: [look], capacity_provider: spot}")
    ).spec.databases
    assert shop.evaluate is not None
    assert (shop.evaluate.task.launch_type, shop.evaluate.task.capacity_provider) == ("", "spot")


def test_the_stack_is_named_after_environment_and_application() -> None:
    """Without a name of its own; one that CloudFormation would refuse is told where the stack stands."""
    assert read(MINIMAL).spec.stack.name == "test-shop"
    path, line, text = problem(MINIMAL.replace("test", "1st"))
    assert (path, line) == ("stack.name", 4)
    assert "a letter first" in text


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("{previous: true}", Previous()),
        ("{stack: network, output: Zone}", StackOutput("network", "Zone")),
        ("{listener: arn}", ListenerPriority("arn", 1, 50_000)),
        ("{listener: arn, lowest: 5, highest: 7}", ListenerPriority("arn", 5, 7)),
        ("[a, 2, true]", "a,2,true"),
        ("''", ""),
        ("True", "true"),
        ("FALSE", "false"),
        ("'no'", "no"),
        ("012345678912", "012345678912"),
        ("-5", "-5"),
        ("=", "="),
        ("!!str 1.10", "1.10"),
        (r'"\ud83d\ude00"', "\U0001f600"),
    ],
)
def test_parameter_values(value: str, meaning: object) -> None:
    """Text stands as it was written, and so do the values that are known later."""
    spec = read(
        HEAD + f"stack:\n  template: template.yaml\n  scaling: none\n  parameters: {{Image: {value}}}"
    ).spec
    assert spec.stack.parameters == (("Image", meaning),)


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("3", FixedCount("Count", 3)),
        ("{wanted: 3}", FixedCount("Count", 3)),
        ("{wanted: as-before, initial: 2}", PreviousCount("Count", 2)),
    ],
)
def test_counts(value: str, meaning: object) -> None:
    """A number is wanted as it is; 'as before' needs one for the first time."""
    spec = read(HEAD + f"stack: {{template: template.yaml, counts: {{Count: {value}}}}}").spec
    assert spec.stack.scaling == (meaning,)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1h1s", 3601)],
)
def test_durations(text: str, seconds: int) -> None:
    """Seconds, or hours, minutes and seconds."""
    spec = read(HEAD + f"stack: {{template: template.yaml, scaling: none, timeout: {text}}}").spec
    assert spec.stack.timeout == seconds


@pytest.mark.parametrize(
    ("admin", "meaning"),
    [
        ("{host: db, user: admin, port: 6000}", AdminIam("db", "admin", 6000)),
        ("{url: 'postgresql://admin@db/postgres'}", AdminUrl("postgresql://admin@db/postgres")),
    ],
)
def test_administrators(admin: str, meaning: object) -> None:
    """The key that only one of the three has tells them apart."""
    assert read(database(f"{{admin: {admin}}}")).spec.databases[0].admin == meaning


@pytest.mark.parametrize(
    ("word", "meaning"), [("true", True), ("yes", True), ("on", True), ("false", False), ("No", False)]
)
def test_yes_and_no(word: str, meaning: bool) -> None:
    """Where only true or false may stand, YAML 1.1's other words for them can't be mistaken."""
    assert read(MINIMAL + f"quick: {word}").spec.quick is meaning


def test_the_template_is_pinned() -> None:
    """Its text is kept under its SHA-256, and the spec names it as the file does: moving a checkout changes no spec."""
    loaded = read(MINIMAL)
    digest = sha256(TEMPLATE.encode()).hexdigest()
    assert loaded.spec.stack.template == TemplateBody(digest, "template.yaml")
    assert loaded.templates == {digest: TEMPLATE}
    named = read(MINIMAL.replace("template.yaml", str(FOLDER / "template.yaml")))
    assert named.templates == loaded.templates


def test_a_template_by_url_is_not_read() -> None:
    """CloudFormation reads it, and nothing is known of it here."""
    loaded = read(MINIMAL.replace("template.yaml", "'https://bucket.s3.amazonaws.com/t.yaml'"))
    assert loaded.spec.stack.template == TemplateUrl("https://bucket.s3.amazonaws.com/t.yaml")
    assert loaded.templates == {}
    assert "https://" in problem(MINIMAL.replace("template.yaml", "'ftp://host/t.yaml'"))[2]


def test_anchors_and_merge_keys() -> None:
    """Own keys win over merged ones, and the first merged map over the next."""
    text = MINIMAL + (
        "databases:\n"
        "  a: &a {admin: {secret: s}, timeout: 1m, extensions: [x]}\n"
        "  b: &b {<<: *a, timeout: 2m}\n"
        "  c: {<<: [*b, *a]}\n"
    )
    assert [(d.timeout, d.extensions) for d in read(text).spec.databases] == [
        (60, ("x",)),
        (120, ("x",)),
        (120, ("x",)),
    ]


def test_json_and_byte_order_marks() -> None:
    """JSON is YAML; editors on Windows begin a file with a mark."""
    stack = '"stack": {"template": "template.yaml", "scaling": "none"}'
    json = f'{{"environment": "test", "application": "shop", "version": "1", {stack}}}'
    assert read(json).spec == read(b"\xef\xbb\xbf" + MINIMAL.encode()).spec == read(MINIMAL).spec


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_example(version: int) -> None:
    """The example's specs load without a warning, from wherever one stands."""
    loaded = specfile.load(ORDERS / f"v{version}.yaml")
    assert (loaded.spec.version, loaded.warnings) == (str(version), ())


def test_the_documented_keys_are_the_keys() -> None:
    """The tables in docs/spec-file.md are those of the code; `make golden` writes them."""
    assert DOC.read_text(encoding="utf-8") == derived()[DOC]


def test_the_documented_example_loads(tmp_path: Path) -> None:
    """The documented example is a spec without a warning; with two slips it gives the error shown there."""
    doc = DOC.read_text(encoding="utf-8")
    text = doc.partition("```yaml\n")[2].partition("```")[0]
    names = ("ImageTag", "VpcId", "Subnets", "Zone", "Priority", "Count", "Workers")
    template = {
        "Resources": {"A": {"Type": "AWS::SNS::Topic"}},
        "Parameters": {name: {"Type": "String"} for name in names},
        "Outputs": {name: {"Value": "x"} for name in ("AdminSecret", "Cluster", "Migration", "Subnets")},
    }
    loaded = beside(tmp_path, yaml.safe_dump(template), text)
    assert loaded.spec.version == "1.10"
    assert loaded.warnings == ()
    slips = text.replace("parameters:", "paramters:").replace("1h30m", "15 minutes")
    with pytest.raises(SpecFileError) as raised:
        specfile.loads(slips, tmp_path, "staging.yaml")
    for line in str(raised.value).splitlines():
        assert f"    {line.partition(', counts')[0]}" in doc


def keys(record: Record[Any], title: str) -> dict[str, Key]:
    """Return the keys of a map that is found somewhere in another."""
    if record.title == title:
        return {key.name: key for key in record.keys}
    nothing: dict[str, Key] = {}
    found = (keys(part, title) for key in record.keys for part in key.reader.parts)
    return next((one for one in found if one), nothing)


LITERAL = re.compile(r"\[.*\]|\{\}|\d+\w*|true|false|postgres")


IN_DATABASE = MINIMAL + "databases:\n  a:\n    admin: {secret: s}\n"


@pytest.mark.parametrize(
    ("title", "text", "indent"),
    [
        ("deployment", MINIMAL, 0),
        ("stack", HEAD + "stack:\n  template: template.yaml\n  scaling: none\n", 2),
        ("database", IN_DATABASE, 4),
        ("administrator by IAM", IN_DATABASE.replace("{secret: s}", "\n      host: h\n      user: u"), 6),
        ("migration", IN_DATABASE + "    migrate:\n      cluster: c\n      task_definition: t\n", 6),
    ],
)
def test_spelling_out_every_default_changes_nothing(title: str, text: str, indent: int) -> None:
    """The defaults that the documentation names are those of the code."""
    known = {key.name: key.default or "" for key in keys(DEPLOYMENT, title).values()}
    literal = {name: default for name, default in known.items() if LITERAL.fullmatch(default)}
    assert literal
    spelt = "".join(f"{' ' * indent}{name}: {default}\n" for name, default in literal.items())
    assert read(text + spelt).spec == read(text).spec
