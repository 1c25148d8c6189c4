"""The databases of a spec file, key by key, and the tasks that evaluate and migrate them."""

from typing import Any

from deployer_aws.documents.readers import (
    DURATION,
    FLAG,
    NUMBER,
    TEXT,
    VALUE,
    Key,
    Place,
    Reader,
    Record,
    build,
    either,
    listing,
    mapping,
    variants,
    word,
)
from deployer_core.spec import (
    AdminIam,
    AdminSecret,
    AdminUrl,
    DatabaseSpec,
    Evaluation,
    Migration,
    Output,
    TaskSpec,
    Text,
)

# Outputs of the stack that is being deployed

OUTPUT = Record[Output](
    "output of the stack",
    (Key("output", TEXT, "the name of one of the template's outputs"),),
    lambda given, place: build(place, Output, {"name": given["output"]}, {"name": "output"}),
    "Known once the infrastructure is there. For a list it may hold several values, separated by commas.",
)
TEXT_OR_OUTPUT = either(TEXT, OUTPUT.reader)


def _one_output(place: Place) -> tuple[Text, ...]:
    return (OUTPUT.read(place),)


LIST_OR_OUTPUT = either(
    listing(TEXT_OR_OUTPUT, "texts and outputs"), Reader(OUTPUT.reader.called, _one_output, (OUTPUT,))
)

# Tasks

_TASK = (
    Key("cluster", TEXT_OR_OUTPUT, "the ECS cluster"),
    Key("task_definition", TEXT_OR_OUTPUT, "what to run: a family, with a revision or without, or an ARN"),
    Key(
        "container",
        TEXT,
        "whose exit code counts; needed with `command` or `environment`",
        "the only essential one",
    ),
    Key("command", listing(TEXT, "texts"), "the command of that container", "[]"),
    Key("environment", mapping(VALUE, "a variable"), "more environment variables of that container", "{}"),
    Key("subnets", LIST_OR_OUTPUT, "where it runs; needed for Fargate", "[]"),
    Key("security_groups", LIST_OR_OUTPUT, "its security groups, 5 at most", "[]"),
    Key("public_ip", FLAG, "whether it gets a public address", "false"),
    Key("launch_type", word("EC2", "FARGATE", "EXTERNAL"), "`EC2`, `FARGATE` or `EXTERNAL`", "the cluster's"),
    Key("capacity_provider", TEXT, "a capacity provider, instead of a launch type", "the cluster's"),
    Key("platform_version", TEXT, "Fargate's platform version", "`LATEST`"),
    Key("timeout", DURATION, "how long it may take", "30m"),
    Key("attempts", NUMBER, "how often it may begin, where it stopped before it did anything", "3"),
    Key(
        "excused",
        listing(TEXT, "texts"),
        "essential containers whose failure does not make the run fail: sidecars",
        "[]",
    ),
)
_TASK_KEYS = tuple(key.name for key in _TASK)
_CODES = listing(NUMBER, "whole numbers")


def _task(given: dict[str, Any], place: Place) -> TaskSpec[Text]:
    """Make a task; one in a network has to be told its subnets (ECS API Reference, AwsVpcConfiguration)."""
    task: TaskSpec[Text] = build(place, TaskSpec, {k: v for k, v in given.items() if k in _TASK_KEYS})
    needs = [
        name
        for name, asked in (
            ("launch_type FARGATE", task.launch_type == "FARGATE"),
            ("security_groups", bool(task.security_groups)),
            ("public_ip", task.public_ip),
        )
        if asked
    ]
    if needs and not task.subnets:
        raise place.wrong(f"subnets is missing: {needs[0]} needs it")
    return task


def _migrate(given: dict[str, Any], place: Place) -> Migration[Text]:
    codes = {k: v for k, v in given.items() if k == "success"}
    return build(place, Migration, {"task": _task(given, place), **codes})


def _evaluate(migrate: TaskSpec[Text], given: dict[str, Any], place: Place) -> Evaluation[Text]:
    """Take what is lacking from the migration, but for what belongs to another task definition."""
    taken = {name: getattr(migrate, name) for name in _TASK_KEYS}
    if "task_definition" in given:
        taken.update(container=None, command=(), environment=(), excused=())
    if {"launch_type", "capacity_provider"} & set(given):
        taken.update(launch_type="", capacity_provider="")
    task = _task({**taken, **given}, place)
    if all(
        getattr(task, name) == getattr(migrate, name)
        for name in ("task_definition", "command", "environment")
    ):
        raise place.wrong(
            "would run the migration itself: give it a command, an environment or a task_definition of its own"
        )
    codes = {k: v for k, v in given.items() if k in ("no_changes", "changes")}
    return build(place, Evaluation, {"task": task, **codes})


