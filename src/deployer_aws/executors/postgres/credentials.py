"""The application's credentials: a login with a random password, and the secret that they are kept in.

A new password is first kept as a version of the secret that is not current, under an id that follows from the command:
the process that carries the command on reads it there. Then the login is made and tried, the version becomes current,
and only then are older logins disabled: the steps of a rotation as AWS has them (Secrets Manager, 'Rotation function').
"""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from attrs import evolve, field, frozen

from deployer_aws.aws.protocols import SecretsClient
from deployer_aws.aws.secrets import read_json
from deployer_aws.executors.postgres import roles
from deployer_aws.executors.postgres.job import DatabaseJob, Steps, Taking
from deployer_aws.executors.postgres.problems import PostgresError
from deployer_aws.executors.postgres.session import compose

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
_EXISTS = "ResourceExistsException"


@frozen
class Credentials:
    """The credentials that the application logs in with. The password is in no text that is made of it."""

    username: str
    password: str = field(repr=False)


@frozen
class Version:
    """One version of a secret, as it is kept."""

    id: str
    stages: tuple[str, ...]
    held: Mapping[str, Any] = field(repr=False)

    def credentials(self) -> Credentials | None:
        """Return the credentials in it, where it has that shape."""
        user, password = self.held.get("username"), self.held.get("password")
        if isinstance(user, str) and isinstance(password, str) and user and password:
            return Credentials(user, password)
        return None


class SecretStore:
    """Reads and writes one secret in Secrets Manager."""

    def __init__(self, client: SecretsClient, secret: str) -> None:
        self._client, self._secret = client, secret

    def current(self) -> Version | None:
        """Read the version that an application is given."""
        return self.read(VersionStage=CURRENT)

    def keep(self, token: str, text: str) -> None:
        """Keep a new version, current only where there is none yet. Raises PostgresError."""
        version = {"ClientRequestToken": token, "SecretString": text}
        try:
            self._client.describe_secret(SecretId=self._secret)
        except Exception as error:
            if not _is_missing(error):
                raise
            if self._secret.startswith("arn:"):
                raise PostgresError(f"there is no secret {self._secret}") from None
            self._write(self._client.create_secret, Name=self._secret, **version)
        else:
            self._write(
                self._client.put_secret_value, SecretId=self._secret, **version, VersionStages=[PENDING]
            )

    def not_shown_yet(self) -> PostgresError:
        """Return the error that what was written cannot be read yet.

        'All Secrets Manager operations are eventually consistent' (Secrets Manager API reference, 'ListSecrets').
        """
        return PostgresError(
            f"Secrets Manager does not show yet what was written to the secret {self._secret}", transient=True
        )

    def promote(self, version: Version, before: Version | None) -> None:
        """Make a version the current one."""
        move = {"RemoveFromVersionId": before.id} if before is not None else {}
        self._stage(VersionStage=CURRENT, MoveToVersionId=version.id, **move)

    def settle(self, version: Version) -> None:
        """Let a version be pending no more: Secrets Manager would take that for a rotation under way."""
        self._stage(VersionStage=PENDING, RemoveFromVersionId=version.id)

    def _stage(self, **move: str) -> None:
        self._write(self._client.update_secret_version_stage, SecretId=self._secret, **move)

    def _write(self, call: Callable[..., Any], **parameters: Any) -> None:
        """Write what a look found missing; where AWS says that it is not, another look will find it."""
        try:
            call(**parameters)
        except Exception as error:
            if _code(error) != ("InvalidParameterException" if "VersionStage" in parameters else _EXISTS):
                raise
            raise self.not_shown_yet() from None

    def read(self, **which: str) -> Version | None:
        """Read the version of a VersionId or VersionStage."""
        try:
            answer = self._client.get_secret_value(SecretId=self._secret, **which)
        except Exception as error:
            if _is_missing(error):
                return None
            raise
        return Version(answer["VersionId"], tuple(answer.get("VersionStages", ())), read_json(answer))


