"""A folder with an application to rehearse: two databases, their programs, and the command in that folder."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import frozen

from deployer_aws.rehearsal.postgres_process import suitable
from tests.support.command import Said, argv, environment, invoke

KEY = "test/shop"
TEMPLATE = """
Parameters:
  Count: {Type: Number, MinValue: 0}
Resources:
  Cluster: {Type: AWS::ECS::Cluster, Properties: {ClusterName: shop}}
  App:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - Name: app
          Environment: [{Name: KIND, Value: service}]
          Secrets: [{Name: ORDERS, ValueFrom: !Sub "arn:aws:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:shop/orders"}]
  Service:
    Type: AWS::ECS::Service
    Properties: {Cluster: !Ref Cluster, TaskDefinition: !Ref App, DesiredCount: !Ref Count}
  Migration:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - Name: migrate
          Environment: [{Name: FROM, Value: template}, {Name: COLOUR, Value: red}]
          Secrets:
            - Name: URL
              ValueFrom: !Sub "arn:aws:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:shop/orders:url::"
          LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: shop, awslogs-stream-prefix: migrate}}
        - {Name: sidecar, Essential: false}
Outputs:
  Cluster: {Value: !Ref Cluster}
  Migration: {Value: !Ref Migration}
"""
PROGRAM = """
import json, os, subprocess, sys, time
from pathlib import Path
import psycopg

word, name, version = sys.argv[1:4]
with Path("seen.jsonl").open("a") as seen:
    seen.write(json.dumps({"word": word, "name": name, "pid": os.getpid(), "env": dict(os.environ)}) + "\\n")
print(word, name, "as", os.environ.get("PGUSER"), "with", os.environ.get("PGPASSWORD"), os.environ.get("URL"))
if word == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("child").write_text(str(child.pid))
    time.sleep(600)
if word == "fail":
    print("the last line")
    sys.exit(int(version))
with psycopg.connect() as connection:
    there = connection.execute("SELECT to_regclass('versions') IS NOT NULL").fetchone()[0]
    if word == "migrate":
        connection.execute("CREATE TABLE IF NOT EXISTS versions (version text PRIMARY KEY)")
        connection.execute("INSERT INTO versions VALUES (%s) ON CONFLICT DO NOTHING", [version])
    elif not there or not connection.execute("SELECT 1 FROM versions WHERE version = %s", [version]).fetchone():
        sys.exit(2)
