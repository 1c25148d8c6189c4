"""Whether a database is behind: `python -m orders.pending_migrations DATABASE [REVISION]`.

Exits with 0 when there is nothing to migrate, with 2 when there is, and with 1 when it cannot tell. It changes nothing:
its session is read-only.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy.exc import SQLAlchemyError

from orders import database

INI = Path(__file__).parents[1] / "alembic.ini"
NOTHING, UNKNOWN, SOMETHING = 0, 1, 2


class Parser(argparse.ArgumentParser):
    """argparse's own exit code for bad usage is 2, which means here that there is something to migrate."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNKNOWN, f"{self.format_usage()}{message}\n")


def arguments() -> argparse.Namespace:
    parser = Parser(prog="orders.pending_migrations")
    parser.add_argument("database", choices=Config(INI).file_config.sections())
    parser.add_argument("revision", nargs="?", default="head", help="as for alembic upgrade")
    return parser.parse_args()


def scripts(name: str) -> ScriptDirectory:
    return ScriptDirectory.from_config(Config(INI, ini_section=name))


def look(name: str, revision: str) -> tuple[str, list[Script]]:
    """Where the database stands, and the revisions that it lacks, the oldest first."""
    script = scripts(name)
    with database.engine("DATABASE", read_only=True).connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    done = {one.revision for one in script.iterate_revisions(current, "base")}
    missing = [one for one in script.iterate_revisions(revision, "base") if one.revision not in done]
    return ", ".join(current) or "its beginning", missing[::-1]


def main() -> int:
    asked = arguments()
    try:
        current, missing = look(asked.database, asked.revision)
    except RevisionError as error:
        known = ", ".join(sorted(one.revision for one in scripts(asked.database).walk_revisions()))
        print(f"{asked.database}: {error}: this image has {known}", file=sys.stderr)
        return UNKNOWN
    except SQLAlchemyError as error:
        print(f"{asked.database}: {error}", file=sys.stderr)
        return UNKNOWN
    print(f"{asked.database} is at {current},", "to be migrated:" if missing else "nothing to migrate")
    for one in missing:
        print(f"  {one.revision}  {one.doc}")
    return SOMETHING if missing else NOTHING


if __name__ == "__main__":
    sys.exit(main())
