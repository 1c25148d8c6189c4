"""Each invoice names its currency"""

import sqlalchemy as sa
from alembic import op

revision = "1.1.0"
down_revision = "1.0.0"


def upgrade() -> None:
    op.add_column("invoices", sa.Column("currency", sa.CHAR(3), nullable=False, server_default="EUR"))
