"""Hypothesis's profiles: HYPOTHESIS_PROFILE in the environment is `quick` (the default) or `thorough`."""

import os

from hypothesis import HealthCheck, settings

# No deadline and no complaint about slowness: how fast a machine is, is not a fact about the code.
settings.register_profile(
    "quick",
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    settings.get_profile("quick"),
    max_examples=2_000,
    stateful_step_count=100,
    derandomize=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "quick")
