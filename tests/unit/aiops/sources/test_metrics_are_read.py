"""Metrics of Prometheus, OpenMetrics files, OTLP JSON and tables.

The range queries and the dump were written by Prometheus 2.42 with its node exporter.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.aiops.lake.store import upsert
from pipelines.core.errors import SignalboxError
from pipelines.core.time import EPOCH
from tests.support.http_server import serving
from tests.unit.aiops.sources.signals import (
    PAYLOADS,
    ReadWindow,
    metrics,
    read,
    reasons,
    utc,
    write,
)

CPU = 'node_cpu_seconds_total{cpu="0",mode=~"idle|user"}'
NOW = EPOCH + timedelta(seconds=1795327912)


def prometheus(path: str, query: dict[str, str], headers: Any) -> tuple[int, bytes]:
    recorded = json.loads((PAYLOADS / "prometheus_range.json").read_text())
    if path == "/api/v1/metadata":
        return 200, json.dumps(recorded["metadata"]).encode()
    answer = recorded[query["query"]]
    first, last = float(query["start"]), float(query["end"])
    for series in answer["data"]["result"]:
        series["values"] = [v for v in series["values"] if first <= v[0] <= last]
    return 200, json.dumps(answer).encode()


def test_prometheus_range_queries() -> None:
    window = ReadWindow(NOW - timedelta(seconds=10), NOW, NOW)
    with serving(prometheus) as url:
        batch = read(window, kind="prometheus_metrics", url=url, queries=["up", CPU],
                     step_seconds=1)  # fmt: skip
    found = metrics(batch)
    assert set(found) == {("up", "127.0.0.1:19100", "node"),
                          *(("node_cpu_seconds_total", "0", "127.0.0.1:19100", "node", mode)
                            for mode in ("idle", "user"))}  # fmt: skip
    assert found["up", "127.0.0.1:19100", "node"] == [
        (EPOCH + timedelta(seconds=1795327907 + 2 * i), 1.0) for i in range(3)
    ]
    kinds = {r["name"]: r["kind"] for r in batch.signals["metrics"].to_pylist()}
    assert kinds == {"up": "gauge", "node_cpu_seconds_total": "counter"}


def test_another_server_than_prometheus_is_an_error() -> None:
    with serving(lambda *_: (200, b'{"x": 1}')) as url, pytest.raises(SignalboxError, match="url"):
        read(kind="prometheus_metrics", url=url, queries=["up"])


def test_a_dump_of_prometheus() -> None:
    batch = read(project=PAYLOADS, kind="openmetrics", files=["tsdb_dump.prom"])
    assert reasons(batch) == []
    found = metrics(batch)
    idle = found["node_cpu_seconds_total", "0", "127.0.0.1:19100", "node", "idle"]
    assert idle[0] == (EPOCH + timedelta(milliseconds=1795327906122), 7023.26)


def test_openmetrics_text(tmp_path: Path) -> None:
    write(tmp_path / "m.txt", "# TYPE req counter", "# UNIT req seconds",
          'req_total{path="a\\"b\\n,}",code="500"} 7 1795348800.5 # {trace_id="x"} 1',
          "# TYPE lat histogram", 'lat_bucket{le="+Inf"} 3 1795348800', "lat_sum 1.5 1795348800",
          "temp NaN 1795348800", "temp +Inf 1795348801", "notime 1", "broken{ 1 1",
          "bad x 1795348800", "# EOF")  # fmt: skip
    batch = read(project=tmp_path, kind="openmetrics", files=["m.txt"])
    found = metrics(batch)
    assert found["req_total", "500", 'a"b\n,}'] == [(utc("2026-11-22T12:00:00.5"), 7.0)]
    assert found["temp",] == [
        (utc("2026-11-22T12:00:00"), None),
        (utc("2026-11-22T12:00:01"), None),
    ]
    kinds = {r["name"]: (r["kind"], r["unit"]) for r in batch.signals["metrics"].to_pylist()}
    assert kinds == {"req_total": ("counter", "seconds"), "lat_bucket": ("counter", None),
                     "lat_sum": ("counter", None), "temp": ("gauge", None)}  # fmt: skip
    assert len(reasons(batch)) == 3


def test_otlp_metrics(tmp_path: Path) -> None:
    at = {"timeUnixNano": "1795348800000000000"}
    own = [{"name": "g", "unit": "1", "gauge": {"dataPoints": [{**at, "asInt": "3"}]}},
           {"name": "c", "sum": {"isMonotonic": True, "aggregationTemporality": 2, "dataPoints": [
               {**at, "asDouble": 4.5, "attributes": [
                   {"key": "k", "value": {"stringValue": "v"}}]}]}},
           {"name": "d", "sum": {"isMonotonic": True, "aggregationTemporality": 1,
                                 "dataPoints": [{**at, "asInt": 1}]}},
           {"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [
               {**at, "count": "6", "sum": 9.0, "bucketCounts": ["1", "2", "3"],
                "explicitBounds": [0.5, 10]}]}},
           {"name": "gone", "gauge": {"dataPoints": [{**at, "flags": 1}]}},
           {"name": "odd"}]  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]}
    document = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": own}]}]}
    (tmp_path / "m.json").write_text(json.dumps(document, indent=2))
    batch = read(project=tmp_path, kind="otlp_metrics", files=["m.json"])
    found = {key: values[0][1] for key, values in metrics(batch).items()}
    assert found == {
        ("g", "cart"): 3.0, ("c", "v", "cart"): 4.5, ("d", "cart"): 1.0, ("h_count", "cart"): 6.0,
        ("h_sum", "cart"): 9.0, ("h_bucket", "0.5", "cart"): 1.0, ("h_bucket", "10", "cart"): 3.0,
        ("h_bucket", "+Inf", "cart"): 6.0, ("gone", "cart"): None,
    }  # fmt: skip
    kinds = {r["name"]: r["kind"] for r in batch.signals["metrics"].to_pylist()}
    assert (kinds["g"], kinds["c"], kinds["d"], kinds["h_sum"]) == (
        "gauge", "counter", "gauge", "counter")  # fmt: skip
    assert len(reasons(batch)) == 1


def test_tables_long_and_wide(tmp_path: Path) -> None:
    write(tmp_path / "long.csv", "t,m,v,host", "1795348800,cpu,0.5,a", "1795348860,cpu,,a",
          "1795348920,cpu,x,a", ",cpu,1,a")  # fmt: skip
    keys: dict[str, Any] = {"kind": "table", "table": "metrics", "project": tmp_path}
    batch = read(files=["long.csv"], columns={"at": "t", "name": "m", "value": "v"},
                 labels={"host": "host"}, **keys)  # fmt: skip
    assert metrics(batch) == {("cpu", "a"): [(utc("2026-11-22T12:00:00"), 0.5),
                                             (utc("2026-11-22T12:01:00"), None)]}  # fmt: skip
    assert len(reasons(batch)) == 2
    write(tmp_path / "wide.csv", "t,cpu,errors_total", "2026-11-22T12:00:00Z,1,2")
    batch = read(files=["wide.csv"], columns={"at": "t"},
                 values={"cpu": "cpu", "errors_total": "errors_total"}, **keys)  # fmt: skip
    kinds = {r["name"]: (r["kind"], r["value"]) for r in batch.signals["metrics"].to_pylist()}
    assert kinds == {"cpu": ("gauge", 1.0), "errors_total": ("counter", 2.0)}
    with pytest.raises(SignalboxError, match="name"):
        read(files=["long.csv"], columns={"at": "t"}, **keys)


def test_a_million_label_sets_are_bounded_and_the_same_ones_kept(tmp_path: Path) -> None:
    lines = [f'm{{id="{i}"}} 1 1795348800' for i in range(3_000)]
    write(tmp_path / "a.txt", *lines, "# EOF")
    write(tmp_path / "b.txt", *reversed(lines), "# EOF")
    kept = []
    for name in ("a.txt", "b.txt"):
        batch = read(project=tmp_path, kind="openmetrics", files=[name], max_series=100)
        assert reasons(batch) == ["more than 1000 label sets beyond max_series (100) left out"]
        kept.append(metrics(batch))
    assert len(kept[0]) == 100
    assert kept[0].keys() == kept[1].keys()
    dropped = read(project=tmp_path, kind="openmetrics", files=["a.txt"], drop_labels=["id"])
    assert set(metrics(dropped)) == {("m",)}


def test_the_lake_takes_signals_once(tmp_path: Path) -> None:
    batch = read(project=PAYLOADS, kind="openmetrics", files=["tsdb_dump.prom"])
    written = upsert(tmp_path / "lake", batch.tables)
    assert written.days["metrics"] == ["2026-11-22"]
    assert upsert(tmp_path / "lake", batch.tables).days["metrics"] == []
