"""Spec files: what they become, and that what can't be used is told in one clear error."""

import os
import re
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deployer_aws import specfile
from deployer_aws.specfile import LoadedSpec, SpecFileError
from deployer_aws.specfile.document import LARGEST
from deployer_aws.specfile.kinds import Key, Record
from deployer_aws.specfile.schema import DEPLOYMENT
from deployer_core.spec import (
    AdminIam,
    AdminUrl,
    AsBefore,
    ListenerPriority,
    Output,
    Previous,
    StackOutput,
    TemplateBody,
    TemplateUrl,
    Wanted,
)
from tests.support.derived import DOC, ORDERS, derived

TEMPLATE = """
Parameters:
  Image: {Type: String, Default: none}
  Zone: {Type: String, Default: none}
  Count: {Type: Number, Default: 1}
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Sub "${AWS::StackName}-topic"}}
Outputs:
  Cluster: {Value: !Ref Topic}
  Subnets: {Value: !Ref Topic}
"""
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a template."""
    made = tmp_path_factory.mktemp("specs")
    (made / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def read(folder: Path) -> Callable[[str | bytes], LoadedSpec]:
    """Reads a spec beside the template."""
    return lambda text: specfile.loads(text, folder, "spec.yaml")


Read = Callable[[str | bytes], LoadedSpec]


def problems(read: Read, text: str | bytes) -> list[tuple[str, int, str]]:
    """What is wrong with a text."""
    with pytest.raises(SpecFileError) as raised:
        read(text)
    return [(p.path, p.line, p.text) for p in raised.value.problems]


def problem(read: Read, text: str | bytes) -> tuple[str, int, str]:
    """The one thing that is wrong with a text."""
    (one,) = problems(read, text)
    return one


def beside(tmp_path: Path, template: str, spec: str) -> LoadedSpec:
    """A spec, read beside a template of its own."""
    (tmp_path / "template.yaml").write_text(template, encoding="utf-8")
    return specfile.loads(spec, tmp_path)


def database(lines: str) -> str:
    """A spec with one database."""
    return MINIMAL + f"databases: {{shop: {lines}}}\n"


def task(lines: str) -> str:
    """A spec with one task, `evaluate` after it if wanted."""
    return database(f"{{admin: {{secret: s}}, migrate: {{cluster: c, task_definition: t, {lines}}}}}")


# What files become


def test_a_full_spec(read: Read) -> None:
    """Every kind of value arrives as the spec has it."""
    spec = read(FULL).spec
    assert (spec.environment, spec.application, spec.version) == ("test", "shop", "7")
    assert (spec.stack.name, spec.stack.timeout) == ("shop-of-test", 5400)
    assert spec.stack.parameters == (("Image", "1.10"), ("Zone", "true"))
    assert spec.stack.scaling == (Wanted("Count", 3),)
    assert spec.stack.tags == (("cost", "12"), ("team", "shop"))
    (shop,) = spec.databases
    assert shop.migrate is not None
    assert (shop.migrate.task.timeout, shop.migrate.task.environment) == (90, (("DEBUG", "false"),))
    assert (shop.migrate.task.cluster, shop.migrate.task.subnets) == (Output("Cluster"), (Output("Subnets"),))


def test_what_an_evaluation_lacks_it_takes_from_the_migration(read: Read) -> None:
    """The same task with another command is a matter of one line."""
    (shop,) = read(FULL).spec.databases
    assert shop.migrate is not None
    assert shop.evaluate is not None
    assert shop.evaluate.task == evolve(shop.migrate.task, command=("look",))
    assert (shop.evaluate.no_changes, shop.evaluate.changes) == ((0,), (2,))


def test_what_belongs_to_another_task_definition_is_not_taken(read: Read) -> None:
    """A command that migrates never reaches an evaluation that names a task definition of its own."""
    (shop,) = read(FULL.replace("command: [look]", "task_definition: looks")).spec.databases
    assert shop.evaluate is not None
    taken = shop.evaluate.task
    assert (taken.command, taken.container, taken.environment) == ((), None, ())
    assert (taken.cluster, taken.launch_type) == (Output("Cluster"), "FARGATE")


def test_a_launch_type_gives_way_to_a_capacity_provider(read: Read) -> None:
    """An evaluation may run elsewhere, though ECS takes only one of the two."""
    (shop,) = read(
        FULL.replace("command: [look]", "{command: [look], capacity_provider: spot}")
    ).spec.databases
    assert shop.evaluate is not None
    assert (shop.evaluate.task.launch_type, shop.evaluate.task.capacity_provider) == ("", "spot")


def test_the_stack_is_named_after_environment_and_application(read: Read) -> None:
    """Without a name of its own; one that CloudFormation would refuse is told where the stack stands."""
    assert read(MINIMAL).spec.stack.name == "test-shop"
    path, line, text = problem(read, MINIMAL.replace("test", "1st"))
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
def test_parameter_values(read: Read, value: str, meaning: object) -> None:
    """Text stands as it was written, and so do the values that are known later."""
    spec = read(
        HEAD + f"stack:\n  template: template.yaml\n  scaling: none\n  parameters: {{Image: {value}}}"
    ).spec
    assert spec.stack.parameters == (("Image", meaning),)


@pytest.mark.parametrize(
    ("value", "meaning"),
    [("3", Wanted("Count", 3)), ("{wanted: 3}", Wanted("Count", 3))]
    + [("{wanted: as-before, initial: 2}", AsBefore("Count", 2))],
)
def test_counts(read: Read, value: str, meaning: object) -> None:
    """A number is wanted as it is; 'as before' needs one for the first time."""
    spec = read(HEAD + f"stack: {{template: template.yaml, counts: {{Count: {value}}}}}").spec
    assert spec.stack.scaling == (meaning,)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1h1s", 3601)],
)
def test_durations(read: Read, text: str, seconds: int) -> None:
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
def test_administrators(read: Read, admin: str, meaning: object) -> None:
    """The key that only one of the three has tells them apart."""
    assert read(database(f"{{admin: {admin}}}")).spec.databases[0].admin == meaning


@pytest.mark.parametrize(
    ("word", "meaning"), [("true", True), ("yes", True), ("on", True), ("false", False), ("No", False)]
)
def test_yes_and_no(read: Read, word: str, meaning: bool) -> None:
    """Where only true or false may stand, YAML 1.1's other words for them can't be mistaken."""
    assert read(MINIMAL + f"quick: {word}").spec.quick is meaning


def test_the_template_is_pinned(folder: Path, read: Read) -> None:
    """Its text is kept under its SHA-256, and the spec names it as the file does: moving a checkout changes no spec."""
    loaded = read(MINIMAL)
    digest = sha256(TEMPLATE.encode()).hexdigest()
    assert loaded.spec.stack.template == TemplateBody(digest, "template.yaml")
    assert loaded.templates == {digest: TEMPLATE}
    named = read(MINIMAL.replace("template.yaml", str(folder / "template.yaml")))
    assert named.templates == loaded.templates


def test_a_template_by_url_is_not_read(read: Read) -> None:
    """CloudFormation reads it, and nothing is known of it here."""
    loaded = read(MINIMAL.replace("template.yaml", "'https://bucket.s3.amazonaws.com/t.yaml'"))
    assert loaded.spec.stack.template == TemplateUrl("https://bucket.s3.amazonaws.com/t.yaml")
    assert loaded.templates == {}
    assert "https://" in problem(read, MINIMAL.replace("template.yaml", "'ftp://host/t.yaml'"))[2]


def test_anchors_and_merge_keys(read: Read) -> None:
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


def test_json_and_byte_order_marks(read: Read) -> None:
    """JSON is YAML; editors on Windows begin a file with a mark."""
    stack = '"stack": {"template": "template.yaml", "scaling": "none"}'
    json = f'{{"environment": "test", "application": "shop", "version": "1", {stack}}}'
    assert read(json).spec == read(b"\xef\xbb\xbf" + MINIMAL.encode()).spec == read(MINIMAL).spec


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_example(version: int) -> None:
    """The example's specs load without a warning, from wherever one stands."""
    loaded = specfile.load(ORDERS / f"v{version}.yaml")
    assert (loaded.spec.version, loaded.warnings) == (str(version), ())


