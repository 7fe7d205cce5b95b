"""Whatever stands where a value of OTLP JSON belongs is read or quarantined, never raised."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.aiops.sources.damage import damaged
from tests.unit.aiops.sources.signals import read, reasons

AT = "1795348800000000000"
ATTRIBUTES = [
    {"key": "service.name", "value": {"stringValue": "cart"}},
    {"key": "n", "value": {"intValue": "7"}},
    {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": True}]}}},
    {"key": "pairs", "value": {"kvlistValue": {"values": [
        {"key": "a", "value": {"doubleValue": 1.5}}]}}},
]  # fmt: skip
RESOURCE = {"attributes": ATTRIBUTES}
POINT = {"timeUnixNano": AT, "attributes": ATTRIBUTES, "flags": 0}
METRICS = [
    {"name": "g", "unit": "1", "gauge": {"dataPoints": [{**POINT, "asInt": "3"}]}},
    {"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [
        {**POINT, "count": "3", "sum": 9.0, "bucketCounts": ["1", "2"], "explicitBounds": [0.5]}]}},
    {"name": "s", "summary": {"dataPoints": [
        {**POINT, "count": "3", "sum": 9.0, "quantileValues": [{"quantile": 0.5, "value": 2}]}]}},
]  # fmt: skip
RECORD = {"timeUnixNano": AT, "severityNumber": 17, "severityText": "ERR", "traceId": "ab" * 16,
          "spanId": "cd" * 8, "body": {"stringValue": "boom"},
          "attributes": ATTRIBUTES}  # fmt: skip
SPAN = {"traceId": "ab" * 16, "spanId": "cd" * 8, "parentSpanId": "ef" * 8, "name": "GET",
        "kind": 2, "startTimeUnixNano": AT, "endTimeUnixNano": AT, "status": {"code": 2},
        "attributes": ATTRIBUTES, "links": [{"traceId": "ab" * 16, "spanId": "cd" * 8}],
        "events": [{"name": "exception", "attributes": ATTRIBUTES}]}  # fmt: skip
DOCUMENTS: dict[str, Any] = {
    "otlp_metrics": {"resourceMetrics": [
        {"resource": RESOURCE, "scopeMetrics": [{"metrics": METRICS}]}]},
    "otlp_logs": {"resourceLogs": [
        {"resource": RESOURCE, "scopeLogs": [{"logRecords": [RECORD]}]}]},
    "otlp_traces": {"resourceSpans": [
        {"resource": RESOURCE, "scopeSpans": [{"scope": {"name": "x"}, "spans": [SPAN]}]}]},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_junk_in_place_of_a_value_is_never_raised(kind: str, tmp_path: Path) -> None:
    whole = DOCUMENTS[kind]
    lines = [json.dumps(document) for document in (whole, *damaged(whole))]
    lines.append(lines[0].replace(AT, "1" * 5000).replace(f'"{"1" * 5000}"', "1" * 5000))
    (tmp_path / "o.jsonl").write_text("\n".join(lines))
    batch = read(project=tmp_path, kind=kind, files=["o.jsonl"])
    assert batch.signals
    assert reasons(batch)


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_values_that_are_nested_without_end_are_cut(kind: str, tmp_path: Path) -> None:
    nested: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(100):
        nested = {"arrayValue": {"values": [nested]}}
    text = json.dumps(DOCUMENTS[kind]).replace('{"doubleValue": 1.5}', json.dumps(nested))
    (tmp_path / "o.json").write_text(text)
    batch = read(project=tmp_path, kind=kind, files=["o.json"])
    assert batch.signals
    assert "deep" not in str(batch.tables)
    assert reasons(batch) == []
