"""One customer for each e-mail address

Who is there twice becomes one: the oldest, who gets the orders of the others.
"""

from alembic import op

revision = "1.3.1"
down_revision = "1.3.0"


def upgrade() -> None:
    op.execute("""
        UPDATE orders
        SET customer_id = (SELECT min(id) FROM customers WHERE email = own.email)
        FROM customers AS own
        WHERE own.id = customer_id
    """)
    op.execute("DELETE FROM customers WHERE id NOT IN (SELECT min(id) FROM customers GROUP BY email)")
    op.create_unique_constraint("customers_email_unique", "customers", ["email"])
