"""A real Airflow sends metrics and traces to ``signalbox collect``; ``ingest`` reads them."""

import re
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.aiops.lake.contract import METRICS, SPANS
from pipelines.aiops.lake.days import files_between
from tests.conftest import ROOT
from tests.e2e.test_alertmanager_sends_to_collect import running
from tests.support.small_project import call

pytestmark = pytest.mark.e2e

DAG = '''
"""A DAG of this test."""

from airflow.sdk import DAG, task

with DAG("observed", schedule=None) as dag:

    @task
    def first() -> int:
        return 1

    @task
    def second(number: int) -> None:
        print(number)

    second(first())
'''
PARAMS = """
aiops:
  telemetry:
    lake: lake
    sources:
      - {name: airflow-metrics, kind: otlp_metrics, files: ["telemetry/otlp/metrics/*.jsonl"]}
      - {name: airflow-traces, kind: otlp_traces, files: ["telemetry/otlp/traces/*.jsonl"]}
"""


def settings(here: Path, collect: str) -> dict[str, str]:
    """What docs/own-telemetry.md tells people to set."""
    return {
        "AIRFLOW_HOME": str(here / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(here / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__TRACES__OTEL_ON": "True",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collect,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
        "OTEL_SERVICE_NAME": "airflow",
    }


def rows(here: Path, table: Any) -> list[dict[str, Any]]:
    return [row for file in files_between(here / "lake", table)
            for row in pq.read_table(file).to_pylist()]  # fmt: skip


def test_metrics_and_spans_of_a_dag_run_are_in_the_lake(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags/observed.py").write_text(DAG)
    (tmp_path / "params.yaml").write_text(PARAMS)
    signalbox = [sys.executable, "-m", "pipelines.cli.main"]
    with running(*signalbox, "collect", "--port", "0", cwd=tmp_path) as collect:
        assert collect.stdout is not None
        found = re.search(r"http://\S+?(?=/,)", collect.stdout.readline())
        assert found is not None
        airflow = settings(tmp_path, found[0])
        call(tmp_path, "airflow", "db", "migrate", **airflow)
        call(tmp_path, "airflow", "dags", "test", "observed", **airflow)
    call(tmp_path, *signalbox, "ingest", PYTHONPATH=str(ROOT))
    first = rows(tmp_path, METRICS), rows(tmp_path, SPANS)

    spans = {row["name"]: row for row in first[1]}
    assert set(spans) == {"dag_run.observed", "task_run.first", "task_run.second"}
    run = spans["dag_run.observed"]
    assert {row["trace_id"] for row in first[1]} == {run["trace_id"]}
    assert {row["service"] for row in first[1]} == {"airflow"}
    assert spans["task_run.first"]["parent_span_id"] == run["span_id"]
    assert spans["task_run.second"]["starts_at"] >= spans["task_run.first"]["starts_at"]

    tasks = {dict(row["labels"]).get("task_id"): row for row in first[0]
             if row["name"] == "airflow.ti_successes"}  # fmt: skip
    assert set(tasks) == {"first", "second"}
    assert {(row["value"], row["kind"]) for row in tasks.values()} == {(1.0, "counter")}
    assert "airflow.task.duration_count" in {row["name"] for row in first[0]}

    call(tmp_path, *signalbox, "ingest", PYTHONPATH=str(ROOT))
    assert (rows(tmp_path, METRICS), rows(tmp_path, SPANS)) == first
