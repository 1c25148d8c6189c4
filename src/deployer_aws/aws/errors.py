"""The one table of error classes: what an AWS error means for the command that met it."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import frozen


class ErrorClass(Enum):
    """The meaning of an error for the command that met it. The values are what a person reads."""

    PERMANENT = "permanent"
    """An answer: the command has failed, in AWS's own words."""
    TRANSIENT = "transient"
    """Tried again, with backoff and full jitter, until the command's deadline."""
    ACCEPTED_BEFORE = "accepted before"
    """AWS is already doing it, or something that has to end first: look again."""
    CREDENTIALS = "credentials"
    """Nothing has failed: somebody has to log in, and the process is started again."""


@frozen
class ErrorRule:
    """One row: an error's code, where that is not enough a part of its text, its class, and what to do about it."""

    code: str
    error_class: ErrorClass
    text: str = ""
    advice: str = ""


@frozen
class Problem:
    """A classed error: `message` is AWS's own."""

    error_class: ErrorClass
    code: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        said = f"{self.message} ({self.code})" if self.code not in self.message else self.message
        return f"{said}; {self.advice}" if self.advice else said

    @property
    def is_missing_stack(self) -> bool:
        """True for CloudFormation's answer that a stack does not exist."""
        return self.code == "ValidationError" and "does not exist" in self.message


class LoginNeeded(Exception):
    """AWS no longer knows who we are. Nothing has failed; log in, and resume."""

    def __init__(self, key: str, problem: Problem, doing: str = "") -> None:
        self.key: str = key
        self.problem: Problem = problem
        super().__init__(
            f"{key} waits for credentials{f', for {doing}' if doing else ''}: {problem}, "
            "then run 'deployer resume'"
        )


_P, _T, _A, _C = (
    ErrorClass.PERMANENT,
    ErrorClass.TRANSIENT,
    ErrorClass.ACCEPTED_BEFORE,
    ErrorClass.CREDENTIALS,
)
_LOGIN = "log in again"
_MEND = "put right what AWS names, repair the stack and deploy again"
_SPEC = "correct the spec, repair the stack and deploy again"
_PROXY = "if it stays so, look at the proxy on the way to AWS: this is no answer of AWS's"
_CLOCK = "if it stays so, set the machine's clock right"


def _codes(error_class: ErrorClass, advice: str, codes: str) -> tuple[ErrorRule, ...]:
    return tuple(ErrorRule(code, error_class, "", advice) for code in codes.split())


def _texts(code: str, *rows: tuple[ErrorClass, str, str]) -> tuple[ErrorRule, ...]:
    return tuple(ErrorRule(code, *row) for row in rows)


# The first row that fits counts, so a text stands before its code alone. Codes: botocore's models, and 'Common error
# types' of the CloudFormation and ECS API references; texts of ValidationError: as CloudFormation answers. A code that
# `classify` would answer in the same way without a row has none.
RULES = (
    *_texts(
        "ValidationError",
        (_P, r"No updates are to be performed", "nothing need be done"),
        (_A, r"_IN_PROGRESS state and can ?not be (updated|deleted)", ""),
        (_A, r"cannot be deleted while in status \w+_IN_PROGRESS", ""),
        (
            _P,
            r"ROLLBACK_COMPLETE state and can ?not be updated",
            "it is empty: delete it, repair the stack and deploy again",
        ),
        (
            _P,
            r"_FAILED state and can ?not be updated",
            "bring the stack back to a sound state in AWS (continue its rollback), repair it and deploy again",
        ),
        (_P, r"CancelUpdateStack cannot be called", "there is nothing to cancel: wait"),
        (_P, r"does not exist", "name a stack that there is, or create it first"),
        (
            _P,
            r"TerminationProtection is enabled",
            "switch termination protection off, delete the stack, repair and deploy again",
        ),
        (_T, r"Rate exceeded", ""),
        (_P, r"S3 error|TemplateURL", "give a template's URL that CloudFormation may read"),
        (_P, r"Template (format|error)|Template validation", "correct the template"),
        (_P, r"[Rr]ole .* is invalid or cannot be assumed", "correct the spec's role"),
        (_P, "", "correct the spec or the template, repair the stack and deploy again"),
    ),
    ErrorRule("ResourceNotFoundException", _P, r"[Ss]ecret", "name a secret that there is"),
    *_codes(
        _A,
        "",
        """
        AlreadyExistsException NameAlreadyExistsException TokenAlreadyExistsException
        OperationIdAlreadyExistsException OperationInProgressException ConflictException UpdateInProgressException
        ResourceScanInProgress
        """,
    ),
    *_codes(
        _T,
        "",
        """
        Throttling ThrottlingException ThrottledException TooManyRequestsException RequestLimitExceeded
        RequestThrottled RequestThrottledException SlowDown BandwidthLimitExceeded PriorRequestNotComplete
        EC2ThrottledException ProvisionedThroughputExceededException TransactionInProgressException
        InternalFailure InternalError InternalServerError InternalServerException ServiceUnavailable
        ServiceUnavailableException Unavailable ServerException RequestTimeout RequestTimeoutException
        ConcurrentResourcesLimitExceeded StaleRequestException ConditionalCheckFailed
        """,
    ),
    *_codes(_T, _CLOCK, "RequestExpired RequestTimeTooSkewed RequestInTheFuture"),
    ErrorRule("SignatureDoesNotMatch", _T, r"Signature (expired|not yet current)", _CLOCK),
    ErrorRule("InvalidSignatureException", _T, r"Signature (expired|not yet current)", _CLOCK),
    *_codes(
        _C,
        "log in again, or enable the region for the account where it is a new one",
        "InvalidClientTokenId UnrecognizedClientException",
    ),
    *_codes(
        _C,
        _LOGIN,
        """
        ExpiredToken ExpiredTokenException TokenRefreshRequired InvalidAccessKeyId InvalidToken
        SignatureDoesNotMatch InvalidSignatureException IncompleteSignature MissingAuthenticationToken
        MissingAuthenticationTokenException AuthFailure
        """,
    ),
    *_codes(
        _P,
        "allow the call in the policy of the deployer's role, repair the stack and deploy again",
        "AccessDenied AccessDeniedException UnauthorizedOperation UnauthorizedException NotAuthorized",
    ),
    *_codes(_P, "subscribe the account to the service, repair the stack and deploy again", "OptInRequired"),
    *_codes(
        _P,
        "name the capability under stack.capabilities, repair the stack and deploy again",
        "InsufficientCapabilitiesException",
    ),
    *_codes(
        _P,
        "ask AWS for a higher quota or remove what is not needed, repair the stack and deploy again",
        "LimitExceededException AttributeLimitExceededException ResourceScanLimitExceeded",
    ),
    *_texts(
        "ClientException",
        (_T, r"Too many concurrent|currently being (created|updated)", ""),
        (_T, r"reached the limit on the number of tasks|Capacity is unavailable", ""),
        (_P, r"TaskDefinition|task definition", "correct the task's task_definition"),
    ),
    ErrorRule(
        "InvalidParameterException",
        _P,
        r"ARN and resource ID format",
        "opt the account in to long ARNs of tasks, which tags need (aws ecs put-account-setting-default --name "
        "taskLongArnFormat --value enabled), repair the stack and deploy again",
    ),
    *_codes(
        _P,
        "correct the task in the spec, repair the stack and deploy again",
        """
        ClientException InvalidParameterException ClusterNotFoundException PlatformUnknownException
        PlatformTaskDefinitionIncompatibilityException UnsupportedFeatureException
        """,
    ),
    *_codes(
        _P,
        _SPEC,
        """
        InvalidParameterValue InvalidParameterValueException InvalidParameterCombination InvalidAction
        InvalidQueryParameter MalformedQueryString MissingAction MissingParameter ListenerNotFound RuleNotFound
        NoSuchBucket NoSuchKey PermanentRedirect
        """,
    ),
    *_codes(_P, "the AWS account is blocked: speak to AWS support", "BlockedException"),
)

