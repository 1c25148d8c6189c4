"""The two ways to hand a template over: in the request itself, or at an https URL."""

from typing import Any
from urllib.parse import quote

from deployer_aws.aws.protocols import S3Client

INLINE = 51_200
"""Bytes that a template may have in the request itself (CloudFormation quotas, 'Template body size in a request')."""


def https(url: str, s3: S3Client | None) -> str:
    """Return the https URL of a template, since CloudFormation takes no other.

    Amazon S3's one address for all regions leads to every bucket of the partition `aws`, and to none of the others.
    """
    if not url.startswith("s3://"):
        return url
    bucket, _, key = url.removeprefix("s3://").partition("/")
    meta: Any = getattr(s3, "meta", None)
    if getattr(meta, "partition", "aws") != "aws":
        return f"{meta.endpoint_url}/{bucket}/{quote(key)}"
    host = f"{bucket}.s3.amazonaws.com" if "." not in bucket else f"s3.amazonaws.com/{bucket}"
    return f"https://{host}/{quote(key)}"
