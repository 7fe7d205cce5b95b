"""``signalbox collect`` takes OTLP over HTTP; ``ingest`` reads what it wrote."""

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner

from pipelines.aiops.lake.contract import LOGS, METRICS, SPANS
from pipelines.aiops.lake.days import files_between
from pipelines.aiops.params.telemetry import DEFAULT_KINDS
from pipelines.aiops.sources.otlp_inbox import OtlpInbox
from pipelines.aiops.sources.receiver import Receiver
from pipelines.cli.main import app

PARAMS = """
aiops:
  telemetry:
    lake: lake
    sources:
      - {name: metrics, kind: otlp_metrics, files: ["otlp/metrics/*.jsonl"]}
      - {name: traces, kind: otlp_traces, files: ["otlp/traces/*.jsonl"]}
      - {name: logs, kind: otlp_logs, files: ["otlp/logs/*.jsonl"]}
"""
AT = 1_760_000_000_000_000_000
BINARY = {"Content-Type": "application/x-protobuf"}
AS_JSON = {"Content-Type": "application/json; charset=utf-8"}


@pytest.fixture
def url(here: Path) -> Iterator[str]:
    receiver = Receiver(
        "127.0.0.1", 0, here / "hook", 100_000, OtlpInbox(here / "otlp", DEFAULT_KINDS)
    )
    serving = threading.Thread(target=receiver.run)
    serving.start()
    yield f"http://127.0.0.1:{receiver.port}/v1/"
    receiver.stop()
    serving.join()


def lines(here: Path, signal: str) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted((here / "otlp" / signal).glob("*.jsonl"))
            for line in file.read_text().splitlines()]  # fmt: skip


def rows(here: Path, table: Any) -> list[dict[str, Any]]:
    return [row for file in files_between(here / "lake", table)
            for row in pq.read_table(file).to_pylist()]  # fmt: skip


def metrics(value: float = 3.5) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="load", unit="1")
    metric.gauge.data_points.add(time_unix_nano=AT, as_double=value)
    return request


def traces() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    group.scope_spans.add().spans.add(
        trace_id=bytes(range(16)), span_id=bytes(range(8)), parent_span_id=bytes(range(8, 16)),
        name="GET /", kind=2, start_time_unix_nano=AT, end_time_unix_nano=AT + 10**6,
    )  # fmt: skip
    return request


def logs(text: str) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(time_unix_nano=AT, severity_number=17, trace_id=bytes(range(16)))
    )
    record.body.string_value = text
    return request


def test_what_exporters_send_comes_into_the_lake(here: Path, url: str) -> None:
    (here / "params.yaml").write_text(PARAMS)
    packed = {**BINARY, "Content-Encoding": "gzip"}
    for signal, request in (("metrics", metrics()), ("traces", traces()), ("logs", logs("down"))):
        content = gzip.compress(request.SerializeToString())
        answer = httpx.post(url + signal, content=content, headers=packed)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Type"] == BINARY["Content-Type"]
    done = CliRunner().invoke(app, ["ingest", "--project", str(here)])
    assert done.exit_code == 0, done.output
    assert [(row["name"], row["value"]) for row in rows(here, METRICS)] == [("load", 3.5)]
    [span] = rows(here, SPANS)
    assert span["trace_id"] == bytes(range(16)).hex()
    assert (span["service"], span["kind"], span["duration_us"]) == ("shop", "server", 1000)
    [line] = rows(here, LOGS)
    assert (line["body"], line["severity"], line["trace_id"]) == (
        "down", "error", bytes(range(16)).hex())  # fmt: skip


def test_json_is_written_as_it_came_and_answered_in_json(here: Path, url: str) -> None:
    document = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "löad"}]}]}]}
    content = json.dumps(document, indent=2)
    answer = httpx.post(url + "metrics", content=content, headers=AS_JSON)
    assert (answer.status_code, answer.json()) == (200, {})
    assert lines(here, "metrics") == [document]


def test_ids_are_hex_and_enums_numbers_as_otlp_asks_for(here: Path, url: str) -> None:
    httpx.post(url + "traces", content=traces().SerializeToString(), headers=BINARY)
    [document] = lines(here, "traces")
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["spanId"] == "0001020304050607"
    assert span["parentSpanId"] == "08090a0b0c0d0e0f"
    assert (span["kind"], span["startTimeUnixNano"]) == (2, str(AT))