MIGRATE = Record(
    "migration",
    (*_TASK, Key("success", _CODES, "the exit codes that mean that it went well", "[0]")),
    _migrate,
    "One run of an ECS task.",
)
EVALUATE = Record(
    "evaluation",
    (
        *(Key(key.name, key.reader, key.meaning, "as `migrate`") for key in _TASK),
        Key("no_changes", _CODES, "the exit codes that mean that there is nothing to migrate", "[0]"),
        Key("changes", _CODES, "the exit codes that mean that there is something to migrate", "[2]"),
    ),
    lambda given, _: given,
    "A task that looks and changes nothing. What it lacks it takes from `migrate`, with two exceptions: with a"
    " `task_definition` of its own it takes no `container`, `command`, `environment` and `excused`, and with a"
    " `launch_type` or a `capacity_provider` of its own it takes neither. A list or a map replaces that of `migrate`.",
)

# Databases

ADMIN_SECRET = Record(
    "administrator by secret",
    (
        Key(
            "secret",
            TEXT_OR_OUTPUT,
            "the name or ARN of a secret in Secrets Manager, in the shape that RDS writes",
        ),
        Key(
            "host",
            TEXT_OR_OUTPUT,
            "the database server's name, where the secret does not hold it: RDS's own secrets do not",
            "the secret's",
        ),
        Key("port", NUMBER, "the server's port, where the secret does not hold it", "5432"),
    ),
    lambda given, place: build(place, AdminSecret, given),
)
ADMIN_IAM = Record(
    "administrator by IAM",
    (
        Key("host", TEXT_OR_OUTPUT, "the database server's name"),
        Key("user", TEXT, "the user that logs in with an RDS IAM token"),
        Key("port", NUMBER, "the server's port", "5432"),
        Key("database", TEXT, "the database that the administrator connects to", "postgres"),
        Key("region", TEXT, "the server's AWS region", "the deployer's"),
    ),
    lambda given, place: build(place, AdminIam, given),
)
ADMIN_URL = Record(
    "administrator by URL",
    (
        Key("url", TEXT, "a postgresql:// URL without a password"),
        Key(
            "password_variable",
            TEXT,
            "the environment variable of the deployer that holds the password",
            "none",
        ),
    ),
    lambda given, place: build(place, AdminUrl, given),
)
ADMIN = variants(
    "an administrator by secret, an administrator by IAM or an administrator by URL",
    {"secret": ADMIN_SECRET, "user": ADMIN_IAM, "url": ADMIN_URL},
)


def _database(given: dict[str, Any], place: Place) -> DatabaseSpec[Text]:
    evaluate, migrate = given.pop("evaluate", None), given.get("migrate")
    if evaluate is not None:
        if migrate is None:
            raise place.into("evaluate").wrong("there is no migration whose changes it could evaluate")
        given["evaluate"] = _evaluate(migrate.task, evaluate, place.into("evaluate"))
    return build(place, DatabaseSpec, {"name": str(place.path[-1]), **given}, {"name": ""})


DATABASE = Record(
    "database",
    (
        Key(
            "admin", ADMIN, "how the deployer gets in, to make sure of the database, its roles and extensions"
        ),
        Key("extensions", listing(TEXT, "texts"), "PostgreSQL extensions that it shall have", "[]"),
        Key(
            "app_secret",
            TEXT_OR_OUTPUT,
            "the secret where the application's own credentials are kept",
            "none",
        ),
        Key(
            "rotate_credentials",
            FLAG,
            "whether each deployment makes a new login with a new password, and puts it in `app_secret`",
            "false",
        ),
        Key(
            "owner",
            TEXT,
            "the role that owns the database and all that is in it; it cannot log in",
            "its name",
        ),
        Key(
            "login",
            TEXT,
            "the login's name, or with a password what the names of its successive logins begin with",
            "its name with `_app`, or `_iam`",
        ),
        Key(
            "iam_login",
            FLAG,
            "whether the application logs in by RDS IAM authentication, instead of an `app_secret`",
            "false",
        ),
        Key(
            "sslmode",
            word("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
            "how TLS is used, as libpq has it: `require`, `verify-full` or another",
            "`require`; with an administrator by URL, what the URL says",
        ),
        Key("statement_timeout", DURATION, "how long one statement may take, 30s at most", "30s"),
        Key("lock_timeout", DURATION, "how long one statement may wait for a lock, 30s at most", "5s"),
        Key("migrate", MIGRATE.reader, "the task that migrates it", "none"),
        Key("evaluate", EVALUATE.reader, "the task that says whether there is anything to migrate", "none"),
        Key("timeout", DURATION, "how long making sure of it, and cleaning up, may take each", "10m"),
    ),
    _database,
)
