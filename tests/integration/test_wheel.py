"""Signalbox's own wheel: what it holds, and that it works where nothing of the project lies."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.support.wheels import ROOT, install_alone


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed, alone."""
    parts = ["setup.py", "pyproject.toml", "README.md", "LICENSE", "params.schema.json", "dvc.yaml"]
    parts += ["pipelines", "plugins", "dags", "expectations"]
    return install_alone(parts, ".", tmp_path_factory.mktemp("signalbox"))


def start(
    target: Path, elsewhere: Path, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run Python with what is installed there, from a directory that holds nothing."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env = {**kept, "PYTHONPATH": str(target), "AIRFLOW_HOME": str(elsewhere), **variables}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=elsewhere, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip


def run(target: Path, elsewhere: Path, *arguments: str, **variables: str) -> str:
    """Run it; return what it printed."""
    done = start(target, elsewhere, *arguments, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of(target: Path, folder: str) -> list[str]:
    return sorted(path.name for path in (target / folder).iterdir() if path.is_file())


def test_it_holds_the_packages_the_dags_and_the_suites_and_nothing_of_the_bridge(
    target: Path,
) -> None:
    found = {path.name for path in target.iterdir() if path.suffix != ".dist-info"}
    assert found == {"bin", "pipelines", "signalbox_airflow"}
    for theirs, ours in (
        ("signalbox_airflow/dags", "dags"),
        ("signalbox_airflow/expectations", "expectations"),
        ("signalbox_airflow/plugins", "plugins"),
    ):
        assert files_of(target, theirs) == files_of(ROOT, ours)
    modules = {path.relative_to(ROOT) for path in (ROOT / "pipelines").rglob("*.py")}
    assert {path.relative_to(target) for path in (target / "pipelines").rglob("*.py")} == modules
    templates = "pipelines/reporting/templates"
    assert files_of(target, templates) == files_of(ROOT, templates)


def test_it_depends_on_the_bridge(target: Path) -> None:
    (installed,) = distributions(path=[str(target)])
    assert "dvc-airflow" in (installed.requires or [])


def test_its_command_runs_elsewhere(target: Path, tmp_path: Path) -> None:
    shown = run(target, tmp_path, str(target / "bin" / "signalbox"), "--help")
    assert "Usage: signalbox" in shown


def test_what_airflow_loads_is_imported_from_it(target: Path, tmp_path: Path) -> None:
    code = (
        "import signalbox_airflow.listener, signalbox_airflow.report_page\n"
        "import pipelines.aiops.mine_rules, pipelines.mlops.train\n"
        "print(signalbox_airflow.__file__, pipelines.__file__)"
    )
    paths = run(target, tmp_path, "-c", code).split()[-2:]
    assert [Path(path).is_relative_to(target) for path in paths] == [True, True]


READ = """
import json, pathlib, runpy, signalbox_airflow
directory = pathlib.Path(signalbox_airflow.__file__).parent / "dags"
read = [runpy.run_path(str(file)) for file in sorted(directory.glob("[a-z]*.py"))]
print(json.dumps([found["dag"].dag_id for found in read]))
(dag,) = (found["dag"] for found in read if found["dag"].dag_id == "model_release")
print("PROJECT", dag.get_task("open_workspace").project)
print("TITLES", json.dumps([param.schema["title"] for _, param in dag.params.items()]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that holds none of our code."""
    directory = tmp_path / "project"
    (directory / ".dvc").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", "release.yaml"):
        shutil.copy(ROOT / name, directory)
    return directory


def test_its_dags_work_for_the_project_that_is_named(
    target: Path, project: Path, tmp_path: Path
) -> None:
    bridge = f"{target}{os.pathsep}{tmp_path / 'bridge'}"
    shutil.copytree(ROOT / "plugins/dvc_airflow", tmp_path / "bridge/dvc_airflow")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    variables = {"PYTHONPATH": bridge, "SIGNALBOX_PROJECT": str(project)}
    lines = run(target, elsewhere, "-c", READ, **variables).splitlines()
    (read,) = (json.loads(line) for line in lines if line.startswith("["))
    assert set(read) == {path.stem for path in (ROOT / "dags").glob("[a-z]*.py")}
    titles = json.loads(lines[-1].removeprefix("TITLES "))
    assert titles[0] == "Random seed"  # from the wheel's schema: the project has none
    assert f"PROJECT {project.resolve()}" in lines


def test_its_airflow_has_the_wheels_dags_and_pages_where_the_project_has_none(
    target: Path, project: Path
) -> None:
    code = (
        "from pipelines.cli.airflow_stack import environment\n"
        "for key, value in environment(1).items(): print(key, value, sep='=')"
    )
    lines = run(target, project, "-c", code, SIGNALBOX_PROJECT="").splitlines()
    installed = target / "signalbox_airflow"
    assert f"AIRFLOW__CORE__DAGS_FOLDER={installed / 'dags'}" in lines
    assert f"AIRFLOW__CORE__PLUGINS_FOLDER={installed / 'plugins'}" in lines
    assert f"SIGNALBOX_PROJECT={project.resolve()}" in lines
    (project / "dags").mkdir()
    lines = run(target, project, "-c", code).splitlines()
    assert f"AIRFLOW__CORE__DAGS_FOLDER={project.resolve() / 'dags'}" in lines


def test_without_a_project_its_commands_say_what_to_do(target: Path, tmp_path: Path) -> None:
    done = start(target, tmp_path, str(target / "bin" / "signalbox"), "run", COLUMNS="300")
    assert done.returncode == 1
    assert (
        "has no dvc.yaml: start in the project's top directory, or name it with --project"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