def _is_missing(error: Exception) -> bool:
    return _code(error) == "ResourceNotFoundException"


def _code(error: Exception) -> str:
    response: Any = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code"))


def credentials(job: DatabaseJob, store: SecretStore) -> Steps:
    """Ensure that the secret holds the credentials of a login, and that this login is the only one."""
    mine = store.read(VersionId=job.token)
    if mine is None:
        current = store.current()
        if not job.spec.rotate_credentials and current is not None and _fits(job, current):
            mine = current
        else:
            new = Credentials(_login_name(job), secrets.token_urlsafe(32))
            yield "keep new credentials in the secret"
            store.keep(job.token, _text(job, new))
            job.notes.append(f"made the login {new.username}, with its credentials in the secret")
            mine = store.read(VersionId=job.token)
            if mine is None:
                raise store.not_shown_yet()
    held = mine.credentials()
    if held is None:
        raise PostgresError("the secret does not give back the credentials that were kept in it")
    yield from _login(job, held)
    if CURRENT not in mine.stages:
        yield "make the new credentials current"
        store.promote(mine, store.current())
    if PENDING in mine.stages:
        yield "end the rotation of the secret"
        store.settle(mine)
    yield from roles.disable(job, held.username)


def _fits(job: DatabaseJob, version: Version) -> bool:
    """Tell whether an application could log in with what the secret holds."""
    held, found = version.held, version.credentials()
    where = (job.server.host, str(job.server.port), job.spec.name)
    if found is None or (held.get("host"), str(held.get("port")), held.get("dbname")) != where:
        return False
    return any(login.name == found.username and login.ours for login in roles.logins(job))


def _login_name(job: DatabaseJob) -> str:
    """Join the spec's name and ten characters of the token, in the 63 bytes that PostgreSQL keeps of a name."""
    suffix = f"_{job.token[-10:]}"
    return job.spec.login_role.encode()[: 63 - len(suffix)].decode(errors="ignore") + suffix


def _text(job: DatabaseJob, login: Credentials) -> str:
    server, name = job.server, job.spec.name
    host = f"[{server.host}]" if ":" in server.host else quote(server.host, safe="")
    url = (
        f"postgresql://{quote(login.username, safe='')}:{quote(login.password, safe='')}"
        f"@{host}:{server.port}/{quote(name, safe='')}"
        + (f"?sslmode={server.sslmode}" if server.sslmode else "")
    )
    where = {"host": server.host, "port": server.port, "dbname": name}
    return json.dumps({**where, "username": login.username, "password": login.password, "url": url})


def _login(job: DatabaseJob, wanted: Credentials) -> Steps:
    """Ensure that the login exists, and can log in."""
    found = next(
        (login for login in roles.logins(job, wanted.username) if login.name == wanted.username), None
    )
    if found is None:
        yield f"make the login {wanted.username}"
        roles.make(job, wanted.username, wanted.password)
    else:
        yield from roles.settle(job, found)
    if _refused(job, wanted) is None:
        return
    yield Taking(f"set the password of {wanted.username} to the secret's")
    verifier = roles.verifier(job, wanted.username, wanted.password)
    job.session.run(compose("ALTER ROLE {} PASSWORD {}", wanted.username, verifier))
    if (trouble := _refused(job, wanted)) is not None:
        raise PostgresError(f"the new login does not get in: {trouble}")


def _refused(job: DatabaseJob, wanted: Credentials) -> PostgresError | None:
    """Try to log in; return the error where the server refuses the password."""
    as_login = evolve(job.server, user=wanted.username, password=wanted.password, as_itself=False)
    try:
        with job.open(as_login) as session:
            ((role,),) = session.rows("SELECT current_user")
    except PostgresError as trouble:
        if trouble.password:
            return trouble
        raise
    if role != job.spec.owner_role:
        raise PostgresError(f"{wanted.username} works as {role}, not as the owner {job.spec.owner_role}")
    return None
