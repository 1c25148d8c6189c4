"""The one table of error classes: what an AWS error means for the command that met it."""

import re
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


_P, _T, _A, _C = Kind.PERMANENT, Kind.TRANSIENT, Kind.ACCEPTED_BEFORE, Kind.CREDENTIALS
_LOGIN = "log in again, then run 'deployer resume'"
_ALLOW = "allow the call in the policy of the deployer's role"

# The first row that fits counts, so a text stands before its code alone. Codes: botocore's models, and 'Common error
# types' of the CloudFormation and ECS API references; texts of ValidationError: as CloudFormation answers.
RULES = (
    Rule("ValidationError", _P, r"No updates are to be performed"),
    Rule("ValidationError", _A, r"_IN_PROGRESS state and can ?not be (updated|deleted)"),
    Rule(
        "ValidationError",
        _P,
        r"ROLLBACK_COMPLETE state and can not be updated",
        "delete it: it is empty",
    ),
    Rule(
        "ValidationError",
        _P,
        r"ROLLBACK_FAILED state and can not be updated",
        "continue the rollback in AWS first",
    ),
    Rule("ValidationError", _P, r"CancelUpdateStack cannot be called from current stack status"),
    Rule("ValidationError", _P, r"does not exist"),
    Rule(
        "ValidationError", _P, r"TerminationProtection is enabled", "switch termination protection off first"
    ),
    Rule("ValidationError", _T, r"Rate exceeded"),
    Rule("ValidationError", _P, "", "correct the spec or the template"),
    Rule("AlreadyExistsException", _A),
    Rule("NameAlreadyExistsException", _A),
    Rule("TokenAlreadyExistsException", _A),
    Rule("OperationIdAlreadyExistsException", _A),
    Rule("OperationInProgressException", _A),
    Rule("ConflictException", _A),
    Rule("UpdateInProgressException", _A),
    Rule("ResourceScanInProgress", _A),
    Rule("Throttling", _T),
    Rule("ThrottlingException", _T),
    Rule("ThrottledException", _T),
    Rule("TooManyRequestsException", _T),
    Rule("RequestLimitExceeded", _T),
    Rule("RequestThrottled", _T),
    Rule("RequestThrottledException", _T),
    Rule("SlowDown", _T),
    Rule("BandwidthLimitExceeded", _T),
    Rule("PriorRequestNotComplete", _T),
    Rule("EC2ThrottledException", _T),
    Rule("ProvisionedThroughputExceededException", _T),
    Rule("TransactionInProgressException", _T),
    Rule("InternalFailure", _T),
    Rule("InternalError", _T),
    Rule("InternalServerError", _T),
    Rule("InternalServerException", _T),
    Rule("ServiceUnavailable", _T),
    Rule("ServiceUnavailableException", _T),
    Rule("Unavailable", _T),
    Rule("ServerException", _T),
    Rule("RequestTimeout", _T),
    Rule("RequestTimeoutException", _T),
    Rule("RequestExpired", _T, "", "if it stays so, set the machine's clock right"),
    Rule("RequestTimeTooSkewed", _T, "", "if it stays so, set the machine's clock right"),
    Rule("ConcurrentResourcesLimitExceeded", _T),
    Rule("StaleRequestException", _T),
    Rule("ExpiredToken", _C, "", _LOGIN),
    Rule("ExpiredTokenException", _C, "", _LOGIN),
    Rule("TokenRefreshRequired", _C, "", _LOGIN),
    Rule("InvalidClientTokenId", _C, "", _LOGIN),
    Rule("UnrecognizedClientException", _C, "", _LOGIN),
    Rule("InvalidAccessKeyId", _C, "", _LOGIN),
    Rule("SignatureDoesNotMatch", _C, "", _LOGIN),
    Rule("IncompleteSignature", _C, "", _LOGIN),
    Rule("MissingAuthenticationToken", _C, "", _LOGIN),
    Rule("AuthFailure", _C, "", _LOGIN),
    Rule("AccessDenied", _P, "", _ALLOW),
    Rule("AccessDeniedException", _P, "", _ALLOW),
    Rule("UnauthorizedOperation", _P, "", _ALLOW),
    Rule("NotAuthorized", _P, "", _ALLOW),
    Rule("OptInRequired", _P, "", "subscribe the account to the service"),
    Rule("InsufficientCapabilitiesException", _P, "", "name the capability under stack.capabilities"),
    Rule("LimitExceededException", _P, "", "ask AWS for a higher quota, or remove what is not needed"),
    Rule("ClusterNotFoundException", _P, "", "correct the task's cluster"),
    Rule("ClientException", _T, r"Too many concurrent attempts|currently being (created|updated)"),
    Rule("ClientException", _P, r"TaskDefinition|task definition", "correct the task's task_definition"),
    Rule("ClientException", _P),
    Rule("ResourceNotFoundException", _P, "", "name a secret that there is"),
    Rule("InvalidParameterException", _P, "", "correct the task in the spec"),
    Rule("InvalidParameterValue", _P, "", "correct the spec"),
    Rule("InvalidParameterCombination", _P, "", "correct the spec"),
    Rule("MissingParameter", _P),
    Rule("PlatformUnknownException", _P, "", "correct the task's platform_version"),
    Rule("PlatformTaskDefinitionIncompatibilityException", _P, "", "correct the task's platform_version"),
    Rule("UnsupportedFeatureException", _P),
    Rule("BlockedException", _P, "", "the AWS account is blocked; speak to AWS support"),
)

# Errors that botocore, and the executor of PostgreSQL, raise by themselves: by their classes' names, without an import.
LOCAL = (
    Rule("NoCredentialsError", _C, "", _LOGIN),
    Rule("PartialCredentialsError", _C, "", _LOGIN),
    Rule("CredentialRetrievalError", _C, "", _LOGIN),
    Rule("TokenRetrievalError", _C, "", _LOGIN),
    Rule("SSOError", _C, "", _LOGIN),
    Rule("ProfileNotFound", _C, "", "name a profile that there is"),
    Rule("ParamValidationError", _P, "", "correct the spec"),
    Rule("HTTPClientError", _T),
    Rule("ConnectionError", _T),
    Rule("IncompleteReadError", _T),
    Rule("ResponseStreamingError", _T),
    Rule("DatabaseUnavailable", _T),
)


def understand(error: BaseException) -> Problem | None:
    """The class of an error that came from AWS or from the way there; None for any other.

    An unknown code of AWS is permanent where AWS says that the request was at fault, else transient.
    """
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        detail: dict[str, Any] = response["Error"]
        code, message = str(detail.get("Code", "")), str(detail.get("Message", "")) or str(error)
        for rule in RULES:
            if rule.code == code and re.search(rule.text, message):
                return Problem(rule.kind, code, message, rule.advice)
        status: Any = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        return Problem(_T if int(status) >= 500 else _P, code, message)
    names = {cls.__name__ for cls in type(error).__mro__}
    for rule in LOCAL:
        if rule.code in names:
            return Problem(rule.kind, rule.code, str(error), rule.advice)
    return None
