"""Code from a checkout, a wheel, or a DAG file finds the project that it works for."""

from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.project import VARIABLE, find_project


def project(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "dvc.yaml").touch()
    return directory.resolve()


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_the_variable_comes_first(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, around = project(here / "named"), project(here / "around")
    monkeypatch.setenv(VARIABLE, "named")
    assert find_project(str(around / "dags/dag.py")) == named


def test_then_what_the_file_is_part_of(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    around, other = project(here / "around"), project(here / "other")
    monkeypatch.chdir(other)
    assert find_project(str(around / "dags/dag.py")) == around
    assert find_project(str(around / "plugins/signalbox_airflow/x.py")) == around
    assert find_project(str(around / ".venv/lib/python3.11/site-packages/x/y.py")) == other


def test_then_the_current_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current = project(here / "current")
    monkeypatch.chdir(current)
    assert find_project(str(here / "lib/site-packages/x/y.py")) == current


def test_a_variable_that_names_no_project_is_an_error_though_another_is_there(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project(here / "current"))
    monkeypatch.setenv(VARIABLE, str(here))
    with pytest.raises(SignalboxError, match=r"^\$SIGNALBOX_PROJECT: .* has no dvc\.yaml; name"):
        find_project(__file__)


def test_no_project_is_an_error_that_says_what_to_do(here: Path) -> None:
    with pytest.raises(SignalboxError, match=r"has no dvc\.yaml: start in .*or set \$SIGNALBOX_"):
        find_project(str(here / "lib/x.py"))
