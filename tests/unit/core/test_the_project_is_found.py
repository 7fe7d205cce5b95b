"""Code from a checkout, a wheel, or a DAG file finds the project that it works for."""

from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.project import (
    PROJECTS,
    VARIABLE,
    airflow_projects,
    command_project,
    dag_id,
    dag_name,
    find_project,
    project_name,
    project_of_dag,
    use_keys_of,
)


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


def test_a_command_works_for_the_project_somebody_stands_in(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = project(here / "own"), project(here / "other")
    code = str(own / "pipelines/core/project.py")
    monkeypatch.chdir(other)
    found = command_project(code)
    assert (found.path, found.why) == (other, "")
    (other / "reports/old").mkdir(parents=True)
    monkeypatch.chdir(other / "reports/old")
    found = command_project(code)
    assert found.path == other
    assert "part of it" in found.why


@pytest.mark.parametrize("mark", ["dvc.yaml", "release.yaml", "params.yaml", "ledger/ledger.jsonl"])
def test_a_project_without_a_pipeline_is_one_too(
    here: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    own, other = project(here / "own"), here / "other"
    (other / mark).parent.mkdir(parents=True)
    (other / mark).touch()
    monkeypatch.chdir(other)
    assert command_project(str(own / "pipelines/core/x.py")).path == other.resolve()


def test_the_variable_comes_before_the_directory_and_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = project(here / "named")
    monkeypatch.chdir(project(here / "other"))
    monkeypatch.setenv(VARIABLE, str(named))
    found = command_project(__file__)
    assert (found.path, found.why) == (named, "$SIGNALBOX_PROJECT names it")


def test_the_installed_project_is_the_last_resort_and_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, nowhere = project(here / "own"), here / "nowhere"
    nowhere.mkdir()
    monkeypatch.chdir(nowhere)
    found = command_project(str(own / "pipelines/core/project.py"))
    assert found.path == own
    assert "is in no project" in found.why
    found = command_project(str(here / "lib/site-packages/x/y.py"))
    assert (found.path, found.why) == (nowhere.resolve(), "")


def called(directory: Path, name: str, more: str = "") -> Path:
    made = project(directory)
    (made / "release.yaml").write_text(f"project:\n  name: {name}\n{more}")
    return made


def test_a_dag_file_of_a_project_with_another_name_belongs_to_that_project(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Airflow, whose variable can name one project alone, reads the files of several."""
    churn, fraud = called(here / "churn", "churn"), called(here / "fraud", "fraud")
    monkeypatch.setenv(VARIABLE, str(churn))
    assert find_project(str(fraud / "dags/x.py")) == fraud
    assert find_project(str(churn / "dags/x.py")) == churn
    copy = called(here / "bundle/churn", "churn")
    assert find_project(str(copy / "dags/x.py")) == churn
    tree = project(here / "tree")  # Signalbox's own, which has no name
    assert find_project(str(tree / "plugins/x.py")) == churn


@pytest.mark.parametrize("text", ["", "project: {}", "project:\n  name: 5", "[", "project: x"])
def test_without_a_name_ids_are_plain(here: Path, text: str) -> None:
    made = project(here / "own")
    (made / "release.yaml").write_text(text)
    assert project_name(made) == ""
    assert dag_id(made, "model_release") == "model_release"
    assert dag_name("model_release") == "model_release"


def test_ids_of_dags_begin_with_the_projects_name(here: Path) -> None:
    assert dag_id(called(here / "a", "churn"), "model_release") == "churn.model_release"
    assert dag_name("churn.model_release") == "model_release"


def test_the_project_of_a_dag_is_found_among_those_of_the_airflow(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    churn, fraud = called(here / "churn", "churn"), called(here / "fraud", "fraud")
    monkeypatch.setenv(VARIABLE, str(churn))
    monkeypatch.delenv(PROJECTS, raising=False)
    assert airflow_projects() == []
    assert project_of_dag("fraud.incidents", "x") == churn
    monkeypatch.setenv(PROJECTS, f"{churn}:{fraud}")
    assert project_of_dag("fraud.incidents", "x") == fraud
    assert project_of_dag("churn.incidents", "x") == churn
    assert project_of_dag("other", "x") == churn
    assert project_of_dag("other", "x", fraud) == fraud


def test_keys_are_where_release_yaml_says_unless_the_variable_says_more(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.core.keyed_hash import keys_folder

    monkeypatch.setenv("SIGNALBOX_KEYS", "/elsewhere")
    own = called(here / "own", "churn", "  keys: ../keys\n")
    use_keys_of(own)
    assert keys_folder() == Path("/elsewhere")
    monkeypatch.delenv("SIGNALBOX_KEYS")
    use_keys_of(project(here / "plain"))
    assert keys_folder() == Path.home() / ".config/signalbox/keys"
    use_keys_of(own)
    assert keys_folder().resolve() == here.resolve() / "keys"