# What is refused


@pytest.mark.parametrize(
    ("text", "path", "line", "rule"),
    [
        (MINIMAL + "quik: true", "quik", 5, "did you mean quick? It takes environment, application"),
        (MINIMAL + "zzz: 1", "zzz", 5, "no key of this map; It takes"),
        (MINIMAL + "quick: 1", "quick", 5, "true or false, not '1', which is a number to YAML"),
        (MINIMAL + "quick: 'true'", "quick", 5, "true or false, not 'true'"),
        (MINIMAL + "quick: true\nquick: false", "quick", 6, "twice, first on line 5"),
        (MINIMAL + "databases:", "databases", 5, "not nothing: give a value, or leave the key out"),
        (
            MINIMAL + "databases: [a]",
            "databases",
            5,
            "a map from a database's name to a database, not a list",
        ),
        (MINIMAL + "databases: {a: {}}", "databases.a", 5, "admin is missing: how the deployer gets in"),
        (MINIMAL + "on: 1", "", 5, "the key 'on' is true or false to YAML; quote it"),
        (MINIMAL + "7: 1", "", 5, "the key '7' is a number to YAML; quote it"),
        (MINIMAL + "? [a]\n: 1", "", 5, "a list or a map stands where a key should be"),
        (MINIMAL + "!!binary aa: 1", "", 5, "the key 'aa' is no text to YAML"),
        (MINIMAL + "<<: 1", "", 5, "'<<' takes a map, or a list of maps"),
        (MINIMAL.replace("'1'", "1.10"), "version", 3, "text, but '1.10' is a number to YAML; quote it"),
        (MINIMAL.replace("'1'", "2024-05-01"), "version", 3, "'2024-05-01' is a date to YAML; quote it"),
        (MINIMAL.replace("'1'", "1:30"), "version", 3, "'1:30' is a number to YAML; quote it"),
        (MINIMAL.replace("'1'", "0123"), "version", 3, "'0123' is a number to YAML; quote it"),
        (MINIMAL.replace("'1'", "true"), "version", 3, "'true' is true or false to YAML; quote it"),
        (MINIMAL.replace("'1'", ""), "version", 3, "text, not nothing"),
        (MINIMAL.replace("'1'", "[1]"), "version", 3, "text, not a list"),
        (MINIMAL.replace("'1'", "{a: 1}"), "version", 3, "text, not a map"),
        (MINIMAL.replace("'1'", "!Ref x"), "version", 3, "the tag '!Ref' means nothing in a spec file"),
        (MINIMAL.replace("'1'", r'"\ud800"'), "version", 3, "half of a character"),
        (MINIMAL.replace("'1'", r'"\UFFFFFFFF"'), "", 0, "not YAML"),
        (MINIMAL.replace("test", "te st"), "environment", 1, "letters, digits and hyphens"),
        (MINIMAL.replace("version: '1'\n", ""), "", 1, "version is missing"),
        (HEAD + "stack: {template: template.yaml}", "stack", 4, "either counts"),
        (HEAD + "stack: {template: template.yaml, counts: {}}", "stack", 4, "either counts"),
        (HEAD + "stack: {template: template.yaml, counts: {Count: 1}, scaling: none}", "stack", 4, "either"),
        (HEAD + "stack: {template: template.yaml, scaling: some}", "stack.scaling", 4, "none, not 'some'"),
        (HEAD + "stack: [a]", "stack", 4, "a map with the keys template, name,"),
        (
            MINIMAL + "databases: {a: {admin: {user: u}}}",
            "databases.a.admin",
            5,
            "one of the keys secret, host",
        ),
        (database("{admin: s}"), "databases.shop.admin", 5, "a map with one of the keys secret, host, url"),
        (
            database("{admin: {url: 'postgresql://u:p@h/d'}}"),
            "databases.shop.admin.url",
            5,
            "no password in it",
        ),
        (
            database("{admin: {secret: s}, evaluate: {}}"),
            "databases.shop.evaluate",
            5,
            "there is no migration",
        ),
        (
            database("{admin: {secret: s}, timeout: 15 minutes}"),
            "databases.shop.timeout",
            5,
            "a duration: 90",
        ),
        (database("{admin: {secret: s}, timeout: 0s}"), "databases.shop.timeout", 5, "from 1 to"),
        (
            database("{admin: {secret: s}, timeout: 1:30}"),
            "databases.shop.timeout",
            5,
            "'1:30', which is a number",
        ),
        (database("{admin: {secret: s}, timeout: ''}"), "databases.shop.timeout", 5, "a duration: 90"),
        (database("{admin: {secret: s}, extensions: x}"), "databases.shop.extensions", 5, "a list of texts"),
        (database("{admin: {secret: s}, extensions: [a, '']}"), "databases.shop.extensions[1]", 5, "1 to 63"),
        (
            database("{admin: {secret: {output: A-B}}}"),
            "databases.shop.admin.secret.output",
            5,
            "letters and",
        ),
        (
            task("launch_type: FARGATE"),
            "databases.shop.migrate",
            5,
            "subnets is missing: launch_type FARGATE",
        ),
        (task("public_ip: true"), "databases.shop.migrate", 5, "subnets is missing: public_ip needs it"),
        (task("security_groups: [a]"), "databases.shop.migrate", 5, "missing: security_groups needs it"),
        (task("launch_type: fargate"), "databases.shop.migrate.launch_type", 5, "EC2 or FARGATE or EXTERNAL"),
        (task("command: [a]"), "databases.shop.migrate.container", 5, "needed where command"),
        (task("success: []"), "databases.shop.migrate.success", 5, "one exit code at least"),
        (task("success: [0, 300]"), "databases.shop.migrate.success[1]", 5, "from 0 to 255"),
        (task("success: [0x1]"), "databases.shop.migrate.success[0]", 5, "a whole number in plain digits"),
        (FULL.replace("[look]", "[up]"), "databases.shop.evaluate", 24, "would run the migration itself"),
        (FULL.replace("{Count: 3}", "{Count: many}"), "stack.counts.Count", 8, "a whole number"),
        (FULL.replace("{Count: 3}", "{Count: {wanted: x}}"), "stack.counts.Count.wanted", 8, "or as-before"),
        (
            FULL.replace("{Count: 3}", "{Count: {wanted: as-before}}"),
            "stack.counts.Count",
            8,
            "initial is missing",
        ),
        (
            FULL.replace("{Count: 3}", "{Count: {wanted: 1, initial: 1}}"),
            "stack.counts.Count.initial",
            8,
            "only with",
        ),
        (FULL.replace("{Count: 3}", "{Count: -3}"), "stack.counts.Count", 8, "from 0 to 10000"),
        (FULL.replace("{Count: 3}", "{Image: 3}"), "stack.parameters.Image", 7, "carries a count"),
        (FULL.replace("Zone: true", "Zone: no"), "stack.parameters.Zone", 7, "'no' is true or false to YAML"),
        (FULL.replace("Zone: true", "Zone: [a, 'b,c']"), "stack.parameters.Zone[1]", 7, "no comma in it"),
        (
            FULL.replace("Zone: true", "Zone: {previous: false}"),
            "stack.parameters.Zone.previous",
            7,
            "true; else",
        ),
        (FULL.replace("Zone: true", "Zone: {output: A}"), "stack.parameters.Zone", 7, "stack is missing"),
        (FULL.replace("Zone: true", "Zo-ne: a"), "stack.parameters.Zo-ne", 7, "letters and digits"),
        (FULL.replace("Zone: true", "'Zo.ne': a"), "stack.parameters.'Zo.ne'", 7, "letters and digits"),
        (
            FULL.replace("Zone: true", "Elsewhere: a"),
            "stack.parameters.Elsewhere",
            7,
            "it has Count, Image, Zone",
        ),
        (
            FULL.replace("{Count: 3}", "{Size: 3}"),
            "stack.counts.Size",
            8,
            "the template has no such parameter",
        ),
        (FULL.replace("output: Cluster", "output: Clutter"), "databases.shop", 13, "it has Cluster, Subnets"),
        (FULL.replace("template.yaml", "other.yaml"), "stack.template", 5, "there is no template"),
        (FULL.replace("template.yaml", "."), "stack.template", 5, "is a folder; name the template in it"),
        (FULL.replace("template.yaml", "/dev/null"), "stack.template", 5, "is no file"),
        (FULL.replace("template.yaml", r'"\0"'), "stack.template", 5, "can't read the template"),
        (FULL.replace("template.yaml", "x" * 300), "stack.template", 5, "can't read the template"),
        ("", "", 0, "the spec file is empty"),
        ("# nothing\n---\n...\n", "", 0, "the spec file is empty"),
        ("text", "", 1, "a map with the keys environment, application, version"),
        (MINIMAL + "---\n" + MINIMAL, "", 5, "a second document begins"),
        (MINIMAL + "quick:\n\ttrue", "", 6, "indent with spaces, not with tabs"),
        (MINIMAL + "quick: a: b", "", 5, "quote a text that holds ': '"),
        (MINIMAL + "quick: *x", "", 5, "not YAML: found undefined alias 'x'"),
        (MINIMAL + "quick: [a", "", 5, "not YAML"),
        (MINIMAL + "quick: \x07", "", 5, "the character U+0007 may not stand in YAML"),
        (MINIMAL + "databases: &d {a: *d}", "databases.a", 5, "contains itself, by way of an alias"),
        (MINIMAL + "databases: " + "[" * 60 + "]" * 60, "", 5, "nested more than 50 deep"),
        (b"a: \xff", "", 1, "not UTF-8 but another encoding, by its byte 4: save it as UTF-8"),
        (MINIMAL.encode("utf-16"), "", 1, "not UTF-8 but UTF-16"),
        ("\ud800", "", 1, "not UTF-8"),
    ],
)
def test_what_is_refused(read: Read, text: str | bytes, path: str, line: int, rule: str) -> None:
    """One problem, at its path and line, with its rule."""
    found = problems(read, text)
    assert [(p, n) for p, n, _ in found][:1] == [(path, line)]
    assert rule in found[0][2]


