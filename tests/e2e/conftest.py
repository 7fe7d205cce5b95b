"""Started once for all end-to-end tests."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.browser import REQUIRED, missing_programs
from tests.e2e.clicks import logged_in, start
from tests.e2e.stack import DAG, Airflow, set_approval, started
from tests.support.small_project import call, commit, make_small_project

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


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


@pytest.fixture(scope="session")
def driver(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    """A browser in which alice is logged in."""
    with logged_in(airflow, tmp_path_factory.mktemp("browser") / "profile") as chrome:
        yield chrome


@pytest.fixture(scope="session")
def trigger(airflow: Airflow, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Start a run by clicking the DAG's form through; return its id.

    Stories of a product are told without a browser as well: the API starts their runs then.
    """
    if missing_programs() and os.environ.get(REQUIRED) != "1":

        def ask(dag: str, values: dict[str, Any]) -> str:
            airflow.api.wait_for_dag(dag)
            return airflow.api.trigger(dag, values)

        return ask
    chrome = request.getfixturevalue("driver")
    return lambda dag, values: start(airflow, chrome, dag, values)
