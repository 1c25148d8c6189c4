"""The roles of a database: the owner, which cannot log in, and the logins in it.

Every login has its `role` set to the owner, so that what it makes belongs to the owner. A login that was made here
bears a mark (`marks`) that says for which database: no other role is ever taken for one.
"""

from collections.abc import Generator, Sequence

from attrs import frozen
from psycopg import sql

from deployer_aws.executors.postgres import catalog
from deployer_aws.executors.postgres.job import DatabaseJob, Steps, Taking
from deployer_aws.executors.postgres.marks import login_mark
from deployer_aws.executors.postgres.problems import PostgresError
from deployer_aws.executors.postgres.session import compose

IAM = "rds_iam"
"""The role whose members log in by IAM authentication (Amazon RDS, 'Creating a database account using IAM')."""


# The owner


def owner(job: DatabaseJob) -> Steps:
    """Ensure the owner role, and that the administrator may act for it."""
    wanted, administrator = job.spec.owner_role, job.administrator
    found = job.session.rows(
        "SELECT rolcanlogin, rolsuper, rolname = session_user FROM pg_roles WHERE rolname = %s", wanted
    )
    if not found:
        if not administrator.may_create_roles:
            raise PostgresError(
                f"the administrator {administrator.name} may not create roles; a superuser gives it CREATEROLE"
            )
        yield f"make the owner {wanted}"
        job.session.run(compose("CREATE ROLE {} NOLOGIN", wanted))
        job.notes.append(f"made the owner {wanted}")
    elif found[0][1] or found[0][2] or found[0][0]:
        why = (
            "a superuser" if found[0][1] else "the administrator" if found[0][2] else "a role that can log in"
        )
        raise PostgresError(f"the owner {wanted} is {why}; name another role as the database's owner")
    elif _leads_to_iam(job, wanted):
        raise PostgresError(
            f"the owner {wanted} is in {IAM}: RDS would let none of its members in by password; "
            f"revoke {IAM} from it, or name another owner"
        )
    yield from act_for(job, wanted)


def _leads_to_iam(job: DatabaseJob, role: str) -> bool:
    """Tell whether a role is rds_iam, or in it by however many steps."""
    query = compose(catalog.ABOVE, names=sql.Literal([role]), role=sql.Literal(IAM))
    return job.session.rows(query) != [(None,)]


def act_for(job: DatabaseJob, role: str) -> Steps:
    """Make the administrator a member of a role, so that it may change what the role owns.

    From PostgreSQL 16 on CREATEROLE alone gives neither SET nor INHERIT ('CREATE ROLE', 'Role Membership'). A role that
    RDS lets in by IAM is never granted to the administrator, who would lose its password login by that.
    """
    administrator = job.administrator
    if administrator.superuser or administrator.name == role or is_member(job, role):
        return
    if _leads_to_iam(job, role):
        raise PostgresError(
            f"{role} is in {IAM}: as a member of it the administrator could not log in by password any more; "
            f"revoke {IAM} from {role}"
        )
    yield f"let the administrator act for {role}"
    options: sql.Composable = sql.SQL("")
    if administrator.needs_options:
        options = sql.SQL(" WITH INHERIT TRUE, SET TRUE")
    job.session.run(compose("GRANT {} TO CURRENT_USER{}", role, options))


def able(job: DatabaseJob, owners: set[str]) -> Generator[str, None, set[str]]:
    """Return those for whom the administrator may act, after granting what that takes."""
    query = compose(
        catalog.ABLE, iam=sql.Literal(IAM), manageable=manageable(job), names=sql.Literal(sorted(owners))
    )
    found: set[str] = set()
    for role, has, grantable in job.session.rows(query) if owners else []:
        if not has and grantable:
            yield from act_for(job, role)
        if has or grantable:
            found.add(role)
    return found


def heirs(job: DatabaseJob, names: set[str]) -> set[str]:
    """Return those of some roles that have all rights of the owner: what is given to it is not taken from them."""
    query = "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) AND pg_has_role(oid, %s, 'USAGE')"
    return {name for (name,) in job.session.rows(query, list(names), job.spec.owner_role)} if names else set()


