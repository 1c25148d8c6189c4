"""The one table of error classes: what an AWS error means for the command that met it."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import frozen


class Kind(Enum):
    """What an error means. The values are what a person reads."""

    PERMANENT = "permanent"
    """An answer: the command has failed, in AWS's own words."""
    TRANSIENT = "transient"
    """Tried again, with backoff and full jitter, until the command's deadline."""
    ACCEPTED_BEFORE = "accepted before"
    """The world is already doing it, or something that has to end first: look again."""
    CREDENTIALS = "credentials"
    """Nothing has failed: somebody has to log in, and the process is started again."""


@frozen
class Rule:
    """One row: an error's code, where that is not enough a part of its text, its kind, and what to do about it."""

    code: str
    kind: Kind
    text: str = ""
    advice: str = ""


@frozen
class Problem:
    """An error, understood: `message` is AWS's own."""

    kind: Kind
    code: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        said = f"{self.message} ({self.code})" if self.code not in self.message else self.message
        return f"{said}; {self.advice}" if self.advice else said

    @property
    def is_missing_stack(self) -> bool:
        """Whether it is CloudFormation's word for a stack that is not there."""
        return self.code == "ValidationError" and "does not exist" in self.message


class LoginNeeded(Exception):
    """AWS no longer knows who we are. Nothing has failed; log in, and resume."""

    def __init__(self, key: str, problem: Problem, doing: str = "") -> None:
        self.key: str = key
        self.problem: Problem = problem
        super().__init__(f"{key} waits for credentials{f', for {doing}' if doing else ''}: {problem}")


_P, _T, _A, _C = Kind.PERMANENT, Kind.TRANSIENT, Kind.ACCEPTED_BEFORE, Kind.CREDENTIALS
_LOGIN = "log in again, then run 'deployer resume'"
_ALLOW = "allow the call in the policy of the deployer's role, repair the stack and deploy again"
_MEND = "put right what AWS names, repair the stack and deploy again"
_SPEC = "correct the spec, repair the stack and deploy again"
_TASK = "correct the task in the spec, repair the stack and deploy again"
_PROXY = "if it stays so, look at the proxy on the way to AWS: this is no answer of AWS's"
_CLOCK = "if it stays so, set the machine's clock right"


def _rows(kind: Kind, advice: str, *codes: str) -> tuple[Rule, ...]:
    return tuple(Rule(code, kind, "", advice) for code in codes)


# The first row that fits counts, so a text stands before its code alone. Codes: botocore's models, and 'Common error
# types' of the CloudFormation and ECS API references; texts of ValidationError: as CloudFormation answers.
RULES = (
    Rule("ValidationError", _P, r"No updates are to be performed", "nothing need be done"),
    Rule("ValidationError", _A, r"_IN_PROGRESS state and can ?not be (updated|deleted)"),
    Rule("ValidationError", _A, r"cannot be deleted while in status \w+_IN_PROGRESS"),
    Rule(
        "ValidationError",
        _P,
        r"ROLLBACK_COMPLETE state and can ?not be updated",
        "it is empty: delete it, repair the stack and deploy again",
    ),
    Rule(
        "ValidationError",
        _P,
        r"_FAILED state and can ?not be updated",
        "bring the stack back to a sound state in AWS (continue its rollback), repair it and deploy again",
    ),
    Rule("ValidationError", _P, r"CancelUpdateStack cannot be called", "there is nothing to cancel: wait"),
    Rule("ValidationError", _P, r"does not exist", "name a stack that there is, or create it first"),
    Rule(
        "ValidationError",
        _P,
        r"TerminationProtection is enabled",
        "switch termination protection off, delete the stack, repair and deploy again",
    ),
    Rule("ValidationError", _T, r"Rate exceeded"),
    Rule(
        "ValidationError", _P, r"S3 error|TemplateURL", "give a template's URL that CloudFormation may read"
    ),
    Rule("ValidationError", _P, r"Template (format|error)|Template validation", "correct the template"),
    Rule("ValidationError", _P, r"[Rr]ole .* is invalid or cannot be assumed", "correct the spec's role"),
    Rule("ValidationError", _P, "", "correct the spec or the template, repair the stack and deploy again"),
    Rule("ResourceNotFoundException", _P, r"[Ss]ecret", "name a secret that there is"),
    *_rows(
        _A,
        "",
        "AlreadyExistsException",
        "NameAlreadyExistsException",
        "TokenAlreadyExistsException",
        "OperationIdAlreadyExistsException",
        "OperationInProgressException",
        "ConflictException",
        "UpdateInProgressException",
        "ResourceScanInProgress",
    ),
    *_rows(
        _T,
        "",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        "InternalServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Unavailable",
        "ServerException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ConcurrentResourcesLimitExceeded",
        "StaleRequestException",
        "ConditionalCheckFailed",
    ),
    *_rows(_T, _CLOCK, "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"),
    Rule("SignatureDoesNotMatch", _T, r"Signature (expired|not yet current)", _CLOCK),
    Rule("InvalidSignatureException", _T, r"Signature (expired|not yet current)", _CLOCK),
    *_rows(
        _C,
        "log in again, or enable the region for the account where it is a new one, then run 'deployer resume'",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    ),
    *_rows(
        _C,
        _LOGIN,
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "AuthFailure",
    ),
    *_rows(
        _P,
        _ALLOW,
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "UnauthorizedException",
        "NotAuthorized",
    ),
    Rule("OptInRequired", _P, "", "subscribe the account to the service, repair the stack and deploy again"),
    Rule(
        "InsufficientCapabilitiesException",
        _P,
        "",
        "name the capability under stack.capabilities, repair the stack and deploy again",
    ),
    *_rows(
        _P,
        "ask AWS for a higher quota or remove what is not needed, repair the stack and deploy again",
        "LimitExceededException",
        "AttributeLimitExceededException",
        "ResourceScanLimitExceeded",
    ),
    Rule("ClientException", _T, r"Too many concurrent|currently being (created|updated)"),
    Rule("ClientException", _T, r"reached the limit on the number of tasks|Capacity is unavailable"),
    Rule("ClientException", _P, r"TaskDefinition|task definition", "correct the task's task_definition"),
    Rule(
        "InvalidParameterException",
        _P,
        r"ARN and resource ID format",
        "opt the account in to long ARNs of tasks, which tags need (aws ecs put-account-setting-default --name "
        "taskLongArnFormat --value enabled), repair the stack and deploy again",
    ),
    *_rows(
        _P,
        _TASK,
        "ClientException",
        "InvalidParameterException",
        "ClusterNotFoundException",
        "PlatformUnknownException",
        "PlatformTaskDefinitionIncompatibilityException",
        "UnsupportedFeatureException",
    ),
    *_rows(
        _P,
        _SPEC,
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "InvalidParameterCombination",
        "InvalidAction",
        "InvalidQueryParameter",
        "MalformedQueryString",
        "MissingAction",
        "MissingParameter",
        "ListenerNotFound",
        "RuleNotFound",
        "NoSuchBucket",
        "NoSuchKey",
        "PermanentRedirect",
    ),
    Rule("BlockedException", _P, "", "the AWS account is blocked: speak to AWS support"),
    # Of calls that this adapter does not make, or makes of what cannot be missing: AWS's words have to do.
    *_rows(
        _P,
        _MEND,
        "CFNRegistryException",
        "ChangeSetNotFound",
        "CreatedButModifiedException",
        "GeneratedTemplateNotFound",
        "HookResultNotFound",
        "InvalidChangeSetStatus",
        "InvalidOperationException",
        "InvalidStateTransition",
        "OperationNotFoundException",
        "ResourceScanNotFound",
        "StackInstanceNotFoundException",
        "StackNotFoundException",
        "StackRefactorNotFoundException",
        "StackSetNotEmptyException",
        "StackSetNotFoundException",
        "TypeConfigurationNotFoundException",
        "TypeNotFoundException",
        "ClusterContainsCapacityProviderException",
        "ClusterContainsContainerInstancesException",
        "ClusterContainsServicesException",
        "ClusterContainsTasksException",
        "DaemonNotActiveException",
        "DaemonNotFoundException",
        "GatewayNotFoundException",
        "MissingVersionException",
        "NamespaceNotFoundException",
        "NoUpdateAvailableException",
        "ResourceInUseException",
        "ResourceNotFoundException",
        "ServiceDeploymentNotFoundException",
        "ServiceNotActiveException",
        "ServiceNotFoundException",
        "TargetNotConnectedException",
        "TargetNotFoundException",
        "TaskSetNotFoundException",
    ),
)

