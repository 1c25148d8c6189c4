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
        (
            MINIMAL + "databases: {a: {admin: {host: h}}}",
            "databases.a.admin",
            5,
            "one of the keys secret, user",
        ),
        (database("{admin: s}"), "databases.shop.admin", 5, "a map with one of the keys secret, user, url"),
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
        (task("success: []"), "databases.shop.migrate.success", 5, "1 at least"),
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
        (MINIMAL + "databases: " + "[" * 60 + "]" * 60, "", 5, "nested more than 50 deep"),
        (b"a: \xff", "", 1, "not UTF-8 but another encoding, by its byte 4: save it as UTF-8"),
        (MINIMAL.encode("utf-16"), "", 1, "not UTF-8 but UTF-16"),
        ("\ud800", "", 1, "not UTF-8"),
    ],
)
def test_what_is_refused(text: str | bytes, path: str, line: int, rule: str) -> None:
    """One problem, at its path and line, with its rule."""
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
