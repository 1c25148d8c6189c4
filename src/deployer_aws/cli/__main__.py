"""`python -m deployer_aws.cli` is `deployer`."""

from deployer_aws.cli import main

main()
