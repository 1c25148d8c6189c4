"""Ensure the database itself: created, owned, reachable, and with its extensions."""

from deployer_aws.executors.postgres import roles
from deployer_aws.executors.postgres.cleanup import cleanup
from deployer_aws.executors.postgres.job import DatabaseJob, Steps, Taking
from deployer_aws.executors.postgres.problems import PostgresError
from deployer_aws.executors.postgres.session import DatabaseSession, compose


def database(job: DatabaseJob) -> Steps:
    """Ensure the database, owned by the owner role; from 16 on that takes SET on it ('CREATE DATABASE')."""
    name, owner, administrator = job.spec.name, job.spec.owner_role, job.administrator
    query = (
        "SELECT pg_get_userbyid(datdba), datconnlimit, datistemplate,"
        " has_database_privilege(%s, oid, 'CONNECT') FROM pg_database WHERE datname = %s"
    )
    found = job.session.rows(query, owner, name)
    if not found:
        if not administrator.may_create_databases:
            raise PostgresError(
                f"the administrator {administrator.name} may not create databases; a superuser gives it CREATEDB"
            )
        yield f"make the database {name}"
        job.session.run(compose("CREATE DATABASE {} OWNER {}", name, owner))
        job.notes.append(f"made the database {name}")
        return
    before, limit, template, connects = found[0]
    if limit == -2 or template:
        what = "a template" if template else "half dropped; drop it to the end"
        raise PostgresError(f"the database {name} is {what}")
    if before != owner:
        yield from _take_over(job, before)
        change = f"give the database {name} to {owner}"
        yield change if roles.heirs(job, {before}) else Taking(change)
        job.session.run(compose("ALTER DATABASE {} OWNER TO {}", name, owner))
        job.notes.append(f"the database belonged to {before}")
        connects = True  # the owner's privileges go along
    if not connects:
        yield f"let {owner} connect"
        job.session.run(compose("GRANT CONNECT ON DATABASE {} TO {}", name, owner))


def _take_over(job: DatabaseJob, before: str) -> Steps:
    """Give what makes schemas the application's to the owner, while it can be told by whom the database belongs to."""
    name, owner = job.spec.name, job.spec.owner_role
    if before not in (yield from roles.able(job, {before})):
        raise PostgresError(
            f"the database {name} belongs to {before}, for whom the administrator may not act; "
            f"its owner or a superuser has to give it to {owner}"
        )
    with job.open() as inside:
        yield from cleanup(job, inside, kinds=("schema",))


def extensions(job: DatabaseJob, inside: DatabaseSession) -> Steps:
    """Ensure the extensions, with those that they need.

    Who is no superuser may make trusted ones ('CREATE EXTENSION'), and on RDS those that rds.allowed_extensions names.
    """
    wanted = list(job.spec.extensions)
    if not wanted:
        return
    found = inside.rows(
        "SELECT w.name, a.name IS NOT NULL, e.oid IS NOT NULL FROM unnest(%s::text[]) AS w (name)"
        " LEFT JOIN pg_available_extensions a ON a.name = w.name::name"
        " LEFT JOIN pg_extension e ON e.extname = w.name::name ORDER BY 1",
        wanted,
    )
    if missing := [name for name, available, there in found if not (available or there)]:
        names = ", ".join(
            name for (name,) in inside.rows("SELECT name FROM pg_available_extensions ORDER BY 1")
        )
        raise PostgresError(f"the server has no extension {', '.join(missing)}; it has: {names}")
    for name, _, there in found:
        if not there:
            yield f"make the extension {name}"
            with inside.transaction():
                inside.run("SET LOCAL search_path = public")
                inside.run(compose("CREATE EXTENSION IF NOT EXISTS {} CASCADE", name))
            job.notes.append(f"made the extension {name}")


def grants(job: DatabaseJob, inside: DatabaseSession) -> Steps:
    """Ensure that the owner may use the schema public.

    From 15 on it belongs to the database's owner (release notes of 15), unless the server was upgraded.
    """
    owner = job.spec.owner_role
    query = (
        "SELECT has_schema_privilege(%s, oid, 'CREATE') AND has_schema_privilege(%s, oid, 'USAGE')"
        " FROM pg_namespace WHERE nspname = 'public'"
    )
    if inside.rows(query, owner, owner) == [(False,)]:
        yield f"let {owner} use the schema public"
        inside.run(compose("GRANT CREATE, USAGE ON SCHEMA public TO {}", owner))
        if inside.rows(query, owner, owner) == [(False,)]:
            job.notes.append(f"{owner} may not use the schema public, and the administrator cannot let it")
