"""Mining and replay at growing numbers of alerts: time, peak memory, times a scan of the files.

``python -m benchmarks.mining [--data PATH] [--alerts N ...] [--out DIR]`` prints readable lines,
then one line of JSON. The alerts are synthetic (`signalbox simulate`); ``--data`` is taken for the
sake of all benchmarks being called alike and is not read. The scan is one DuckDB query over the
same Parquet files that groups by series: labels, count, first start, last end, acted on, tickets.

Mining replays the world's own ``alertmanager.yml``, to see what pages. The replay beside it is one
of all alerts through Alertmanager's default configuration. Mining and replay run in processes of
their own, so that peaks don't add up; the replay may take twice the memory. With ``--out`` the
rules are written as ``mining_<alerts>.json``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SCAN = """
SELECT fingerprint, any_value(labels), count(*), min(starts_at), max(ends_at),
       count_if(acted), count(ticket_id)
FROM read_parquet(?) GROUP BY fingerprint
"""
SEED = 10
"""Of a world whose company has a chat: without one nothing is held."""


def generate(alerts: int, folder: Path) -> None:
    from pipelines.aiops.params.telemetry import SimulateParams
    from pipelines.simulator.simulate import simulate, write

    write(simulate(SimulateParams(seed=SEED, alerts=alerts)), folder)


def scan_seconds(lake: Path, repeats: int = 3) -> tuple[float, float]:
    """Wall and processor time of the best of some scans: the files are warm for mining, too."""
    import duckdb

    times = []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        duckdb.sql(SCAN, params=[f"{lake}/alerts/*/*.parquet"]).to_arrow_table()
        times.append((time.perf_counter() - start, time.process_time() - used))
    return min(times)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(lake: Path, memory_mb: int, out: Path | None) -> dict[str, Any]:
    from pipelines.aiops.alerting.config.parse import config_with_pagers
    from pipelines.aiops.alerting.mining import mine_all
    from pipelines.aiops.alerting.rules import RULES
    from pipelines.aiops.alerting.windows import REPLAY_BYTES, needed_mb, whole_window
    from pipelines.aiops.lake.read import read_lake
    from pipelines.aiops.params.alert_rules import MineRulesParams

    params = MineRulesParams()
    config = config_with_pagers(str(lake / "alertmanager.yml"), [])
    start = time.perf_counter()
    frame = read_lake(lake, memory_mb=memory_mb)
    read, read_peak = time.perf_counter() - start, peak_mb()
    start, used = time.perf_counter(), time.process_time()
    found = mine_all(frame, params, [whole_window(frame)], config=config)
    mined, processor = time.perf_counter() - start, time.process_time() - used
    rules = tuple(rule for family in found.values() for rule in family.rules)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"mining_{len(frame)}.json").write_bytes(RULES.dump_json(rules, indent=1) + b"\n")
    return {
        "alerts": len(frame),
        "series": len(frame.labels),
        "read_s": read,
        "read_peak_mb": read_peak,
        "mining_s": mined,
        "mining_cpu_s": processor,
        "peak_mb": peak_mb(),
        "needed_mb": needed_mb(len(frame), REPLAY_BYTES),
        "rules": {family: len(one.rules) for family, one in found.items()},
    }


def measure_replay(lake: Path, memory_mb: int) -> dict[str, Any]:
    from pipelines.aiops.alerting.config import default_config
    from pipelines.aiops.alerting.replay import replay
    from pipelines.aiops.alerting.replay.run import LEAST, members_that_fit
    from pipelines.aiops.lake.read import read_lake

    frame = read_lake(lake, memory_mb=memory_mb)
    chunk = max(members_that_fit(len(frame), memory_mb), LEAST)
    start = time.perf_counter()
    done = replay(frame, default_config(), chunk=chunk)
    return {
        "replay_s": time.perf_counter() - start,
        "replay_peak_mb": peak_mb(),
        "pages_today": done.stages["pages"],
    }


def child(arguments: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.mining", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def one_size(alerts: int, memory_mb: int, out: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        made = child(["--make", str(lake), "--alerts", str(alerts)])
        extra = [] if out is None else ["--out", str(out)]
        result = child(["--lake", str(lake), "--memory-mb", str(memory_mb), *extra])
        replayed = child(["--lake", str(lake), "--replay", "--memory-mb", str(2 * memory_mb)])
        scan, scan_processor = scan_seconds(lake)
    result |= replayed
    result |= {"generated_s": made["seconds"], "scan_s": scan, "scan_cpu_s": scan_processor}
    result["scans_mining_cpu"] = result["mining_cpu_s"] / scan_processor
    result["scans_mining"] = result["mining_s"] / scan
    result["scans_mining_and_replay"] = (result["mining_s"] + result["replay_s"]) / scan
    result["scans_read_mining_and_replay"] = (
        result["read_s"] + result["mining_s"] + result["replay_s"]
    ) / scan
    return result


def show(one: dict[str, Any]) -> None:
    print(
        f"{one['alerts']:>12,} alerts, {one['series']:,} series: scan {one['scan_s']:.2f} s, "
        f"read {one['read_s']:.2f} s, mining {one['mining_s']:.2f} s "
        f"= {one['scans_mining']:.1f} scans, replay {one['replay_s']:.2f} s; both "
        f"{one['scans_mining_and_replay']:.1f} scans "
        f"({one['scans_read_mining_and_replay']:.1f} with reading); peak {one['peak_mb']:.0f} MB "
        f"(from {one['needed_mb']} MB on the stage starts), {one['replay_peak_mb']:.0f} MB replay",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not read: the alerts are generated")
    parser.add_argument("--alerts", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--memory-mb", type=int, default=2048)
    parser.add_argument("--out", type=Path, help="folder for the candidate rules")
    parser.add_argument("--lake", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--replay", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make is not None:
        start = time.perf_counter()
        generate(options.alerts[0], options.make)
        print(json.dumps({"seconds": time.perf_counter() - start}))
        return
    if options.replay:
        print(json.dumps(measure_replay(options.lake, options.memory_mb)))
        return
    if options.lake is not None:
        print(json.dumps(measure(options.lake, options.memory_mb, options.out)))
        return
    results = []
    for alerts in options.alerts:
        results.append(one_size(alerts, options.memory_mb, options.out))
        show(results[-1])
    print(json.dumps({"benchmark": "mining", "synthetic": True, "sizes": results}))


if __name__ == "__main__":
    main()
