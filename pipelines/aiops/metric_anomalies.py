"""Stage ``metric_anomalies``: what is unusual in the metrics of a window, over all series.

The work is cut by service into partitions that may run anywhere, one after another or at once; what
is told of a series does not depend on the others. Outs (below the
directory): ``anomalies/metric_anomalies.json``, see `lake.findings`.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.contract import METRICS, SERVICE_LABELS
from pipelines.aiops.lake.days import files_between
from pipelines.aiops.lake.engine import opened, parquet
from pipelines.aiops.lake.findings import (
    AFTER,
    BEFORE,
    Finding,
    FindingsFile,
    Plot,
    downsampled,
    write_findings,
)
from pipelines.aiops.lake.stage_result import StageResult, check_expectations, write_stage_result
from pipelines.aiops.lake.window import Window, lake_of, window_of
from pipelines.aiops.metrics.detect import detect, rare_enough
from pipelines.aiops.metrics.grid import Grid, grids
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import METRIC_ANOMALIES
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, write_json
from pipelines.core.stage import log, run_stage
from pipelines.core.time import SECOND_US

PARTITIONS = METRIC_ANOMALIES.parent / "parts"
TOGETHER = 1_000_000
"""Rows that are in memory at a time, as far as one series has no more."""
LIMIT = "more series than the limit"


def partition_keys(params: AiopsParams, window: Window) -> list[str]:
    """List the keys of the partitions that have series."""
    with _metrics(params, window) as raw:
        rows = raw.execute("SELECT DISTINCT part FROM series ORDER BY part").fetchall()
    return [_key(params, number) for (number,) in rows]


def detect_partition(params: AiopsParams, window: Window, directory: Path, key: str) -> Path:
    """Detect anomalies in a partition's series; write them, the common ones too."""
    findings: list[Finding] = []
    counts = {"series": 0, "points": 0}
    skipped: Counter[str] = Counter()
    with _metrics(params, window) as raw:
        for table in _tables(raw, _number(params, key)):
            found = detect(
                table, since_us=window.start_us, until_us=window.end_us,
                false_alarm_rate=float("inf"),
                max_series=params.metric_anomalies.max_series,
            )  # fmt: skip
            findings += found.findings
            counts["series"] += found.series
            counts["points"] += found.points
            skipped.update(found.skipped)
        left_out = raw.execute(
            "SELECT count(*) FROM series WHERE part = ? AND NOT chosen", [_number(params, key)]
        ).fetchone()[0]
    if left_out:
        skipped[LIMIT] += left_out
    path = _path(directory, key)
    write_json(
        path,
        {
            "window": window.name,
            "counts": counts,
            "skipped": dict(skipped),
            "findings": [finding.as_json() for finding in findings],
        },
    )
    return path


def read_all(
    params: AiopsParams, window: Window, directory: Path
) -> tuple[list[Finding], dict[str, Any]]:
    """Read all partitions of a window: findings, and what was looked at.

    Raises
    ------
    SignalboxError
        If a partition is missing or is one of another window.
    """
    wanted = partition_keys(params, window)
    found: list[Finding] = []
    counts = {"series": 0, "points": 0}
    skipped: Counter[str] = Counter()
    for key in wanted:
        path = _path(directory, key)
        part = read_json(path)
        if part.get("window") != window.name:
            raise SignalboxError(
                f"{path}: not a partition of {window.name}; run this partition again"
            )
        found += [Finding.from_json(record) for record in part["findings"]]
        for name in counts:
            counts[name] += part["counts"][name]
        skipped.update(part["skipped"])
    if not wanted:
        skipped["no metrics in the window or the days before it"] = 1
    return found, {**counts, "skipped": dict(sorted(skipped.items()))}


def remove(directory: Path) -> None:
    """Remove the partitions: they are in the joined file."""
    shutil.rmtree(directory / PARTITIONS, ignore_errors=True)


