"""Build the requests of CreateStack and UpdateStack."""

import json
import logging
from typing import Any

from attrs import frozen

from deployer_aws.aws.protocols import CloudFormationClient, S3Client
from deployer_aws.aws.stacks import StackDescription
from deployer_aws.aws.template_urls import INLINE, https
from deployer_aws.executors.cloudformation.parameters import (
    UnresolvedValue,
    as_given,
    for_scaling,
    with_counts,
)
from deployer_aws.ports import Work
from deployer_aws.templates import digest
from deployer_core.machines.deployment import ScaleStack, StackChange, UpdateStack, UpsertStack
from deployer_core.spec import Pairs, TemplateUrl

log: logging.Logger = logging.getLogger("deployer")


@frozen
class StackRequest:
    """The members of a request; where it has a key, the template that has to lie in S3 under it before it is sent."""

    members: dict[str, Any]
    key: str = ""
    text: str = ""


class RequestBuilder:
    """Builds requests; looks at what is deployed where that is to be kept, and changes nothing until `upload`."""

    def __init__(self, client: CloudFormationClient, s3: S3Client | None, bucket: str) -> None:
        self._client, self._s3, self._bucket = client, s3, bucket

    def build(
        self, work: Work, command: StackChange, stack: StackDescription | None, resolved: Pairs
    ) -> StackRequest:
        """Build the request of a change. Raises UnresolvedValue."""
        spec = command.stack
        if isinstance(command, ScaleStack):
            assert stack is not None  # only what was seen is scaled
            return self._scaling(command, stack)
        members = {
            "Parameters": [*as_given(spec, resolved, sent_before(command)), *with_counts(command.counts)],
            **_given(
                Tags=[{"Key": key, "Value": value} for key, value in spec.tags],
                NotificationARNs=list(spec.notifications),
                Capabilities=sorted(set(spec.capabilities)),
                RoleARN=spec.role,
            ),
        }
        if isinstance(spec.template, TemplateUrl):
            return StackRequest({**members, "TemplateURL": https(spec.template.url, self._s3)})
        return self._with_template(members, work.read_blob(spec.template.sha256), spec.template.source)

    def _scaling(self, command: ScaleStack, stack: StackDescription) -> StackRequest:
        """Change the counts and nothing else: the template and all other parameters stay as they are.

        CloudFormation expands macros anew with each update, and does not take a template that has any by
        UsePreviousTemplate, so such a template is sent as it was written.
        """
        spec = command.stack
        summary = self._client.get_template_summary(StackName=stack.id)
        _warn_of_ssm(stack, summary, {name for name, _ in command.counts})
        capabilities = sorted({*stack.capabilities, *spec.capabilities})
        given = _given(Capabilities=capabilities, RoleARN=spec.role)
        members = {"Parameters": for_scaling(stack, command.counts), **given}
        if not summary.get("DeclaredTransforms"):
            return StackRequest({**members, "UsePreviousTemplate": True})
        body = self._client.get_template(StackName=stack.id, TemplateStage="Original")["TemplateBody"]
        text = body if isinstance(body, str) else json.dumps(body)
        return self._with_template(members, text, f"of the stack {stack.name}")

    def _with_template(self, members: dict[str, Any], text: str, source: str) -> StackRequest:
        size = len(text.encode())
        if size <= INLINE:
            return StackRequest({**members, "TemplateBody": text})
        if self._s3 is None or not self._bucket:
            raise UnresolvedValue(
                f"the template {source} has {size} bytes, and {INLINE} fit into a request; "
                "name a bucket for templates, or give the template by its s3:// URL"
            )
        key = f"deployer/templates/{digest(text)}"
        return StackRequest({**members, "TemplateURL": self._url_of(key)}, key, text)

    def upload(self, request: StackRequest) -> None:
        """Put the template where the request says that it is; the same text always has the same name."""
        if request.key and self._s3 is not None:
            self._s3.put_object(Bucket=self._bucket, Key=request.key, Body=request.text.encode())

    def _url_of(self, key: str) -> str:
        """Put the bucket in the path, which the certificate covers whatever the bucket is called."""
        meta: Any = getattr(self._s3, "meta", None)
        endpoint = meta.endpoint_url if meta else "https://s3.amazonaws.com"
        return f"{endpoint}/{self._bucket}/{key}"


def sent_before(command: StackChange) -> Pairs:
    """Return the values that were sent before, and are to be sent again."""
    return command.sent if isinstance(command, UpdateStack | UpsertStack) else ()


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _warn_of_ssm(stack: StackDescription, summary: Any, counts: set[str]) -> None:
    """Warn that CloudFormation reads SSM parameters anew: their previous value is the name in Parameter Store."""
    names = [
        p["ParameterKey"]
        for p in summary.get("Parameters", [])
        if p.get("ParameterType", "").startswith("AWS::SSM::Parameter::Value")
        and p["ParameterKey"] not in counts
    ]
    if names:
        log.warning(
            "scaling %s reads %s anew from the SSM Parameter Store: what changed there changes the stack too",
            stack.name,
            ", ".join(sorted(names)),
        )
