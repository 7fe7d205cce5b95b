"""The project's own Airflow on this machine: its state and settings, start and stop.

Everything lies in ``.airflow/`` (untracked): metadata database, logs, secrets. Remove the folder
and the next start makes a new one.
"""

import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil

from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_json, write_text
from pipelines.core.project import PROJECTS, VARIABLE, command_project, project_name
from pipelines.core.runtime import load_project_params
from pipelines.release.approval import ApprovalParams
from pipelines.release.config import load_section

PROJECT = command_project(__file__).path
HOME = (PROJECT / Path(load_project_params(PROJECT).airflow).expanduser()).resolve()
"""Of this project alone, or shared with others that name it (``release.yaml``, project.airflow)."""
LOGS = HOME / "logs"
PASSWORDS = HOME / "passwords.json"
_SECRET = HOME / "jwt_secret"
_SHARED = HOME / "projects.json"
USER = "admin"
_MODE = "AIRFLOW__DVC_AIRFLOW__MODE"


def password() -> str:
    """Password of `USER`, generated on first use and readable by the owner only."""
    if not PASSWORDS.exists():
        _write_private(PASSWORDS, json.dumps({USER: secrets.token_urlsafe(12)}))
    return str(json.loads(PASSWORDS.read_text(encoding="utf-8"))[USER])