def test_problems_of_different_keys_are_told_at_once(read: Read) -> None:
    """A person mends a file in one go: all problems in the order of the file."""
    text = FULL.replace("version: 7", "version: 1.10").replace("timeout: 90", "timeout: soon")
    text = text.replace("name: shop", "nam: shop").replace("launch_type: FARGATE", "launch_type: ROCKET")
    assert [path for path, _, _ in problems(read, text)] == [
        "version",
        "stack.nam",
        "databases.shop.migrate.launch_type",
        "databases.shop.migrate.timeout",
    ]


def test_an_error_reads_well(read: Read) -> None:
    """One problem is one line; many are a list, cut after the tenth."""
    with pytest.raises(SpecFileError) as one:
        read(MINIMAL + "quick: perhaps")
    assert str(one.value) == "spec.yaml: line 5, quick: true or false, not 'perhaps'"
    with pytest.raises(SpecFileError) as many:
        read(MINIMAL + "".join(f"key{n}: 1\n" for n in range(13)))
    first, *rest = str(many.value).splitlines()
    assert first == "spec.yaml: 13 problems"
    assert len(rest) == 11
    assert rest[-1] == "  and 3 more"


def test_an_alias_bomb_is_refused_fast(read: Read) -> None:
    """A file of a few lines that stands for a billion values is not written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    assert "more than 100,000 values" in problem(read, "\n".join(lines))[2]
    assert time.monotonic() - started < 20


def test_a_ladder_of_aliases_is_refused(read: Read) -> None:
    """Nesting is counted through aliases too."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60))]
    assert "nested more than 50 deep, with its aliases" in problem(read, "\n".join(lines))[2]