def read_series(params: AiopsParams, window: Window, series: list[tuple[str, str]]) -> Any:
    """Read the rows of some series (source and fingerprint) as an Arrow table."""
    with _metrics(params, window) as raw:
        return _rows_of(raw, series)


def _path(directory: Path, key: str) -> Path:
    return directory / PARTITIONS / f"metrics-{key}.json"


def _key(params: AiopsParams, number: int) -> str:
    return f"{number + 1}of{params.runtime.partitions}"


def _number(params: AiopsParams, key: str) -> int:
    number, _, of = key.partition("of")
    if not number.isdigit() or of != str(params.runtime.partitions):
        raise SignalboxError(
            f"{key!r} is no partition of {params.runtime.partitions} (release.yaml: "
            f"runtime.partitions); partitions are named like '1of{params.runtime.partitions}'"
        )
    return int(number) - 1


@contextmanager
def _metrics(params: AiopsParams, window: Window) -> Iterator[Any]:
    """Open an engine with the view ``points`` of the time that counts, and the table ``series``."""
    import duckdb

    lake = lake_of(params.analysis)
    try:
        with opened(params.runtime.memory_mb) as raw:
            raw.execute(f"CREATE TEMP VIEW points AS {_rows_sql(params, window)}")
            _find_series(raw, params)
            yield raw
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise SignalboxError(
            f"{lake}/metrics: not readable metrics of the contract, or runtime.memory_mb in "
            f"release.yaml ({params.runtime.memory_mb}) is too small: {text}"
        ) from error


def _rows_sql(params: AiopsParams, window: Window) -> str:
    """Rows of the window and of the days before it that teach."""
    since = window.start - timedelta(days=params.metric_anomalies.lookback_days)
    lake = lake_of(params.analysis)
    files = files_between(lake, METRICS, since.date(), window.last_day)
    columns = 'source, fingerprint, name, labels, "at", value, kind, unit'
    if not files:
        return (
            "SELECT ''::VARCHAR AS source, ''::VARCHAR AS fingerprint, ''::VARCHAR AS name, "
            "MAP {'': ''} AS labels, now() AS \"at\", 0.0::DOUBLE AS value, ''::VARCHAR AS kind, "
            "''::VARCHAR AS unit WHERE false"
        )
    first, last = (int(at.timestamp() * SECOND_US) for at in (since, window.end))
    return (
        f'SELECT {columns} FROM {parquet(files)} WHERE "at" >= make_timestamptz({first}) '
        f'AND "at" < make_timestamptz({last})'
    )


def _find_series(raw: Any, params: AiopsParams) -> None:
    """Make ``series``: each one's partition and size, and whether the run's limit leaves it in."""
    service = "coalesce(" + ", ".join(
        f"nullif(any_value(labels)['{label}'], '')" for label in SERVICE_LABELS
    ) + ", '')"  # fmt: skip
    raw.execute(
        "CREATE TEMP TABLE series AS SELECT source, fingerprint, "
        f"(md5_number_lower({service}) % {params.runtime.partitions})::INTEGER AS part, "
        "count(*) AS n, count(*) FILTER (isfinite(value)) AS known "
        "FROM points GROUP BY source, fingerprint"
    )
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE series AS SELECT *, row_number() OVER "
        "(ORDER BY known DESC, source, fingerprint) <= "
        f"{params.metric_anomalies.max_series} AS chosen FROM series"
    )


def _tables(raw: Any, part: int) -> Iterator[Any]:
    """Yield rows of a partition's series as Arrow tables, a bounded number of rows at a time."""
    chosen = raw.execute(
        "SELECT source, fingerprint, n FROM series WHERE part = ? AND chosen "
        "ORDER BY source, fingerprint", [part],
    ).fetchall()  # fmt: skip
    group: list[tuple[str, str]] = []
    rows = 0
    for source, fingerprint, n in chosen:
        if group and rows + n > TOGETHER:
            yield _rows_of(raw, group)
            group, rows = [], 0
        group.append((source, fingerprint))
        rows += n
    if group:
        yield _rows_of(raw, group)


