"""What the databases hold: `python -m orders.show`. Exits with 1 where something was lost."""

from sqlalchemy import Connection, inspect, text

from orders import database
from orders.seed import ORDERS


def main() -> None:
    with (
        database.engine("ORDERS_DATABASE", read_only=True).connect() as orders,
        database.engine("BILLING_DATABASE", read_only=True).connect() as billing,
    ):
        worth = show_orders(orders)
        show_billing(billing, worth)


def show_orders(connection: Connection) -> int:
    """Show the orders; return what their lines are worth, in cents."""
    customers = number(connection, "SELECT count(*) FROM customers")
    found = number(connection, "SELECT count(*) FROM orders WHERE customer_id IN (SELECT id FROM customers)")
    worth = number(connection, "SELECT sum(quantity * unit_cents) FROM order_lines")
    print(f"orders at {revision(connection)}: {found:,} orders of {customers} customers, {euros(worth)}")
    print(f"  totals: {totals(connection)}")
    expect("orders", found, ORDERS)
    return worth


def totals(connection: Connection) -> str:
    """Show what has become of the column that version 1.1.0 fills and version 1.2.0 relies on."""
    columns = {column["name"]: column for column in inspect(connection).get_columns("orders")}
    if "total_cents" not in columns:
        return "none yet, each is added up from its lines"
    filled = number(connection, "SELECT count(total_cents) FROM orders")
    total = number(connection, "SELECT sum(total_cents) FROM orders")
    sure = "may be missing" if columns["total_cents"]["nullable"] else "never missing"
    return f"{filled:,} filled in, {euros(total)}, {sure}"


def show_billing(connection: Connection, worth: int) -> None:
    """Show the invoices, which are over the same sum."""
    found = number(connection, "SELECT count(*) FROM invoices")
    amount = number(connection, "SELECT sum(amount_cents) FROM invoices")
    currency = "currency" in {column["name"] for column in inspect(connection).get_columns("invoices")}
    print(f"billing at {revision(connection)}: {found:,} invoices, {euros(amount)}")
    print(f"  currency: {'each has its own' if currency else 'taken for granted'}")
    expect("invoices", found, ORDERS)
    expect("cents on the invoices", amount, worth)


def expect(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found:,} are there and {wanted:,} should be")


def number(connection: Connection, query: str) -> int:
    return int(connection.execute(text(query)).scalar_one() or 0)


def revision(connection: Connection) -> str:
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def euros(cents: int) -> str:
    return f"{cents / 100:,.2f} EUR"


if __name__ == "__main__":
    main()
