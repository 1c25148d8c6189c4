"""All that a command leaves on a server, in a form that two runs can be compared by."""

import re
from typing import Any

from deployer_core.spec import DatabaseSpec
from tests.aws.postgres.server import ADMIN, Server

ROLES = """
    SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolinherit,
        shobj_description(r.oid, 'pg_authid'),
        (SELECT array_agg(o.rolname::text ORDER BY o.rolname) FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid
         WHERE m.member = r.oid AND o.rolname <> 'pg_database_owner'),
        (SELECT array_agg(o.rolname::text ORDER BY o.rolname) FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.member
         WHERE m.roleid = r.oid),
        (SELECT setconfig FROM pg_db_role_setting WHERE setrole = r.oid AND setdatabase = 0)
    FROM pg_roles r WHERE rolname LIKE %s OR shobj_description(r.oid, 'pg_authid') LIKE %s OR rolname LIKE 'deployer%%'
    ORDER BY rolname
"""
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
    UNION ALL SELECT 'extension', '', extname, '', extversion FROM pg_extension
    ORDER BY 1, 2, 3, 4
"""


def state(server: Server, spec: DatabaseSpec[str]) -> Any:
    """Roles, memberships, the database, and all that is in it, without what differs from one database to another."""
    roles = server.rows(ROLES, f"{spec.name}%", f"%database {spec.name}")
    found = [roles, server.rows(DATABASE, spec.name), server.rows(OBJECTS, database=spec.name)]
    text = repr(found).replace(ADMIN, "ADMIN")
    text = re.sub(rf"{re.escape(spec.name)}_app_[0-9a-f]{{10}}", "LOGIN", text)
    return re.sub(rf"\b{re.escape(spec.name)}", "DB", text)
