"""Data of your own, named in params.yaml or by ``--param``, in a run's workspace."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dvc_airflow.errors import WorkspaceError
from dvc_airflow.runtime.process import DriverProcess
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import open_workspace
from tests.support.small_project import call, make_small_project

pytestmark = pytest.mark.e2e

MINE = "data/mine/people.data.gz"
OVERRIDE = {"data.source.paths": [MINE]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a delivery that nobody has told git or DVC of."""
    place = make_small_project(tmp_path_factory.mktemp("mine") / "project")
    (place / MINE).parent.mkdir()
    (place / MINE).write_bytes((place / "data/samples/adult/adult.data.gz").read_bytes())
    return place


def ingest(project: Path, run: str) -> list[str]:
    """Run ``ingest`` as ``signalbox run --param data.source.paths=[…]`` does; say what it said."""
    opened = open_workspace(
        project, project / "runs", RunKey("model_release", run), overrides=OVERRIDE,
        stages=["ingest"],
    )  # fmt: skip
    lines: list[str] = []
    DriverProcess(opened.workspace.path, ["ingest"], force=True).run(lines.append)
    return lines


def add_to_dvc(project: Path) -> None:
    call(project, "dvc", "add", "--quiet", MINE)


def add_to_dvc_and_lose_the_file(project: Path) -> None:
    add_to_dvc(project)
    (project / MINE).unlink()


def ignore(project: Path) -> None:
    call(project, "dvc", "checkout", "--quiet", MINE)
    call(project, "dvc", "unprotect", MINE)
    (project / f"{MINE}.dvc").unlink()
    (project / MINE).parent.joinpath(".gitignore").write_text("*.gz\n")


def test_it_is_refused_as_long_as_nobody_keeps_it(project: Path) -> None:
    with pytest.raises(WorkspaceError) as refused:
        ingest(project, "loose")
    text = str(refused.value)
    assert "params.yaml: data" in text
    assert f"dvc add {MINE}" in text
    assert str(project / MINE) in text


@pytest.mark.parametrize("how", [add_to_dvc, add_to_dvc_and_lose_the_file, ignore])
def test_it_is_read_once_it_is_tracked_by_dvc_or_ignored(
    project: Path, how: Callable[[Path], None]
) -> None:
    how(project)
    assert any("4,000 rows" in line for line in ingest(project, how.__name__))
    held = call(project, "git", "for-each-ref", "--format=%(refname)", "refs/open-runs").split()
    for ref in held:
        assert MINE not in call(project, "git", "ls-tree", "-r", "--name-only", ref).split()
