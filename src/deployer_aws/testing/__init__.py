"""What users' own tests import: the contract of journals."""

import pytest

pytest.register_assert_rewrite("deployer_aws.testing.journal", "deployer_aws.testing.streams")

from deployer_aws.testing.journal import JournalContract, Opener  # noqa: E402

__all__ = ["JournalContract", "Opener"]
