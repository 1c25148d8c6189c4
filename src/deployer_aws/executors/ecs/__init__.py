"""Carry out RunTask and StopTask."""

from deployer_aws.executors.ecs.executor import Ecs

__all__ = ["Ecs"]