def _rows_of(raw: Any, series: list[tuple[str, str]]) -> Any:
    """Return the rows of some series as an Arrow table."""
    import pyarrow as pa

    source, fingerprint = (pa.array(column, pa.string()) for column in zip(*series, strict=True))
    raw.register("wanted", pa.table({"source": source, "fingerprint": fingerprint}))
    found = raw.sql(
        "SELECT points.* FROM points SEMI JOIN wanted USING (source, fingerprint)"
    ).to_arrow_table()
    raw.unregister("wanted")
    return found


def plots_of(params: AiopsParams, window: Window, findings: Sequence[Finding]) -> dict[str, Plot]:
    """Give the values around the rarest findings, by finding's id."""
    ordered = sorted(findings, key=lambda finding: (-finding.score, finding.start_us, finding.id))
    shown = ordered[: params.metric_anomalies.max_plots]
    mine: dict[tuple[str, str], list[Finding]] = {}
    for finding in shown:
        mine.setdefault((finding.evidence["source"], finding.evidence["fingerprint"]), []).append(
            finding
        )
    found: dict[str, Plot] = {}
    if not mine:
        return found
    table = read_series(params, window, sorted(mine))
    for grid in grids(table, len(mine), window.end_us):
        for row, subject in enumerate(grid.subjects):
            for finding in mine[subject.source, subject.fingerprint]:
                found[finding.id] = _plot(grid, row, finding)
    return found


def _plot(grid: Grid, row: int, finding: Finding) -> Plot:
    step = grid.step_us
    left = (finding.start_us - grid.start_us) // step
    right = (finding.end_us - grid.start_us) // step
    first = max(0, left - max(BEFORE, right - left))
    last = min(grid.values.shape[1], right + 1 + max(AFTER, (right - left) // 2))
    values, every = downsampled(grid.values[row, first:last].tolist())
    return Plot(
        unit=grid.subjects[row].unit,
        per_second=grid.subjects[row].rate,
        step_us=step * every,
        start_us=grid.start_us + first * step,
        values=values,
        low=finding.expected_low,
        high=finding.expected_high,
    )


STAGE = "metric_anomalies"


def partitions_of(params: AiopsParams, window: Window) -> list[str]:
    """List keys of a window's partitions: at most ``runtime.partitions``, none without metrics.

    A service stays in its partition when others come and go.
    """
    return partition_keys(params, window)


def run_partition(params: AiopsParams, window: Window, directory: Path, group: str) -> Path:
    """Detect anomalies in one partition; safe to repeat."""
    return detect_partition(params, window, directory, group)


def join(params: AiopsParams, window: Window, directory: Path) -> Path:
    """Join all partitions: leave out what is too common, write findings and evidence.

    Raises
    ------
    SignalboxError
        If a partition is missing.
    """
    found, counts = read_all(params, window, directory)
    settings = params.metric_anomalies
    kept, uncertain = rare_enough(found, settings.false_alarm_rate)
    counts = {**counts, "uncertain": uncertain}
    path = directory / METRIC_ANOMALIES
    plots = plots_of(params, window, kept)
    file = FindingsFile("metric", window, kept, counts, settings.model_dump(), plots)
    write_findings(path, file)
    write_stage_result(
        directory,
        params,
        window,
        StageResult(
            STAGE,
            METRIC_ANOMALIES,
            ["metrics"],
            counts,
            kept,
            rules=check_expectations(params, window, METRICS),
        ),
    )
    remove(directory)
    log(f"{len(kept):,} findings in {counts['series']:,} series of metrics, {window.name}")
    return path


def run(params: AiopsParams, window: Window, directory: Path) -> Path:
    """Run all partitions, then join them: the same bytes whatever their number."""
    lake_of(params.analysis)
    remove(directory)
    for group in partitions_of(params, window):
        run_partition(params, window, directory, group)
    return join(params, window, directory)


def main(params: AiopsParams) -> None:
    """Run the stage."""
    run(params, window_of(params.analysis), Path())


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
