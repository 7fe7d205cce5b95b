"""JSON lines of many programs, OTLP JSON, and Airflow's own logs.

The Airflow log was written by Airflow 3.3 (paths replaced); others after their documented forms.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.aiops.sources.signals import PAYLOADS, logs, read, reasons, utc, write

NOON = "2026-11-22T12:00:00"
RECORDS: list[tuple[str, dict[str, Any], str, str | None, str]] = [
    ("ECS", {"@timestamp": f"{NOON}.000Z", "log.level": "ERROR", "message": "x",
             "service": {"name": "shop"}, "error": {"stack_trace": "T\n at y"}}, "shop", "error",
     "x\nT\n at y"),
    ("pino", {"level": 50, "time": 1795348800000, "msg": "x", "pid": 9}, "app", "error", "x"),
    ("zap", {"level": "warn", "ts": 1795348800.0, "msg": "x"}, "app", "warn", "x"),
    ("structlog", {"event": "x", "level": "info", "timestamp": f"{NOON}Z"}, "app", "info", "x"),
    ("Docker", {"log": "x\n", "stream": "stdout", "time": f"{NOON}.123456789Z"}, "app", None, "x"),
    ("journald", {"MESSAGE": "x", "PRIORITY": "3", "__REALTIME_TIMESTAMP": "1795348800000000",
                  "SYSLOG_IDENTIFIER": "sshd"}, "sshd", "error", "x"),
    ("Serilog", {"@t": f"{NOON}Z", "@l": "Fatal", "@mt": "x"}, "app", "fatal", "x"),
    ("Python", {"asctime": "2026-11-22 12:00:00,000", "levelname": "WARNING", "message": "x"},
     "app", "warn", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "service", "severity", "body"),
                         [one[1:] for one in RECORDS], ids=[one[0] for one in RECORDS])  # fmt: skip
def test_fields_are_found(
    record: dict[str, Any], service: str, severity: str | None, body: str, tmp_path: Path
) -> None:
    write(tmp_path / "app.jsonl", record)
    batch = read(project=tmp_path, kind="log_jsonl", files=["app.jsonl"], service="app")
    assert reasons(batch) == []
    [row] = logs(batch)
    assert row["at"].replace(microsecond=0) == utc(NOON)
    assert (row["service"], row["severity"], row["body"]) == (service, severity, body)


def test_other_fields_are_told_and_the_rest_are_masked_attributes(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"when": f"{NOON}Z", "what": "x", "user": "bob@example.com",
                                 "password": "hunter2", "n": {"a": 1}})  # fmt: skip
    fields = {"at": "when", "body": "what"}
    [row] = logs(read(project=tmp_path, kind="log_jsonl", files=["*.jsonl"], fields=fields))
    assert row["attributes"] == {"user": "<mail>", "password": "<secret>", "n.a": "1"}


def test_records_that_cannot_be_read_are_quarantined_and_bounded(tmp_path: Path) -> None:
    bad = [
        "{",
        "[1]",
        {"msg": "no time"},
        {"time": f"{NOON}Z"},
        b"\xff\xfe",
        {"time": "x", "msg": "y"},
    ]
    write(tmp_path / "a.jsonl", *bad, *["not json of eve@example.com"] * 200,
          {"time": f"{NOON}Z", "msg": "good"})  # fmt: skip
    batch = read(project=tmp_path, kind="log_jsonl", files=["a.jsonl"])
    assert [row["body"] for row in logs(batch)] == ["good"]
    found = reasons(batch)
    assert len(found) == 101
    assert found[-1] == "and 106 more records that can't be read"
    assert "eve@" not in str(batch.rejected.to_pylist())


def test_otlp_logs(tmp_path: Path) -> None:
    document: Any = {"resourceLogs": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "cart"}},
            {"key": "host.name", "value": {"stringValue": "node-1"}}]},
        "scopeLogs": [{"logRecords": [
            {"timeUnixNano": "1795348800000000000", "severityNumber": 17, "severityText": "ERR",
             "body": {"stringValue": "boom"}, "traceId": "5B8EFFF798038103D269B633813FC60C",
             "spanId": "EEE19B7EC3C1B174",
             "attributes": [{"key": "exception.stacktrace", "value": {"stringValue": "at x"}},
                            {"key": "n", "value": {"intValue": "7"}}]},
            {"observedTimeUnixNano": "1795348801000000000",
             "body": {"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}}},
            {"body": {"stringValue": "no time"}}]}]}]}  # fmt: skip
    records = document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    records[1:1] = [3, {"attributes": 3, "body": {"stringValue": "damaged"}}]
    write(tmp_path / "o.jsonl", document, "{")
    batch = read(project=tmp_path, kind="otlp_logs", files=["o.jsonl"])
    first, second = logs(batch)
    assert (first["service"], first["instance"], first["severity"]) == ("cart", "node-1", "error")
    assert first["body"] == "boom\nat x"
    assert first["trace_id"] == "5b8efff798038103d269b633813fc60c"
    assert first["attributes"] == {"n": "7"}
    assert second["body"] == '{"a": true}'
    assert len(reasons(batch)) == 4


@pytest.mark.parametrize(
    ("given", "found"),
    [("W47/95gDgQPSabYzgT/GDA==", "5b8efff798038103d269b633813fc60c"),
     ("03d269b633813fc6", "000000000000000003d269b633813fc6"), ("nonsense!", None)],
    ids=["base64", "64 bits", "wrong"],
)  # fmt: skip
def test_ids_of_traces_are_those_that_spans_have(
    given: str, found: str | None, tmp_path: Path
) -> None:
    record = {"timeUnixNano": "1795348800000000000", "body": {"stringValue": "x"}, "traceId": given}
    write(tmp_path / "logs.json", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    [row] = logs(read(project=tmp_path, kind="otlp_logs", files=["*.json"]))
    assert row["trace_id"] == found


def test_airflow_task_logs() -> None:
    batch = read(project=PAYLOADS, kind="airflow_logs", folder="airflow")
    assert reasons(batch) == []
    found = logs(batch)
    assert {(row["service"], row["instance"]) for row in found} == {("model_release", "gate")}
    assert found[0]["attributes"]["try_number"] == "1"
    [failed] = [row for row in found if row["severity"] == "error"]
    assert failed["body"].startswith(
        "Task failed with exception\nTraceback (most recent call last)"
    )
    assert (
        failed["body"].splitlines()[-1].startswith("AirflowFailException: the run is not complete")
    )


def test_airflow_2_wrote_plain_lines(tmp_path: Path) -> None:
    path = tmp_path / "logs/dag_id=etl/run_id=r/task_id=load/attempt=2.log"
    write(path, "[2026-11-22T12:00:00.000+0000] {taskinstance.py:1} ERROR - Failed", "Traceback",
          "  x")  # fmt: skip
    [row] = logs(read(project=tmp_path, kind="airflow_logs", folder="logs"))
    assert (row["service"], row["instance"], row["body"]) == (
        "etl",
        "load",
        "Failed\nTraceback\n  x",
    )
