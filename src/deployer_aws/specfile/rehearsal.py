"""The section `rehearse` of a spec file: what runs on this machine in the place of the tasks. No part of the spec."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from deployer_aws.documents.findings import Finding, Wrong
from deployer_aws.documents.readers import TEXT, VALUE, Key, Place, Reader, Record, listing, mapping, word
from deployer_core.machines.ecs_task import Purpose
from deployer_core.spec import DatabaseSpec, Pairs, Text

Argv = tuple[str, ...]


class Expected(StrEnum):
    """How a rehearsed deployment is to end; a failure that was put back is no other outcome, but a better one."""

    DONE = "done"
    FAILED = "failed"
    PUT_BACK = "put-back"


@frozen
class Processes:
    """The commands of one database; an empty one is not given."""

    migrate: Argv = ()
    evaluate: Argv = ()

    def of(self, purpose: Purpose) -> Argv:
        """Return the command for a purpose."""
        return self.evaluate if purpose is Purpose.EVALUATE else self.migrate


@frozen
class Rehearsal:
    """How a spec is rehearsed. `folder` is where the processes run, `script` one of the simulator's."""

    folder: Path
    environment: Pairs = ()
    script: Path | None = None
    databases: Mapping[str, Processes] = field(factory=dict[str, Processes])
    after: Argv = ()
    expected: Expected = Expected.DONE

    def lacks(self, databases: tuple[DatabaseSpec[Text], ...]) -> tuple[str, ...]:
        """Return the commands that a rehearsal needs for these databases and lacks, as keys of the spec file."""
        return tuple(
            f"rehearse.databases.{database.name}.{purpose}"
            for database in databases
            for purpose in (Purpose.MIGRATE, Purpose.EVALUATE)
            if getattr(database, purpose) is not None
            and not self.databases.get(database.name, Processes()).of(purpose)
        )


def _command(place: Place) -> Argv:
    words = listing(TEXT, "texts").read(place)
    if not words or not words[0]:
        raise place.wrong("a program and its arguments, not an empty list")
    for position, part in enumerate(words):
        if "\0" in part:
            raise place.into(position).wrong("no NUL in it: no program can be given one")
    return words


def _environment(place: Place) -> Pairs:
    pairs: Pairs = mapping(VALUE, "a variable").read(place)
    for name, value in pairs:
        if not re.fullmatch(r"[^=\0]+", name) or "\0" in value:
            raise place.into(name).wrong(
                "a variable's name has no '=' in it, and neither name nor value a NUL"
            )
    return pairs


def _expected(place: Place) -> Expected:
    return Expected(word(*Expected).read(place))


def _path(place: Place) -> Path:
    named = TEXT.read(place)
    if not named or "\0" in named:
        raise place.expected("a path")
    return place.files.folder / named


COMMAND = Reader("a list of texts", _command)
PROCESSES = Record(
    "rehearsed database",
    (
        Key("migrate", COMMAND, "the program that runs as its migration, with its arguments", "none"),
        Key("evaluate", COMMAND, "the program that runs as its evaluation, with its arguments", "none"),
    ),
    lambda given, _: Processes(**given),
    "These stand in the place of the image and the command of the task, and are needed by `deployer rehearse` alone.",
)


def _rehearsal(given: dict[str, Any], place: Place) -> Rehearsal:
    databases = dict(given.pop("databases", ()))
    folder = given.pop("folder", place.files.folder)
    return Rehearsal(folder, databases=databases, **given)


REHEARSE = Record(
    "rehearsal",
    (
        Key("folder", Reader("text", _path), "where the processes run, relative to this file", "this file's"),
        Key(
            "environment",
            Reader(mapping(VALUE, "a variable").called, _environment),
            "more environment variables of all processes",
            "{}",
        ),
        Key(
            "script",
            Reader("text", _path),
            "a script of the simulated AWS, relative to this file: other stacks, faults (see simulator.md)",
            "none",
        ),
        Key(
            "databases",
            mapping(PROCESSES.reader, "a database's name"),
            "the processes that run in the place of the databases' tasks",
            "{}",
        ),
        Key(
            "after",
            COMMAND,
            "a program that runs when the deployment is DONE; its failure fails the rehearsal",
            "none",
        ),
        Key(
            "expected",
            Reader("`done`, `failed` or `put-back`", _expected),
            "how the deployment is to end; after a failure that was expected the stack is repaired, and the rehearsal"
            " goes on",
            "done",
        ),
    ),
    _rehearsal,
    "What `deployer rehearse` needs to know (see rehearsal.md). Nothing else reads it, and it is no part"
    " of what is deployed.",
)


def check(rehearsal: Rehearsal, databases: tuple[DatabaseSpec[Text], ...], place: Place) -> None:
    """Refuse processes of databases, and of evaluations, that the spec does not have. Raises Wrong."""
    known = {database.name: database for database in databases}
    problems: list[Finding] = []
    for name, processes in rehearsal.databases.items():
        here = place.at("databases", name)
        if name not in known:
            names = ", ".join(known) or "none"
            problems.append(here.finding(f"no database of this spec; it has {names}"))
            continue
        problems += [
            here.into(purpose).finding(f"the database has no {purpose}, so nothing would run it")
            for purpose in (Purpose.MIGRATE, Purpose.EVALUATE)
            if processes.of(purpose) and getattr(known[name], purpose) is None
        ]
    if problems:
        raise Wrong(*problems)
