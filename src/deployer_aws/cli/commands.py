"""All commands, imported so that the program has them."""

from deployer_aws.cli import doctor, drawing, explaining, operating, reading, rehearse, running
from deployer_aws.cli.app import program

__all__ = ["doctor", "drawing", "explaining", "operating", "program", "reading", "rehearse", "running"]
