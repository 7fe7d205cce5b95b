"""The child process that runs stages (started by `dvc_airflow.runtime.process`).

It is two processes. The *guard* (this one) imports nothing but the standard library;
it forks the *worker*, which imports DVC and runs the stages. The guard adopts every
orphan below it, so that when the worker ends or dies, when Airflow asks for an end, or
when the Airflow task itself vanishes (its end of the pipe on our standard input is
closed by the kernel), nothing of the stage survives: no child that ignores SIGTERM and
no daemon. If the guard itself is killed, the Airflow task finds the orphans by a marker
in their environment; if that is killed at the same time, the next attempt does. A retry
therefore never meets the remains of the attempt before it.

Why a driver and not ``dvc repro --single-item``? Not for speed: measured on 2 cores
(medians of 9), a stage with nothing to do took 0.50 s against 0.55 s, one that runs
``cp`` 0.47 s against 0.61 s; an empty Python takes 0.04 s. But the driver reports what
happened (ran, restored, unchanged) as data instead of as text, waits for locks fairly,
restores a stage's inputs first, and runs a group of stages for one start-up.

Protocol: the first line of standard input is the request (JSON); standard output and
error carry the stage's output; the answer (JSON) is written to the file that the
request names.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any, Final

from dvc_airflow.runtime import reaper

DEFAULT_GRACE: Final = 3.0
KILLED: Final = 143
# In the environment of every process of a stage: which attempt, and what it works on.
TOKEN: Final = "DVC_AIRFLOW_TOKEN"
WORK: Final = "DVC_AIRFLOW_WORK"


def main() -> int:
    """Guard: fork the worker, wait for it or for a reason to end it."""
    line = _read_line(0)
    if not line:
        return KILLED
    request = json.loads(line)
    reaper.adopt_orphans()
    _end_earlier_attempt()
    wake, wake_in = os.pipe()
    os.set_blocking(wake_in, False)
    os.set_inheritable(wake_in, False)
    signal.set_wakeup_fd(wake_in)
    for sig in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, _note)
    worker = os.fork()
    if worker == 0:
        _become_worker(request, wake, wake_in)
    status = _wait(worker, wake)
    grace = float(request.get("grace", DEFAULT_GRACE)) if status is None else 0.0
    left = reaper.kill_descendants(os.getpid(), grace)
    if status is None:
        return KILLED
    if left:
        print(f"ended {left} process(es) that the stage left behind", flush=True)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end_earlier_attempt() -> None:
    """Kill what an earlier attempt at the same stages left, if all its guards died."""
    work, token = os.environ.get(WORK), os.environ.get(TOKEN)
    if work and token:
        left = reaper.kill_marked(f"{WORK}={work}", unless=f"{TOKEN}={token}")
        if left:
            print(f"ended {left} process(es) of an earlier attempt", flush=True)


def _note(signum: int, frame: object) -> None:
    """Do nothing: the wake-up pipe carries the news."""


def _read_line(fd: int) -> bytes:
    # Byte by byte: a buffered read would swallow the end-of-file we wait for later.
    line = bytearray()
    while (byte := os.read(fd, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


def _wait(worker: int, wake: int) -> int | None:
    """Wait for the worker; None means that it has to be ended."""
    import select

    while True:
        ready, _, _ = select.select([0, wake], [], [])
        signals = os.read(wake, 512) if wake in ready else b""
        if signal.SIGCHLD in signals:
            with contextlib.suppress(ChildProcessError):
                while True:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                    if pid == worker:
                        return status
                    if pid == 0:
                        break
        if set(signals) - {signal.SIGCHLD}:
            return None
        if 0 in ready and not os.read(0, 64):
            return None


def _become_worker(request: dict[str, Any], *close: int) -> None:
    """In the forked child: run the stages and leave without returning."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for fd in close:
            os.close(fd)
        for sig in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sig, signal.SIG_DFL)
        reaper.die_with_parent()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(1, 2)
        # The lock file of DVC names its holders by process id and command line.
        sys.argv = ["dvc_airflow", str(request.get("token", os.getpid()))]
        from dvc_airflow.runtime.worker import run_request

        code = run_request(request)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
