"""The listener writes what the source ``airflow`` reads; it never disturbs Airflow."""

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pipelines.aiops.lake.batch import ReadWindow
from tests.conftest import ROOT
from tests.unit.aiops.lake.rows import NOON
from tests.unit.aiops.sources.sources import read, reasons, rows


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = ROOT / "plugins/signalbox_airflow/listener.py"
    specification = importlib.util.spec_from_file_location("signalbox_airflow.listener", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "signalbox_airflow.listener", module)
    specification.loader.exec_module(module)
    return module


def task(name: str = "t", **keys: Any) -> SimpleNamespace:
    return SimpleNamespace(dag_id="d", task_id=name, run_id="r", map_index=-1, try_number=1, **keys)


def test_a_failure_and_its_recovery_are_one_alert(listener: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "telemetry/airflow"
    for minute, state in enumerate(["success", "failed", "failed", "success", "success"]):
        told = listener._task(task(), ValueError("x" * 9000) if state == "failed" else None)
        listener.record(state, told, NOON + timedelta(minutes=minute), folder)
    assert len((folder / "2024-03-09.jsonl").read_text().splitlines()) == 3
    batch = read(project=tmp_path, kind="airflow")
    (row,) = rows(batch)
    assert reasons(batch) == []
    assert row["labels"] == {
        "alertname": "AirflowTaskFailed", "severity": "warning", "dag_id": "d", "task_id": "t",
    }  # fmt: skip
    assert row["ends_at"] - row["starts_at"] == timedelta(minutes=2)
    assert row["annotations"]["error"].startswith("ValueError: xxx")
    assert len(row["annotations"]["error"]) < 600


def test_a_run_that_succeeds_ends_the_alerts_of_its_tasks(
    listener: ModuleType, tmp_path: Path
) -> None:
    hooks = listener.TelemetryListener(lambda _: tmp_path)
    other = task("u")
    other.dag_id = "other"
    for failed in (task(), other):
        hooks.on_task_instance_failed(failed, ValueError("no"))
    hooks.on_dag_run_success(SimpleNamespace(dag_id="d", run_id="r2"))
    now = ReadWindow(None, None, datetime.now(UTC))
    ended = {
        row["labels"]["dag_id"]: row["ends_at"]
        for row in rows(read(now, project=tmp_path, kind="airflow"))
    }
    assert ended["d"] is not None
    assert ended["other"] is None


def test_mapped_tasks_and_runs_are_their_own_series(listener: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "telemetry/airflow"
    for index in (0, 1):
        mapped = task()
        mapped.map_index = index
        listener.record("failed", listener._task(mapped, "no"), NOON, folder)
    run = SimpleNamespace(dag_id="d", run_id="r")
    listener.record("failed", listener._run(run, "task_failure"), NOON, folder)
    found = [row["labels"] for row in rows(read(project=tmp_path, kind="airflow"))]
    assert sorted(labels.get("map_index", labels["alertname"]) for labels in found) == [
        "0", "1", "AirflowDagRunFailed",
    ]  # fmt: skip


def test_processes_that_write_at_once_do_not_mix_their_lines(
    listener: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "telemetry/airflow"

    def fail(number: int) -> None:
        listener.record("failed", listener._task(task(f"t{number}"), "e" * 400), NOON, folder)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fail, range(200)))
    batch = read(project=tmp_path, kind="airflow")
    assert (len(batch.alerts), reasons(batch)) == (200, [])


def test_a_folder_that_cannot_be_written_does_not_reach_airflow(
    listener: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "telemetry").write_text("a file, not a folder")
    hooks = listener.TelemetryListener(lambda _: tmp_path)
    hooks.on_task_instance_failed(task(), RuntimeError("x"))
    hooks.on_dag_run_failed(None, "x")
    assert caplog.text.count("telemetry of Airflow could not be written") == 2
