"""What is refused of a spec file: one clear error, with path and line. Documents at large: `documents/`."""

import os
import time
from pathlib import Path

import pytest

from deployer_aws import specfile
from deployer_aws.documents.tree import LARGEST
from deployer_aws.specfile import SpecFileError
from tests.deployer_aws.specs import (
    FULL,
    HEAD,
    MINIMAL,
    TEMPLATE,
    beside,
    database,
    problem,
    problems,
    read,
    task,
)


@pytest.mark.parametrize(
    ("added", "path", "rule"),
    [
        ("quik: true", "quik", "did you mean quick? It takes environment, application"),
        ("zzz: 1", "zzz", "no key of this map; It takes"),
        ("quick: 1", "quick", "true or false, not '1', which is a number to YAML"),
        ("quick: 'true'", "quick", "true or false, not 'true'"),
        ("databases:", "databases", "not nothing: give a value, or leave the key out"),
        ("databases: [a]", "databases", "a map from a database's name to a database, not a list"),
        ("databases: {a: {}}", "databases.a", "admin is missing: how the deployer gets in"),
        ("on: 1", "", "the key 'on' is true or false to YAML; quote it"),
        ("databases: {a: {admin: {host: h}}}", "databases.a.admin", "one of the keys secret, user"),
    ],
)
def test_keys_that_are_refused(added: str, path: str, rule: str) -> None:
    """What follows a sound spec of four lines is refused at the fifth, at its path, with its rule."""
    _is_refused(MINIMAL + added, path, 5, rule)


@pytest.mark.parametrize(
    ("written", "path", "rule"),
    [
        ("{admin: s}", "admin", "a map with one of the keys secret, user, url"),
        ("{admin: {url: 'postgresql://u:p@h/d'}}", "admin.url", "no password in it"),
        ("{admin: {secret: s}, evaluate: {}}", "evaluate", "there is no migration"),
        ("{admin: {secret: s}, timeout: 15 minutes}", "timeout", "a duration: 90"),
        ("{admin: {secret: s}, timeout: 0s}", "timeout", "from 1 to"),
        ("{admin: {secret: s}, timeout: 1:30}", "timeout", "'1:30', which is a number"),
        ("{admin: {secret: s}, timeout: ''}", "timeout", "a duration: 90"),
        ("{admin: {secret: s}, extensions: x}", "extensions", "a list of texts"),
        ("{admin: {secret: s}, extensions: [a, '']}", "extensions[1]", "1 to 63"),
        ("{admin: {secret: {output: A-B}}}", "admin.secret.output", "letters and"),
    ],
)
def test_databases_that_are_refused(written: str, path: str, rule: str) -> None:
    """Each rule of a database is said of the key that breaks it."""
    _is_refused(database(written), ".".join(filter(None, ("databases.shop", path))), 5, rule)


@pytest.mark.parametrize(
    ("written", "path", "rule"),
    [
        ("launch_type: FARGATE", "", "subnets is missing: launch_type FARGATE"),
        ("public_ip: true", "", "subnets is missing: public_ip needs it"),
        ("security_groups: [a]", "", "missing: security_groups needs it"),
        ("launch_type: fargate", "launch_type", "EC2 or FARGATE or EXTERNAL"),
        ("command: [a]", "container", "needed where command"),
        ("success: []", "success", "1 at least"),
        ("success: [0, 300]", "success[1]", "from 0 to 255"),
        ("success: [0x1]", "success[0]", "a whole number in plain digits"),
    ],
)
def test_tasks_that_are_refused(written: str, path: str, rule: str) -> None:
    """Each rule of a task is said of the key that breaks it, or of the task where a key is missing."""
    _is_refused(task(written), ".".join(filter(None, ("databases.shop.migrate", path))), 5, rule)


@pytest.mark.parametrize(
    ("good", "bad", "path", "line", "rule"),
    [
        ("[look]", "[up]", "databases.shop.evaluate", 24, "would run the migration itself"),
        ("{Count: 3}", "{Count: many}", "stack.counts.Count", 8, "a whole number"),
        ("{Count: 3}", "{Count: {wanted: x}}", "stack.counts.Count.wanted", 8, "or as-before"),
        ("{Count: 3}", "{Count: {wanted: as-before}}", "stack.counts.Count", 8, "initial is missing"),
        ("{Count: 3}", "{Count: {wanted: 1, initial: 1}}", "stack.counts.Count.initial", 8, "only with"),
        ("{Count: 3}", "{Count: -3}", "stack.counts.Count", 8, "from 0 to 10000"),
        ("{Count: 3}", "{Image: 3}", "stack.parameters.Image", 7, "carries a count"),
        ("Zone: true", "Zone: no", "stack.parameters.Zone", 7, "'no' is true or false to YAML"),
        ("Zone: true", "Zone: [a, 'b,c']", "stack.parameters.Zone[1]", 7, "no comma in it"),
        ("Zone: true", "Zone: {previous: false}", "stack.parameters.Zone.previous", 7, "true; else"),
        ("Zone: true", "Zone: {output: A}", "stack.parameters.Zone", 7, "stack is missing"),
        ("Zone: true", "Zo-ne: a", "stack.parameters.Zo-ne", 7, "letters and digits"),
        ("Zone: true", "'Zo.ne': a", "stack.parameters.'Zo.ne'", 7, "letters and digits"),
        ("Zone: true", "Elsewhere: a", "stack.parameters.Elsewhere", 7, "it has Count, Image, Zone"),
        ("{Count: 3}", "{Size: 3}", "stack.counts.Size", 8, "the template has no such parameter"),
        ("output: Cluster", "output: Clutter", "databases.shop", 13, "it has Cluster, Subnets"),
        ("template.yaml", "other.yaml", "stack.template", 5, "there is no template"),
        ("template.yaml", ".", "stack.template", 5, "is a folder; name the template in it"),
        ("template.yaml", "/dev/null", "stack.template", 5, "is no file"),
        ("template.yaml", r'"\0"', "stack.template", 5, "can't read the template"),
        ("template.yaml", "x" * 300, "stack.template", 5, "can't read the template"),
    ],
)
def test_changes_that_are_refused(good: str, bad: str, path: str, line: int, rule: str) -> None:
    """One change of a whole spec is refused where it stands, by the template where that says so."""
    _is_refused(FULL.replace(good, bad), path, line, rule)


