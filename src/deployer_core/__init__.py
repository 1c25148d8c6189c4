"""Deployments as pure state machines: `(state, event) -> (state, commands)`."""
