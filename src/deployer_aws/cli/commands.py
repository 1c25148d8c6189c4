"""All commands, imported so that the program has them."""

from deployer_aws.cli import explain_event, plan, preflight, rehearse, repair, run, status
from deployer_aws.cli._program import program

__all__ = ["explain_event", "plan", "preflight", "program", "rehearse", "repair", "run", "status"]
