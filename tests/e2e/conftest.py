"""Started once for all end-to-end tests."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
import yaml

from pipelines.cli.airflow_api import AirflowApi
from tests.e2e.stack import DAG, Airflow, wait
from tests.small_project import call, commit, environment, make_small_project


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Start ``signalbox ui`` in a small project; end it with Ctrl-C, as a person would."""
    project = make_small_project(tmp_path_factory.mktemp("airflow") / "project")
    settings = yaml.safe_load((project / "release.yaml").read_text())
    mine = {"approval": {"approvers": ["alice"], "when": "always"}}
    (project / "release.yaml").write_text(
        yaml.safe_dump({**mine, "registry": settings["registry"]})
    )
    commit(project, "alice approves")
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a job in the background; it inherits
        signal.signal(signal.SIGINT, signal.default_int_handler)
    log = project.parent / "ui.log"
    with log.open("w") as stream:
        ui = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli.main", "ui", "--port", "0"],
            cwd=project, stdout=stream, stderr=subprocess.STDOUT,
            env={
                **environment(), "COLUMNS": "200", "SIGNALBOX_KEYS": str(project.parent / "keys"),
            },
        )  # fmt: skip
    try:
        wait(lambda: "end with Ctrl-C" in log.read_text() or ui.poll() is not None, 300)
        found = dict(re.findall(r"^(address|password): +(\S+)$", log.read_text(), re.MULTILINE))
        api = AirflowApi(found["address"], found["password"])
        api.wait_for_dag(DAG)
        yield Airflow(project, found["address"], api, api._client)
    finally:
        family = psutil.Process(ui.pid).children(recursive=True) if ui.poll() is None else []
        ui.send_signal(signal.SIGINT)
        ui.wait(60)
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
    assert alive == []


@pytest.fixture(scope="session")
def first_run(airflow: Airflow) -> str:
    """Output of ``signalbox run``, applied and committed."""
    output = call(
        airflow.project, sys.executable, "-m", "pipelines.cli.main", "run", DAG, COLUMNS="200"
    )
    commit(airflow.project, "first run")
    return output