def test_large_files_are_refused_unread(tmp_path: Path, read: Read) -> None:
    """10 MB are refused by their size, before anything is parsed, a text as well as a file."""
    large = tmp_path / "large.yaml"
    large.write_bytes(b"[" * 10_000_000)
    started = time.monotonic()
    with pytest.raises(SpecFileError, match="the spec file is larger than 1,048,576 bytes"):
        specfile.load(large)
    assert "larger than" in problem(read, "x" * (LARGEST + 1))[2]
    assert time.monotonic() - started < 5


def test_templates_have_a_limit_of_their_own(tmp_path: Path) -> None:
    """CloudFormation takes 51,200 bytes inline and 1 MB by way of S3: the former is no limit here, the latter is."""
    beside(tmp_path, TEMPLATE + "# " + "x" * 60_000, MINIMAL)
    with pytest.raises(SpecFileError, match="the template is larger than 1,000,000 bytes"):
        beside(tmp_path, TEMPLATE + "# " + "x" * 1_000_000, MINIMAL)


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    """A missing spec file, a folder, and a name that no file can have."""
    for name, rule in (("none.yaml", "there is no spec file"), (".", "is a folder"), ("a\0b", "can't read")):
        with pytest.raises(SpecFileError, match=rule):
            specfile.load(tmp_path / name)


