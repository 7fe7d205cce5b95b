"""Real DVC projects in real git repositories, and Airflow in this process."""

from __future__ import annotations

import importlib.util
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


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An Airflow of its own; Airflow reads its configuration when it is imported."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
        patch.delenv(name)
    patch.setenv("AIRFLOW_HOME", str(home))
    patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    patch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    run(sys.executable, "-m", "airflow", "db", "migrate", cwd=home)
    yield home
    patch.undo()


@dataclass
class DagRunResult:
    """What a finished run left in Airflow."""

    run_id: str
    state: str
    states: dict[str, str]
    xcoms: dict[str, Any]
    labels: dict[str, str | None]


@pytest.fixture
def load_dag(airflow_home: Path) -> Iterator[Callable[[str], Any]]:
    """Write a DAG file (``DAG_ID`` stands for a fresh id) and import it."""
    written: list[Path] = []

    def load(body: str) -> Any:
        dag_id = f"dag_{uuid.uuid4().hex[:8]}"
        header = "from airflow.sdk import DAG\nfrom dvc_airflow import *\n"
        path = airflow_home / "dags" / f"{dag_id}.py"
        path.write_text(header + textwrap.dedent(body).replace("DAG_ID", repr(dag_id)))
        written.append(path)
        return import_dag(path)

    yield load
    for path in written:
        path.unlink()


def import_dag(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dag


@pytest.fixture
def run_dag(airflow_home: Path) -> Callable[..., DagRunResult]:
    """Run a DAG in this process, to its end."""

    def run_it(dag: Any, **conf: Any) -> DagRunResult:
        # A DAG object remembers the parameters of its last test run.
        dag = import_dag(airflow_home / "dags" / f"{dag.dag_id}.py")
        finished = dag.test(run_conf=conf or None)
        return collect(finished)

    return run_it


def collect(dag_run: Any) -> DagRunResult:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        instances = dag_run.get_task_instances(session=session)
        states = {ti.task_id: str(ti.state) for ti in instances}
        labels = {ti.task_id: ti.rendered_map_index for ti in instances}
        query = select(XComModel).where(
            XComModel.run_id == dag_run.run_id,
            XComModel.dag_id == dag_run.dag_id,
            XComModel.key == "return_value",
        )
        xcoms = {row.task_id: XComModel.deserialize_value(row) for row in session.scalars(query)}
    return DagRunResult(dag_run.run_id, str(dag_run.state), states, xcoms, labels)


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
        return open_workspace(project.path, place, RunKey("dag", run_id), **options)

    return start
