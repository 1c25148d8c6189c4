"""One customer for each e-mail address"""

from alembic import op

revision = "1.3.1"
down_revision = "1.3.0"


def upgrade() -> None:
    op.create_unique_constraint("customers_email_unique", "customers", ["email"])
