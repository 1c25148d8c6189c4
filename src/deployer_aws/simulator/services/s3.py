"""Amazon S3: objects that are put, and read by CloudFormation as templates."""

from hashlib import md5
from typing import ClassVar

from deployer_aws.simulator.rows import Json, Text
from deployer_aws.simulator.service import Service, operation
from deployer_aws.simulator.stack_inputs import object_key


class S3(Service):
    """Just enough for templates that are too long for a request; every bucket exists."""

    name = "s3"
    throttled: ClassVar[str] = "SlowDown"
    denied: ClassVar[str] = "AccessDenied"
    expired: ClassVar[str] = "ExpiredToken"

    @operation
    def put_object(self, request: Json) -> Json:
        """Keep a text; the same name again replaces it."""
        body = str(request["Body"])
        key = object_key(f"https://s3.amazonaws.com/{request['Bucket']}/{request['Key']}")
        self.store.drop(Text, key)
        self.store.add(Text(key, body))
        return {"ETag": f'"{md5(body.encode(), usedforsecurity=False).hexdigest()}"'}