def environment(port: int) -> dict[str, str]:
    """Environment of every Airflow process of the project.

    Parameters
    ----------
    port
        Port of the API server on loopback.

    Notes
    -----
    ``PYTHONDONTWRITEBYTECODE`` is taken out: without byte code every process compiles Airflow anew.
    """
    password()
    address = address_of(port)
    settings = {
        "AIRFLOW_HOME": str(HOME),
        VARIABLE: str(PROJECT),
        **_dags(),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(_folder("plugins")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(max(2, os.cpu_count() or 2)),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": _users(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(PASSWORDS),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(),
        # Seconds that a writer waits for another; with SQLite's 5 a loaded machine answers 500.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}?timeout=20",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(LOGS),
        # All tasks run on this machine, so one process may run all stages of a run.
        _MODE: os.environ.get(_MODE, "watcher"),
        # Seconds between looks when there is nothing to do: half of it is added to every task.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}"
    return {**inherited, **settings, "PATH": path}


def projects() -> list[Path]:
    """Return the projects whose DAGs this home's Airflow reads, this one among them.

    Raises
    ------
    SignalboxError
        If two of them have one name: their DAGs would have the same ids.
    """
    try:
        listed = [Path(path) for path in json.loads(_SHARED.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        listed = []
    found = sorted({PROJECT, *(path for path in listed if _shares(path))})
    names: dict[str, Path] = {}
    for path in found:
        name = project_name(path)
        if name in names:
            raise SignalboxError(
                f"{names[name]} and {path} share the Airflow in {HOME} and the name "
                f"{name or 'none'!r}: give one another project.name in its release.yaml"
            )
        names[name] = path
    return found


def _shares(project: Path) -> bool:
    """Whether a project is still there, and still names this home."""
    if not (project / "dvc.yaml").is_file():
        return False
    home = project / Path(load_project_params(project).airflow).expanduser()
    return home.resolve() == HOME


def _register() -> None:
    """Note that this project's DAGs belong to the Airflow in this home."""
    if HOME != PROJECT / ".airflow":
        HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(_SHARED, [str(path) for path in projects()])


def _dags() -> dict[str, str]:
    """Return the variables that say where DAGs lie: a folder, or a bundle a project."""
    found = projects()
    folders = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(_folder("dags")),
        PROJECTS: os.pathsep.join(map(str, found)),
    }
    if len(found) == 1:
        return folders
    bundles = [
        {
            "name": project_name(path) or "dags-folder",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path / "dags")},
        }
        for path in found
    ]
    return {**folders, "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles)}


def has_dag(name: str) -> bool:
    """Whether this project has the file of a DAG, or takes those of the wheel."""
    return (_folder("dags") / f"{name}.py").is_file()


def _folder(name: str) -> Path:
    """Return the project's own folder; without one, what came with the wheel."""
    own = PROJECT / name
    if own.is_dir() and (name != "plugins" or any(own.glob("*.py"))):
        return own
    found = find_spec(f"signalbox_airflow.{name}")
    locations = (found.submodule_search_locations if found else None) or []
    return next((Path(location) for location in locations), own)


def _users() -> str:
    """Users with their roles; Airflow makes passwords for new approvers, in the same file."""
    approvers = dict.fromkeys(
        name
        for project in projects()
        for name in load_section(project, "approval", ApprovalParams).approvers
    )
    return ",".join([f"{USER}:admin", *(f"{name}:op" for name in approvers if name != USER)])


def _secret() -> str:
    if not _SECRET.exists():
        _write_private(_SECRET, secrets.token_hex(48))
    return _SECRET.read_text(encoding="utf-8")


def _write_private(path: Path, text: str) -> None:
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_text(path, text)
    path.chmod(0o600)


_STATE = HOME / "stack.json"
_START_SECONDS = 300
_PR_SET_PDEATHSIG = 1
_SILENT_SECONDS = 180
"""A component whose last sign of life is older hangs: Airflow itself calls 30 s unhealthy."""
_MOST_STARTS = 5
"""Within `_STARTS_SECONDS`; a component that ends more often is told as an error."""
_STARTS_SECONDS = 600

COMPONENTS = {
    "api-server": ["api-server"],
    # Logs lie on this machine, so no second server needs to hand them out.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}


@dataclass(frozen=True)
class Stack:
    """A running Airflow.

    Attributes
    ----------
    port
        Port of the API server and UI on loopback.
    owner
        Process id of the command that started it.
    since
        When that process began, seconds since 1970: a number is given to other processes later.
    projects
        Directories of the projects whose DAGs it reads.
    """

    port: int
    owner: int
    since: float
    projects: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Address of UI and API."""
        return address_of(self.port)


def address_of(port: int) -> str:
    """Address of UI and API on a port."""
    return f"http://127.0.0.1:{port}"


def running() -> Stack | None:
    """Return the stack that another command of this project runs now, if it answers.

    An Airflow of another project may listen on a port that ours had: it has another password.
    """
    try:
        stack = _stack(json.loads(_STATE.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    began = _began(stack.owner)
    # Within a minute: where the clock was set meanwhile, a process seems to have begun at another
    # time; no other one gets its number so soon.
    if began is None or abs(began - stack.since) > 60:
        return None
    if not (_healthy(stack.address) and _is_ours(stack)):
        return None
    if stack.projects and str(PROJECT) not in stack.projects:
        _register()
        raise SignalboxError(
            f"the Airflow in {HOME} runs (process {stack.owner}), and was started before this "
            "project shared it: end it with Ctrl-C and start it again, then it reads all projects"
        )
    return stack


def _stack(state: dict[str, Any]) -> Stack:
    return Stack(**{**state, "projects": tuple(state.get("projects", ()))})


def _began(pid: int) -> float | None:
    """When a process began; None if there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@contextmanager
def started(port: int | None = None, tell: Callable[[str], None] = _to_stderr) -> Iterator[Stack]:
    """Run Airflow while the block runs; its processes end with it, whatever happens.

    Parameters
    ----------
    port
        Port on loopback; None takes a free one.
    tell
        Gets a line when a component ended by itself, or hung, and was started again.

    Raises
    ------
    SignalboxError
        If the port is taken; if a component ends or doesn't answer in time while Airflow starts
        (names its log).
    """
    if port is not None and not is_free(port):
        raise SignalboxError(
            f"port {port} is taken by another program; name another one, or leave --port out"
        )
    signal.signal(signal.SIGTERM, _end)
    _register()
    stack = Stack(
        port or free_port(),
        os.getpid(),
        _began(os.getpid()) or 0.0,
        tuple(map(str, projects())),
    )
    env = environment(stack.port)
    LOGS.mkdir(parents=True, exist_ok=True)
    _migrate(env)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    keeper = Keeper(processes, lambda name: _start(name, env), tell)
    try:
        for name in COMPONENTS:
            log_of(name).unlink(missing_ok=True)
            processes[name] = _start(name, env)
        _wait(stack, processes)
        write_json(_STATE, asdict(stack))
        keeper.watch(lambda: _silent_components(stack.address))
        yield stack
    finally:
        _STATE.unlink(missing_ok=True)
        keeper.stop()
        _stop(list(processes.values()))


class Keeper:
    """Starts components again that end by themselves or hang.

    Airflow's scheduler doesn't survive some errors (an API call that changes a task in the same
    moment, on SQLite, which has no row locks); without it all runs stand still and nothing says so.

    Parameters
    ----------
    processes
        Running components by name; a new process takes the place of one that ended.
    start
        Starts a component.
    tell
        Gets a line for each start.
    """

    def __init__(
        self,
        processes: dict[str, subprocess.Popen[bytes]],
        start: Callable[[str], subprocess.Popen[bytes]],
        tell: Callable[[str], None],
    ) -> None:
        self._processes = processes
        self._start = start
        self._tell = tell
        self._starts: dict[str, list[float]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, silent: Callable[[], list[str]], every: float = 1.0) -> None:
        """Look after the components in a thread of its own until `stop`."""

        def look() -> None:
            turns = 0
            while not self._ended.wait(every):
                turns += 1
                # The signs of life are asked of the API server; a dead process is seen at once.
                self.look(silent() if turns % 15 == 0 else [])

        self._thread = threading.Thread(target=look, name="keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; components that end from now on are not started again."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def look(self, silent: list[str]) -> None:
        """Start again what ended, or what gives no sign of life."""
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is None and name not in silent:
                continue
            now = time.monotonic()
            starts = [at for at in self._starts.get(name, []) if now - at < _STARTS_SECONDS]
            if len(starts) == _MOST_STARTS:
                continue
            self._starts[name] = [*starts, now]
            _end_session(process)
            why = "gave no sign of life" if code is None else f"ended with exit code {code}"
            then = "started again"
            if len(starts) + 1 == _MOST_STARTS:
                then = f"started again for the last time within {_STARTS_SECONDS // 60} minutes"
            self._processes[name] = self._start(name)
            self._tell(f"airflow {name} {why} and was {then}; see {log_of(name)}")


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End a component with what it started: a task of a dead scheduler would run a second time."""
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 10
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_)  # every component leads a session of its own
            while time.monotonic() < deadline:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.1)
    process.wait()


def _silent_components(address: str) -> list[str]:
    """Return components whose last sign of life is older than `_SILENT_SECONDS`."""
    try:
        health = httpx.get(f"{address}/api/v2/monitor/health", timeout=30).json()
    except (httpx.HTTPError, ValueError):
        return []
    found = []
    for name in ("scheduler", "triggerer", "dag_processor"):
        heartbeat = (health.get(name) or {}).get(f"latest_{name}_heartbeat")
        if heartbeat is None:
            continue
        last = datetime.fromisoformat(str(heartbeat).replace("Z", "+00:00"))
        if (datetime.now(UTC) - last).total_seconds() > _SILENT_SECONDS:
            found.append(name.replace("_", "-"))
    return found


def _end(signum: int, frame: object) -> None:
    """Turn SIGTERM into an exit that runs the ``finally`` blocks."""
    raise SystemExit(128 + signum)


def free_port() -> int:
    """Return a port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback now."""
    with socket.socket() as probe:
        # As Airflow's server asks for it: a port whose last connections are closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def log_of(component: str) -> Path:
    """Log file of a component."""
    return LOGS / f"{component}.log"


def _airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _migrate(env: dict[str, str]) -> None:
    """Bring the metadata database to this Airflow's version; quick when it is there already."""
    with log_of("migrate").open("wb") as log:
        done = subprocess.run(
            _airflow("db", "migrate"), env=env, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        raise SignalboxError(f"airflow db migrate failed; see {log_of('migrate')}")


def _start(name: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    with log_of(name).open("ab") as log:
        return subprocess.Popen(
            _airflow(*COMPONENTS[name]),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent is killed, so that none is left over."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait(stack: Stack, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (_healthy(stack.address) and _is_ours(stack)):
        for name, process in processes.items():
            if process.poll() is not None:
                raise SignalboxError(
                    f"airflow {name} ended with exit code {process.returncode}; see {log_of(name)}"
                )
        if time.monotonic() > deadline:
            raise SignalboxError(
                f"Airflow did not answer within {_START_SECONDS} s; see {LOGS}/*.log"
            )
        time.sleep(0.3)


def _healthy(address: str) -> bool:
    """Whether the API answers and scheduler and DAG processor have reported themselves."""
    try:
        health = httpx.get(f"{address}/api/v2/monitor/health", timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return False
    parts = ("metadatabase", "scheduler", "dag_processor")
    return all((health.get(part) or {}).get("status") == "healthy" for part in parts)


def _is_ours(stack: Stack) -> bool:
    """Whether the Airflow that answers takes this project's login."""
    login = {"username": USER, "password": password()}
    try:
        return httpx.post(f"{stack.address}/auth/token", json=login, timeout=30).is_success
    except httpx.HTTPError:
        return False


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End the processes and all they started: politely, then for good."""
    family = [child for process in processes for child in _family(process.pid)]
    for process in processes:
        process.terminate()
    _, alive = psutil.wait_procs(family, timeout=15)
    for survivor in alive:
        survivor.kill()
    for process in processes:
        process.wait()


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
