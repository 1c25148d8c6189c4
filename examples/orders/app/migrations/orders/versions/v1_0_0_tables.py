"""Customers, orders and their lines"""

import sqlalchemy as sa
from alembic import op

from orders.seed import CUSTOMERS, LINES, ORDERS

revision = "1.0.0"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.Integer, sa.ForeignKey("customers.id"), nullable=False),
    )
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id"), primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_cents", sa.Integer, nullable=False),
    )
    seed()


def seed() -> None:
    """Rows to look after. One customer is there twice, in another spelling: nothing forbids it yet."""
    op.execute(f"""
        INSERT INTO customers (id, email)
        SELECT n, CASE WHEN n = {CUSTOMERS} THEN 'Customer1@Example.com' ELSE 'customer' || n || '@example.com' END
        FROM generate_series(1, {CUSTOMERS}) AS n
    """)
    op.execute(f"""
        INSERT INTO orders (id, customer_id)
        SELECT n, 1 + n % {CUSTOMERS} FROM generate_series(1, {ORDERS}) AS n
    """)
    op.execute(f"INSERT INTO order_lines (order_id, line, quantity, unit_cents) {LINES}")
