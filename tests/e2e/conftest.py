"""Started once for all end-to-end tests."""

import sys
from collections.abc import Iterator

import pytest

from tests.e2e.stack import DAG, Airflow, set_approval, started
from tests.support.small_project import call, commit, make_small_project


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Start ``signalbox ui`` in a small project in which alice approves."""
    project = make_small_project(tmp_path_factory.mktemp("airflow") / "project")
    set_approval(project, approvers=["alice"], when="always")
    with started(project) as running:
        yield running


@pytest.fixture(scope="session")
def first_run(airflow: Airflow) -> str:
    """Output of ``signalbox run``, applied and committed."""
    output = call(
        airflow.project, sys.executable, "-m", "pipelines.cli.main", "run", DAG, COLUMNS="200"
    )
    commit(airflow.project, "first run")
    return output
