"""Service map: spans a second into the map, against a plain scan of the same files by DuckDB.

``python -m benchmarks.service_map [--data PATH] [--spans N] [--repeat N] [--out DIR]`` prints
readable lines, then one line of JSON. PATH holds traces as Nezha publishes them
(``<part>/<day>/trace/*.csv``: TraceID, SpanID, ParentID, PodName, OperationName,
StartTimeUnixNano, EndTimeUnixNano, Duration), or Parquet files of the contract's spans. Without
PATH spans are generated (synthetic). CSV is turned into Parquet first, which is not measured.

The scan reads every column that the map needs and does nothing with it but find its maximum.
Fastest of ``--repeat`` runs each, alternating; one connection and all cores for both.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.engine import connect
from pipelines.aiops.service_map.build import build_map
from pipelines.aiops.service_map.model import ServiceMap, write_map

SPANS = 2_000_000
SCAN = (
    "SELECT max(trace_id), max(span_id), max(parent_span_id), max(service), max(kind), "
    "max(epoch_us(starts_at)), max(duration_us), max(status), max(len(links)), "
    "max(cardinality(attributes)) FROM read_parquet([{files}])"
)
# Columns of Nezha's traces as the contract has them; its pods are named service-replicas-pod.
NEZHA = """
COPY (SELECT TraceID AS trace_id, SpanID AS span_id,
  CASE WHEN ParentID <> 'root' THEN ParentID END AS parent_span_id, []::VARCHAR[] AS links,
  'nezha' AS source, regexp_replace(PodName, '-[^-]+-[^-]+$', '') AS service,
  PodName AS instance, OperationName AS name, 'internal' AS kind,
  make_timestamptz(StartTimeUnixNano // 1000) AS starts_at, Duration::BIGINT AS duration_us,
  'unset' AS status, MAP {{}}::MAP(VARCHAR, VARCHAR) AS attributes
FROM read_csv([{files}], union_by_name=true, types={{'TraceID': 'VARCHAR',
  'SpanID': 'VARCHAR', 'ParentID': 'VARCHAR', 'StartTimeUnixNano': 'BIGINT'}}))
TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""
# Nine spans a trace: an entry, three services in a row, one beside, a database, in-process spans.
GENERATED = """
COPY (SELECT printf('%032x', t) AS trace_id, printf('%016x', t * 16 + k) AS span_id,
  CASE WHEN k > 0 THEN printf('%016x', t * 16 +
    CASE WHEN k IN (6, 7) THEN 3 WHEN k = 8 THEN 1 ELSE k - 1 END) END AS parent_span_id,
  []::VARCHAR[] AS links, 'synthetic' AS source,
  'service-' || ((t * 7 + [0, 0, 1, 1, 2, 2, 1, 3, 0][k + 1] * 3) % 60) AS service,
  'pod-' || (t % 5) AS instance, 'operation ' || k AS name,
  ['server', 'client', 'server', 'client', 'server', 'client', 'internal', 'server',
   'internal'][k + 1] AS kind,
  make_timestamptz(1700000000000000 + t * 5000 + k * 100) AS starts_at,
  (1000 + hash(t, k) % 50000)::BIGINT AS duration_us,
  CASE WHEN hash(t, k, 1) % 100 = 0 THEN 'error' ELSE 'unset' END AS status,
  MAP {{'http.request.method': 'GET', 'http.route': '/x', 'thread.id': '1',
    'db.system': CASE WHEN k = 5 THEN 'mysql' ELSE '' END}} AS attributes
FROM (SELECT unnest(range({traces})) AS t), (SELECT unnest(range(9)) AS k))
TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def listed(files: Sequence[Path]) -> str:
    return ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)


def prepared(data: Path | None, spans: int, folder: Path) -> tuple[list[Path], str]:
    """Return Parquet files of spans and what they are."""
    if data is not None and (files := sorted(data.rglob("*.parquet"))):
        return files, "given"
    target = folder / "spans.parquet"
    raw = connect()
    if data is None:
        raw.execute(GENERATED.format(traces=max(1, spans // 9), target=target))
        return [target], "synthetic"
    traces = sorted(data.rglob("trace/*.csv"))
    if not traces:
        raise SystemExit(f"no *.parquet and no trace/*.csv below {data}; see the README for data")
    raw.execute(NEZHA.format(files=listed(traces), target=target))
    return [target], "nezha"


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def measured(files: list[Path], repeat: int) -> tuple[float, float, ServiceMap]:
    """Return the fastest scan, the fastest build, and the map."""

    def scan() -> Any:
        return connect().execute(SCAN.format(files=listed(files))).fetchall()

    scans, builds = [], []
    for _ in range(max(1, repeat)):
        scans.append(seconds(scan)[0])
        took, found = seconds(lambda: build_map(files))
        builds.append(took)
    return min(scans), min(builds), found


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with traces; generated spans without it")
    parser.add_argument("--spans", type=int, default=SPANS, help="spans to generate")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the fastest counts")
    parser.add_argument("--out", type=Path, help="write the map here: JSON and edge windows")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    with tempfile.TemporaryDirectory() as folder:
        files, kind = prepared(options.data, options.spans, Path(folder))
        scan, build, found = measured(files, options.repeat)
    if options.out:
        write_map(found, options.out)
    spans = found.counts["spans"] + found.counts["duplicates"]
    result = {
        "benchmark": "service_map",
        "data": kind,
        "spans": spans,
        "edges": len(found.edges),
        "edge_windows": len(found.windows),
        "spans_per_second": round(spans / build),
        "scan_spans_per_second": round(spans / scan),
        "times_scan": round(build / scan, 2),
        "counts": found.counts,
        "python": platform.python_version(),
    }
    print(f"{spans:,} spans ({kind}): {result['spans_per_second']:,} a second into the map, "
          f"{result['scan_spans_per_second']:,} scanned; {len(found.edges)} edges")  # fmt: skip
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
