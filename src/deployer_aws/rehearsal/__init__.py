"""Rehearsals: the real adapter on a simulated AWS, with a real PostgreSQL and real processes for the migrations.

The executors and the runner are the very same as for the real AWS; their clients are the simulator's. Real beside them
are the SQL, and a local process in the place of each task. `deployer rehearse` is described in `docs/rehearsal.md`.
"""
