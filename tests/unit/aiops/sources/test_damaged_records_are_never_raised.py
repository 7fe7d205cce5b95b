"""Whatever stands where a value of a record belongs is read or quarantined, never raised.

One bad record must not hold up what a source says besides.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.aiops.sources.damage import damaged
from tests.unit.aiops.sources.sources import PAYLOADS, read

TRACES = PAYLOADS
AIRFLOW = {"at": "2026-04-12T10:00:00+00:00", "state": "failed", "what": "task", "dag_id": "d",
           "task_id": "t", "map_index": None, "run_id": "r", "try_number": 1,
           "error": "x"}  # fmt: skip
AIRFLOW_LOG = {"timestamp": "2026-04-12T10:00:00Z", "event": "x", "level": "info", "error_detail": [
    {"exc_type": "E", "exc_value": "v", "frames": [
        {"filename": "a", "lineno": 1, "name": "f"}]}]}  # fmt: skip
LOG = {"@timestamp": "2026-04-12T10:00:00Z", "level": 30, "msg": "x", "service": {"name": "a"},
       "trace": {"id": "ab"}, "exc_info": ["a"], "err": {"stack": "x"}}  # fmt: skip
ROW = {"id": "1", "name": "n", "start": 1795348800, "end": "1795348900", "labels": {"a": "b"},
       "acted": "yes"}  # fmt: skip
ALERTS = {"name": "name", "starts_at": "start", "ends_at": "end", "acted": "acted"}
LINES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("log_jsonl", LOG, {}),
    ("table", ROW, {"table": "alerts", "columns": ALERTS, "labels_json": "labels"}),
    ("table", ROW, {"table": "alerts", "columns": ALERTS, "time": "epoch_s"}),
    ("table", ROW, {"table": "tickets", "columns": {"ticket_id": "id", "opened_at": "start"}}),
    ("table", ROW, {"table": "metrics", "columns": {"name": "name", "at": "start", "value": "id"},
                    "labels": {"x": "acted"}}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "record", "keys"), LINES)
def test_of_lines(kind: str, record: dict[str, Any], keys: dict[str, Any], tmp_path: Path) -> None:
    lines = [json.dumps(one) for one in (record, *damaged(record))]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines))
    batch = read(project=tmp_path, kind=kind, files=["lines.jsonl"], **keys)
    assert any(len(rows) for rows in batch.tables.values())


def test_of_the_listener_in_airflow(tmp_path: Path) -> None:
    lines = [json.dumps(one) for one in (AIRFLOW, *damaged(AIRFLOW))]
    (tmp_path / "day.jsonl").write_text("\n".join(lines))
    assert len(read(project=tmp_path, kind="airflow", folder=".").alerts)


def test_of_task_logs(tmp_path: Path) -> None:
    file = tmp_path / "dag_id=a/run_id=r/task_id=t/attempt=1.log"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(json.dumps(one) for one in (AIRFLOW_LOG, *damaged(AIRFLOW_LOG))))
    assert len(read(project=tmp_path, kind="airflow_logs", folder=".").signals["logs"])


@pytest.mark.parametrize(
    ("kind", "file"),
    [("jaeger", TRACES / "jaeger.json"), ("zipkin", TRACES / "zipkin.json"),
     ("kubernetes_events", TRACES / "k8s" / "events.json"),
     ("alertmanager_events", PAYLOADS / "events_v2.jsonl")],
)  # fmt: skip
def test_of_documents_one_a_line(kind: str, file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    whole = json.loads(text.splitlines()[0] if file.suffix == ".jsonl" else text)
    lines = [json.dumps(one) for one in (whole, *damaged(whole))]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines))
    batch = read(project=tmp_path, kind=kind, files=["lines.jsonl"])
    assert any(len(rows) for rows in batch.tables.values())


def test_of_incidents(tmp_path: Path) -> None:
    [incident, *_] = json.loads((PAYLOADS / "pagerduty.json").read_text())["incidents"]
    content = {"incidents": [incident, *damaged(incident)]}
    (tmp_path / "incidents.json").write_text(json.dumps(content))
    batch = read(project=tmp_path, kind="pagerduty", files=["incidents.json"])
    assert len(batch.tickets)
    assert len(batch.rejected)
