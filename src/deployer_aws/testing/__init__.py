"""What users' own tests import: the contracts of journals and of executors. It needs the extra `testing`.

A contract is a class of tests. Whoever writes a journal or an executor of their own subclasses it in a test file, with
a fixture that makes what is tested, and pytest runs every law of it. docs/extending.md has both as whole programs.

**A journal** (`deployer_aws.Journal`): give an `opener`, which opens the same journal each time that it is called, and
an empty one in each test.

    class TestMyJournal(JournalContract):
        @pytest.fixture
        def opener(self, tmp_path):
            return partial(MyJournal, tmp_path / "journal")

The laws: what was appended comes back equal, in order, after closing too; an append is all or nothing, and a wrong
version a `Conflict`; texts, bindings and notices are kept with their event; a lease is a compare-and-set; the first
append of newer logic leaves a checkpoint; threads lose no update. `streams` has the events of a whole deployment, for
tests beyond that. A journal that several processes use has to be tried with several as well: how, only it knows.

**An executor** (`deployer_aws.Executor`): subclass `World`, which is what the executor acts on, with its `specs`, the
executor that reaches it by way of the given `Calls`, and the `changes` that were made in it; give `new_world`.

    class TestMyExecutor(ExecutorContract):
        @pytest.fixture
        def new_world(self):
            return MyWorld

The laws, each tried with a real runner that deploys the world's specs:

1. Each of its commands is carried out, and each event is of the command that it looks at.
2. It changes nothing before its `Attempted` was appended, and nothing where that was stale (the look is closed).
3. It looks before it sends: killed after any call, or after any event, another process changes everything once.
4. A request or a reply that is lost is no end: what it raises then is transient in `aws.errors`, and tried again.
5. A refusal is an answer, or raises an error that has a class there. Any other error ends the runner.
6. It leaves deadlines to the runner, which gives a command up only after a look that was made after its deadline.
7. A batch describe (`deployer_aws.Observer`) changes nothing, and makes no difference to the end.
"""

import pytest

# Before they are imported: so a law that is broken shows the values.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("executor", "journal", "streams")))

from deployer_aws.testing import streams  # noqa: E402  # see above
from deployer_aws.testing.executor import Calls, ExecutorContract, Refused, World  # noqa: E402
from deployer_aws.testing.journal import JournalContract, Opener  # noqa: E402

__all__ = ["Calls", "ExecutorContract", "JournalContract", "Opener", "Refused", "World", "streams"]
