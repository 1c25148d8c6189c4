from tests.support.deployers import deployer, no_account, real

__all__ = ["deployer", "no_account", "real"]
