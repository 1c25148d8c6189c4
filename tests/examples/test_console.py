"""What the documents' commands print is compared with what they show, but for what differs from run to run."""

from pathlib import Path

import pytest

from tests.examples.console import Shell, agrees, commands
from tests.support.command import environment

PAGE = """Text.

```console
$ deployer status
one
...
$ true
```

```sh
$ false
```
"""


def test_a_pages_commands_are_read_with_what_they_print() -> None:
    """Of `console` blocks alone, in the page's order and with their lines."""
    assert [(c.line, c.command, c.output) for c in commands(PAGE)] == [
        (4, "deployer status", ("one", "...")),
        (7, "true", ()),
    ]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (
            "20260101-000756-xnrz  1  2026-01-01 00:07:56Z  51s  DONE",
            "20270102-111213-aaaa  1  2027-01-02 11:12:13Z  1m5s  DONE",
        ),
        ("FAILED  after 2m5s in DB_MIGRATING", "FAILED  after 2m in DB_MIGRATING"),
        ("DONE  after 51s", "DONE  after 1h2m"),
        ("   0:41  stack  BROKEN", "  12:07  stack  BROKEN"),
        ("postgresql://127.0.0.1:5432/orders", "postgresql://127.0.0.1:40001/orders"),
        ("task/0123456789abcdef0123456789abcdef", "task/ffffffffffffffffffffffffffffffff"),
        ("in staging-orders-LogGroup-C42C02C8E372: x", "in staging-orders-LogGroup-000000000000: x"),
        ("BROKEN  after 174 events", "BROKEN  after 171 events"),
    ],
)
def test_what_differs_from_run_to_run_is_not_compared(shown: str, printed: str) -> None:
    """Ids, times, durations and ports, and how wide they make a column."""
    assert agrees((shown,), (printed,))


@pytest.mark.parametrize(
    "printed",
    [
        ("   0:41  stack       AVAILABLE", "the end"),
        ("   0:41  stack       BROKEN",),
        ("   0:41  stack       BROKEN", "more", "the end"),
    ],
)
def test_everything_else_is_compared(printed: tuple[str, ...]) -> None:
    """Another word, a line that is missing, a line too many."""
    shown = ("   0:41  stack       BROKEN", "the end")
    assert agrees(shown, shown)
    assert not agrees(shown, printed)


def test_dots_stand_for_any_lines() -> None:
    """For none too; what stands around them is still compared."""
    shown = ("first", "...", "last")
    for between in ((), ("a",), ("a", "b")):
        assert agrees(shown, ("first", *between, "last"))
    assert not agrees(shown, ("first", "a"))
    assert not agrees(shown, ("a", "last"))


def test_tasks_may_print_in_another_order() -> None:
    """Of each task that is shown every line is compared, in its order; those of others are not."""
    shown = ("...", "         orders migrate | one", "         orders migrate | two", "stack BROKEN")
    between = ("         billing migrate | 1", "  0:01  task  DONE", "         orders migrate | two")
    assert agrees(shown, ("         orders migrate | one", *between, "stack BROKEN"))
    assert not agrees(shown, ("         orders migrate | 1", *between, "stack BROKEN"))
    assert not agrees(shown, (*between, "stack BROKEN"))


def test_a_shell_goes_on_where_it_was(tmp_path: Path) -> None:
    """`echo $?` and `cd` are commands like any other, and `deployer` is the one under test."""
    shell = Shell(tmp_path, environment())
    assert shell.run("sh -c 'echo lost >&2; exit 4'") == ["lost"]
    assert shell.run("echo $?") == ["4"]
    assert shell.run("echo $?") == ["0"]
    assert shell.run("mkdir below && cd below") == []
    assert shell.folder == tmp_path / "below"
    assert shell.run("deployer --version")[0].startswith("deployer")
