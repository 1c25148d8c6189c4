"""The runner: the loop, its leases, and how often it looks."""
