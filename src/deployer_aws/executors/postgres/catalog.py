"""The queries of the system catalogs (PostgreSQL, 'System Catalogs')."""

from typing import LiteralString

APPLICATION: LiteralString = """
    WITH heir AS (SELECT oid FROM pg_roles WHERE rolname = {owner}),
    -- all whose schemas are the application's
    family AS (
        SELECT oid FROM pg_roles WHERE rolname IN ({owner}, session_user)
        UNION SELECT datdba FROM pg_database WHERE datname = current_database()
        UNION SELECT m.member FROM pg_auth_members m JOIN heir ON m.roleid = heir.oid),
    app AS (
        SELECT n.oid, n.nspname, n.nspowner FROM pg_namespace n
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND (n.nspname = 'public' OR n.nspowner IN (SELECT oid FROM family))
        AND NOT EXISTS (
            SELECT FROM pg_depend d
            WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e'))
"""
"""The beginning of a query: the owner, and the schemas of the application."""

OBJECTS: LiteralString = """
    {application}
    SELECT kind, schema, name, pg_get_userbyid(owner), argument_schemas, argument_types, method
    FROM (
        SELECT 'schema', nspname, NULL, nspowner, NULL::text[], NULL::text[], NULL, 'pg_namespace'::regclass, oid
        FROM app WHERE nspowner IN (SELECT oid FROM family)
      UNION ALL
        SELECT
            CASE o.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
            WHEN 'f' THEN 'foreign table' ELSE 'table' END,
            n.nspname, o.relname, o.relowner, NULL, NULL, NULL, 'pg_class'::regclass, o.oid
        FROM pg_class o JOIN app n ON n.oid = o.relnamespace
        WHERE o.relkind IN ('r', 'p', 'f', 'v', 'm')
        OR o.relkind = 'S' AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = o.oid
            AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a')
      UNION ALL
        SELECT
            'function', n.nspname, o.proname, o.proowner,
            ARRAY(
                SELECT tn.nspname::text FROM unnest(o.proargtypes) WITH ORDINALITY AS a (type, i)
                JOIN pg_type t ON t.oid = a.type JOIN pg_namespace tn ON tn.oid = t.typnamespace ORDER BY a.i),
            ARRAY(
                SELECT t.typname::text FROM unnest(o.proargtypes) WITH ORDINALITY AS a (type, i)
                JOIN pg_type t ON t.oid = a.type ORDER BY a.i),
            NULL, 'pg_proc'::regclass, o.oid
        FROM pg_proc o JOIN app n ON n.oid = o.pronamespace
      UNION ALL
        SELECT
            CASE o.typtype WHEN 'd' THEN 'domain' ELSE 'type' END,
            n.nspname, o.typname, o.typowner, NULL, NULL, NULL, 'pg_type'::regclass, o.oid
        FROM pg_type o JOIN app n ON n.oid = o.typnamespace LEFT JOIN pg_class c ON c.oid = o.typrelid
        WHERE o.typtype IN ('b', 'c', 'd', 'e', 'r') AND (o.typtype <> 'c' OR c.relkind = 'c')
        AND coalesce((SELECT e.typarray FROM pg_type e WHERE e.oid = o.typelem), 0) <> o.oid
      UNION ALL
        -- up to 16 a multirange does not follow its range; from 17 on it does, and cannot be altered by itself
        SELECT 'type', n.nspname, o.typname, o.typowner, NULL, NULL, NULL, NULL, o.oid
        FROM pg_type o JOIN app n ON n.oid = o.typnamespace JOIN pg_range r ON r.rngmultitypid = o.oid
        WHERE current_setting('server_version_num')::int < 170000
        AND NOT EXISTS (
            SELECT FROM pg_depend d
            WHERE d.classid = 'pg_type'::regclass AND d.objid = r.rngtypid AND d.deptype = 'e')
      UNION ALL
        SELECT 'collation', n.nspname, o.collname, o.collowner, NULL, NULL, NULL, 'pg_collation'::regclass, o.oid
        FROM pg_collation o JOIN app n ON n.oid = o.collnamespace
      UNION ALL
        SELECT 'conversion', n.nspname, o.conname, o.conowner, NULL, NULL, NULL, 'pg_conversion'::regclass, o.oid
        FROM pg_conversion o JOIN app n ON n.oid = o.connamespace
      UNION ALL
        SELECT
            'statistics object', n.nspname, o.stxname, o.stxowner, NULL, NULL, NULL,
            'pg_statistic_ext'::regclass, o.oid
        FROM pg_statistic_ext o JOIN app n ON n.oid = o.stxnamespace
      UNION ALL
        SELECT
            'text search dictionary', n.nspname, o.dictname, o.dictowner, NULL, NULL, NULL,
            'pg_ts_dict'::regclass, o.oid
        FROM pg_ts_dict o JOIN app n ON n.oid = o.dictnamespace
      UNION ALL
        SELECT
            'text search configuration', n.nspname, o.cfgname, o.cfgowner, NULL, NULL, NULL,
            'pg_ts_config'::regclass, o.oid
        FROM pg_ts_config o JOIN app n ON n.oid = o.cfgnamespace
      UNION ALL
        SELECT
            'operator family', n.nspname, o.opfname, o.opfowner, NULL, NULL, a.amname,
            'pg_opfamily'::regclass, o.oid
        FROM pg_opfamily o JOIN app n ON n.oid = o.opfnamespace JOIN pg_am a ON a.oid = o.opfmethod
      UNION ALL
        SELECT
            'operator class', n.nspname, o.opcname, o.opcowner, NULL, NULL, a.amname,
            'pg_opclass'::regclass, o.oid
        FROM pg_opclass o JOIN app n ON n.oid = o.opcnamespace JOIN pg_am a ON a.oid = o.opcmethod
      UNION ALL
        SELECT
            'operator', n.nspname, o.oprname, o.oprowner,
            ARRAY[ln.nspname::text, rn.nspname::text], ARRAY[l.typname::text, r.typname::text],
            NULL, 'pg_operator'::regclass, o.oid
        FROM pg_operator o JOIN app n ON n.oid = o.oprnamespace
        LEFT JOIN pg_type l ON l.oid = o.oprleft LEFT JOIN pg_namespace ln ON ln.oid = l.typnamespace
        LEFT JOIN pg_type r ON r.oid = o.oprright LEFT JOIN pg_namespace rn ON rn.oid = r.typnamespace
      UNION ALL
        SELECT 'large object', NULL, o.oid::text, o.lomowner, NULL, NULL, NULL, 'pg_largeobject'::regclass, o.oid
        FROM pg_largeobject_metadata o WHERE o.lomowner IN (SELECT oid FROM family)
    ) AS o (kind, schema, name, owner, argument_schemas, argument_types, method, catalog, oid)
    WHERE owner <> (SELECT oid FROM heir)
    -- what belongs to an extension, or is a part of something else, as a column of a partition key is of its table
    AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = o.catalog AND d.objid = o.oid AND d.objsubid = 0 AND d.deptype IN ('e', 'i'))
    ORDER BY kind <> 'schema', kind, schema, name, argument_types
"""
"""Objects in schemas of the application that do not belong to the owner, schemas first.

Each catalog is read once, and others are asked by their indexes: right after a migration the planner knows nothing of
what it has made, so that a plan that is good for many objects has to be good for few."""

