"""E-mail addresses in lower case"""

from alembic import op

revision = "1.3.0"
down_revision = "1.2.0"


def upgrade() -> None:
    op.execute("UPDATE customers SET email = lower(email)")
