"""The simulated services, one a file; each is found by being here."""
