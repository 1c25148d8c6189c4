"""Tasks as processes of this machine: how they start, what they write, and how they end."""

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen

from deployer_aws.rehearsal.children import end_with_parent, kill_group
from deployer_aws.rehearsal.mask import Mask
from deployer_aws.simulator import Container, NotStarted

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""
KEPT = 1_000
"""How many of the last lines of its output are kept for each task."""
LONGEST = 16_384
"""Characters after which a line is broken."""
PIECE = 16_384
"""Bytes that are read at once, so that a process that writes without an end can be stopped."""
PIPE = 65_536
"""The capacity of a pipe in bytes (pipe(7)): an ended process has left no more in it."""


@frozen
class Job:
    """The command that runs in the place of a container. `label` is shown in front of its lines."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    label: str = ""


@frozen
class Ended:
    """A process that has ended: its task and container, the exit code, and its last lines."""

    task: str
    container: str
    code: int
    lines: list[str]


@define
class _Running:
    """A process that runs."""

    process: subprocess.Popen[bytes]
    container: str
    label: str
    kept: deque[str] = field(factory=lambda: deque[str](maxlen=KEPT))
    decoder: codecs.IncrementalDecoder = field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    rest: str = ""
    kill_at: float | None = None


class TaskProcesses:
    """Runs the containers of tasks as processes: the host of a simulated account.

    `job` says what to run for a container, or raises NotStarted; `show` is given each line of output, masked, with the
    label of its process.
    """

    def __init__(self, job: Callable[[Container], Job], show: Callable[[str, str], None], mask: Mask) -> None:
        self._job, self._show, self._mask = job, show, mask
        self._running: dict[str, _Running] = {}
        self._selector = selectors.DefaultSelector()

    @property
    def running(self) -> bool:
        """True while any process runs."""
        return bool(self._running)

    def start(self, container: Container) -> None:
        """See `simulator.hosting.Host.start`."""
        self.launch(container.task, container.name, self._job(container))

    def launch(self, task: str, container: str, job: Job) -> None:
        """Start a process, in a group of its own. Raises NotStarted."""
        try:
            process = subprocess.Popen[bytes](
                list(job.command),
                cwd=job.folder,
                env=dict(job.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
            )
        except OSError as error:
            raise NotStarted(
                f"CannotStartContainerError: {job.command[0]} in {job.folder}: {error.strerror or error}"
            ) from None
        self._running[task] = _Running(process, container, job.label)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, task)

    def stop(self, task: str) -> None:
        """See `simulator.hosting.Host.stop`: SIGTERM, and SIGKILL after a while."""
        one = self._running.get(task)
        if one is not None and one.kill_at is None:
            one.kill_at = time.monotonic() + GRACE
            kill_group(one.process.pid, signal.SIGTERM)

    def wait(self, seconds: float) -> list[Ended]:
        """Show output until a process has ended or the time is over; return the processes that have ended."""
        until = time.monotonic() + seconds
        while True:
            for key, _ in self._selector.select(max(0.0, min(0.05, until - time.monotonic()))):
                self._read(self._running[key.data])
            for one in self._running.values():
                if one.kill_at is not None and time.monotonic() >= one.kill_at:
                    kill_group(one.process.pid, signal.SIGKILL)
            over = [task for task, one in self._running.items() if one.process.poll() is not None]
            if over or time.monotonic() >= until:
                return [self._end(task) for task in over]

    def _read(self, one: _Running) -> bool:
        """Read one piece of output; return whether there may be more. Close the pipe at its end."""
        stream = one.process.stdout
        assert stream is not None
        if stream.closed:
            return False
        try:
            data = os.read(stream.fileno(), PIECE)
        except BlockingIOError:
            return False
        one.rest += one.decoder.decode(data, final=not data)
        self._lines(one, last=not data)
        if not data:
            self._selector.unregister(stream)
            stream.close()
        return bool(data)

    def _lines(self, one: _Running, *, last: bool) -> None:
        *lines, one.rest = one.rest.split("\n")
        if last and one.rest:
            lines.append(one.rest)
            one.rest = ""
        elif len(one.rest) > LONGEST:
            known = self._mask(one.rest)
            cut = len(known) - self._mask.longest  # what may be the beginning of a secret waits for its end
            lines.append(known[:cut])
            one.rest = known[cut:]
        for line in lines:
            shown = self._mask(line.rstrip("\r"))
            one.kept.append(shown)
            self._show(one.label, shown)

    def _end(self, task: str) -> Ended:
        """End what the process has started too, as in a container, and read the rest of its output."""
        one = self._running.pop(task)
        kill_group(one.process.pid, signal.SIGKILL)
        for _ in range(PIPE // PIECE):  # what has left the group may write on for ever
            if not self._read(one):
                break
        stream = one.process.stdout
        if stream is not None and not stream.closed:
            self._lines(one, last=True)
            self._selector.unregister(stream)
            stream.close()
        code = one.process.returncode
        return Ended(task, one.container, code if code >= 0 else 128 - code, list(one.kept))

    def close(self) -> None:
        """End all processes, and wait for them."""
        for task in self._running:
            self.stop(task)
        patience = time.monotonic() + GRACE
        for one in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.process.wait(max(0.0, patience - time.monotonic()))
            kill_group(one.process.pid, signal.SIGKILL)
            one.process.wait()
            if one.process.stdout is not None:
                one.process.stdout.close()
        self._running.clear()
        self._selector.close()
