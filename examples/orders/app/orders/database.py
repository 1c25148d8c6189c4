"""How the service, its migrations and its evaluation get at a database."""

import json
import os

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.pool import NullPool


def engine(variable: str, *, read_only: bool = False) -> Engine:
    """Connect to the database whose credentials stand in an environment variable.

    ECS puts a secret's whole text there, which the deployer wrote: JSON with host, port, dbname, username, password,
    and `url`, which is all of them in one.
    """
    try:
        secret = json.loads(os.environ[variable])
    except KeyError:
        raise SystemExit(f"{variable} is not set: it holds a database's credentials as JSON") from None
    url = make_url(secret["url"]).set(drivername="postgresql+psycopg")
    options = {"options": "-c default_transaction_read_only=on"} if read_only else {}
    return create_engine(url, poolclass=NullPool, connect_args=options)