# Errors that botocore, and the executor of PostgreSQL, raise by themselves: by their classes' names, without an import.
LOCAL = (
    *_codes(
        _C,
        _LOGIN,
        """
        NoCredentialsError PartialCredentialsError CredentialRetrievalError NoAuthTokenError TokenRetrievalError
        MetadataRetrievalError RefreshWithMFAUnsupportedError SSOError LoginError
        """,
    ),
    *_codes(_C, "name a profile that there is", "ProfileNotFound"),
    *_codes(_C, "name a region", "NoRegionError"),
    *_codes(
        _C,
        "put AWS's configuration on this machine right",
        """
        InvalidConfigError ConfigNotFound ConfigParseError InvalidIMDSEndpointError InvalidIMDSEndpointModeError
        InvalidProxiesConfigError MissingDependencyException UnknownCredentialError UnknownTokenProviderError
        """,
    ),
    *_codes(
        _T,
        "",
        """
        HTTPClientError ConnectionError IncompleteReadError ResponseParserError ChecksumError
        CapacityNotAvailableError DatabaseUnavailable
        """,
    ),
    *_codes(_P, _SPEC, "BotoCoreError"),
)

_GET_CREDENTIALS = frozenset(
    [
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "CreateOAuth2Token",
        "GetRoleCredentials",
    ]
)
"""The operations by which botocore gets credentials for a profile with a role, a web identity, SSO or a login."""


def classify(error: BaseException) -> Problem | None:
    """Class an error that came from AWS or from the way there; None for any other.

    An unknown code of AWS is permanent where AWS says that the request was at fault, else transient. What has no code
    did not come from AWS, but from something on the way, and says nothing of what AWS has done.
    """
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    if "Error" in response:
        detail = response["Error"]
        # Query APIs give a bare code; JSON ones may put a namespace before it, or a document's address behind it.
        code = str(detail.get("Code", "")).rsplit("#", 1)[-1].split(":", 1)[0]
        message = str(detail.get("Message", "")) or str(error)
        for rule in RULES:
            if rule.code == code and re.search(rule.text, message):
                return _of_credentials(error, Problem(rule.error_class, code, message, rule.advice))
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        if code.isdecimal():  # a bare HTTP status, as botocore has it of a page of HTML
            return Problem(_T, code, message, "" if status >= 500 else _PROXY)
        unsure = status >= 500 or status == 429
        problem = Problem(_T, code, message) if unsure else Problem(_P, code, message, _MEND)
        return _of_credentials(error, problem)
    names = {cls.__name__ for cls in type(error).__mro__}
    for rule in LOCAL:
        if rule.code in names:
            return Problem(rule.error_class, type(error).__name__, str(error), rule.advice)
    return None


def _of_credentials(error: BaseException, problem: Problem) -> Problem:
    """Make it a matter of credentials where botocore met it while it got new ones, in the midst of any call."""
    if problem.error_class is _P and getattr(error, "operation_name", "") in _GET_CREDENTIALS:
        return Problem(_C, problem.code, problem.message, _LOGIN)
    return problem