def test_a_spec_may_come_from_a_pipe(tmp_path: Path) -> None:
    """`deployer run <(envsubst < spec)` works, with a template that is named from the root."""
    (tmp_path / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
    inward, outward = os.pipe()
    with os.fdopen(outward, "w", encoding="utf-8") as stream:
        stream.write(MINIMAL.replace("template.yaml", str(tmp_path / "template.yaml")))
    assert specfile.load(f"/dev/fd/{inward}").spec.application == "shop"
    os.close(inward)


# Templates


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("", "the template is empty"),
        ("[]", "the template is no map"),
        ("a: b: c", "not YAML: mapping values are not allowed here"),
        ("\n\n'", "(line 3 of the template)"),
        ("{", "not YAML"),
        ("{" * 5000, "nested more than 50 deep"),
        ("Description: x", "the template has no Resources"),
        ("Resources: [a]", "the template's Resources are no map"),
        ("Resources: {A: {Type: x}}\nParameters: {Key: {Type: String}}", "Key is missing"),
        ("Resources: {A: {Type: x}}\nParameters: {Key: x}", "Key is missing"),
        ("Resources: {A: {Type: AWS::IAM::Role}}", "CAPABILITY_IAM is missing: the template's A"),
    ],
)
def test_templates_that_surely_fail(tmp_path: Path, template: str, rule: str) -> None:
    """What CloudFormation would refuse is refused before anything is touched."""
    with pytest.raises(SpecFileError, match=re.escape(rule)):
        beside(tmp_path, template, MINIMAL)


