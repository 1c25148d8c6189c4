"""All commands, imported so that the program has them."""

from deployer_aws.cli import doctor, explain_event, plan, rehearse, repair, run, status
from deployer_aws.cli._program import program

__all__ = ["doctor", "explain_event", "plan", "program", "rehearse", "repair", "run", "status"]