"""


@frozen
class Project:
    """The folder; every command is run in it. `temporary` is where temporary files are."""

    folder: Path
    temporary: Path

    def make(self) -> None:
        """Write what does not change from one version to the next."""
        (self.folder / "template.yaml").write_text(TEMPLATE)
        (self.folder / "program.py").write_text(PROGRAM)

    def spec(self, version: str, **commands: Any) -> Path:
        """Write a version. `orders` is evaluated, `billing` is not; another command than theirs is given so:
        `orders_migrate=["fail", "orders", "1"]`. `after` is a command in full, `timeout` that of the migrations.
        """
        given = {
            f"{name}_{word}": ["python", "program.py", *commands.get(f"{name}_{word}", [word, name, version])]
            for name, word in (("orders", "migrate"), ("orders", "evaluate"), ("billing", "migrate"))
        }
        timeout = commands.get("timeout", 600)
        task = {"cluster": {"output": "Cluster"}, "container": "migrate", "timeout": timeout}
        data = {
            "environment": "test",
            "application": "shop",
            "version": version,
            "stack": {"template": "template.yaml", "counts": {"Count": 1}},
            "databases": {
                "orders": {
                    "admin": {"secret": "nowhere"},
                    "app_secret": "shop/orders",
                    "migrate": {
                        **task,
                        "task_definition": {"output": "Migration"},
                        "environment": {"COLOUR": "blue"},
                    },
                    "evaluate": {"command": ["look"]},
                },
                "billing": {
                    "admin": {"secret": "nowhere"},
                    "app_secret": "shop/billing",
                    "migrate": {"cluster": "shop", "task_definition": "billing:7", "timeout": timeout},
                },
            },
            "rehearse": {
                "environment": {"OWN": "yes"},
                "databases": {
                    "orders": {"migrate": given["orders_migrate"], "evaluate": given["orders_evaluate"]},
                    "billing": {"migrate": given["billing_migrate"]},
                },
                **({"after": commands["after"]} if "after" in commands else {}),
            },
        }
        path = self.folder / f"v{version}.yaml"
        path.write_text(json.dumps(data))
        return path

    def rehearse(self, *words: str | Path) -> Said:
        """`deployer rehearse` in this process."""
        return invoke("rehearse", *words)

    def begin(self, *words: str | Path) -> subprocess.Popen[str]:
        """`deployer rehearse` in a process of its own, which has to be waited for."""
        return subprocess.Popen(
            argv("rehearse", *words),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(TMPDIR=str(self.temporary)),
            preexec_fn=_in_the_foreground,
        )

    @property
    def seen(self) -> list[dict[str, Any]]:
        """Every process that was run: its word, its database, its id and its environment."""
        path = self.folder / "seen.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def words(self) -> list[str]:
        """What was run, in order."""
        return [f"{one['name']} {one['word']}" for one in self.seen]

    @property
    def passwords(self) -> set[str]:
        """Every password that a process was given."""
        return {one["env"]["PGPASSWORD"] for one in self.seen}

    @property
    def kept(self) -> dict[str, Any]:
        """What the kept workspace says of its server."""
        state = json.loads((self.folder / ".deployer/rehearsal/rehearsal.json").read_text())
        return dict(state["server"])

    @property
    def left(self) -> list[Path]:
        """What is left in the temporary folder."""
        return list(self.temporary.iterdir())

    def postmasters(self) -> list[int]:
        """Return the process ids of the running servers of rehearsals."""
        return [number for folder in (self.folder, self.temporary) for number in postmasters(folder)]

    @contextmanager
    def held_up(self, program: str, by: str) -> Iterator[tuple[Path, Path]]:
        """Make a folder with PostgreSQL's programs, one of which is held up; yield it and a file with its number.

        `by` is a command of the shell that comes before the program's own work; `$program` is the real program.
        """
        with TemporaryDirectory(prefix="programs-") as made:
            folder, marker = Path(made), Path(made) / "marker"
            folder.chmod(0o755)
            marker.touch()
            marker.chmod(0o666)
            for name in ("initdb", "postgres"):
                held = f'[ "$1" = -D ] && echo $$ > {marker} && {by}\n' if name == program else ""
                text = f'#!/bin/sh\nprogram={suitable() / name}\n{held}exec $program "$@"\n'
                (folder / name).write_text(text)
                (folder / name).chmod(0o755)
            yield folder, marker

    def hung(self) -> tuple[int, int]:
        """Wait for the process that hangs and for its child: their ids."""
        wait_for(lambda: (self.folder / "child").exists() and (self.folder / "child").read_text() != "")
        return self.seen[-1]["pid"], int((self.folder / "child").read_text())


def _in_the_foreground() -> None:
    """Take signals as a command on a terminal does, though a script runs the suite in the background and ignores them."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds; a test that waits in vain fails."""
    patience = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.05)


def runs(number: int) -> bool:
    """Whether a process runs; one that has ended and is not yet waited for does not."""
    asked = ["ps", "-o", "stat=", "-p", str(number)]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return bool(told.strip()) and not told.startswith("Z")


def postmasters(folder: Path) -> list[int]:
    """Return the process ids of the servers whose data is below a folder."""
    told = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    pattern = rf"^ *(\d+) +(\d+) \S*postgres -D {re.escape(str(folder))}"
    found = {int(number): int(parent) for number, parent in re.findall(pattern, told, re.MULTILINE)}
    return [
        number for number, parent in found.items() if parent not in found
    ]  # a new child bears its parent's words


def kill(number: int) -> None:
    """End a process at once, and wait until it is gone."""
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: not runs(number))