def test_acknowledged_resources_are_fine(tmp_path: Path) -> None:
    """With the capability, the same template passes; other resources, and what is no resource, need none."""
    spec = MINIMAL.replace("none}", "none, capabilities: [CAPABILITY_NAMED_IAM]}")
    assert beside(tmp_path, "Resources: {A: {Type: AWS::IAM::Role}}", spec).warnings == ()
    assert beside(tmp_path, "Resources: {A: x, B: {Type: AWS::SNS::Topic}}", MINIMAL).warnings == ()


@pytest.mark.parametrize(
    ("parameter", "fine"),
    [
        ("{MinValue: 1}", False),
        ("{MinValue: '0'}", True),
        ("{MinValue: many}", True),
        ("{MinValue: [1]}", True),
        ("{AllowedValues: [1, 2]}", False),
        ("{AllowedValues: [0, 1]}", True),
        ("{AllowedValues: 1}", True),
        ("x", True),
    ],
)
def test_a_count_has_to_be_able_to_be_zero(tmp_path: Path, parameter: str, fine: bool) -> None:
    """The full path scales to zero; quick mode does not."""
    template = f"Resources: {{A: {{Type: x}}}}\nParameters: {{Count: {parameter}}}"
    spec = HEAD + "stack: {template: template.yaml, counts: {Count: 3}}\n"
    beside(tmp_path, template, spec + "quick: true")
    if fine:
        beside(tmp_path, template, spec)
    else:
        with pytest.raises(SpecFileError, match=r"stack\.counts\.Count: the template does not let it be 0"):
            beside(tmp_path, template, spec)


