"""How Alembic gets at the database: by the environment variable DATABASE, whichever section `--name` names.

Each revision is a transaction of its own: where the second of two fails, the first one stays.
"""

import logging
import sys

from alembic import context

from orders import database

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

with database.engine("DATABASE").connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