DEFAULT_PRIVILEGES: LiteralString = """
    {application},
    has AS (
        SELECT d.oid, d.defaclrole AS role, n.nspname, d.defaclobjtype::text AS target, e.*
        FROM pg_default_acl d LEFT JOIN app n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) e
        WHERE d.defaclrole IN (SELECT oid FROM family) AND d.defaclrole <> (SELECT oid FROM heir)
        AND (d.defaclnamespace = 0 OR n.oid IS NOT NULL) AND d.defaclobjtype IN ('r', 'S', 'f', 'T', 'n', 'L')),
    -- what new objects have anyway; there is no such thing for one schema alone
    base AS (
        SELECT d.oid, d.defaclrole AS role, NULL::name AS nspname, d.defaclobjtype::text AS target, e.*
        FROM pg_default_acl d,
        aclexplode(acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)) e
        WHERE d.defaclnamespace = 0 AND d.defaclobjtype IN ('r', 'S', 'f', 'T', 'n', 'L')
        AND d.defaclrole IN (SELECT oid FROM family) AND d.defaclrole <> (SELECT oid FROM heir)),
    change AS (
        SELECT true AS given, * FROM (SELECT * FROM has EXCEPT SELECT * FROM base) AS more
        UNION ALL SELECT false, * FROM (SELECT * FROM base EXCEPT SELECT * FROM has) AS less)
    SELECT
        given, pg_get_userbyid(role), nspname, target, privilege_type, is_grantable,
        CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END,
        grantee IN (role, (SELECT oid FROM heir))
    FROM change ORDER BY 2, 3, 4, 5, 7
"""
"""Default privileges of others than the owner, as what was granted beyond the usual, or revoked of it."""

LOGINS: LiteralString = """
    SELECT
        r.rolname, r.rolcanlogin, coalesce(shobj_description(r.oid, 'pg_authid') = {mark}, false),
        EXISTS (
            SELECT FROM pg_auth_members m JOIN pg_roles i ON i.oid = m.roleid
            WHERE m.member = r.oid AND i.rolname = {iam}),
        EXISTS (
            SELECT FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid
            WHERE m.member = r.oid AND o.rolname = {owner}),
        EXISTS (
            SELECT FROM pg_db_role_setting s
            WHERE s.setrole = r.oid AND s.setdatabase = 0 AND 'role=' || {owner} = ANY (s.setconfig)),
        EXISTS (SELECT FROM pg_stat_activity a WHERE a.usesysid = r.oid),
        {manageable}
    FROM pg_roles r
    WHERE shobj_description(r.oid, 'pg_authid') = {mark} OR r.rolname = ANY ({names})
    ORDER BY r.rolname
"""
"""The logins that bear a mark, and the roles of some names."""

ADMIN_OPTION: LiteralString = """
    EXISTS (
        SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND m.admin_option
        AND pg_has_role(session_user, m.member, 'USAGE'))
"""
"""Whether the administrator may grant, change and drop the role `r`: from 16 on CREATEROLE is not enough for that."""

ABLE: LiteralString = """
    WITH RECURSIVE iam AS (
        SELECT oid FROM pg_roles WHERE rolname = {iam}
        UNION SELECT m.member FROM pg_auth_members m JOIN iam ON m.roleid = iam.oid)
    SELECT
        r.rolname, pg_has_role(session_user, r.oid, 'USAGE'),
        NOT r.rolsuper AND r.oid NOT IN (SELECT oid FROM iam) AND {manageable}
    FROM pg_roles r WHERE r.rolname = ANY ({names}) ORDER BY 1
"""
"""Of some roles, whether the administrator has their privileges, and whether it may be given them."""

ABOVE: LiteralString = """
    WITH RECURSIVE up AS (
        SELECT oid, rolname AS who FROM pg_roles WHERE rolname = ANY ({names})
        UNION SELECT m.roleid, up.who FROM pg_auth_members m JOIN up ON m.member = up.oid)
    SELECT min(who) FROM up JOIN pg_roles r ON r.oid = up.oid WHERE r.rolname = {role}
"""
"""Which of some roles is a member of a role, by however many steps, and whether or not it inherits from it."""
