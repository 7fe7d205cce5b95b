"""The project's own Airflow is a source: a task fails, an alert fires; it succeeds, it ends."""

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.aiops.lake.contract import ALERTS
from pipelines.aiops.lake.days import files_between
from pipelines.cli.airflow_api import DONE
from tests.e2e.stack import Airflow, wait
from tests.support.small_project import call

pytestmark = pytest.mark.e2e

FLAKY = '''
"""A DAG of this test."""

from pathlib import Path

from airflow.sdk import DAG, task

BROKEN = Path(__file__).resolve().parents[1] / "telemetry" / "broken"

with DAG("flaky", schedule=None) as dag:

    @task
    def work() -> None:
        if BROKEN.exists():
            raise RuntimeError("the disk is <full> 🔥")

    work()
'''


def run(stack: Airflow, dag: str) -> str:
    stack.api.wait_for_dag(dag)
    started = stack.api.trigger(dag, {})
    wait(lambda: stack.api.run_state(dag, started) in DONE, 200)
    return stack.api.run_state(dag, started)


def alerts(project: Path) -> dict[str, dict[str, object]]:
    """Rows of the lake about the DAG of this test, by name."""
    rows = [r for f in files_between(project / "telemetry/lake", ALERTS)
            for r in pq.read_table(f).to_pylist()]  # fmt: skip
    return {row["name"]: row for row in rows if dict(row["labels"])["dag_id"] == "flaky"}


def test_a_failing_task_is_an_alert_until_it_succeeds(airflow: Airflow) -> None:
    project = airflow.project
    (project / "telemetry").mkdir(exist_ok=True)
    broken = project / "telemetry/broken"
    broken.touch()
    (project / "dags/flaky.py").write_text(FLAKY)
    folder = project / "telemetry/airflow"
    open_before = {path.name for path in (folder / "open").glob("*")}
    assert run(airflow, "flaky") == "failed"
    names = {"AirflowTaskFailed", "AirflowDagRunFailed"}
    wait(lambda: sum(f.read_text().count('"flaky"') for f in folder.glob("*.jsonl")) == 2, 60)
    call(project, sys.executable, "-m", "pipelines.cli.main", "ingest")
    firing = alerts(project)
    assert set(firing) == names
    assert {row["ends_at"] for row in firing.values()} == {None}
    assert "the disk is <full> 🔥" in str(dict(firing["AirflowTaskFailed"]["annotations"])["error"])  # type: ignore[call-overload]

    broken.unlink()
    assert run(airflow, "flaky") == "success"
    wait(lambda: {path.name for path in (folder / "open").iterdir()} <= open_before, 60)
    assert run(airflow, "collect_telemetry") == "success"
    ended = alerts(project)
    assert {name: row["alert_id"] for name, row in ended.items()} == {
        name: row["alert_id"] for name, row in firing.items()
    }
    assert all(row["ends_at"] > row["starts_at"] for row in ended.values())  # type: ignore[operator]