# Errors that botocore, and the executor of PostgreSQL, raise by themselves: by their classes' names, without an import.
LOCAL = (
    *_rows(
        _C,
        _LOGIN,
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "NoAuthTokenError",
        "TokenRetrievalError",
        "MetadataRetrievalError",
        "RefreshWithMFAUnsupportedError",
        "SSOError",
        "LoginError",
    ),
    Rule("ProfileNotFound", _C, "", "name a profile that there is, then run 'deployer resume'"),
    Rule("NoRegionError", _C, "", "name a region, then run 'deployer resume'"),
    *_rows(
        _C,
        "put AWS's configuration on this machine right, then run 'deployer resume'",
        "InvalidConfigError",
        "ConfigNotFound",
        "ConfigParseError",
        "InvalidIMDSEndpointError",
        "InvalidIMDSEndpointModeError",
        "InvalidProxiesConfigError",
        "MissingDependencyException",
        "UnknownCredentialError",
        "UnknownTokenProviderError",
    ),
    *_rows(
        _T,
        "",
        "HTTPClientError",
        "ConnectionError",
        "IncompleteReadError",
        "ResponseParserError",
        "ChecksumError",
        "CapacityNotAvailableError",
        "DatabaseUnavailable",
    ),
    Rule("BotoCoreError", _P, "", _SPEC),
)

_GET_CREDENTIALS = frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "CreateOAuth2Token",
        "GetRoleCredentials",
    }
)
"""The operations by which botocore gets credentials for a profile with a role, a web identity, SSO or a login."""


def understand(error: BaseException) -> Problem | None:
    """The class of an error that came from AWS or from the way there; None for any other.

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
                return _of_credentials(error, Problem(rule.kind, code, message, rule.advice))
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        if code.isdecimal():  # a bare HTTP status, as botocore has it of a page of HTML
            return Problem(_T, code, message, "" if status >= 500 else _PROXY)
        unsure = status >= 500 or status == 429
        problem = Problem(_T, code, message) if unsure else Problem(_P, code, message, _MEND)
        return _of_credentials(error, problem)
    names = {cls.__name__ for cls in type(error).__mro__}
    for rule in LOCAL:
        if rule.code in names:
            return Problem(rule.kind, type(error).__name__, str(error), rule.advice)
    return None


def _of_credentials(error: BaseException, problem: Problem) -> Problem:
    """A refusal that met botocore while it got new credentials, in the midst of any call, is no answer to that call."""
    if problem.kind is _P and getattr(error, "operation_name", "") in _GET_CREDENTIALS:
        return Problem(_C, problem.code, problem.message, _LOGIN)
    return problem
