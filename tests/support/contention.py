"""Several processes at one stream of a journal: each appends again and again, however often another is first."""

import pickle
import subprocess
import sys
from contextlib import closing

from deployer_aws.testing import Opener, streams
from tests.support.command import environment
from tests.support.project import ROOT

APPENDS = 12


def attempting(opener: Opener, key: str) -> "subprocess.Popen[bytes]":
    """Start a process that appends to a stream again and again; the opener can be pickled."""
    command = [sys.executable, "-m", "tests.support.contention"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin as given:
        pickle.dump((opener, key), given)
    return process


def attempt_often(opener: Opener, key: str) -> None:
    """Run what each of several processes does."""
    with closing(opener()) as journal:
        for _ in range(APPENDS):
            streams.attempt(journal, key)


if __name__ == "__main__":
    attempt_often(*pickle.load(sys.stdin.buffer))
