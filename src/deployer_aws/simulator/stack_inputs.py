"""The inputs of CreateStack and UpdateStack, checked as CloudFormation does, with its own words."""

import re

from deployer_aws.simulator.account import Account, fingerprint
from deployer_aws.simulator.errors import ServiceError, invalid
from deployer_aws.simulator.rows import Json, Stack, Text, Token
from deployer_aws.simulator.templates import parse
from deployer_aws.templates import Template, as_text

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")
_TOKEN = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_LARGEST_BODY = 51_200


def check_name(name: str) -> None:
    """Refuse a stack's name that CreateStack does not accept."""
    if not _NAME.fullmatch(name) or len(name) > 128:
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )


def check_token(token: str | None) -> None:
    """Refuse a client request token that CloudFormation does not accept."""
    if token is not None and (not _TOKEN.fullmatch(token) or len(token) > 128):
        raise invalid(
            f"1 validation error detected: Value '{token}' at 'clientRequestToken' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9][-a-zA-Z0-9]*"
        )


def replay(account: Account, operation: str, name: str, request: Json) -> Json | None:
    """Return the answer to an earlier request with the same token, if there was one.

    'Specify this token so that CloudFormation knows that you are not attempting to create a stack with the same
    name', CreateStack, API Reference. The same token with another request is refused.
    """
    token = request.get("ClientRequestToken")
    check_token(token)
    seen = account.store.get(Token, f"cloudformation/{name}/{token}") if token else None
    if seen is None:
        return None
    stack = account.store.get(Stack, seen.answer.get("StackId", ""))
    gone = operation == "create_stack" and (stack is None or stack.status == "DELETE_COMPLETE")
    if seen.operation != operation or seen.fingerprint != fingerprint(request) or gone:
        raise ServiceError(
            "TokenAlreadyExistsException",
            f"The client request token {token} has already been used for this stack. "
            "Retry the request with a different client request token",
        )
    return seen.answer


def note(account: Account, operation: str, name: str, request: Json, answer: Json) -> Json:
    """Remember an accepted request under its token; return its answer."""
    token = request.get("ClientRequestToken")
    if token:
        key = f"cloudformation/{name}/{token}"
        account.store.add(Token(key, fingerprint(request), operation, answer, account.now))
    return answer


def object_key(url: str) -> str:
    """Return the key of an S3 object's text; the bucket is in the URL's host or in its path."""
    host, _, path = url.partition("://")[2].partition("/")
    bucket = host.split(".s3", 1)[0]
    return f"s3:{path}" if bucket == host else f"s3:{bucket}/{path}"


def template_body(account: Account, request: Json, previous: str | None) -> str:
    """Return the template's text: of the request, behind its URL, or the one in force."""
    given = [name for name in ("TemplateBody", "TemplateURL") if request.get(name)]
    if request.get("UsePreviousTemplate") and previous is not None:
        if given:
            raise invalid("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
        return previous
    if len(given) != 1:
        raise invalid("Either Template URL or Template Body must be specified.")
    if given == ["TemplateURL"]:
        url = request["TemplateURL"]
        stored = account.store.get(Text, object_key(url))
        if stored is not None:
            return stored.body
        if url not in account.script.templates:
            raise invalid(
                "S3 error: The specified key does not exist.\nFor more information check the S3 documentation."
            )
        return account.script.templates[url]
    body = str(request["TemplateBody"])
    if len(body.encode()) > _LARGEST_BODY:
        raise invalid(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_LARGEST_BODY}"
        )
    return body


def parameters(template: Template, given: list[Json], previous: dict[str, str] | None) -> dict[str, str]:
    """Return every parameter's value: given, kept from before, or the template's default."""
    values: dict[str, str] = {}
    for entry in given:
        name = str(entry.get("ParameterKey"))
        if entry.get("UsePreviousValue"):
            if entry.get("ParameterValue"):
                raise invalid(
                    f"Invalid input for parameter key {name}. Cannot specify both usePreviousValue as true and "
                    "non empty value for a parameter"
                )
            if previous is None or name not in previous:
                raise invalid(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a "
                    "parameter key not in the previous template"
                )
            values[name] = previous[name]
        else:
            values[name] = str(entry.get("ParameterValue", ""))
    unknown = [name for name in values if name not in template.parameters]
    if unknown:
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [n for n, spec in template.parameters.items() if n not in values and "Default" not in spec]
    if missing:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    for name, spec in template.parameters.items():
        values.setdefault(name, as_text(spec.get("Default")))
        _check_value(name, values[name], spec)
    return {name: values[name] for name in template.parameters}


def _check_value(name: str, value: str, spec: Json) -> None:
    allowed = spec.get("AllowedValues")
    if allowed and value not in map(as_text, allowed):
        raise invalid(f"Parameter '{name}' must be one of AllowedValues")
    if spec["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            raise invalid(f"Parameter '{name}' must be a number.") from None
        if "MinValue" in spec and number < float(spec["MinValue"]):
            raise invalid(f"Parameter '{name}' must be a number not less than {spec['MinValue']}")
        if "MaxValue" in spec and number > float(spec["MaxValue"]):
            raise invalid(f"Parameter '{name}' must be a number not greater than {spec['MaxValue']}")
    if "AllowedPattern" in spec and not re.fullmatch(str(spec["AllowedPattern"]), value):
        raise invalid(f"Parameter '{name}' must match pattern {spec['AllowedPattern']}")
    if "MinLength" in spec and len(value) < int(spec["MinLength"]):
        raise invalid(f"Parameter '{name}' must contain at least {spec['MinLength']} characters")
    if "MaxLength" in spec and len(value) > int(spec["MaxLength"]):
        raise invalid(f"Parameter '{name}' must contain at most {spec['MaxLength']} characters")


def check_capabilities(template: Template, given: list[str]) -> None:
    """Refuse a template whose IAM resources or macros are not acknowledged."""
    needed, _ = template.capabilities
    enough = {"CAPABILITY_IAM": {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}}
    missing = [name for name in needed if not enough.get(name, {name}) & set(given)]
    if template.transforms and "CAPABILITY_AUTO_EXPAND" not in given:
        missing.append("CAPABILITY_AUTO_EXPAND")
    if missing:
        raise ServiceError(
            "InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]"
        )


def tags(given: list[Json] | None, previous: dict[str, str]) -> dict[str, str]:
    """Return the stack's tags; if left out, those from before."""
    return previous if given is None else {str(tag["Key"]): str(tag["Value"]) for tag in given}


def describe_parameters(template: Template) -> list[Json]:
    """Return a template's parameters as ValidateTemplate lists them."""
    described: list[Json] = []
    for name, spec in template.parameters.items():
        entry: Json = {"ParameterKey": name, "NoEcho": no_echo(spec)}
        if "Default" in spec:
            entry["DefaultValue"] = as_text(spec["Default"])
        if "Description" in spec:
            entry["Description"] = str(spec["Description"])
        described.append(entry)
    return described


def no_echo(spec: Json) -> bool:
    """Tell whether a parameter's value is masked."""
    return str(spec.get("NoEcho", False)).lower() == "true"


def parsed(account: Account, stack: Stack) -> Template:
    """Return the template in force."""
    return parse(account.text(stack.template))
