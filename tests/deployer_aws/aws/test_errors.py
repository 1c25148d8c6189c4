"""The one table of error classes: each code that AWS may answer with has its class, and no row is in vain."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from deployer_aws.aws.errors import LOCAL, RULES, ErrorClass, ErrorRule, LoginNeeded, classify
from deployer_aws.aws.stacks import LIFECYCLES, lifecycle
from deployer_core.machines.stack_status import Lifecycle

pytestmark = pytest.mark.quick

DATA = Path(__file__).parent / "data"
P, T, A, C = ErrorClass.PERMANENT, ErrorClass.TRANSIENT, ErrorClass.ACCEPTED_BEFORE, ErrorClass.CREDENTIALS


def recorded(file: str) -> list[str]:
    """Return the error codes of a service as they were read from botocore."""
    codes: list[str] = json.loads((DATA / file).read_text())["codes"]
    return codes


def modelled(service: str) -> set[str]:
    """Return the error codes of a service in the botocore that is installed."""
    model: Any = botocore.session.get_session().get_service_model(service)
    return {shape.error_code for shape in model.error_shapes}


def said(code: str, message: str = "", http: int = 400) -> ClientError:
    """Return an error as boto3 raises it."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": http},
    }
    return ClientError(response, "CreateStack")


EVERY_CODE = sorted(
    {
        *recorded("cfn_errors.json"),
        *recorded("ecs_errors.json"),
        *modelled("cloudformation"),
        *modelled("ecs"),
    }
)


CLASSES = {
    A: [
        "AlreadyExistsException", "NameAlreadyExistsException", "TokenAlreadyExistsException",
        "OperationIdAlreadyExistsException", "OperationInProgressException", "ConflictException",
        "UpdateInProgressException", "ResourceScanInProgress",
    ],
    T: [
        "ServerException", "ConcurrentResourcesLimitExceeded", "StaleRequestException", "ConditionalCheckFailed",
    ],
}  # fmt: skip
"""The classes of the codes in botocore's models, but for the permanent ones: all others."""


@pytest.mark.parametrize("code", EVERY_CODE)
def test_class_of_every_code_of_the_models(code: str) -> None:
    """A code is 'accepted before' or transient where it is listed so here, and permanent everywhere else."""
    expected = next((kind for kind, codes in CLASSES.items() if code in codes), P)
    problem = classify(said(code, "in AWS's words"))
    assert problem is not None
    assert (problem.error_class, problem.code) == (expected, code)


COMMON = {
    T: [
        "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
        "RequestThrottled", "RequestThrottledException", "SlowDown", "BandwidthLimitExceeded",
        "PriorRequestNotComplete", "EC2ThrottledException", "ProvisionedThroughputExceededException",
        "TransactionInProgressException", "InternalFailure", "InternalError", "InternalServerError",
        "InternalServerException", "ServiceUnavailable", "ServiceUnavailableException", "Unavailable",
        "RequestTimeout", "RequestTimeoutException", "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture",
    ],
    C: [
        "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidClientTokenId",
        "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch",
        "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken",
        "MissingAuthenticationTokenException", "AuthFailure",
    ],
    P: [
        "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException", "NotAuthorized",
        "OptInRequired", "InvalidParameterValue", "InvalidParameterValueException", "InvalidParameterCombination",
        "InvalidAction", "InvalidQueryParameter", "MalformedQueryString", "MissingAction", "MissingParameter",
        "ListenerNotFound", "RuleNotFound", "NoSuchBucket", "NoSuchKey", "PermanentRedirect",
    ],
}  # fmt: skip
"""Codes that every service may answer with, and those of the other services that are called."""


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in COMMON.items() for code in codes])
def test_class_of_every_common_code(kind: ErrorClass, code: str) -> None:
    """What botocore's models leave out has its class too."""
    problem = classify(said(code, "in AWS's words"))
    assert problem is not None
    assert problem.error_class is kind