def is_member(job: DatabaseJob, role: str) -> bool:
    """Tell whether the administrator was itself made a member of a role that may act for it."""
    query = sql.SQL(
        "SELECT coalesce(bool_or({inherits}), false) AND coalesce(bool_or({sets}), false)"
        " FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles a ON a.oid = m.member"
        " WHERE r.rolname = %s AND a.rolname = session_user"
    ).format(
        inherits=sql.SQL("m.inherit_option" if job.administrator.needs_options else "true"),
        sets=sql.SQL("m.set_option" if job.administrator.needs_options else "true"),
    )
    return bool(job.session.rows(query, role)[0][0])


# Logins


@frozen
class Login:
    """A login as it stands. `member` says that it is in the owner, `settled` that its role is set to the owner."""

    name: str
    enabled: bool
    ours: bool
    iam: bool
    member: bool
    settled: bool
    in_use: bool
    manageable: bool
    """Whether the administrator may change and drop it: from 16 on that takes the ADMIN option."""


def logins(job: DatabaseJob, *names: str) -> list[Login]:
    """Read the logins that were made for this database, and the roles of these names."""
    query = compose(
        catalog.LOGINS,
        mark=sql.Literal(login_mark(job.spec.name)),
        iam=sql.Literal(IAM),
        owner=sql.Literal(job.spec.owner_role),
        manageable=manageable(job),
        names=sql.Literal(list(names)),
    )
    return [Login(*row) for row in job.session.rows(query)]


def manageable(job: DatabaseJob) -> sql.SQL:
    """Return the condition on a role `r` that the administrator may grant, change and drop it."""
    free = job.administrator.superuser or not job.administrator.needs_options
    return sql.SQL("true" if free else catalog.ADMIN_OPTION)


def settle(job: DatabaseJob, login: Login) -> Steps:
    """Ensure that a login is enabled, in the owner, and works as the owner."""
    name, owner = login.name, job.spec.owner_role
    if not login.enabled:
        yield f"enable the login {name}"
        job.session.run(compose("ALTER ROLE {} LOGIN", name))
    if not login.member:
        yield f"put the login {name} into {owner}"
        job.session.run(compose("GRANT {} TO {}", owner, name))
    if not login.settled:
        yield f"let the login {name} work as {owner}"
        job.session.run(compose("ALTER ROLE {} SET role TO {}", name, sql.Literal(owner)))


def make(job: DatabaseJob, name: str, password: str | None) -> None:
    """Make a login, whole or not at all. The password goes to the server as a SCRAM verifier."""
    secret: sql.Composable = sql.SQL("")
    if password is not None:
        secret = compose(" PASSWORD {}", verifier(job, name, password))
    with job.session.transaction():
        job.session.run(compose("CREATE ROLE {} LOGIN{}", name, secret))
        _dress(job, name)
        job.session.run(compose("GRANT {} TO {}", job.spec.owner_role, name))


def verifier(job: DatabaseJob, name: str, password: str) -> sql.Literal:
    """Return what replaces a password in a statement, which may end up in the server's log."""
    return sql.Literal(job.session.verifier(name, password))


def _dress(job: DatabaseJob, name: str) -> None:
    owner = sql.Literal(job.spec.owner_role)
    job.session.run(compose("ALTER ROLE {} SET role TO {}", name, owner))
    job.session.run(compose("COMMENT ON ROLE {} IS {}", name, sql.Literal(login_mark(job.spec.name))))


# IAM


def iam_login(job: DatabaseJob) -> Steps:
    """Ensure a login that RDS lets in by IAM authentication, and that it alone is let in so.

    All members of rds_iam, indirect ones too, lose password login on RDS ('IAM database authentication', limitations).
    """
    name = job.spec.login_role
    if not job.session.rows("SELECT FROM pg_roles WHERE rolname = %s", IAM):
        raise PostgresError(
            f"the server has no role {IAM}: this is not RDS, or IAM authentication is off; or use app_secret"
        )
    login = next((found for found in logins(job, name) if found.name == name), None)
    if login is None:
        yield f"make the IAM login {name}"
        _make_apart(job, name)
        job.notes.append(f"made the IAM login {name}")
    elif not login.ours:
        raise PostgresError(
            f"the role {name} was not made as the IAM login of this database, so it may have a password; "
            "name another login, or drop it"
        )
    elif not (login.member and login.enabled and login.settled):
        yield from settle(job, login)
    if login is None or not login.iam:
        _refuse_to_lock_out(job, name)
        yield f"grant {IAM} to {name}"
        job.session.run(compose("GRANT {} TO {}", IAM, name))


