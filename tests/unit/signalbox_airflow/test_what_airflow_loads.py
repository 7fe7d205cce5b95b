"""What Airflow reads again and again, or loads with every task, imports nothing that it can spare.

Files in dags/ are no package, so import-linter doesn't see them. They call the factories, and what
those import at the top is imported whenever Airflow reads them.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = sorted((ROOT / "dags").glob("*.py"))
PLUGINS = ROOT / "plugins"
DAGS = sorted((PLUGINS / "signalbox_airflow/factories").glob("[a-z]*.py"))
FINDS_THE_PROJECT = "pipelines.core.project."
CHEAP = {"airflow", "dvc_airflow", "signalbox_airflow"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_there_are_dags() -> None:
    assert len(DAGS) >= 9
    assert [path.name for path in FILES] == [path.name for path in DAGS]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_dag_file_is_a_docstring_an_import_and_a_call(file: Path) -> None:
    """The files of a project of one's own are copies of these: they must hold nothing of ours."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line]
    name = file.stem
    assert len(lines) == 3
    assert lines[0].startswith(f'"""The DAG {name}; ')
    assert lines[1:] == [
        f"from signalbox_airflow.factories.{name} import {name}",
        f"dag = {name}(__file__)",
    ]


@pytest.mark.parametrize("dag", DAGS, ids=lambda path: path.stem)
def test_a_dag_imports_neither_commands_nor_simulator_nor_verification(dag: Path) -> None:
    above = ("pipelines.cli", "pipelines.simulator", "pipelines.verification")
    assert [name for name in imported(parsed(dag)) if name.startswith(above)] == []


@pytest.mark.parametrize("dag", DAGS, ids=lambda path: path.stem)
def test_a_dag_that_is_read_imports_only_airflow_and_what_is_ours_in_it(dag: Path) -> None:
    """Stages and release path are imported when a task runs, not when the file is read."""
    read = [
        statement
        for statement in parsed(dag).body
        if isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    names = {
        name
        for statement in read
        for name in imported(statement)
        if not name.startswith(FINDS_THE_PROJECT)
    }
    roots = {name.partition(".")[0] for name in names}
    assert "airflow" in roots
    assert roots - sys.stdlib_module_names <= CHEAP


def test_the_listener_loads_nothing_of_pipelines() -> None:
    """Every task's process loads it; what is heavy or broken in pipelines must not reach it."""
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(PLUGINS)!r}]\n"
        "import signalbox_airflow.listener as listener\n"
        "print(listener.__file__)\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] == 'pipelines'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    file, loaded = done.stdout.splitlines()[-2:]
    assert Path(file) == PLUGINS / "signalbox_airflow/listener.py"
    assert loaded == "[]"


@pytest.mark.slow
def test_a_run_with_an_old_name_of_a_parameter_is_told_the_new_one() -> None:
    code = (
        f"import runpy, sys; sys.path[:0] = [{str(ROOT)!r}, {str(PLUGINS)!r}]\n"
        f"dag = runpy.run_path({str(ROOT / 'dags/alert_noise_reduction.py')!r})['dag']\n"
        "task = dag.get_task('open_workspace')\n"
        "conf = {'aiops.response.dry_run': False}\n"
        "from dvc_airflow.graph.params import refuse_unknown\n"
        "try: refuse_unknown(conf, task.defaults, task.renamed())\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = done.stdout.splitlines()[-1]
    assert told == "'aiops.response.dry_run' is now 'aiops.remediation.dry_run'"
