"""An invoice for each order"""

import sqlalchemy as sa
from alembic import op

from orders.seed import LINES

revision = "1.0.0"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "invoices",
        sa.Column("order_id", sa.Integer, primary_key=True),
        sa.Column("amount_cents", sa.BigInteger, nullable=False),
    )
    op.execute(f"""
        INSERT INTO invoices (order_id, amount_cents)
        SELECT order_id, sum(quantity * unit_cents) FROM ({LINES}) AS lines GROUP BY order_id
    """)
