"""Each invoice is paid or not"""

import sqlalchemy as sa
from alembic import op

revision = "1.3.0"
down_revision = "1.1.0"


def upgrade() -> None:
    op.add_column("invoices", sa.Column("paid", sa.Boolean, nullable=False, server_default=sa.false()))
