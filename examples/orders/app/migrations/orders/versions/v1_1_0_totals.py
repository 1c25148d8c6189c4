"""The total of each order, filled in by batches

The slow one. Each batch commits by itself, so it can be broken off at any moment and run again: what is filled in
stays, and only what is missing is done.
"""

import logging
import os
import time

from alembic import op
from sqlalchemy import Connection, text

revision = "1.1.0"
down_revision = "1.0.0"

BATCH = 500
PAUSE = float(os.environ.get("BATCH_PAUSE", "0"))
"""Seconds between two batches: replicas keep up meanwhile, and whoever rehearses can watch."""

FILL = """
    UPDATE orders
    SET total_cents = (SELECT coalesce(sum(quantity * unit_cents), 0) FROM order_lines WHERE order_id = orders.id)
    WHERE id IN (SELECT id FROM orders WHERE total_cents IS NULL ORDER BY id LIMIT :batch)
"""

log = logging.getLogger("orders.migrations")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE orders ADD COLUMN IF NOT EXISTS total_cents bigint")
        fill(op.get_bind())


def fill(connection: Connection) -> None:
    while connection.execute(text(FILL), {"batch": BATCH}).rowcount:
        done, there = connection.execute(text("SELECT count(total_cents), count(*) FROM orders")).one()
        log.info("totals: %s of %s orders", f"{done:,}", f"{there:,}")
        time.sleep(PAUSE)
