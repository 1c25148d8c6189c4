"""What a person may ask for: every rule of every field."""

import re
from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st

from deployer_core.kernel.tags import discover
from deployer_core.spec import (
    AdminIam,
    AdminSecret,
    AdminUrl,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    FixedCount,
    ListenerPriority,
    Migration,
    Output,
    Previous,
    PreviousCount,
    SpecError,
    StackOutput,
    StackSpec,
    TaskSpec,
    TemplateBody,
    TemplateUrl,
    Text,
)

ROLE = "arn:aws:iam::123456789012:role/path/deployer"
TOPIC = "arn:aws-cn:sns:cn-north-1:123456789012:deployments"
TASK = TaskSpec[Text]("main", "migrate:1", container="app")
STACK = StackSpec("shop", TemplateUrl("https://example.com/stack.yaml"))
DATABASE = DatabaseSpec[Text]("orders", AdminSecret("rds/admin"))


def deployment(*databases: DatabaseSpec[Text]) -> DeploymentSpec:
    """Return a deployment with these databases."""
    return DeploymentSpec("prod", "shop", "1.2.3", STACK, databases)


VALID: dict[type, Any] = {
    Output: Output("Cluster"),
    StackOutput: StackOutput("network", "Subnets"),
    ListenerPriority: ListenerPriority("arn:listener", 1, 50_000),
    TemplateBody: TemplateBody("0" * 64, "stack.yaml"),
    TemplateUrl: TemplateUrl("s3://bucket/stack.yaml"),
    FixedCount: FixedCount("Count", 0),
    PreviousCount: PreviousCount("Count", 10_000),
    StackSpec: STACK,
    TaskSpec: TASK,
    Migration: Migration(TASK),
    Evaluation: Evaluation(TASK),
    AdminSecret: AdminSecret("rds!cluster/admin".replace("!", "-")),
    AdminIam: AdminIam("db.example.com", "admin"),
    AdminUrl: AdminUrl("postgres://admin@db.example.com:5432/postgres?sslmode=require"),
    DatabaseSpec: DATABASE,
    DeploymentSpec: DeploymentSpec("prod", "shop", "1.2.3", STACK),
}
NAMES = "letters, digits and hyphens, a letter or digit first, 63 characters at most"
STACKS = "letters, digits and hyphens, a letter first, 128 characters at most"
IDS = "letters and digits, 255 characters at most"
LINE = "one line of text, 2048 characters at most"
COUNT = "a whole number from 0 to 10000"
TIMEOUT = "a whole number from 1 to 604800"
CODES = "a whole number from 0 to 255"
IDENTIFIER = "a PostgreSQL name: 1 to 63 bytes"
SURROGATE = "text that UTF-8 can hold"
TWICE = " stands there more than once"
Rules = list[tuple[type, str, str, tuple[object, ...]]]
RULES: Rules = [
    (Output, "name", IDS, ("", "a-b", "a" * 256, "é", "a\n", None)),
    (StackOutput, "stack", STACKS, ("", "1a", "a_b", "a" * 129, 1)),
    (StackOutput, "name", IDS, ("", "a.b", Output("A"))),
    (ListenerPriority, "listener", LINE, ("", "a\nb", "a" * 2049)),
    (ListenerPriority, "lowest", "a whole number from 1 to 50000", (0, 50_001, 1.0, True, "1")),
    (ListenerPriority, "highest", "a whole number from 1 to 50000", (0, 50_001, 10**5000)),
    (TemplateBody, "sha256", "a SHA-256 in hexadecimal", ("0" * 63, "0" * 65, "A" * 64, None)),
    (TemplateBody, "source", LINE, ("", "\x7f")),
    (
        TemplateUrl,
        "url",
        "an https:// or s3:// URL",
        ("http://a/b", "https://a", "s3:///b", "https://a/b c", 7),
    ),
    (FixedCount, "parameter", IDS, ("", "Web-Count")),
    (FixedCount, "count", COUNT, (-1, 10_001, None, "1", True)),
    (PreviousCount, "parameter", IDS, ("", "Web Count")),
    (PreviousCount, "initial", COUNT, (-1, 10_001)),
    (StackSpec, "name", STACKS, ("", "-a", "shop/prod", "é")),
    (StackSpec, "template", "TemplateBody or TemplateUrl, not", ("https://a/b", None)),
    (StackSpec, "parameters", "a list, not", (5, None, "ab", {"A": "b"})),
    (StackSpec, "parameters", "a name and a value, not", (("A",), (("A",),), ((),), ("AB",), (["A", "b"],))),
    (StackSpec, "parameters", IDS, ((("", "v"),), ((1, "v"), ("A", "v")))),
    (StackSpec, "parameters", "text, 4096 characters at most", ((("A", 1),), (("A", "a" * 4097),))),
    (StackSpec, "parameters", "A" + TWICE, ((("A", "1"), ("A", "2")),)),
    (StackSpec, "parameters", "200 at most, not 201", (tuple((f"A{n}", "") for n in range(201)),)),
    (StackSpec, "parameters", SURROGATE, ((("A", "\ud800"),),)),
    (StackSpec, "scaling", "a list, not", (1, "none", FixedCount("A", 1))),
    (StackSpec, "scaling", "FixedCount or PreviousCount, not", (("Count",), (None, FixedCount("A", 1)))),
    (StackSpec, "scaling", "A" + TWICE, ((FixedCount("A", 1), PreviousCount("A", 1)),)),
    (StackSpec, "capabilities", "a list, not", ("CAPABILITY_IAM", {"CAPABILITY_IAM"})),
    (StackSpec, "capabilities", "a capability of CloudFormation", (("IAM",), (1, "CAPABILITY_IAM"))),
    (StackSpec, "capabilities", "CAPABILITY_IAM" + TWICE, (("CAPABILITY_IAM",) * 2,)),
    (StackSpec, "tags", "a list, not", (1, {"a": "b"})),
    (
        StackSpec,
        "tags",
        "text that does not begin with 'aws:'",
        ((("aws:a", "b"),), (("AWS:a", "b"),), (("", ""),)),
    ),
    (StackSpec, "tags", "text, 256 characters at most", ((("a", "a" * 257),), (("a", None),))),
    (StackSpec, "tags", "a" + TWICE, ((("a", "1"), ("a", "2")),)),
    (StackSpec, "tags", "50 at most, not 51", (tuple((f"a{n}", "") for n in range(51)),)),
    (StackSpec, "role", "the ARN of an IAM role", ("", "deployer", "arn:aws:iam::1:role/a", ROLE + "\n", 1)),
    (StackSpec, "role", "the ARN of an IAM role", (ROLE.replace("123", "١٢٣"),)),
    (StackSpec, "notifications", "a list, not", (TOPIC,)),
    (StackSpec, "notifications", "the ARN of an SNS topic", (("topic",), (None,))),
    (StackSpec, "notifications", TOPIC + TWICE, ((TOPIC, TOPIC),)),
    (StackSpec, "notifications", "5 at most, not 6", (tuple(f"{TOPIC}{n}" for n in range(6)),)),
    (StackSpec, "discard_rolled_back_creation", "true or false, not", (1, "yes", None)),
    (StackSpec, "timeout", TIMEOUT, (0, 604_801, 1.5, None)),
    (TaskSpec, "cluster", LINE, ("", None, "a\tb")),
    (TaskSpec, "task_definition", LINE, ("", 1)),
    (TaskSpec, "container", "letters, digits, hyphens and underscores", ("", "a b", 1)),
    (TaskSpec, "command", "a list, not", ("ls", None, 1)),
    (TaskSpec, "command", "a word of a command, 8192 characters at most", ((1,), ("a\0",), ("a" * 8193,))),
    (TaskSpec, "command", SURROGATE, (("\udfff",),)),
    (TaskSpec, "environment", "a list, not", ({"A": "b"}, 1)),
    (
        TaskSpec,
        "environment",
        "an environment variable's name",
        ((("", ""),), (("A=", ""),), ((1, ""), ("a", ""))),
    ),
    (TaskSpec, "environment", "an environment variable's value", ((("A", None),), (("A", "\0"),))),
    (TaskSpec, "environment", "A" + TWICE, ((("A", "1"), ("A", "1")),)),
    (TaskSpec, "subnets", "a list, not", ("subnet-1", Output("A"))),
    (TaskSpec, "subnets", LINE, (("",), (None,))),
    (TaskSpec, "subnets", "s" + TWICE, (("s", "s"),)),
    (TaskSpec, "subnets", "16 at most, not 17", (tuple(f"s{n}" for n in range(17)),)),
    (TaskSpec, "security_groups", "a list, not", (1,)),
    (TaskSpec, "security_groups", LINE, (("",),)),
    (TaskSpec, "security_groups", "5 at most, not 6", (tuple(f"s{n}" for n in range(6)),)),
    (TaskSpec, "public_ip", "true or false, not", (1, 0, "yes", None)),
    (TaskSpec, "launch_type", "EC2, FARGATE or EXTERNAL", ("fargate", None)),
    (TaskSpec, "capacity_provider", "a capacity provider's name", ("a b", None)),
    (TaskSpec, "platform_version", "a platform version", ("1-4", None)),
    (TaskSpec, "timeout", TIMEOUT, (0, 604_801, True)),
    (TaskSpec, "attempts", "a whole number from 1 to 10", (0, 11, True, None)),
    (TaskSpec, "excused", "a list, not", ("proxy", None)),
    (TaskSpec, "excused", "letters, digits, hyphens and underscores", (("",), ("a b",), (1,))),
    (TaskSpec, "excused", "proxy" + TWICE, (("proxy", "proxy"),)),
    (Migration, "task", "TaskSpec, not", (None, "task")),
    (Migration, "success", "a list, not", (0, None)),
    (Migration, "success", CODES, ((-1,), (256,), (True,), ("0", 1))),
    (Migration, "success", "0" + TWICE, ((0, 0),)),
    (Migration, "success", "1 at least", ((),)),
    (Evaluation, "task", "TaskSpec, not", (None,)),
    (Evaluation, "no_changes", CODES, ((None,),)),
    (Evaluation, "no_changes", "1 at least", ((),)),
    (Evaluation, "changes", CODES, ((2.0,),)),
    (Evaluation, "changes", "1 at least", ((),)),
    (AdminSecret, "secret", "a secret's name or ARN", ("", "a b", None)),
    (AdminSecret, "host", LINE, ("", 1)),
    (AdminSecret, "port", "a whole number from 1 to 65535", (0, 65_536, "5432")),
    (AdminIam, "host", LINE, ("", None)),
    (AdminIam, "user", IDENTIFIER, ("", "a" * 64, "é" * 32, "a\0", "\ud800", 1)),
    (AdminIam, "port", "a whole number from 1 to 65535", (0, 65_536, "5432")),
    (AdminIam, "database", IDENTIFIER, ("", None)),
    (AdminIam, "region", "an AWS region", ("EU", None)),
    (AdminUrl, "url", "a postgresql:// URL", ("mysql://a@b/c", "postgres://", "postgres://a b", None, 1)),
    (AdminUrl, "password_variable", "an environment variable's name", ("A-B", None)),
    (DatabaseSpec, "name", IDENTIFIER, ("", "é" * 32, None)),
    (DatabaseSpec, "admin", "AdminSecret or AdminIam or AdminUrl, not", ("rds/admin", None)),
    (DatabaseSpec, "extensions", "a list, not", ("pgcrypto",)),
    (DatabaseSpec, "extensions", IDENTIFIER, (("",), (1, "a"))),
    (DatabaseSpec, "extensions", "a" + TWICE, (("a", "a"),)),
    (DatabaseSpec, "app_secret", "a secret's name or ARN", ("", "a b", 1)),
    (DatabaseSpec, "migrate", "Migration, not", (TASK, False)),
    (DatabaseSpec, "evaluate", "Evaluation, not", (TASK,)),
    (DatabaseSpec, "timeout", TIMEOUT, (0, 604_801)),
    (DatabaseSpec, "owner", IDENTIFIER, ("", "a" * 64, 1)),
    (DatabaseSpec, "owner", "a role's name", ("pg_owner", "public", "none")),
    (DatabaseSpec, "login", IDENTIFIER, ("", "é" * 32, 1)),
    (DatabaseSpec, "login", "a role's name", ("pg_login", "public", "none")),
    (DatabaseSpec, "iam_login", "true or false, not", (1, None)),
    (DatabaseSpec, "rotate_credentials", "true or false, not", (1, None)),
    (DatabaseSpec, "sslmode", "require, verify-ca or verify-full", ("on", None)),
    (DatabaseSpec, "statement_timeout", "a whole number from 1 to 30", (0, 31)),
    (DatabaseSpec, "lock_timeout", "a whole number from 1 to 30", (0, 31)),
    (DeploymentSpec, "environment", NAMES, ("", "-a", "a/b", "a" * 64, None)),
    (DeploymentSpec, "application", NAMES, ("", "a_b")),
    (DeploymentSpec, "version", LINE, ("", "a\nb", 1)),
    (DeploymentSpec, "stack", "StackSpec, not", (None, "shop")),
    (DeploymentSpec, "databases", "a list, not", (1, DATABASE)),
    (DeploymentSpec, "databases", "DatabaseSpec, not", ((None,), (DATABASE, "b"))),
    (DeploymentSpec, "databases", "orders" + TWICE, ((DATABASE, DATABASE),)),
    (
        DeploymentSpec,
        "databases",
        "50 at most, not 51",
        (tuple(evolve(DATABASE, name=f"d{n}") for n in range(51)),),
    ),
    (DeploymentSpec, "quick", "true or false, not", (1, None)),
    (DeploymentSpec, "cancel_updates", "true or false, not", ("no",)),
    (DeploymentSpec, "wait_timeout", TIMEOUT, (0, 604_801, None)),
    (DeploymentSpec, "on_failure", "OnFailure, not", ("restore", True, None)),
]


