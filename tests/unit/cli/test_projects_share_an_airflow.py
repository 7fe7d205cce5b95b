"""An Airflow of one project, or of several that name the same home in their release.yaml."""

import json
import os
from pathlib import Path

import pytest

from pipelines.cli import airflow_stack
from pipelines.cli.airflow_stack import environment, has_dag, projects
from pipelines.core.errors import SignalboxError

BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"


def project(directory: Path, name: str, home: str, approver: str = "admin") -> Path:
    (directory / "dags").mkdir(parents=True)
    (directory / "dvc.yaml").write_text("stages: {}\n")
    (directory / "release.yaml").write_text(
        f"project:\n  name: {name}\n  airflow: {home}\napproval:\n  approvers: [{approver}]\n"
    )
    return directory


@pytest.fixture
def churn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project that commands work for."""
    made = project(tmp_path / "churn", "churn", "../airflow")
    stand_in(made, tmp_path / "airflow", monkeypatch)
    return made


def stand_in(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {"PROJECT": made, "HOME": home, "LOGS": home / "logs", "_SECRET": home / "secret",
             "PASSWORDS": home / "passwords.json", "_SHARED": home / "projects.json",
             "_STATE": home / "stack.json"}  # fmt: skip
    for name, path in paths.items():
        monkeypatch.setattr(airflow_stack, name, path)


def test_alone_it_has_its_own_folder_and_no_bundles(churn: Path) -> None:
    found = environment(1)
    assert found["AIRFLOW__CORE__DAGS_FOLDER"] == str(churn / "dags")
    assert found["SIGNALBOX_PROJECTS"] == str(churn)
    assert BUNDLES not in found


def test_two_that_share_a_home_are_two_bundles_with_all_approvers(
    churn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow_stack._register()
    fraud = project(tmp_path / "fraud", "fraud", "../airflow", "bob")
    stand_in(fraud, tmp_path / "airflow", monkeypatch)
    airflow_stack._register()
    found = environment(1)
    bundles = json.loads(found[BUNDLES])
    assert {bundle["name"]: bundle["kwargs"]["path"] for bundle in bundles} == {
        "churn": str(churn / "dags"),
        "fraud": str(fraud / "dags"),
    }
    assert found["SIGNALBOX_PROJECTS"] == f"{churn}{os.pathsep}{fraud}"
    assert found["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin,bob:op"


def test_one_that_is_gone_or_has_another_home_now_is_left_out(churn: Path, tmp_path: Path) -> None:
    (tmp_path / "airflow").mkdir()
    moved = project(tmp_path / "moved", "moved", ".airflow")
    listed = [str(path) for path in (churn, moved, tmp_path / "gone")]
    (tmp_path / "airflow/projects.json").write_text(json.dumps(listed))
    assert projects() == [churn]


def test_two_of_one_name_are_refused(churn: Path, tmp_path: Path) -> None:
    airflow_stack._register()
    other = project(tmp_path / "other", "churn", "../airflow")
    (tmp_path / "airflow/projects.json").write_text(json.dumps([str(churn), str(other)]))
    with pytest.raises(SignalboxError, match=r"share the Airflow in .* and the name 'churn'"):
        projects()


def test_an_airflow_that_was_started_without_the_project_is_told(
    churn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    began = psutil.Process().create_time()
    state = {"port": 1, "owner": os.getpid(), "since": began, "projects": [str(tmp_path / "x")]}
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow/stack.json").write_text(json.dumps(state))
    monkeypatch.setattr(airflow_stack, "_healthy", lambda _: True)
    monkeypatch.setattr(airflow_stack, "_is_ours", lambda _: True)
    with pytest.raises(SignalboxError, match=r"was started before this project shared it: end it"):
        airflow_stack.running()
    assert json.loads((tmp_path / "airflow/projects.json").read_text()) == [str(churn)]
    state["projects"].append(str(churn))
    (tmp_path / "airflow/stack.json").write_text(json.dumps(state))
    stack = airflow_stack.running()
    assert stack is not None
    assert str(churn) in stack.projects


def test_a_project_has_only_the_dags_whose_files_it_has(churn: Path) -> None:
    (churn / "dags/model_release.py").touch()
    assert has_dag("model_release")
    assert not has_dag("incidents")