@pytest.mark.parametrize("form", [BINARY, AS_JSON])
def test_personal_data_in_log_lines_is_masked_before_it_is_written(
    here: Path, url: str, form: dict[str, str]
) -> None:
    content: bytes = logs("mail for ann.lee@example.org").SerializeToString()
    if form is AS_JSON:
        record = {"body": {"stringValue": "mail for ann.lee@example.org"}}
        content = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    assert httpx.post(url + "logs", content=content, headers=form).status_code == 200
    text = "".join(file.read_text() for file in (here / "otlp").rglob("*.jsonl"))
    assert "mail for" in text
    assert "ann.lee" not in text


def test_a_request_that_is_sent_again_is_kept_once(here: Path, url: str) -> None:
    for value in (1.0, 1.0, 2.0):
        content = metrics(value).SerializeToString()
        assert httpx.post(url + "metrics", content=content, headers=BINARY).status_code == 200
    assert len(lines(here, "metrics")) == 2


def test_a_line_cut_short_by_a_crash_costs_no_other_line(here: Path, url: str) -> None:
    httpx.post(url + "metrics", content=metrics(1).SerializeToString(), headers=BINARY)
    [file] = (here / "otlp/metrics").glob("*.jsonl")
    with file.open("a") as stream:
        stream.write('{"resourceMetr')
    httpx.post(url + "metrics", content=metrics(2).SerializeToString(), headers=BINARY)
    kept = file.read_text().splitlines()
    assert len(kept) == 3
    assert json.loads(kept[0]).keys() == json.loads(kept[2]).keys() == {"resourceMetrics"}


@pytest.mark.parametrize(
    ("signal", "content", "headers", "status", "told"),
    [
        ("metrics", b"\xff\xff", BINARY, 400, "not an export request of metrics"),
        ("metrics", b"{", AS_JSON, 400, "not JSON"),
        ("metrics", b"[]", AS_JSON, 400, "resourceMetrics"),
        ("traces", b'{"resourceSpans": 1}', AS_JSON, 400, "resourceSpans"),
        ("logs", b"[" * 5000, AS_JSON, 400, "not JSON"),
        ("logs", b'{"resourceLogs": [{"a": "\\ud800"}]}', AS_JSON, 400, "half a character"),
        ("logs", b"x", {"Content-Type": "text/plain"}, 415, "application/json"),
        ("logs", b"x", {**BINARY, "Content-Encoding": "br"}, 415, "gzip"),
        ("logs", b"plain text", {**BINARY, "Content-Encoding": "gzip"}, 400, "not gzip"),
        ("logs", gzip.compress(b"x" * 99, mtime=0)[:-9],
         {**BINARY, "Content-Encoding": "gzip"}, 400, "ended early"),
        ("logs", gzip.compress(b" " * 200_000, mtime=0),
         {**AS_JSON, "Content-Encoding": "gzip"}, 413, "at most 100000 bytes unpacked"),
        ("logs", b" " * 200_000, AS_JSON, 413, "at most 100000 bytes"),
    ],
)  # fmt: skip
def test_what_is_not_an_export_is_refused_and_leaves_nothing(
    here: Path, url: str, signal: str, content: bytes, headers: dict[str, str], status: int,
    told: str,
) -> None:  # fmt: skip
    answer = httpx.post(url + signal, content=content, headers=headers)
    assert answer.status_code == status
    assert told in answer.text
    assert not (here / "otlp").exists()


def test_an_export_of_nothing_is_answered_and_not_written(here: Path, url: str) -> None:
    assert httpx.post(url + "metrics", content=b"", headers=BINARY).status_code == 200
    assert httpx.post(url + "logs", content=b"{}", headers=AS_JSON).json() == {}
    assert not (here / "otlp").exists()


def test_what_cannot_be_written_is_answered_so_that_it_is_sent_again(here: Path, url: str) -> None:
    (here / "otlp").write_text("in the way")
    answer = httpx.post(url + "metrics", content=metrics().SerializeToString(), headers=BINARY)
    assert answer.status_code == 503
    (here / "otlp").unlink()
    httpx.post(url + "metrics", content=metrics().SerializeToString(), headers=BINARY)
    assert len(lines(here, "metrics")) == 1
