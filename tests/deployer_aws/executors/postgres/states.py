"""All that a command leaves on a server, in a form that two runs can be compared by."""

import re
from typing import Any

from deployer_aws.executors.postgres.marks import login_mark
from deployer_core.spec import DatabaseSpec
from tests.deployer_aws.executors.postgres.server import ADMIN, Server

ROLES = """
    SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolinherit, rolreplication, rolbypassrls,
        rolconnlimit, rolvaliduntil, left(rolpassword, 14), shobj_description(r.oid, 'pg_authid'),
        (SELECT array_agg((setdatabase, setconfig)::text ORDER BY setdatabase) FROM pg_db_role_setting
         WHERE setrole = r.oid)
    FROM pg_authid r WHERE rolname LIKE %s OR shobj_description(r.oid, 'pg_authid') = %s OR rolname LIKE 'deployer%%'
    ORDER BY rolname
"""
MEMBERSHIPS = """
    SELECT pg_get_userbyid(roleid), pg_get_userbyid(member), pg_get_userbyid(grantor),
        (to_jsonb(m) - '{oid,roleid,member,grantor}'::text[])::text
    FROM pg_auth_members m WHERE pg_get_userbyid(roleid) LIKE %s OR pg_get_userbyid(member) LIKE %s
    ORDER BY 1, 2, 3
"""
"""With their options, which are more from 16 on."""
DATABASE = """
    SELECT pg_get_userbyid(datdba), datacl::text, datconnlimit FROM pg_database WHERE datname = %s
"""
OBJECTS = """
    SELECT 'relation', n.nspname, relname, pg_get_userbyid(relowner), relacl::text FROM pg_class c
    JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname !~ '^(pg_|information_schema)'
    UNION ALL SELECT 'function', n.nspname, proname, pg_get_userbyid(proowner), proacl::text FROM pg_proc
    JOIN pg_namespace n ON n.oid = pronamespace WHERE n.nspname !~ '^(pg_|information_schema)'
    UNION ALL SELECT 'type', n.nspname, typname, pg_get_userbyid(typowner), typacl::text FROM pg_type
    JOIN pg_namespace n ON n.oid = typnamespace WHERE n.nspname !~ '^(pg_|information_schema)'
    UNION ALL SELECT 'schema', nspname, '', pg_get_userbyid(nspowner), nspacl::text FROM pg_namespace
    WHERE nspname !~ '^(pg_|information_schema)'
    UNION ALL SELECT 'default', coalesce(n.nspname, ''), defaclobjtype::text, pg_get_userbyid(defaclrole),
        defaclacl::text FROM pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
    UNION ALL SELECT 'extension', '', extname, pg_get_userbyid(extowner), extversion FROM pg_extension
    UNION ALL SELECT 'operator', n.nspname, oprname, pg_get_userbyid(oprowner), '' FROM pg_operator
    JOIN pg_namespace n ON n.oid = oprnamespace WHERE n.nspname !~ '^(pg_|information_schema)'
    UNION ALL SELECT 'large object', '', '', pg_get_userbyid(lomowner), lomacl::text FROM pg_largeobject_metadata
    ORDER BY 1, 2, 3, 4
"""


def state(server: Server, spec: DatabaseSpec[str]) -> Any:
    """Roles, memberships, the database, and all that is in it, without what differs from one database to another."""
    roles = server.rows(ROLES, f"{spec.name}%", login_mark(spec.name))
    memberships = server.rows(MEMBERSHIPS, f"{spec.name}%", f"{spec.name}%")
    found = [roles, memberships, server.rows(DATABASE, spec.name), server.rows(OBJECTS, database=spec.name)]
    text = repr(found).replace(ADMIN, "ADMIN")
    text = re.sub(rf"{re.escape(spec.name)}_app_[0-9a-f]{{10}}", "LOGIN", text)
    return re.sub(rf"\b{re.escape(spec.name)}", "DB", text)