def test_no_row_is_untested() -> None:
    """Every row's code is one of the models', a common one, or ValidationError."""
    tested = {*EVERY_CODE, *(code for codes in COMMON.values() for code in codes), "ValidationError"}
    assert tested >= {rule.code for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_no_row_answers_as_an_unknown_code(rule: ErrorRule) -> None:
    """Without its row a code would be answered otherwise: with another class, or with other advice."""
    unknown = classify(said("NeverHeardOf"))
    assert unknown is not None
    assert (rule.error_class, rule.advice) != (unknown.error_class, unknown.advice)


TEXTS = [
    ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", P),
    ("ValidationError", "No updates are to be performed.", P),
    (
        "ValidationError",
        "Stack:arn:aws:cloudformation:x is in UPDATE_IN_PROGRESS state and can not be updated.",
        A,
    ),
    ("ValidationError", "Stack [shop] is in DELETE_IN_PROGRESS state and cannot be updated", A),
    ("ValidationError", "Stack [shop] cannot be deleted while in status UPDATE_IN_PROGRESS", A),
    ("ValidationError", "Stack:arn is in ROLLBACK_COMPLETE state and can not be updated.", P),
    ("ValidationError", "Stack:arn is in UPDATE_ROLLBACK_FAILED state and can not be updated.", P),
    ("ValidationError", "CancelUpdateStack cannot be called from current stack status", P),
    ("ValidationError", "Stack with id shop does not exist", P),
    ("ValidationError", "Stack [shop] cannot be deleted while TerminationProtection is enabled", P),
    ("ValidationError", "Rate exceeded", T),
    ("ValidationError", "S3 error: Access Denied", P),
    ("ValidationError", "Template format error: YAML not well-formed. (line 3, column 1)", P),
    ("ValidationError", "Role arn:aws:iam::1:role/x is invalid or cannot be assumed", P),
    ("ValidationError", "Parameters: [Color] do not exist in the template", P),
    ("ClientException", "Too many concurrent attempts to create a new revision of the specified family.", T),
    ("ClientException", "You've reached the limit on the number of tasks you can run concurrently", T),
    ("ClientException", "Capacity is unavailable at this time.", T),
    ("ClientException", "TaskDefinition not found.", P),
    ("ClientException", "Unable to find task definition: nope", P),
    ("ClientException", "something else", P),
    ("InvalidParameterException", "The new ARN and resource ID format must be enabled to add tags", P),
    ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z", T),
    (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided",
        C,
    ),
    ("InvalidSignatureException", "Signature not yet current: 20260101T010000Z is still later", T),
]


@pytest.mark.parametrize(("code", "message", "kind"), TEXTS)
def test_class_by_text(code: str, message: str, kind: ErrorClass) -> None:
    """Where a code means several things, its text decides."""
    problem = classify(said(code, message))
    assert problem is not None
    assert problem.error_class is kind
    assert message in str(problem)


def test_every_text_is_reached() -> None:
    """Each row is the first that fits for one of the tested errors: none stands in the shadow of another."""
    errors = [(code, message) for code, message, _ in TEXTS]
    errors += [(rule.code, "in AWS's words") for rule in RULES if not rule.text]
    reached = Counter(
        next(n for n, rule in enumerate(RULES) if rule.code == code and re.search(rule.text, message))
        for code, message in errors
    )
    assert sorted(reached) == list(range(len(RULES)))


def test_advice() -> None:
    """What a person sees has AWS's words, the code, and, wherever something is to be done, what."""
    for rule in RULES:
        if rule.error_class in (P, C):
            assert rule.advice, f"{rule.code} {rule.text} does not say what to do next"
    problem = classify(
        said("AccessDenied", "User: ann is not authorized to perform: cloudformation:CreateStack")
    )
    assert str(problem) == (
        "User: ann is not authorized to perform: cloudformation:CreateStack (AccessDenied); "
        "allow the call in the policy of the deployer's role, repair the stack and deploy again"
    )


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "UnrecognizedClientException"])
def test_credentials_that_a_region_does_not_know(code: str) -> None:
    """A region that an account has not enabled refuses sound credentials as invalid: that is said too."""
    words = str(classify(said(code, "The security token included in the request is invalid.")))
    assert "enable the region for the account" in words
    assert "resume" not in words  # what to run then is for the command to say


@pytest.mark.parametrize(("http", "kind"), [(400, P), (403, P), (404, P), (429, T), (500, T), (503, T)])
def test_unknown_code(http: int, kind: ErrorClass) -> None:
    """A code that nobody knows is permanent where AWS says that the request was at fault, else transient."""
    problem = classify(said("NeverHeardOf", "in AWS's words", http))
    assert problem is not None
    assert problem.error_class is kind
    assert problem.code == "NeverHeardOf"


@pytest.mark.parametrize("http", [403, 407, 413, 502, 504])
def test_answer_without_a_code(http: int) -> None:
    """A proxy's page has no code but its HTTP status: it is no answer of AWS's, and is tried again."""
    problem = classify(said(str(http), "<html>no</html>", http))
    assert problem is not None
    assert problem.error_class is T
    assert ("look at the proxy" in str(problem)) is (http < 500)


def test_unknown_permanent_code_says_what_to_do() -> None:
    """Also of a code that nobody knows a person is told what to do next."""
    assert "put right what AWS names" in str(classify(said("NeverHeardOf", "no")))


@pytest.mark.parametrize(
    "code", ["com.amazonaws.ecs#ServerException", "ServerException:http://internal.amazon.com/"]
)
def test_code_with_a_namespace(code: str) -> None:
    """A code with a namespace before it or an address behind it is the same code."""
    problem = classify(said(code, "try later"))
    assert problem is not None
    assert problem.code == "ServerException"


