"""Executors: what carries a deployer's commands out, one file a service."""
