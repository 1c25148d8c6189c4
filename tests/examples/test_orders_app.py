"""The application of examples/orders on a real PostgreSQL: its migrations, its evaluation, what it shows."""

import shutil
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from tests.examples.application import APP, NEWEST, ORDERS_FOLDER, Application

SHAPE = """
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
ORDERS = "SELECT id, customer_id, total_cents FROM orders ORDER BY id"


def test_the_versions_follow_one_another_and_lose_nothing(app: Application) -> None:
    """After each version every seeded row is there, and the totals are what that version makes of them."""
    for version, billing, totals in (
        ("1.0.0", "1.0.0", "none yet, each is added up from its lines"),
        ("1.1.0", "1.1.0", "5,000 filled in, 164,814.53 EUR, may be missing"),
        ("1.2.0", "1.1.0", "5,000 filled in, 164,814.53 EUR, never missing"),
    ):
        app.upgrade("orders", version)
        app.upgrade("billing", billing)
        shown = app.show()
        assert shown.returncode == 0, shown.stderr
        assert f"orders at {version}: 5,000 orders of 50 customers, 164,814.53 EUR" in shown.stdout
        assert f"  totals: {totals}\n" in shown.stdout
        assert f"billing at {billing}: 5,000 invoices, 164,814.53 EUR" in shown.stdout


@pytest.mark.parametrize("database", NEWEST)
def test_head_is_the_newest_version(app: Application, database: str) -> None:
    """The template's own command, `upgrade head`, ends at the newest revision: there is one head."""
    app.upgrade(database, "head")
    assert app.rows("SELECT version_num FROM alembic_version", database) == [(NEWEST[database],)]


def test_the_evaluation_says_what_is_pending(app: Application) -> None:
    """2 and the revisions' names where there is something to migrate, 0 where there is nothing."""
    found = app.pending("orders", "1.1.0")
    assert (found.returncode, found.stderr) == (2, "")
    assert found.stdout == (
        "orders is at its beginning, to be migrated:\n"
        "  1.0.0  Customers, orders and their lines\n"
        "  1.1.0  The total of each order, filled in by batches\n"
    )
    app.upgrade("orders", "1.1.0")
    assert app.pending("orders", "1.1.0").returncode == app.pending("orders", "1.0.0").returncode == 0
    assert app.pending("orders").returncode == 2
    assert app.pending("orders", "1.1.0").stdout == "orders is at 1.1.0, nothing to migrate\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("orders", "9.9.9"), "No such revision or branch '9.9.9': this image has 1.0.0, 1.1.0, 1.2.0"),
        (("order",), "invalid choice: 'order'"),
        ((), "required: database"),
    ],
)
def test_an_evaluation_that_cannot_tell_is_no_finding(
    app: Application, words: tuple[str, ...], said: str
) -> None:
    """A revision that the image lacks and wrong usage exit with 1, and not with argparse's 2, which means changes."""
    found = app.pending(*words)
    assert found.returncode == 1
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_a_database_that_is_ahead_of_the_image_is_no_finding(app: Application) -> None:
    """A database at a revision that the image does not know cannot be judged by it."""
    app.upgrade("billing", "head")
    app.server.run("UPDATE alembic_version SET version_num = '7.0.0'", database="billing")
    found = app.pending("billing", database="billing")
    assert (found.returncode, "'7.0.0'" in found.stderr) == (1, True)


def test_without_a_database_the_evaluation_is_no_finding(app: Application) -> None:
    """No credentials, or a database that is not there: 1, and what is the matter."""
    lacking = {name: value for name, value in app.environment().items() if name != "DATABASE"}
    words = ("python", "-m", "orders.pending_migrations", "orders")
    found = subprocess.run(words, cwd=APP, env=lacking, capture_output=True, text=True, check=False)
    assert (found.returncode, "DATABASE is not set" in found.stderr) == (1, True)
    found = app.pending("orders", database="nowhere")
    assert (found.returncode, 'database "nowhere" does not exist' in found.stderr) == (1, True)


