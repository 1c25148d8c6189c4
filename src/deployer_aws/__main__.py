"""`python -m deployer_aws` is `deployer`."""

from deployer_aws.cli import main

main()
