"""AWS Secrets Manager: secrets, their versions, and the stages that say which version is which.

'What's in a Secrets Manager secret?', AWS Secrets Manager User Guide: a stage is attached to one version at a time, and
when AWSCURRENT moves, AWSPREVIOUS moves to the version that it left.
"""

from typing import ClassVar

from deployer_aws.simulator.account import moment
from deployer_aws.simulator.errors import ServiceError
from deployer_aws.simulator.rows import Json, Secret
from deployer_aws.simulator.secrets import CURRENT, PREVIOUS, find
from deployer_aws.simulator.service import Service, operation


class SecretsManager(Service):
    """The operations that keep an application's credentials."""

    name = "secretsmanager"
    sensitive: ClassVar[frozenset[str]] = frozenset({"SecretString", "SecretBinary"})

    def _secret(self, request: Json) -> Secret:
        found = find(self.store, request["SecretId"])
        if found is None:
            raise ServiceError(
                "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
            )
        return found

    @operation
    def create_secret(self, request: Json) -> Json:
        """Create a secret; the same request with the same token changes nothing."""
        name, token = request["Name"], request.get("ClientRequestToken") or self.account.uuid()
        known = self.store.get(Secret, name)
        if known is not None:
            version = known.versions.get(token)
            if version is None or version["text"] != request.get("SecretString"):
                raise ServiceError(
                    "ResourceExistsException",
                    f"The operation failed because the secret {name} already exists.",
                )
            return {"ARN": known.arn, "Name": name, "VersionId": token}
        arn = self.account.arn("secretsmanager", f"secret:{name}-{self.account.unique(6)}")
        secret = Secret(name, arn, self.account.now, self.account.now)
        self.store.add(secret)
        self.store.link("secrets", name)
        self.account.record_change("create_secret", arn, token)
        if "SecretString" not in request:
            return {"ARN": arn, "Name": name}
        self._keep(secret, token, request["SecretString"], [CURRENT])
        return {"ARN": arn, "Name": name, "VersionId": token}

    @operation
    def put_secret_value(self, request: Json) -> Json:
        """Add a version; the same request changes nothing, other contents with its token are refused."""
        secret = self._secret(request)
        token = request.get("ClientRequestToken") or self.account.uuid()
        known = secret.versions.get(token)
        if known is None:
            stages = list(request.get("VersionStages", [CURRENT]))
            if not secret.versions and CURRENT not in stages:
                stages.append(CURRENT)
            self.account.record_change("put_secret_value", secret.arn, token)
            self._keep(secret, token, request["SecretString"], stages)
        elif known["text"] != request["SecretString"]:
            raise ServiceError(
                "ResourceExistsException",
                f"You can't use ClientRequestToken {token} because that value is already in use for a version of "
                f"secret {secret.arn}.",
            )
        stages = list(secret.versions[token]["stages"])
        return {"ARN": secret.arn, "Name": secret.key, "VersionId": token, "VersionStages": stages}

    def _keep(self, secret: Secret, token: str, text: str, stages: list[str]) -> None:
        secret.versions[token] = {"text": text, "stages": [], "created": self.account.now}
        for stage in stages:
            _attach(secret, stage, token)
        secret.changed = self.account.now

    @operation
    def get_secret_value(self, request: Json) -> Json:
        """Return the version of an id or of a stage, by default of AWSCURRENT."""
        secret = self._secret(request)
        stage, version_id = request.get("VersionStage"), request.get("VersionId")
        if version_id is None:
            version_id = _holder(secret, stage or CURRENT)
        version = secret.versions.get(version_id or "")
        if version is None or (stage is not None and stage not in version["stages"]):
            where = (
                f"VersionId: {version_id}"
                if stage is None and version_id
                else f"staging label: {stage or CURRENT}"
            )
            raise ServiceError(
                "ResourceNotFoundException",
                f"Secrets Manager can't find the specified secret value for {where}",
            )
        return {
            "ARN": secret.arn,
            "Name": secret.key,
            "VersionId": version_id,
            "SecretString": version["text"],
            "VersionStages": list(version["stages"]),
            "CreatedDate": moment(version["created"]),
        }

    @operation
    def describe_secret(self, request: Json) -> Json:
        """Describe a secret without its contents; versions without a stage are not listed."""
        secret = self._secret(request)
        staged = {key: list(one["stages"]) for key, one in secret.versions.items() if one["stages"]}
        return {
            "ARN": secret.arn,
            "Name": secret.key,
            "CreatedDate": moment(secret.created),
            "LastChangedDate": moment(secret.changed),
            "VersionIdsToStages": staged,
        }

    @operation
    def update_secret_version_stage(self, request: Json) -> Json:
        """Move a stage; the request has to name the version that it leaves."""
        secret, stage = self._secret(request), request["VersionStage"]
        source, target = request.get("RemoveFromVersionId"), request.get("MoveToVersionId")
        holder = _holder(secret, stage)
        for named in (source, target):
            if named is not None and named not in secret.versions:
                raise ServiceError(
                    "ResourceNotFoundException",
                    f"Secrets Manager can't find the specified secret version: {named}.",
                )
        if source is not None and source != holder:
            raise ServiceError(
                "InvalidParameterException", f"The staging label {stage} isn't attached to version {source}."
            )
        if target is not None and holder is not None and source is None and target != holder:
            raise ServiceError(
                "InvalidParameterException",
                f"The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to "
                f"version {holder}, so you must explicitly reference that version in RemoveFromVersionId.",
            )
        if target is None and stage == CURRENT:
            raise ServiceError(
                "InvalidParameterException", f"You can only move staging label {stage} to another version."
            )
        self.account.record_change("update_secret_version_stage", secret.arn, None, stage=stage, to=target)
        if target is not None:
            _attach(secret, stage, target)
        elif source is not None:
            secret.versions[source]["stages"].remove(stage)
        secret.changed = self.account.now
        return {"ARN": secret.arn, "Name": secret.key}


def _holder(secret: Secret, stage: str) -> str | None:
    """Return the id of the version that a stage is attached to."""
    return next((key for key, one in secret.versions.items() if stage in one["stages"]), None)


def _attach(secret: Secret, stage: str, token: str) -> None:
    before = _holder(secret, stage)
    if before == token:
        return
    if before is not None:
        secret.versions[before]["stages"].remove(stage)
        if stage == CURRENT:
            _attach(secret, PREVIOUS, before)
    secret.versions[token]["stages"].append(stage)
    if stage == CURRENT and PREVIOUS in secret.versions[token]["stages"]:
        secret.versions[token]["stages"].remove(PREVIOUS)
