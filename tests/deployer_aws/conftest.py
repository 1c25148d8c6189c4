from collections.abc import Iterator
from functools import lru_cache

import botocore.session
import pytest


@pytest.fixture(scope="session", autouse=True)
def models_are_read_once() -> Iterator[None]:
    """Let botocore read AWS's models from disk once, not for each client: that takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lru_cache(botocore.session.create_loader))
        yield
