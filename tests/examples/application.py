"""The application of examples/orders, run as its containers are: by the credentials in its environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote

from attrs import frozen

from tests.deployer_aws.executors.postgres.server import SUPERPASSWORD, SUPERUSER, Server
from tests.support.project import ROOT

ORDERS_FOLDER = ROOT / "examples/orders"
APP = ORDERS_FOLDER / "app"
NEWEST = {"orders": "1.2.0", "billing": "1.1.0"}


@frozen
class Application:
    """Both databases of the example on a server, empty at first."""

    server: Server
    folder: Path = APP

    def environment(self, database: str = "orders", **more: str) -> dict[str, str]:
        """Return what ECS would put into a container, and the interpreter's folder in front of the PATH."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        secrets = {f"{name.upper()}_DATABASE": self.secret(name) for name in NEWEST}
        return {**os.environ, "PATH": path, "DATABASE": self.secret(database), **secrets, **more}

    def secret(self, database: str) -> str:
        """Credentials in the shape in which the deployer writes them."""
        url = f"postgresql://{SUPERUSER}:{quote(SUPERPASSWORD)}@127.0.0.1:{self.server.port}/{database}"
        return json.dumps({"url": url})

    def run(self, *words: str, database: str = "orders", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the application's folder, and wait for its end."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment(database, **more),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def upgrade(self, database: str, revision: str, **more: str) -> str:
        """Migrate a database; what Alembic prints."""
        done = self.run("alembic", "--name", database, "upgrade", revision, database=database, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pending(self, *words: str, database: str = "orders") -> subprocess.CompletedProcess[str]:
        """Ask whether there is anything to migrate."""
        return self.run("python", "-m", "orders.pending_migrations", *words, database=database)

    def show(self) -> subprocess.CompletedProcess[str]:
        """Show what the databases hold."""
        return self.run("python", "-m", "orders.show")

    def rows(self, query: LiteralString, database: str = "orders") -> list[Any]:
        """Return what a database holds."""
        return self.server.rows(query, database=database)
