"""The bridge is a distribution of its own: its wheel, alone, draws and runs a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.integration.dvc_airflow.conftest import Airflow
from tests.support.wheels import ROOT, install_alone

PIPELINE = {
    "dvc.yaml": """
        stages:
          prepare: {cmd: cp source.txt data.txt, deps: [source.txt], outs: [data.txt]}
          train: {cmd: cp data.txt model.txt, deps: [data.txt], outs: [model.txt]}
        """,
    "source.txt": "source",
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed, alone."""
    directory = tmp_path_factory.mktemp("bridge")
    return install_alone(["plugins/dvc_airflow"], "plugins/dvc_airflow", directory)


@pytest.fixture
def airflow(target: Path, tmp_path: Path) -> Iterator[Airflow]:
    """An Airflow that knows the bridge from its wheel."""
    home = tmp_path / "airflow"
    home.mkdir()
    running = Airflow(home, library=target)
    yield running
    running.stop()


def test_the_wheel_holds_every_module_and_names_what_it_needs(target: Path) -> None:
    source = ROOT / "plugins/dvc_airflow"
    assert {path.name for path in target.iterdir() if path.suffix != ".dist-info"} == {
        "dvc_airflow"
    }
    modules = {path.relative_to(source) for path in source.rglob("*.py")}
    modules = {path for path in modules if path.parts[0] != "build"}
    installed = {path.relative_to(target / "dvc_airflow") for path in target.rglob("*.py")}
    assert installed == modules
    (distribution,) = distributions(path=[str(target)])
    needed = distribution.requires or []
    assert [text for text in needed if text.startswith(("apache-airflow", "dvc"))]
    assert [text for text in needed if "signalbox" in text] == []


def test_a_dag_runs_with_the_wheel_and_nothing_of_signalbox(target, airflow, new_project, load_dag):
    project = new_project(PIPELINE)
    dag = load_dag(
        f"""
        with DAG(DAG_ID, schedule=None) as dag:
            DvcTaskGroup(project={str(project.path)!r})
        """
    )

    done = dag.run()

    assert done.state == "success"
    saved = done.xcoms["save_run"]
    assert saved["statuses"] == {"prepare": "ran", "train": "ran"}
    assert "model.txt" in project.git("show", f"{saved['ref']}:dvc.lock")
    loaded = airflow.ask(do="loaded")
    assert Path(loaded["dvc_airflow"]).is_relative_to(target)
    assert set(loaded) & {"pipelines", "signalbox_airflow", "signalbox_plugins"} == set()
