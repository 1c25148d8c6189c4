"""Carry out StabiliseStack, CreateStack, UpdateStack, UpsertStack and ScaleStack."""

from deployer_aws.executors.cloudformation.executor import CloudFormation, Settings

__all__ = ["CloudFormation", "Settings"]
