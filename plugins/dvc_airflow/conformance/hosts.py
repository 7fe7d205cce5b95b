"""Hosts with a worker each, and runs whose tasks are given to them one by one."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dvc_airflow.conformance.result import ConformanceError
from dvc_airflow.conformance.scratch import Scratch
from dvc_airflow.conformance.worker import TOKEN
from dvc_airflow.runtime import reaper
from dvc_airflow.runtime.process import child_environment

DAG_ID: Final = "conformance"
GRACE: Final = 3.0
HOLD: Final = 1.0
_HOME: Final = str(Path(__file__).resolve().parents[2])
_BOOT: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from dvc_airflow.conformance.worker import main; sys.exit(main())"
)
_POLL: Final = 0.01


@dataclass(frozen=True)
class Task:
    """A task of the DAG, the stages it runs, and the tasks above it."""

    name: str
    stages: tuple[str, ...]
    upstream: tuple[str, ...]


class Copy:
    """A copy of the project with its own cache, and where runs of it work.

    Parameters
    ----------
    scratch : Scratch
        The project's copies.
    name : str
        Of this one.
    remote : Path, optional
        A remote that its tasks use (``transfer``).
    data : bool
        Whether the cache starts with what the common remote holds.
    """

    def __init__(
        self, scratch: Scratch, name: str, *, remote: Path | None = None, data: bool = True
    ) -> None:
        self.scratch = scratch
        self.name = name
        self.remote = remote
        self.project = scratch.clone(name, data=data, remote=remote)
        self.root = scratch.directory / name
        self.cache = scratch.directory / f"{name}.cache"
        self.workspaces = scratch.directory / f"{name}.runs"


class Host(Copy):
    """A copy of the project, and a worker process on it.

    Parameters
    ----------
    scratch, name, remote, data
        See `Copy`.
    lock_timeout : float
        Seconds that a task waits for DVC's locks.
    """

    def __init__(
        self,
        scratch: Scratch,
        name: str,
        *,
        remote: Path | None = None,
        data: bool = True,
        lock_timeout: float = 600.0,
    ) -> None:
        super().__init__(scratch, name, remote=remote, data=data)
        self.log = scratch.directory / f"{name}.log"
        self.settings = {
            "dag_id": DAG_ID,
            "project": str(self.project),
            "targets": scratch.targets,
            "workspaces": str(self.workspaces),
            "execution": {
                "transfer": remote is not None,
                "grace": GRACE,
                "lock_timeout": lock_timeout,
            },
        }
        self._start()

    def _start(self) -> None:
        theirs_in, theirs = os.pipe()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, _HOME, str(theirs)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.scratch.directory,
                env=child_environment({}),
                pass_fds=[theirs],
                start_new_session=True,
            )
        os.close(theirs)
        self._answers = os.fdopen(theirs_in)
        self._send(self.settings)

    def _send(self, data: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(data) + "\n")
        self.process.stdin.flush()

    def ask(self, **request: Any) -> Any:
        """Send a request to the worker and return its answer."""
        with contextlib.suppress(BrokenPipeError):
            self._send(request)
        line = self._answers.readline()
        if not line:
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
            msg = f"the worker of host {self.name} ended:\n{tail}"
            raise ConformanceError(msg)
        return json.loads(line)

    def tasks(self) -> list[Task]:
        """Return the DAG's tasks in an order to run them."""
        return [
            Task(item["task"], tuple(item["stages"]), tuple(item["upstream"]))
            for item in self.ask(do="tasks")
        ]

    def stop(self) -> None:
        """End the worker and every task that it started."""
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        reaper.kill_descendants(self.process.pid, 0.0)
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._answers.close()


def holding_shell(directory: Path) -> dict[str, str]:
    """Write a shell that holds every command up; DVC runs commands in what SHELL names."""
    shell = directory / "holding-shell"
    real = os.environ.get("SHELL") or "/bin/sh"
    plain = " --noprofile --norc" if Path(real).name == "bash" else ""
    shell.write_text(
        f'#!/bin/sh\nsleep {HOLD}\nSHELL={shlex.quote(real)} {shlex.quote(real)}{plain} "$@"\n'
        f"code=$?\nsleep {HOLD}\nexit $code\n",
        encoding="utf-8",
    )
    shell.chmod(0o755)
    return {"SHELL": str(shell)}


@contextlib.contextmanager
def running_host(scratch: Scratch, name: str, **options: Any) -> Iterator[Host]:
    """Start a host, and stop it afterwards."""
    host = Host(scratch, name, **options)
    try:
        yield host
    finally:
        host.stop()