@pytest.mark.parametrize(
    ("text", "path", "line", "rule"),
    [
        (MINIMAL + "quick: true\nquick: false", "quick", 6, "twice, first on line 5"),
        (MINIMAL.replace("'1'", "1.10"), "version", 3, "text, but '1.10' is a number to YAML; quote it"),
        (MINIMAL.replace("'1'", ""), "version", 3, "text, not nothing"),
        (MINIMAL.replace("test", "te st"), "environment", 1, "letters, digits and hyphens"),
        (MINIMAL.replace("version: '1'\n", ""), "", 1, "version is missing"),
        (HEAD + "stack: {template: template.yaml}", "stack", 4, "either counts"),
        (HEAD + "stack: {template: template.yaml, counts: {}}", "stack", 4, "either counts"),
        (HEAD + "stack: {template: template.yaml, counts: {Count: 1}, scaling: none}", "stack", 4, "either"),
        (HEAD + "stack: {template: template.yaml, scaling: some}", "stack.scaling", 4, "none, not 'some'"),
        (
            HEAD + "stack: {template: template.yaml, scaling: none, notifications: [z, a]}",
            "stack.notifications[1]",
            4,
            "the ARN of an SNS topic, 2048 characters at most, not 'a'",
        ),
        (HEAD + "stack: [a]", "stack", 4, "a map with the keys template, name,"),
        ("", "", 0, "the spec file is empty"),
        ("# nothing\n---\n...\n", "", 0, "the spec file is empty"),
        ("text", "", 1, "a map with the keys environment, application, version"),
        (MINIMAL + "---\n" + MINIMAL, "", 5, "a second document begins"),
        (MINIMAL + "databases: " + "[" * 60 + "]" * 60, "", 5, "nested more than 50 deep"),
        (b"a: \xff", "", 1, "not UTF-8 but another encoding, by its byte 4: save it as UTF-8"),
        (MINIMAL.encode("utf-16"), "", 1, "not UTF-8 but UTF-16"),
        ("\ud800", "", 1, "not UTF-8"),
    ],
)
def test_texts_that_are_refused(text: str | bytes, path: str, line: int, rule: str) -> None:
    """Whatever else a file holds, it is refused with one line of it."""
    _is_refused(text, path, line, rule)


def _is_refused(text: str | bytes, path: str, line: int, rule: str) -> None:
    found = problems(text)
    assert [(p, n) for p, n, _ in found][:1] == [(path, line)]
    assert rule in found[0][2]


def test_problems_of_different_keys_are_told_at_once() -> None:
    """A person mends a file in one go: all problems in the order of the file."""
    text = FULL.replace("version: 7", "version: 1.10").replace("timeout: 90", "timeout: soon")
    text = text.replace("name: shop", "nam: shop").replace("launch_type: FARGATE", "launch_type: ROCKET")
    assert [path for path, _, _ in problems(text)] == [
        "version",
        "stack.nam",
        "databases.shop.migrate.launch_type",
        "databases.shop.migrate.timeout",
    ]


def test_an_error_reads_well() -> None:
    """One problem is one line; many are a list, cut after the tenth."""
    with pytest.raises(SpecFileError) as one:
        read(MINIMAL + "quick: perhaps")
    assert str(one.value) == "spec.yaml:5:1: quick: true or false, not 'perhaps'"
    with pytest.raises(SpecFileError) as many:
        read(MINIMAL + "".join(f"key{n}: 1\n" for n in range(13)))
    first, *rest = str(many.value).splitlines()
    assert first == "spec.yaml: 13 problems"
    assert len(rest) == 11
    assert rest[0].startswith("  spec.yaml:5:1: key0: no key of this map")
    assert rest[-1] == "  and 3 more"


def test_large_files_are_refused_unread(tmp_path: Path) -> None:
    """10 MB are refused by their size, before anything is parsed, a text as well as a file."""
    large = tmp_path / "large.yaml"
    large.write_bytes(b"[" * 10_000_000)
    started = time.monotonic()
    with pytest.raises(SpecFileError, match="the spec file is larger than 1,048,576 bytes"):
        specfile.load(large)
    assert "larger than" in problem("x" * (LARGEST + 1))[2]
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
