"""The spec file, key by key: which keys there are, what they mean and what they become. `databases` has the rest."""

from functools import partial
from typing import Any

from attrs import evolve, frozen

from deployer_aws.documents.findings import Wrong
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
from deployer_aws.specfile.databases import DATABASE
from deployer_aws.specfile.rehearsal import REHEARSE, Rehearsal, check
from deployer_aws.specfile.template import LARGEST
from deployer_core.spec import (
    DeploymentSpec,
    FixedCount,
    ListenerPriority,
    OnFailure,
    ParameterValue,
    Previous,
    PreviousCount,
    Scale,
    StackOutput,
    StackSpec,
    Template,
    TemplateBody,
    TemplateUrl,
)

UNNAMED = "unnamed"

# The stack


def _template(place: Place) -> Template:
    named = TEXT.read(place)
    if "://" in named:
        return build(place, TemplateUrl, {"url": named}, {"url": ""})
    try:
        given = {"sha256": place.files.keep(named, LARGEST, "template"), "source": named}
    except Wrong as wrong:
        raise place.wrong(wrong.findings[0].text) from None
    return build(place, TemplateBody, given, {"source": ""})


def _previous(given: dict[str, Any], place: Place) -> Previous:
    if not given["previous"]:
        raise place.into("previous").wrong("true; else give the value itself")
    return Previous()


PREVIOUS = Record(
    "previous value",
    (Key("previous", FLAG, "`true`: the parameter keeps the value that the stack has"),),
    _previous,
)
STACK_OUTPUT = Record[StackOutput](
    "output of another stack",
    (
        Key("stack", TEXT, "the name of the other stack"),
        Key("output", TEXT, "the name of its output, read when the command is first sent"),
    ),
    lambda given, place: build(
        place, StackOutput, {"stack": given["stack"], "name": given["output"]}, {"name": "output"}
    ),
)
LISTENER_PRIORITY = Record[ListenerPriority](
    "listener priority",
    (
        Key("listener", TEXT, "the ARN of the listener"),
        Key("lowest", NUMBER, "the lowest priority to take", "1"),
        Key("highest", NUMBER, "the highest priority to take", "50000"),
    ),
    lambda given, place: build(place, ListenerPriority, {"lowest": 1, "highest": 50_000, **given}),
    "The priority of a listener rule: the one that the stack has where it lies in the range, else the lowest free one.",
)


def _joined(place: Place) -> str:
    values = listing(VALUE, "texts").read(place)
    for position, value in enumerate(values):
        if "," in value:
            raise place.into(position).wrong(
                "no comma in it: CloudFormation separates a list's values by commas"
            )
    return ",".join(values)


PARAMETER: Reader[ParameterValue] = either(
    VALUE,
    variants(
        "a previous value, an output of another stack or a listener priority",
        {"previous": PREVIOUS, "output": STACK_OUTPUT, "listener": LISTENER_PRIORITY},
    ),
    lists=Reader("a list of texts", _joined),
)
AS_BEFORE = "as-before"


def _count(place: Place) -> int | None:
    """Read a number, or None for as before."""
    if getattr(place.node, "text", None) == AS_BEFORE:
        return None
    try:
        return NUMBER.read(place)
    except Wrong:
        raise place.expected(f"a whole number or {AS_BEFORE}") from None


def _scale(given: dict[str, Any], place: Place) -> Scale:
    parameter, count, initial = str(place.path[-1]), given["wanted"], given.get("initial")
    if count is not None:
        if initial is not None:
            raise place.into("initial").wrong(f"only with wanted: {AS_BEFORE}; here the count is {count}")
        return build(
            place, FixedCount, {"parameter": parameter, "count": count}, {"parameter": "", "count": "wanted"}
        )
    if initial is None:
        raise place.wrong(
            f"initial is missing: the count where the stack had none before, needed with {AS_BEFORE}"
        )
    return build(place, PreviousCount, {"parameter": parameter, "initial": initial}, {"parameter": ""})


def _plain_scale(place: Place) -> Scale:
    given = {"parameter": str(place.path[-1]), "count": NUMBER.read(place)}
    return build(place, FixedCount, given, {"parameter": "", "count": ""})


COUNT = Record(
    "count",
    (
        Key(
            "wanted", Reader(f"a whole number, or `{AS_BEFORE}`", _count), "the count, or the one from before"
        ),
        Key("initial", NUMBER, f"with `{AS_BEFORE}`: the count where the stack had none before", "none"),
    ),
    _scale,
)


