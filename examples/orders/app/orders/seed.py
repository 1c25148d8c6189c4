"""What the example's tables hold from the start.

The same formula fills both databases, so that `orders.show` can see whether anything was lost in either.
"""

ORDERS = 5_000
CUSTOMERS = 50
LINES = f"""
    SELECT id AS order_id, line, 1 + (id + line) % 3 AS quantity, 100 + (id * 37 + line * 53) % 900 AS unit_cents
    FROM generate_series(1, {ORDERS}) AS id, generate_series(1, 3) AS line
"""
