"""All commands, imported so that the program has them."""

from deployer_aws.cli import drawing, operating, reading, running
from deployer_aws.cli.app import program

__all__ = ["drawing", "operating", "program", "reading", "running"]
