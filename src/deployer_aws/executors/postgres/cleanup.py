"""Ownership and default privileges in a database: what was made under another role is given to the owner.

In every schema of the application: `public`, and those that belong to the owner, to the database's owner, to the
administrator or to a member of the owner; and large objects of all these, which stand in no schema. What belongs to an
extension is left to it; a linked sequence and a table's row type follow their table, a multirange its range ('ALTER
TABLE', 'ALTER TYPE'). What else stands in no schema is given to the owner only with an old login that is dropped.
"""

from collections import Counter
from collections.abc import Collection
from typing import LiteralString

from attrs import frozen
from psycopg import sql

from deployer_aws.executors.postgres import catalog, roles
from deployer_aws.executors.postgres.job import DatabaseJob, Steps, Taking
from deployer_aws.executors.postgres.session import DatabaseSession, compose

BATCH = 100
"""Objects in one transaction: each takes locks, on its indexes too, and the lock table is shared by all sessions
('max_locks_per_transaction')."""


def _keywords(words: LiteralString) -> dict[str, sql.SQL]:
    return {word: sql.SQL(word.upper()) for word in words.split(", ")}


_KEYWORDS = {
    **_keywords(
        "schema, table, foreign table, view, materialized view, sequence, domain, type, collation, conversion"
    ),
    **_keywords(
        "text search dictionary, text search configuration, operator family, operator class, operator"
    ),
    **_keywords("large object"),
    "function": sql.SQL("ROUTINE"),
    "statistics object": sql.SQL("STATISTICS"),
}
"""Each kind, as ALTER names it; a ROUTINE is a function, a procedure or an aggregate ('ALTER ROUTINE')."""

_SYMBOLS = _keywords("+, -, *, /, <, >, =, ~, !, @, #, %, ^, &, |, `, ?")
"""All that an operator's name may consist of (PostgreSQL, 'Lexical Structure')."""


@frozen
class DatabaseObject:
    """One object that does not belong to the owner."""

    kind: str
    schema: str | None
    name: str | None
    owner: str
    argument_schemas: list[str] | None
    argument_types: list[str] | None
    method: str | None

    def change_owner(self, owner: str) -> sql.Composed:
        """Return the statement that changes its owner."""
        called = self._called()
        if self.argument_types is not None:
            types = zip(self.argument_schemas or [], self.argument_types, strict=True)
            called = compose("{}({})", called, sql.SQL(", ").join([self._argument(*pair) for pair in types]))
        if self.method is not None:
            called = compose("{} USING {}", called, self.method)
        return compose("ALTER {} {} OWNER TO {}", _KEYWORDS[self.kind], called, owner)

    def _called(self) -> sql.Composable:
        """Return its name; an operator's can't be quoted, and a large object has a number."""
        if self.kind == "operator":
            return compose("{}.{}", self.schema or "", sql.Composed([_SYMBOLS[c] for c in self.name or ""]))
        if self.kind == "large object":
            return sql.Literal(int(self.name or 0))
        return sql.Identifier(*filter(None, (self.schema, self.name)))

    def _argument(self, schema: str | None, name: str | None) -> sql.Composable:
        """Name an argument's type. IN keeps a procedure's OUT arguments apart from another's IN arguments."""
        if self.kind == "operator":
            return sql.SQL("NONE") if name is None or schema is None else sql.Identifier(schema, name)
        return compose("IN {}", sql.Identifier(*filter(None, (schema, name))))


def cleanup(job: DatabaseJob, inside: DatabaseSession, kinds: Collection[str] = _KEYWORDS) -> Steps:
    """Give what stands in the application's schemas to the owner, in batches; schemas first, then what is in them."""
    things = [
        thing
        for row in inside.rows(_query(job, catalog.OBJECTS))
        if (thing := DatabaseObject(*row)).kind in kinds
    ]
    able = yield from roles.able(job, {thing.owner for thing in things})
    left = Counter(thing.owner for thing in things if thing.owner not in able)
    for role, count in sorted(left.items()):
        job.notes.append(f"left {count} that belong to {role}, for whom the administrator may not act")
    ours = [thing for thing in things if thing.owner in able]
    lose_nothing = roles.heirs(job, {thing.owner for thing in ours})
    for start in range(0, len(ours), BATCH):
        batch = ours[start : start + BATCH]
        change = f"set the owner of {len(batch)} objects right, {len(ours) - start} to go"
        yield change if all(thing.owner in lose_nothing for thing in batch) else Taking(change)
        inside.run(sql.SQL("; ").join([thing.change_owner(job.spec.owner_role) for thing in batch]))
        job.changed.update(f"{thing.kind} of {thing.owner}" for thing in batch)
    yield from _defaults(job, inside)


def _query(job: DatabaseJob, query: LiteralString) -> sql.Composed:
    application = sql.SQL(catalog.APPLICATION).format(owner=sql.Literal(job.spec.owner_role))
    return sql.SQL(query).format(application=application)


# Default privileges

_PRIVILEGES = _keywords(
    "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN, USAGE, EXECUTE, CREATE"
)
_TARGETS = dict(
    zip(
        "rSfTnL",
        _keywords("TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS, LARGE OBJECTS").values(),
        strict=True,
    )
)


def _defaults(job: DatabaseJob, inside: DatabaseSession) -> Steps:
    """Let what the owner makes have the privileges that others set for what they make themselves."""
    owner = job.spec.owner_role
    found = inside.rows(_query(job, catalog.DEFAULT_PRIVILEGES))
    able = yield from roles.able(job, {role for _, role, *_ in found})
    for given, role, schema, target, privilege, grantable, grantee, own in found:
        if role not in able:
            continue
        parts = {
            "schema": compose(" IN SCHEMA {}", schema) if schema else sql.SQL(""),
            "what": compose("{} ON {}", _PRIVILEGES[privilege], _TARGETS[target]),
            "grantee": sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee),
        }
        grant = compose("GRANT {what} TO {grantee}", **parts)
        if grantable:
            grant = compose("{} WITH GRANT OPTION", grant)
        revoke = compose("REVOKE {what} FROM {grantee}", **parts)
        take, back = (grant, revoke) if given else (revoke, grant)
        statements = [compose("ALTER DEFAULT PRIVILEGES FOR ROLE {}{schema} {}", role, back, **parts)]
        if not own:
            statements.append(
                compose("ALTER DEFAULT PRIVILEGES FOR ROLE {}{schema} {}", owner, take, **parts)
            )
        yield f"move a default privilege of {role} to {owner}"
        inside.run(sql.SQL("; ").join(statements))
        job.changed[f"default privilege of {role}"] += 1