CASES = [
    pytest.param(cls, name, rule, wrong, id=f"{cls.__name__}.{name}-{rule:.12}-{at}")
    for cls, name, rule, many in RULES
    for at, wrong in enumerate(many)
]


@pytest.mark.parametrize(("cls", "name", "rule", "wrong"), CASES)
def test_every_rule_of_every_field(cls: type, name: str, rule: str, wrong: object) -> None:
    """What breaks a rule is refused with a SpecError that names the field and the rule, and with no other error."""
    with pytest.raises(SpecError) as caught:
        evolve(VALID[cls], **{name: wrong})
    assert caught.value.field == name
    assert rule in caught.value.rule
    assert str(caught.value) == f"{name}: {caught.value.rule}"


def test_every_field_has_a_rule_that_is_tested() -> None:
    """No field of a spec is without a rule."""
    ruled = {(cls, name) for cls, name, _, _ in RULES}
    specs = [cls for tag, cls in discover().items() if tag.startswith("spec.")]
    assert {(cls, attribute.name) for cls in specs for attribute in fields(cls)} == ruled


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(Previous()),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.tuples(inner)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("cls", VALID, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_nothing_but_a_spec_error_comes_of_junk(cls: type, data: st.DataObject) -> None:
    """Whatever a field is given, it is accepted or refused: the converters never fail."""
    name = data.draw(st.sampled_from([attribute.name for attribute in fields(cls)]))
    junk = data.draw(JUNK)
    with suppress(SpecError):
        hash(evolve(VALID[cls], **{name: junk}))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: ListenerPriority("l", 2, 1), "lowest: not above highest, which is 1"),
        (
            lambda: evolve(STACK, parameters=(("A", "1"), ("B", "2")), scaling=(FixedCount("A", 1),)),
            "parameters: A carries a count: set it under scaling alone",
        ),
        (
            lambda: TaskSpec("c", "t", command=("ls",)),
            "container: needed where command or environment is given",
        ),
        (lambda: TaskSpec("c", "t", environment=(("A", "b"),)), "container: needed where command or"),
        (
            lambda: evolve(TASK, launch_type="EC2", capacity_provider="a"),
            "capacity_provider: not together with launch_type",
        ),
        (lambda: Evaluation(TASK, no_changes=(0, 2)), "changes: 2 already means 'no changes'"),
        (lambda: evolve(DATABASE, evaluate=Evaluation(TASK)), "evaluate: there is no migration"),
        (lambda: evolve(DATABASE, name="template1"), "name: template1 belongs to the server"),
        (lambda: evolve(DATABASE, name="pg_data"), "owner: needed: PostgreSQL keeps the role name 'pg_data'"),
        (lambda: evolve(DATABASE, name="none"), "owner: needed: PostgreSQL keeps the role name 'none'"),
        (lambda: evolve(DATABASE, iam_login=True, app_secret="s"), "iam_login: not together with app_secret"),
        (
            lambda: evolve(DATABASE, app_secret="rds/admin"),
            "app_secret: not the administrator's, which the application's credentials would overwrite",
        ),
        (lambda: evolve(DATABASE, rotate_credentials=True), "rotate_credentials: there is no app_secret"),
        (lambda: evolve(DATABASE, name="n" * 60, iam_login=True), "login: needed: a name made from"),
        (lambda: evolve(DATABASE, login="orders"), "login: not the owner, which cannot log in"),
        (
            lambda: evolve(DATABASE, name="pg_a", owner="a", app_secret="a"),
            "login: needed: PostgreSQL keeps the role name 'pg_a_app' to itself",
        ),
        (
            lambda: evolve(DATABASE, name="pg_a", owner="a", iam_login=True),
            "login: needed: PostgreSQL keeps the role name 'pg_a_iam' to itself",
        ),
        (
            lambda: deployment(evolve(DATABASE, app_secret="a"), evolve(DATABASE, name="b", app_secret="a")),
            "databases: 'orders' has the app_secret of another one, or an administrator's",
        ),
        (
            lambda: deployment(
                DATABASE, evolve(DATABASE, name="b", admin=AdminIam("h", "u"), app_secret="rds/admin")
            ),
            "databases: 'b' has the app_secret of another one, or an administrator's",
        ),
    ],
)
def test_rules_between_fields(make: Any, error: str) -> None:
    """What does not go together is refused."""
    with pytest.raises(SpecError, match=f"^{re.escape(error)}"):
        make()


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:secret@h/d",
        "postgres://u:se/cret@h/d",
        "postgres://u:se?cret@h/d",
        "postgres://u:se@cret@h/d",
        "postgresql://h/d?password=secret",
        "postgresql://h/d?user=u&PASSWORD=secret",
        "postgresql://h/d?p%61ssword=secret",
        "postgresql://h/d?sslpassword=secret",
        "postgresql://h?password=sec@ret",
        "mysql://u:secret@h/d",
        "postgres://u:secret and more@h/d",
    ],
)
def test_a_password_is_refused_and_not_repeated(url: str) -> None:
    """A spec is journaled, so a URL bears no password, and the error does not show one."""
    with pytest.raises(SpecError) as caught:
        AdminUrl(url)
    assert caught.value.field == "url"
    assert "sec" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_order_has_no_meaning_where_it_has_none() -> None:
    """Equal specs are equal however they were listed, and lists are as good as tuples."""
    one = StackSpec(
        "s",
        STACK.template,
        parameters=(("B", Previous()), ("A", "1")),
        scaling=(PreviousCount("D", 1), FixedCount("C", 1)),
        capabilities=("CAPABILITY_NAMED_IAM", "CAPABILITY_IAM"),
        tags=(("b", ""), ("a", "")),
        notifications=(TOPIC + "2", TOPIC),
    )
    turned: dict[str, Any] = {
        a.name: list(reversed(getattr(one, a.name)))
        for a in fields(StackSpec)
        if isinstance(getattr(one, a.name), tuple)
    }
    assert len(turned) == 5
    assert evolve(one, **turned) == one
    several = (evolve(DATABASE, name="b"), DATABASE)
    assert evolve(VALID[DeploymentSpec], databases=several).databases == (*several,)


def test_order_is_kept_where_it_has_a_meaning() -> None:
    """Words of a command stay in order, and may stand there twice; a list is as good as a tuple."""
    words: Any = ["b", "a", "b"]
    assert evolve(TASK, command=words).command == ("b", "a", "b")


def test_a_deployment_belongs_to_a_stream() -> None:
    """The stream is named after environment and application."""
    assert VALID[DeploymentSpec].key == "prod/shop"


def test_the_roles_are_named_after_the_database() -> None:
    """Unless they have names of their own."""
    assert (DATABASE.owner_role, DATABASE.login_role) == ("orders", "orders_app")
    assert evolve(DATABASE, iam_login=True).login_role == "orders_iam"
    named = evolve(DATABASE, owner="o", login="l")
    assert (named.owner_role, named.login_role) == ("o", "l")
