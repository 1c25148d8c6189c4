from tests.support.beds import bed, no_account, real

__all__ = ["bed", "no_account", "real"]