class Attempt:
    """One try of a task: a process of a worker."""

    def __init__(self, pid: int, token: str, answer: Path) -> None:
        self.pid = pid
        self.token = token
        self.started = time.monotonic()
        self._answer = answer

    def ended(self) -> bool:
        """Whether the task's process is gone."""
        return not _alive(self.pid)

    def wait(self, timeout: float) -> dict[str, Any]:
        """Wait for the end; a process that was killed has state ``killed``.

        Raises
        ------
        ConformanceError
            If it takes longer than ``timeout`` seconds.
        """
        if not until(self.ended, timeout):
            self.end()
            msg = f"a task did not end within {timeout:.0f} s; choose a longer --timeout"
            raise ConformanceError(msg)
        try:
            found: dict[str, Any] = json.loads(self._answer.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"state": "killed", "error": "its process was killed"}
        return found

    def end(self) -> None:
        """Kill all of it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        reaper.kill_marked(f"{TOKEN}={self.token}")

    def drivers(self) -> list[int]:
        """Return the driver's guard and its worker, as far as they have started."""
        found: list[int] = []
        below = _children(self.pid)
        while below and len(found) < 2:
            found.append(below[0])
            below = _children(below[0])
        return found

    def command_runs(self) -> bool:
        """Whether the stage's command has been started: a process below the driver's worker."""
        drivers = self.drivers()
        return len(drivers) == 2 and bool(_children(drivers[1]))

    def remains(self) -> list[int]:
        """Return every living process of this try but the task's own."""
        return [pid for pid in reaper.marked(f"{TOKEN}={self.token}") if pid != self.pid]


@dataclass
class Run:
    """One run of the DAG.

    Attributes
    ----------
    run_id : str
        As Airflow names it.
    xcoms : dict
        Task to what it returned.
    states : dict
        Task to its last state.
    """

    run_id: str
    timeout: float
    logical_date: str | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)

    def start(self, host: Host, task: str, *, hold: bool = False) -> Attempt:
        """Start a task on a host.

        Parameters
        ----------
        host : Host
            Where.
        task : str
            Which task.
        hold : bool
            Whether its commands are held up for `HOLD` seconds before and after their work, so
            that a moment in the middle can be met even if the work takes no time.
        """
        token = uuid.uuid4().hex
        answers = host.scratch.directory / "answers"
        answers.mkdir(exist_ok=True)
        answer = answers / f"{token}.json"
        self.tries[task] = self.tries.get(task, 0) + 1
        # A new try knows nothing of what the last one returned.
        self.xcoms.pop(task, None)
        pid = host.ask(
            do="task",
            task=task,
            run_id=self.run_id,
            logical_date=self.logical_date,
            try_number=self.tries[task],
            xcoms=self.xcoms,
            states=self.states,
            token=token,
            environment=holding_shell(host.scratch.directory) if hold else {},
            answer=str(answer),
        )["pid"]
        return Attempt(pid, token, answer)

    def note(self, task: str, answer: Mapping[str, Any]) -> str:
        """Keep what a try returned; return its state."""
        self.states[task] = str(answer["state"])
        if answer["state"] == "success":
            self.xcoms[task] = answer["value"]
            self.errors.pop(task, None)
        else:
            self.errors[task] = str(answer.get("error", ""))
        return self.states[task]

    def step(self, host: Host, task: str) -> str:
        """Run a task on a host to its end; return its state."""
        return self.note(task, self.start(host, task).wait(self.timeout))

    def go(self, tasks: Sequence[Task], hosts: Sequence[Host], last: Host | None = None) -> bool:
        """Run tasks one after another, alternating between hosts; stop at a failure.

        Parameters
        ----------
        tasks : sequence of Task
            What to run, in order. The first stage runs on the first host, as the task that
            opens the workspace does.
        hosts : sequence of Host
            Where.
        last : Host, optional
            Where to save; the first host by default.

        Returns
        -------
        bool
            Whether all succeeded.
        """
        number = 0
        for task in tasks:
            host = hosts[number % len(hosts)] if task.stages else hosts[0]
            if task.name == "save_run" and last is not None:
                host = last
            number += bool(task.stages)
            if self.step(host, task.name) != "success":
                return False
        return True

    def results(self) -> list[dict[str, Any]]:
        """Return what stages reported."""
        return [
            result
            for value in self.xcoms.values()
            if isinstance(value, dict)
            for result in value.get("stages") or []
            if isinstance(result, dict)
        ]

    def statuses(self) -> dict[str, str]:
        """Return each stage's status."""
        return {result["stage"]: result["status"] for result in self.results()}

    def failure(self) -> str:
        """Say what failed."""
        return "; ".join(f"task {task} failed: {text}" for task, text in self.errors.items())


def new_run(scratch: Scratch, name: str, logical_date: str | None = None) -> Run:
    """Return a run that has not begun."""
    return Run(name, scratch.timeout, logical_date)


def until(condition: Any, seconds: float, poll: float = _POLL) -> bool:
    """Wait until something is true; say whether it became so in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(poll)
    return bool(condition())


def _alive(pid: int) -> bool:
    return any(found == pid for found, _ in reaper.living())


def _children(pid: int) -> list[int]:
    return [child for child, parent in reaper.living() if parent == pid]
