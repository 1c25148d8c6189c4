"""Processes that are really killed, and what the next one makes of it."""
