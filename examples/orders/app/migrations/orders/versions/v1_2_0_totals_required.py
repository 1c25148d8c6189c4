"""Every order has its total, and never a negative one"""

from alembic import op

revision = "1.2.0"
down_revision = "1.1.0"


def upgrade() -> None:
    op.alter_column("orders", "total_cents", nullable=False)
    op.create_check_constraint("orders_total_not_negative", "orders", "total_cents >= 0")
