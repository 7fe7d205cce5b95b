"""Metric anomalies of any folder of series, found as the stage ``metric_anomalies`` finds them.

``python -m benchmarks.metrics --data DIR --out DIR`` takes every ``<name>.csv`` or
``<name>.csv.gz`` of a folder (columns ``timestamp`` in seconds and ``value``; a column ``label`` is
not read) as one run of all its series, with the product's defaults, and writes

- ``scores/<name>.csv``: timestamp and score of each row, in the order of the file;
- ``findings.csv``: name, start, end (seconds), kind, score and told (1: the stage reports it).

Others judge what it writes; `benchmarks.metric_boards` does so for the collections that the README
names. All series are gauges: a file doesn't say otherwise.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.aiops.lake.contract import METRICS
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.metrics.detect import detect, rare_enough
from pipelines.aiops.metrics.grid import Grid
from pipelines.aiops.params.analysis import MetricAnomaliesParams

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SOURCE = "benchmark"


@dataclass(frozen=True)
class Record:
    """One series: name, time stamps as written, microseconds, values (NaN: none)."""

    name: str
    stamps: tuple[str, ...]
    at: Ints
    values: Floats


@dataclass(frozen=True)
class Outcome:
    """What a run found: surprises by name, a row each; findings; ids of those that are told."""

    scores: dict[str, Floats]
    findings: list[Finding]
    told: frozenset[str]


def read(path: Path) -> Record:
    """Read one file.

    Parameters
    ----------
    path : Path
        A ``.csv`` or ``.csv.gz``.

    Returns
    -------
    Record

    Raises
    ------
    SystemExit
        If a column is missing, or a time stamp is no number.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for column in ("timestamp", "value"):
            if column not in (rows.fieldnames or ()):
                raise SystemExit(f"{path}: column {column} is missing")
        pairs = [(row["timestamp"], row["value"]) for row in rows]
    try:
        at = [round(float(stamp) * 1e6) for stamp, _ in pairs]
    except ValueError as error:
        raise SystemExit(f"{path}: column timestamp must be seconds: {error}") from error
    values = np.array([_number(text) for _, text in pairs], dtype=np.float64)
    stamps = tuple(stamp for stamp, _ in pairs)
    return Record(name_of(path), stamps, np.array(at, dtype=np.int64), values)


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def name_of(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def files_in(folder: Path) -> list[Path]:
    """List a folder's series."""
    return sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")])


def table_of(records: Sequence[Record]) -> Any:
    """Make the contract's table of metrics of some series."""
    import pyarrow as pa

    sizes = [len(record.at) for record in records]
    rows = np.repeat(np.arange(len(records)), sizes)
    names = [record.name for record in records]
    table = pa.table(
        {
            "source": [SOURCE] * len(names),
            "fingerprint": names,
            "name": names,
            "labels": pa.array(
                [[("service", name)] for name in names], METRICS.schema.field("labels").type
            ),
            "kind": ["gauge"] * len(names),
            "unit": [""] * len(names),
        }
    ).take(rows)  # fmt: skip
    at = pa.array(np.concatenate([record.at for record in records]))
    table = table.append_column("at", at.cast(METRICS.schema.field("at").type))
    values = pa.array(np.concatenate([record.values for record in records]), from_pandas=True)
    return table.append_column("value", values)


def run(records: Sequence[Record]) -> Outcome:
    """Find anomalies in some series as the stage does.

    Parameters
    ----------
    records : sequence of Record
        Series of one run.

    Returns
    -------
    Outcome
    """
    defaults = MetricAnomaliesParams()
    scores: dict[str, Floats] = {}
    findings: list[Finding] = []
    for record in records:
        scores[record.name] = np.zeros(len(record.at))
        if not len(record.at):
            continue

        def watch(grid: Grid, surprise: Any, record: Record = record) -> None:
            columns = record.at // grid.step_us - grid.start_us // grid.step_us
            inside = np.clip(columns, 0, surprise.shape[1] - 1)
            found = np.asarray(surprise[0, inside], dtype=np.float64)
            scores[record.name] = np.where(columns == inside, found, 0.0)

        # One at a time, as files end at different times: a series has no gap after its last row.
        # What is found in it doesn't depend on the others.
        findings += detect(table_of([record]), false_alarm_rate=float("inf"), watch=watch).findings
    told, _ = rare_enough(findings, defaults.false_alarm_rate)
    return Outcome(scores, findings, frozenset(finding.id for finding in told))


def write(out: Path, records: Sequence[Record], outcome: Outcome) -> None:
    """Write scores and findings."""
    folder = out / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        with (folder / f"{record.name}.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("timestamp", "score"))
            scores = outcome.scores[record.name].tolist()
            rows.writerows(
                (s, f"{score:.6g}") for s, score in zip(record.stamps, scores, strict=True)
            )
    with (out / "findings.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("name", "start", "end", "kind", "score", "told"))
        for found in outcome.findings:
            times = (seconds(found.start_us), seconds(found.end_us))
            name, told = found.evidence["fingerprint"], int(found.id in outcome.told)
            rows.writerow((name, *times, found.kind, f"{found.score:.6g}", told))


def seconds(us: int) -> str:
    return f"{us / 1e6:.6f}".rstrip("0").rstrip(".")


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of <name>.csv or <name>.csv.gz")
    parser.add_argument("--out", type=Path, help="write scores and findings here")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    if options.data is None or options.out is None:
        print("metrics: needs --data DIR (of <name>.csv or .csv.gz) and --out DIR")
        print(json.dumps({"benchmark": "metrics", "skipped": "no --data or no --out"}))
        return 0
    records = [read(path) for path in files_in(options.data)]
    if not records:
        raise SystemExit(f"{options.data}: no <name>.csv or <name>.csv.gz in this folder")
    start = time.process_time()
    outcome = run(records)
    used = time.process_time() - start
    write(options.out, records, outcome)
    points = sum(len(record.at) for record in records)
    print(
        f"{len(records)} series, {points:,} points: {len(outcome.findings):,} findings, "
        f"{len(outcome.told):,} told; {used / max(points, 1) * 1e6:.1f} s of processor time a "
        "million points"
    )
    result = {
        "benchmark": "metrics",
        "series": len(records),
        "points": points,
        "findings": len(outcome.findings),
        "told": len(outcome.told),
        "processor_seconds": round(used, 1),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