@pytest.mark.parametrize("revision", ["base", "1.0.0"])
def test_the_evaluation_changes_nothing(app: Application, revision: str) -> None:
    """Whether it finds a database at its beginning or in the middle; not even Alembic's own table is made."""
    if revision != "base":
        app.upgrade("orders", revision)
    before = app.rows(SHAPE)
    assert app.pending("orders").returncode == 2
    assert app.rows(SHAPE) == before
    assert bool(before) == (revision != "base")


def test_a_slow_migration_that_is_killed_is_carried_on(app: Application) -> None:
    """What was filled in stays, the second run does the rest alone, and the end is that of an unbroken run."""
    app.upgrade("orders", "1.0.0")
    with subprocess.Popen(
        ["alembic", "--name", "orders", "upgrade", "1.1.0"],
        cwd=APP,
        env=app.environment(BATCH_PAUSE="600"),
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert any("totals: 500 of 5,000 orders" in line for line in run.stdout)
        run.kill()
    assert app.rows("SELECT count(total_cents) FROM orders") == [(500,)]
    assert app.rows("SELECT version_num FROM alembic_version") == [("1.0.0",)]
    assert app.pending("orders", "1.1.0").returncode == 2

    lines = [line for line in app.upgrade("orders", "1.1.0").splitlines() if line.startswith("totals:")]
    assert lines == [f"totals: {n:,} of 5,000 orders" for n in range(1_000, 5_001, 500)]
    carried_on = app.rows(ORDERS), app.rows(SHAPE)
    app.server.run("DROP DATABASE orders", "CREATE DATABASE orders")
    app.upgrade("orders", "1.1.0")
    assert carried_on == (app.rows(ORDERS), app.rows(SHAPE))


def test_what_was_lost_is_shown(app: Application) -> None:
    """The rows that are shown are counted: without one of them the show fails, and says which."""
    for database in NEWEST:
        app.upgrade(database, "head")
    assert app.show().returncode == 0
    app.server.run("DELETE FROM invoices WHERE order_id = 7", database="billing")
    shown = app.show()
    assert (shown.returncode, shown.stderr) == (1, "invoices: 4,999 are there and 5,000 should be\n")
    app.server.run(
        "DELETE FROM order_lines WHERE order_id = 7", "DELETE FROM orders WHERE id = 7", database="orders"
    )
    shown = app.show()
    assert (shown.returncode, shown.stderr) == (1, "orders: 4,999 are there and 5,000 should be\n")


def test_the_versions_of_the_walk_through_fail_half_way_and_are_mended(
    app: Application, tmp_path: Path
) -> None:
    """Version 5's first revision of `orders` stays, its second fails by data; version 6's does it and loses no order."""
    shutil.copytree(ORDERS_FOLDER, tmp_path, dirs_exist_ok=True)
    here = evolve(app, folder=tmp_path / "app")
    here.upgrade("orders", "1.2.0")
    here.upgrade("billing", "1.1.0")
    lay_over(tmp_path, "v4")
    assert here.pending("orders", "1.3.0").returncode == 2
    assert here.pending("billing", "1.3.0", database="billing").returncode == 1

    lay_over(tmp_path, "v5")
    assert here.pending("billing", "1.3.0", database="billing").returncode == 2
    failed = here.run("alembic", "--name", "orders", "upgrade", "1.3.1")
    assert failed.returncode == 1
    assert "Key (email)=(customer1@example.com) is duplicated." in failed.stderr
    assert here.rows("SELECT version_num FROM alembic_version") == [("1.3.0",)]
    assert here.rows("SELECT count(*), count(*) FILTER (WHERE email = lower(email)) FROM customers") == [
        (50, 50)
    ]

    lay_over(tmp_path, "v6")
    here.upgrade("orders", "1.3.1")
    here.upgrade("billing", "1.3.0")
    shown = here.show()
    assert "orders at 1.3.1: 5,000 orders of 49 customers, 164,814.53 EUR" in shown.stdout, shown.stderr


def lay_over(folder: Path, version: str) -> None:
    """Lay the files of a later version over a copy of the example."""
    shutil.copytree(folder / "later" / version, folder, dirs_exist_ok=True)