@pytest.mark.parametrize(
    "macro", ["Transform: AWS::LanguageExtensions", "Fn::Transform: {Name: AWS::Include}"]
)
def test_macros_leave_only_warnings(tmp_path: Path, macro: str) -> None:
    """What a macro may still add is not refused."""
    loaded = beside(tmp_path, f"{macro}\nParameters: {{A: {{Type: String}}}}", FULL)
    assert {w.path for w in loaded.warnings} == {
        "stack.parameters",
        "stack.parameters.Image",
        "stack.parameters.Zone",
        "stack.counts.Count",
        "databases.shop",
    }


def test_templates_in_json(tmp_path: Path) -> None:
    """JSON may be indented with tabs, which YAML may not; a map in YAML's short form begins like JSON."""
    assert beside(tmp_path, '{\n\t"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}', MINIMAL).warnings == ()
    assert beside(tmp_path, "{Resources: {A: {Type: !Ref x}}}", MINIMAL).warnings == ()


def test_warnings(read: Read) -> None:
    """What is not wrong and yet worth knowing stands beside the spec, with its place."""
    (quick,) = read(FULL + "quick: true").warnings
    assert (quick.path, quick.line) == ("quick", 26)
    assert "quick mode skips the databases" in str(quick)
    (unscaled,) = read(FULL.replace("counts: {Count: 3}", "scaling: none")).warnings
    assert (unscaled.path, unscaled.line) == ("stack.scaling", 8)
    assert "the application runs during its migrations" in unscaled.text


# Documentation


def test_the_documented_keys_are_the_keys() -> None:
    """The tables in docs/spec-file.md are those of the code; `python -m tests.support.derived` writes them."""
    assert DOC.read_text(encoding="utf-8") == derived()[DOC]


def test_the_documented_example_loads(tmp_path: Path) -> None:
    """The example in docs/spec-file.md is a spec without a warning."""
    text = DOC.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    names = ("ImageTag", "VpcId", "Subnets", "Zone", "Priority", "Count", "Workers")
    template = {
        "Resources": {"A": {"Type": "AWS::SNS::Topic"}},
        "Parameters": {name: {"Type": "String"} for name in names},
        "Outputs": {name: {"Value": "x"} for name in ("AdminSecret", "Cluster", "Migration", "Subnets")},
    }
    loaded = beside(tmp_path, yaml.safe_dump(template), text)
    assert loaded.spec.version == "1.10"
    assert loaded.warnings == ()