def _make_apart(job: DatabaseJob, name: str) -> None:
    """Make a login that the administrator is no member of.

    From PostgreSQL 16 on a role that is no superuser becomes a member of each role that it makes, and cannot leave it
    ('CREATE ROLE'): with rds_iam in that role, the administrator could not log in with its password any more. So a
    role that lives within this transaction alone makes it, and the membership goes with that role.
    """
    if job.administrator.superuser or not job.administrator.needs_options:
        make(job, name, None)
        return
    maker = f"deployer_{job.token[-20:]}"
    with job.session.transaction():
        job.session.run(compose("CREATE ROLE {} NOLOGIN CREATEROLE", maker))
        job.session.run(compose("GRANT {} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE", maker))
        job.session.run(compose("SET LOCAL ROLE {}", maker))
        job.session.run(compose("CREATE ROLE {} LOGIN", name))
        _dress(job, name)
        job.session.run("SET LOCAL ROLE NONE")
        job.session.run(compose("DROP ROLE {}", maker))
        job.session.run(compose("GRANT {} TO {}", job.spec.owner_role, name))


def _refuse_to_lock_out(job: DatabaseJob, name: str) -> None:
    roles = [job.spec.owner_role, job.administrator.name]
    query = compose(catalog.ABOVE, names=sql.Literal(roles), role=sql.Literal(name))
    ((locked,),) = job.session.rows(query)
    if locked is not None:
        raise PostgresError(
            f"{locked} is a member of {name}: with {IAM} in it, RDS would let neither in by password; "
            f"revoke {name} from {locked}, or name another login"
        )


# Old logins


def disable(job: DatabaseJob, keep: str) -> Steps:
    """Let nobody log in any more by the logins of this database but the one to keep."""
    for login in logins(job):
        if login.name == keep or not (login.enabled or login.iam):
            continue
        if login.iam:
            yield Taking(f"revoke {IAM} from {login.name}")
            job.session.run(compose("REVOKE {} FROM {}", IAM, login.name))
        if login.manageable:
            yield Taking(f"disable the login {login.name}")
            job.session.run(compose("ALTER ROLE {} NOLOGIN", login.name))
        elif login.member:
            yield Taking(f"take the login {login.name} out of {job.spec.owner_role}")
            job.session.run(compose("REVOKE {} FROM {}", job.spec.owner_role, login.name))
            job.notes.append(f"{login.name} has no rights any more; only a superuser can drop it")


def drop(job: DatabaseJob) -> Steps:
    """Drop disabled logins of this database that nothing uses; what they own goes to the owner first.

    REASSIGN OWNED needs the privileges of both roles ('REASSIGN OWNED'), DROP ROLE that nothing depends on it.
    """
    old = [login for login in logins(job) if not login.enabled and login.manageable and not login.iam]
    for login in old:
        if login.in_use:
            job.notes.append(f"{login.name} is disabled, and will be dropped once its sessions have ended")
            continue
        if login.name not in (yield from able(job, {login.name})):
            job.notes.append(f"{login.name} is disabled, and kept: the administrator may not act for it")
            continue
        yield f"drop the login {login.name}"
        _drop(job, login.name)


def _drop(job: DatabaseJob, name: str) -> None:
    parts: Sequence[sql.Composed] = (
        compose("REASSIGN OWNED BY {} TO {}", name, job.spec.owner_role),
        compose("DROP OWNED BY {}", name),
        compose("DROP ROLE {}", name),
    )
    try:
        with job.open() as inside, inside.transaction():
            for part in parts:
                inside.run(part)
    except (
        PostgresError
    ) as trouble:  # a database that is as it should be is no failure because of an old login
        if trouble.transient:
            raise
        job.notes.append(f"{name} is disabled, and kept because of what it owns: {trouble}")
        return
    job.notes.append(f"dropped the old login {name}")
