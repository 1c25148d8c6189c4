"""How Alembic gets at the database: by the environment variable DATABASE, whichever section `--name` names.

Each revision is a transaction of its own: where the second of two fails, the first one stays.
"""

import logging
import sys

from alembic import context
from sqlalchemy.exc import DBAPIError

from orders import database

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
# Which revision is run is worth a line, and not which dialect that takes.
logging.getLogger("alembic.runtime.migration").addFilter(lambda said: said.getMessage().startswith("Running"))

try:
    with database.engine("DATABASE").connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
except DBAPIError as error:
    # The deployer shows the last lines of a task that failed: there PostgreSQL's own words say more than a traceback.
    sys.exit(f"failed: {error.orig}")
