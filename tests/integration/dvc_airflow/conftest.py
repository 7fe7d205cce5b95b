"""Real DVC projects in real git repositories, and Airflow in this process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import dvc_airflow


def run(*command: str, cwd: Path, check: bool = True) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{command} failed: {done.stdout}{done.stderr}")
    return (done.stdout + done.stderr).strip()


@dataclass
class Project:
    """A DVC project in a git repository."""

    path: Path

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(textwrap.dedent(text).lstrip("\n"))

    def commit(self, message: str = "change") -> str:
        run("git", "add", "-A", cwd=self.path)
        run("git", "commit", "-q", "-m", message, cwd=self.path)
        return self.git("rev-parse", "HEAD")

    def git(self, *args: str) -> str:
        return run("git", *args, cwd=self.path)

    def dvc(self, *args: str) -> str:
        return run(sys.executable, "-m", "dvc", *args, cwd=self.path)


@pytest.fixture(scope="session", autouse=True)
def quiet_environment() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    patch.setenv("DVC_NO_ANALYTICS", "1")
    folder = os.path.dirname(sys.executable)
    patch.setenv("PATH", os.pathsep.join([folder, os.environ["PATH"]]))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``dvc init`` takes a while, so it is done once and copied."""
    path = tmp_path_factory.mktemp("template") / "project"
    path.mkdir()
    run("git", "init", "-q", "-b", "main", cwd=path)
    run("git", "config", "user.name", "Ada", cwd=path)
    run("git", "config", "user.email", "ada@example.com", cwd=path)
    run(sys.executable, "-m", "dvc", "init", "-q", cwd=path)
    (path / ".gitignore").write_text("/runs/\n")
    return path


@pytest.fixture
def new_project(tmp_path: Path, empty_project: Path) -> Callable[..., Project]:
    """Make a project of some files and commit them."""

    def make(files: Mapping[str, str], name: str = "project") -> Project:
        place = tmp_path / name
        shutil.copytree(empty_project, place)
        project = Project(place)
        project.write(files)
        project.commit("start")
        return project

    return make


class Airflow:
    """An Airflow with a home, a database and a process of its own.

    Parameters
    ----------
    home
        An empty directory.
    library
        The directory from which ``dvc_airflow`` is imported.
    """

    def __init__(self, home: Path, library: Path = Path(dvc_airflow.__file__).parents[1]) -> None:
        (home / "dags").mkdir()
        self.home = home
        env = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")}
        env |= {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "PYTHONPATH": str(library),
        }
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, env=env, cwd=home, check=True, capture_output=True)
        answers, theirs = os.pipe()
        self.log = (home / "worker.log").open("w+")
        worker = Path(__file__).with_name("airflow_worker.py")
        self.process = subprocess.Popen(
            [sys.executable, str(worker), str(theirs)],
            env=env,
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[theirs],
        )
        os.close(theirs)
        self.answers = os.fdopen(answers)

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.answers.readline()
        assert line, (self.home / "worker.log").read_text()[-3000:]
        answer = json.loads(line)
        if "error" in answer:
            raise AirflowError(answer["error"])
        return answer["answer"]

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.answers.close()
        self.log.close()


class AirflowError(Exception):
    """Something that Airflow raised."""


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    running = Airflow(tmp_path_factory.mktemp("airflow"))
    yield running
    running.stop()


@dataclass
class DagFile:
    """A DAG that was written, and can be run."""

    dag_id: str
    path: Path
    airflow: Airflow

    def run(self, **conf: Any) -> DagRunResult:
        return DagRunResult(**self.airflow.ask(do="run", path=str(self.path), conf=conf))


@dataclass
class DagRunResult:
    """What a finished run left in Airflow."""

    run_id: str
    state: str
    states: dict[str, str]
    xcoms: dict[str, Any]
    labels: dict[str, str | None]
    assets: dict[str, dict[str, Any]]


@pytest.fixture
def load_dag(airflow: Airflow) -> Iterator[Callable[[str], DagFile]]:
    """Write a DAG file (``DAG_ID`` stands for a fresh id)."""
    written: list[Path] = []

    def load(body: str) -> DagFile:
        dag_id = f"dag_{uuid.uuid4().hex[:8]}"
        header = "from airflow.sdk import DAG\nfrom dvc_airflow import *\n"
        path = airflow.home / "dags" / f"{dag_id}.py"
        path.write_text(header + textwrap.dedent(body).replace("DAG_ID", repr(dag_id)))
        written.append(path)
        return DagFile(dag_id, path, airflow)

    yield load
    for path in written:
        path.unlink()


@pytest.fixture
def run_dag() -> Callable[..., DagRunResult]:
    """Run a DAG to its end."""

    def run_it(dag: DagFile, **conf: Any) -> DagRunResult:
        return dag.run(**conf)

    return run_it


@dataclass
class Driven:
    """What a driver process returned and printed."""

    results: list[dict[str, Any]]
    lines: list[str]

    @property
    def statuses(self) -> dict[str, str]:
        return {result["stage"]: result["status"] for result in self.results}


@pytest.fixture
def drive() -> Callable[..., Driven]:
    """Run stages in a directory through the driver."""
    from dvc_airflow.runtime.process import DriverProcess

    def start(project: Path, *stages: str, **options: Any) -> Driven:
        lines: list[str] = []
        results = DriverProcess(str(project), list(stages), **options).run(lines.append)
        return Driven(results, lines)

    return start


@pytest.fixture
def open_run() -> Callable[..., Any]:
    """Open the workspace of a run."""
    from dvc_airflow.runtime.run_key import RunKey
    from dvc_airflow.runtime.workspace import open_workspace

    def start(project: Project, run_id: str = "run", **options: Any) -> Any:
        place = options.pop("workspaces", project.path / "runs")
        return open_workspace(project.path, place, RunKey("dag", run_id), **options).workspace

    return start