LOCALS = {
    "NoCredentialsError": C, "PartialCredentialsError": C, "CredentialRetrievalError": C, "NoAuthTokenError": C,
    "TokenRetrievalError": C, "MetadataRetrievalError": C, "RefreshWithMFAUnsupportedError": C, "SSOError": C,
    "SSOTokenLoadError": C, "UnauthorizedSSOTokenError": C, "LoginError": C, "ProfileNotFound": C,
    "NoRegionError": C, "EndpointConnectionError": T, "ConnectTimeoutError": T, "ReadTimeoutError": T,
    "ConnectionClosedError": T, "SSLError": T, "ProxyConnectionError": T, "ResponseStreamingError": T,
    "IncompleteReadError": T, "ChecksumError": T, "CapacityNotAvailableError": T,
    "ParamValidationError": P, "UnknownServiceError": P, "ConfigParseError": C, "ConfigNotFound": C,
    "InvalidConfigError": C, "InfiniteLoopConfigError": C, "InvalidIMDSEndpointError": C,
    "InvalidIMDSEndpointModeError": C, "InvalidProxiesConfigError": C, "MissingDependencyException": C,
    "UnknownCredentialError": C, "UnknownTokenProviderError": C, "LoginRefreshRequired": C,
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), LOCALS.items())
def test_errors_of_botocore_itself(name: str, kind: ErrorClass) -> None:
    """What botocore raises by itself is classed by the name of its class or of a class above it."""
    raised = getattr(botocore.exceptions, name, None)
    if raised is None:
        pytest.skip(f"this botocore has no {name}")
    problem = classify(raised.__new__(raised))
    assert problem is not None
    assert problem.error_class is kind


def test_answer_that_cannot_be_read() -> None:
    """A page of HTML, say of a proxy, tells nothing of what AWS has done: it is looked again, as after a lost reply."""
    problem = classify(ResponseParserError("Unable to parse response, invalid XML received"))
    assert problem is not None
    assert problem.error_class is T


@pytest.mark.parametrize(
    "operation",
    [
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "CreateOAuth2Token",
        "GetRoleCredentials",
    ],
)
@pytest.mark.parametrize("code", ["AccessDenied", "ForbiddenException", "InvalidIdentityToken"])
def test_refusal_to_give_new_credentials(operation: str, code: str) -> None:
    """A profile's credentials are renewed in the midst of any call: where that is refused, nothing has failed."""
    response: Any = {"Error": {"Code": code, "Message": "not you"}}
    problem = classify(ClientError(response, operation))
    assert problem is not None
    assert problem.error_class is C
    assert problem.advice == "log in again"
    assert str(LoginNeeded("e/a", problem)).endswith("; log in again, then run 'deployer resume'")
    throttled: Any = {"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}
    problem = classify(ClientError(throttled, operation))
    assert problem is not None
    assert problem.error_class is T


def test_every_error_of_botocore_has_a_class() -> None:
    """Each BotoCoreError is classed, a new one as permanent."""
    names = {rule.code for rule in LOCAL}
    for error in vars(botocore.exceptions).values():
        if isinstance(error, type) and issubclass(error, BotoCoreError):
            assert names & {cls.__name__ for cls in error.__mro__}


def test_other_errors_are_not_ours() -> None:
    """A mistake of our own is no answer of AWS: it is not classed."""
    assert classify(KeyError("x")) is None


def test_every_stack_status_has_a_lifecycle() -> None:
    """Each stack status of the botocore that is installed is in the table of lifecycles, and no other."""
    model: Any = botocore.session.get_session().get_service_model("cloudformation")
    assert set(model.shape_for("StackStatus").enum) == set(LIFECYCLES)


@pytest.mark.parametrize("status", LIFECYCLES)
def test_lifecycle_follows_from_the_name(status: str) -> None:
    """Each status is where its name says: on its way, back, complete, failed, or nothing worth keeping."""
    back, moving = "ROLLBACK" in status, status.endswith("_IN_PROGRESS")
    expected = {
        (False, True): Lifecycle.PROGRESS,
        (True, True): Lifecycle.ROLLING_BACK,
        (False, False): Lifecycle.COMPLETE,
        (True, False): Lifecycle.ROLLED_BACK,
    }[back, moving]
    if status.endswith("_FAILED"):
        expected = Lifecycle.TERMINAL
    if status == "DELETE_IN_PROGRESS":
        expected = Lifecycle.DELETING
    rolled_back = {
        "ROLLBACK_COMPLETE": Lifecycle.EMPTY_SHELL,
        "REVIEW_IN_PROGRESS": Lifecycle.EMPTY_SHELL,
    }
    assert lifecycle(status) is {**rolled_back, "DELETE_COMPLETE": Lifecycle.MISSING}.get(status, expected)


def test_unknown_stack_status() -> None:
    """A status that nobody knows fails closed."""
    assert lifecycle("QUANTUM_COMPLETE") is Lifecycle.TERMINAL