def keys(record: Record[Any], title: str) -> dict[str, Key]:
    """The keys of a map that is found somewhere in another."""
    if record.title == title:
        return {key.name: key for key in record.keys}
    found = (keys(part, title) for key in record.keys for part in key.kind.parts)
    return next((one for one in found if one), {})


LITERAL = re.compile(r"\[.*\]|\{\}|\d+\w*|true|false|postgres")


@pytest.mark.parametrize(
    ("title", "text", "before"),
    [
        ("deployment", MINIMAL.replace("stack", "{}stack", 1), ""),
        ("stack", HEAD + "stack:\n  template: template.yaml\n  scaling: none\n{}", "  "),
        ("database", MINIMAL + "databases:\n  a:\n    admin: {{secret: s}}\n{}", "    "),
        (
            "administrator by IAM",
            MINIMAL + "databases:\n  a:\n    admin:\n      host: h\n      user: u\n{}",
            " " * 6,
        ),
        (
            "migration",
            MINIMAL
            + "databases:\n  a:\n    admin: {{secret: s}}\n    migrate:\n      cluster: c\n"
            + "      task_definition: t\n{}",
            " " * 6,
        ),
    ],
)
def test_spelling_out_every_default_changes_nothing(read: Read, title: str, text: str, before: str) -> None:
    """The defaults that the documentation names are those of the code."""
    text = text.replace(
        "stack: {template: template.yaml, scaling: none}", "stack: {{template: template.yaml, scaling: none}}"
    )
    defaults = {
        k.name: k.default for k in keys(DEPLOYMENT, title).values() if LITERAL.fullmatch(k.default or "")
    }
    assert defaults
    spelt = "".join(f"{before}{name}: {default}\n" for name, default in defaults.items())
    assert read(text.format(spelt)).spec == read(text.format("")).spec


# Whatever stands in a file


def only_spec_file_errors(read: Read, text: str | bytes) -> None:
    """Read it; nothing but the one error may come out, and its text is fit to be printed."""
    try:
        read(text)
    except SpecFileError as error:
        str(error).encode()
        assert error.problems


@given(st.binary(max_size=200))
def test_any_bytes(read: Read, data: bytes) -> None:
    """Bytes of no meaning."""
    only_spec_file_errors(read, data)


@given(st.text(alphabet="abn:[]{}&*!|>%@`'\"#?-,.~<=/\\ \n\t017\ufeff\x85\u2028U", max_size=60))
def test_any_yaml_like_text(read: Read, text: str) -> None:
    """Text that is made of YAML's own characters."""
    only_spec_file_errors(read, text)
    only_spec_file_errors(read, MINIMAL + f"databases: {text}")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=8)
structures = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(scalars.filter(lambda s: s == s), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.data())
def test_any_value_anywhere(read: Read, data: st.DataObject) -> None:
    """A good spec in which one value, at whatever place, is replaced by another of any shape."""
    spec: Any = yaml.safe_load(FULL)
    place: Any = spec
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(structures)
    only_spec_file_errors(read, yaml.safe_dump(spec, allow_unicode=data.draw(st.booleans())))


@given(st.integers(0, len(FULL)), st.integers(0, 12), st.text(max_size=6))
def test_any_slip_of_the_keyboard(read: Read, at: int, cut: int, typed: str) -> None:
    """A good spec from which a few characters are cut, and into which others are typed."""
    only_spec_file_errors(read, FULL[:at] + typed + FULL[at + cut :])


@given(
    st.binary(max_size=80)
    | structures.map(lambda s: yaml.safe_dump({"Resources": s, "Parameters": s}).encode())
)
def test_any_template(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever stands in a template."""
    folder = tmp_path_factory.getbasetemp()
    (folder / "template.yaml").write_bytes(data)
    only_spec_file_errors(lambda text: specfile.loads(text, folder), FULL)
