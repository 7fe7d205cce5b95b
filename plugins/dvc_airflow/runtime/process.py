"""Starts the driver, passes its output on, and makes sure that it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dvc_airflow.runtime import reaper
from dvc_airflow.runtime.driver import TOKEN, WORK
from dvc_airflow.runtime.errors import StageError
from dvc_airflow.runtime.git import MISLEADING
from dvc_airflow.runtime.protocol import Request

TAIL: Final = 20
_LONGEST_LINE: Final = 32 * 1024
_HOME: Final = str(Path(__file__).resolve().parents[2])
# Not "-m": the package may lie in Airflow's plugins folder, which is not on the path of
# a fresh interpreter, and PYTHONPATH would leak into the stages' commands. "-P" keeps a
# project's own json.py from being imported instead of the real one.
_BOOT: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from dvc_airflow.runtime.driver import main; sys.exit(main())"
)


class DriverProcess:
    """One run of the driver.

    Parameters
    ----------
    project : str
        The DVC project in the workspace.
    stages : list of str
        What to run.
    env : mapping, optional
        Extra environment for the commands.
    options
        Further fields of `Request`.
    """

    def __init__(
        self,
        project: str,
        stages: list[str],
        *,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.project = project
        self.stages = stages
        self.env = dict(env or {})
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, log: Callable[[str], None]) -> list[dict[str, Any]]:
        """Run to the end and return the stages' results; failure raises `StageError`."""
        tail: deque[str] = deque(maxlen=TAIL)
        with tempfile.TemporaryDirectory(prefix="dvc-airflow-") as folder:
            answer = Path(folder) / "answer.json"
            token = uuid.uuid4().hex
            request = Request(self.project, self.stages, str(answer), token, **self.options)
            process = self.process = self._start(request)
            read = threading.Event()
            sweeper = threading.Thread(target=_sweep, args=(process, token, read), daemon=True)
            sweeper.start()
            try:
                assert process.stdout is not None
                while raw := process.stdout.readline(_LONGEST_LINE):
                    line = raw.decode("utf-8", "replace").rstrip("\r\n")
                    tail.append(line)
                    log(line)
                code = process.wait()
            finally:
                self.kill()
                read.set()
            return self._read(answer, code, tail)

    def kill(self) -> None:
        """End the driver and everything below it."""
        process = self.process
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(OSError):
            process.send_signal(signal.SIGTERM)
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def _start(self, request: Request) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, _HOME, request.token],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.project,
            env=child_environment(self.env) | self._markers(request.token),
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(request.to_json()).encode() + b"\n")
        process.stdin.flush()
        return process

    def _markers(self, token: str) -> dict[str, str]:
        return {TOKEN: token, WORK: f"{self.project}:{' '.join(self.stages)}"}

    def _read(self, answer: Path, code: int, tail: deque[str]) -> list[dict[str, Any]]:
        lines = list(tail)
        try:
            found = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            reason = f"its driver process ended with exit code {code} before it could report"
            raise StageError(", ".join(self.stages), reason, None, code, lines) from None
        failure = found["failure"]
        if failure:
            raise StageError(
                failure["stage"], failure["reason"], failure["command"], failure["exit_code"], lines
            )
        results: list[dict[str, Any]] = found["results"]
        return results


def _sweep(process: subprocess.Popen[bytes], token: str, read: threading.Event) -> None:
    """Once the driver's guard is gone, end what it could not (it was itself killed).

    Its pipes are closed once nobody reads them any more; earlier would break what it still says.
    """
    process.wait()
    reaper.kill_marked(f"{TOKEN}={token}")
    read.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if stream:
                stream.close()


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a stage's commands.

    ``python`` is the interpreter that Airflow runs with; byte code may be written
    (without it every process compiles every import again); output is not held back in
    buffers.
    """
    env = {key: value for key, value in os.environ.items() if key not in MISLEADING}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    folder = os.path.dirname(sys.executable)
    env["PATH"] = os.pathsep.join([folder, env.get("PATH", os.defpath)])
    env.setdefault("PYTHONUNBUFFERED", "1")
    env["DVC_NO_ANALYTICS"] = "1"
    env.update(extra)
    return env
