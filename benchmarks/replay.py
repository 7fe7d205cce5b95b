"""Replay of alert history against a plain DuckDB scan-and-group of the same Parquet file.

``python -m benchmarks.replay [--data PATH] [--alerts N] [--memory MB] [--out DIR]`` prints
readable lines, then one line of JSON. `PATH` is a folder with ``alerts.parquet`` (contract table);
without one, N synthetic alerts are generated: 1,000 names on hosts, an hour to a second long, over
90 days. The scan counts alerts by name, label set and day; a narrower one, by name, fingerprint and
day, leaves the labels unread. Seconds are CPU time of one thread each.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALERTS = 1_000_000
MEMORY_MB = 4096
SPAN = 90 * 86400 * 1_000_000
BEGIN = 1_767_225_600 * 1_000_000


def generate(folder: Path, count: int) -> None:
    """Write `count` synthetic alerts as a contract table."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.aiops.lake.contract import ALERTS as TABLE

    chance = np.random.default_rng(0)
    size = max(count // 100, 10)
    names = [f"Alert{i % 1000}" for i in range(size)]
    labels = [
        {
            "alertname": names[i],
            "instance": f"host{i // 50}",
            "severity": ("critical", "warning", "info")[i % 3],
        }
        for i in range(size)
    ]
    maps = pa.array([list(each.items()) for each in labels], TABLE.schema.field("labels").type)
    prints = pa.array([f"{i:016x}" for i in range(size)])
    writer = pq.ParquetWriter(folder / "alerts.parquet", TABLE.schema)
    for done in range(0, count, 500_000):
        rows = min(500_000, count - done)
        series = chance.integers(0, size, rows)
        starts = BEGIN + chance.integers(0, SPAN, rows)
        ends = starts + (1 + chance.exponential(300, rows) * 1_000_000).astype(np.int64)
        at = pa.array(series)
        when = TABLE.schema.field("starts_at").type
        column = {
            "alert_id": pa.array([f"{done + i:032x}" for i in range(rows)]),
            "source": pa.array(["synthetic"] * rows),
            "fingerprint": prints.take(at),
            "name": pa.array(names).take(at),
            "labels": maps.take(at),
            "starts_at": pa.array(starts).cast(when),
            "ends_at": pa.array(ends).cast(when),
            "updated_at": pa.array(ends).cast(when),
        }
        arrays = [column.get(f.name, pa.nulls(rows, f.type)) for f in TABLE.schema]
        writer.write_table(pa.Table.from_arrays(arrays, schema=TABLE.schema))
    writer.close()


def scan_seconds(folder: Path, what: str) -> float:
    """CPU seconds of a plain scan with one thread, best of two."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads=1")
    query = (
        f"SELECT name, {what}, date_trunc('day', starts_at) AS day, count(*), max(ends_at) "
        f"FROM '{folder / 'alerts.parquet'}' GROUP BY ALL"
    )
    times = []
    for _ in range(2):
        clock = time.process_time()
        connection.execute(query).fetchnumpy()
        times.append(time.process_time() - clock)
    return min(times)


def measured(folder: Path, memory_mb: int, out: Path | None) -> None:
    """Child process: replay, so that its peak memory is its own."""
    import pyarrow as pa

    from pipelines.aiops.alerting.config import default_config
    from pipelines.aiops.alerting.replay import replay_files

    pa.set_cpu_count(1)
    clock = time.process_time()
    made = replay_files(folder, default_config(), memory_mb=memory_mb)
    seconds = time.process_time() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if out:
        out.mkdir(parents=True, exist_ok=True)
        made.alerts.to_parquet(out / "replay_alerts.parquet")
        made.notifications.to_parquet(out / "replay_notifications.parquet")
    print(json.dumps({"seconds": seconds, "peak_mb": peak, **made.stages}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--alerts", type=int, default=ALERTS)
    parser.add_argument("--memory", type=int, default=MEMORY_MB)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measured(given.child, given.memory, given.out)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if given.data and (given.data / "alerts.parquet").is_file():
            folder = given.data
        else:
            generate(folder, given.alerts)
        scan, narrow = scan_seconds(folder, "labels"), scan_seconds(folder, "fingerprint")
        command = [sys.executable, "-m", "benchmarks.replay", f"--child={folder}"]
        command += [f"--memory={given.memory}"]
        command += [f"--out={given.out}"] if given.out else []
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(answer.stdout.splitlines()[-1])
    found |= {"scan_seconds": scan, "scans": found["seconds"] / scan}
    found |= {"narrow_seconds": narrow, "narrow_scans": found["seconds"] / narrow}
    found |= {"memory_mb": given.memory}
    found = {k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}
    print(f"{found['events']:,} alerts replayed in {found['seconds']:.1f} s (CPU), read included")
    print(f"{found['scans']:.1f} times a plain scan-and-group ({scan:.2f} s)")
    print(f"{found['narrow_scans']:.1f} times one that leaves the labels unread ({narrow:.2f} s)")
    print(f"{found['peak_mb']:.0f} MB at most, {given.memory} MB allowed")
    print(json.dumps({"benchmark": "replay", **found}))


if __name__ == "__main__":
    main()
