"""Executors carry out the commands of one service each: `cloudformation`, `ecs` and `postgres`.

An executor is given a command with what the journal knows of it (`ports.Work`), and says what to journal before and
after each send (`ports.Act`). It decides nothing that a machine decides. What only reads AWS is in `deployer_aws.aws`.
"""
