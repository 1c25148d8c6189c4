"""The errors that a simulated client raises: botocore's own where it is installed, else look-alikes."""

from typing import TYPE_CHECKING, Any

__all__ = ["ClientError", "ConnectionClosedError", "ServiceError", "invalid"]

if TYPE_CHECKING:
    from botocore.exceptions import ClientError, ConnectionClosedError
else:
    try:
        from botocore.exceptions import ClientError, ConnectionClosedError
    except ImportError:

        class ClientError(Exception):
            """An error that the service answered with; the shape is that of botocore's class of this name."""

            def __init__(self, error_response, operation_name):
                error = error_response["Error"]
                super().__init__(
                    f"An error occurred ({error['Code']}) when calling the {operation_name} operation: "
                    f"{error['Message']}"
                )
                self.response = error_response
                self.operation_name = operation_name

        class ConnectionClosedError(Exception):
            """The connection closed before an answer came; nobody can tell whether the call took effect."""

            def __init__(self, *, endpoint_url):
                super().__init__(
                    f"Connection was closed before we received a valid response from endpoint URL: {endpoint_url!r}."
                )


class ServiceError(Exception):
    """A refusal by a simulated service; the client turns it into a ClientError that names the operation."""

    def __init__(self, code: str, message: str, *, http: int = 400, **extra: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http = http
        self.extra = extra

    def as_client_error(self, operation_name: str, request_id: str) -> ClientError:
        """Return the ClientError that boto3's client would raise."""
        response: Any = {
            "Error": {"Code": self.code, "Message": self.message},
            "ResponseMetadata": {"RequestId": request_id, "HTTPStatusCode": self.http, "RetryAttempts": 0},
            **self.extra,
        }
        return ClientError(response, operation_name)


def invalid(message: str) -> ServiceError:
    """Return CloudFormation's usual refusal."""
    return ServiceError("ValidationError", message)