def _stack(given: dict[str, Any], place: Place) -> StackSpec:
    counts = given.pop("counts", ())
    none = given.pop("scaling", None)
    if bool(counts) == (none is not None):
        raise place.wrong(
            "give either counts, the parameters that carry the desired counts, or scaling: none"
        )
    for name, _ in counts:
        if name in dict(given.get("parameters", ())):
            raise place.at("parameters", name).wrong("carries a count: give it under counts alone")
    scaling = tuple(scale for _, scale in counts)
    return build(place, StackSpec, {"name": UNNAMED, **given, "scaling": scaling}, {"scaling": "counts"})


STACK = Record(
    "stack",
    (
        Key(
            "template",
            Reader("text", _template),
            "the template: a file, relative to this one, or an https:// or s3:// URL",
        ),
        Key("name", TEXT, "the stack's name in CloudFormation", "`environment-application`"),
        Key(
            "parameters",
            mapping(PARAMETER, "a parameter"),
            "the template's parameters, but those under `counts`",
            "{}",
        ),
        Key(
            "counts",
            mapping(either(Reader(NUMBER.called, _plain_scale), COUNT.reader), "a parameter"),
            "the parameters that carry the services' desired counts, so that they can be scaled to zero",
            "`scaling: none`",
        ),
        Key(
            "scaling",
            word("none"),
            "`none`, instead of `counts`: the services run while databases are migrated",
            "`counts`",
        ),
        Key("capabilities", listing(TEXT, "texts"), "what CloudFormation may do, `CAPABILITY_IAM` say", "[]"),
        Key("tags", mapping(VALUE, "a tag"), "the stack's tags", "{}"),
        Key("role", TEXT, "the ARN of the role with which CloudFormation works", "none"),
        Key(
            "notifications",
            listing(TEXT, "texts"),
            "ARNs of SNS topics that are told of the stack's events",
            "[]",
        ),
        Key("timeout", DURATION, "how long each change of the stack may take", "1h"),
        Key(
            "discard_rolled_back_creation",
            FLAG,
            "whether a stack that holds nothing is deleted so that its name can be used, after a creation that was "
            "rolled back say; never one with termination protection",
            "true",
        ),
    ),
    _stack,
    "Give either `counts` or `scaling: none`.",
)

# The deployment


def _on_failure(place: Place) -> OnFailure:
    return OnFailure(word(*OnFailure).read(place))


@frozen
class Document:
    """What a whole file says: the spec, and beside it how it is rehearsed."""

    spec: DeploymentSpec
    rehearsal: Rehearsal | None


def _document(given: dict[str, Any], place: Place) -> Document:
    rehearsal: Rehearsal | None = given.pop("rehearse", None)
    spec = _deployment(given, place)
    if rehearsal is not None:
        check(rehearsal, spec.databases, place.into("rehearse"))
    return Document(spec, rehearsal)


def _deployment(given: dict[str, Any], place: Place) -> DeploymentSpec:
    given["databases"] = tuple(database for _, database in given.get("databases", ()))
    spec = build(place, DeploymentSpec, given)
    if spec.stack.name != UNNAMED:
        return spec
    name = {"name": f"{spec.environment}-{spec.application}"}
    return evolve(spec, stack=build(place.into("stack"), partial(evolve, spec.stack), name))


DEPLOYMENT = Record(
    "deployment",
    (
        Key("environment", TEXT, "where it goes, `staging` say"),
        Key("application", TEXT, "what is deployed"),
        Key("version", TEXT, "which version; shown to people"),
        Key("stack", STACK.reader, "its CloudFormation stack"),
        Key("databases", mapping(DATABASE.reader, "a database's name"), "its PostgreSQL databases", "{}"),
        Key("quick", FLAG, "one update while the services run; databases are skipped", "false"),
        Key(
            "cancel_updates",
            FLAG,
            "whether an update of the stack that is found in progress is cancelled, rather than waited for",
            "false",
        ),
        Key(
            "wait_timeout",
            DURATION,
            "how long CloudFormation may take to come to rest before anything is changed",
            "1h",
        ),
        Key(
            "on_failure",
            Reader("`leave` or `restore`", _on_failure),
            "what becomes of the services when a full deployment fails before any database was migrated: `leave` "
            "leaves them where they are, `restore` puts them back as they were",
            "leave",
        ),
        Key("rehearse", REHEARSE.reader, "what `deployer rehearse` runs on this machine", "none"),
    ),
    _document,
)
