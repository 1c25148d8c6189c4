"""Rehearsals: deployments on this machine, with a simulated AWS, a real PostgreSQL and real processes for the tasks.

The executors and the runner are those for the real AWS; their clients are the simulator's. A `Workspace` is the folder
in which specs are rehearsed, and holds the journal, the simulated account and the database server: one that a
`PostgresProcess` runs, or one that exists. A `Session` is the rehearsal of one spec there, whose tasks run as
`TaskProcesses`. `deployer rehearse` is described in `docs/rehearsal.md`.
"""
