"""Metrics of Prometheus: range queries of its HTTP API.

Samples are asked for on whole multiples of the step, so that every window sees the same ones.
"""

from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import PrometheusMetricsParams
from pipelines.aiops.sources.metric_rows import MetricRows, kind_of_name, number_of
from pipelines.aiops.sources.records import collector, fetch, label_set, quarantining
from pipelines.core.errors import SignalboxError

PATH, METADATA = "/api/v1/query_range", "/api/v1/metadata"
POINTS = 10_000
"""Samples a series in one answer; Prometheus refuses more than 11,000."""
_KINDS = {"counter": "counter", "gauge": "gauge"}
_PARTS = ("_bucket", "_sum", "_count")


def read(settings: PrometheusMetricsParams, window: ReadWindow, project: Path) -> Batch:
    """Ask every query for the window.

    Parameters
    ----------
    settings : PrometheusMetricsParams
    window : ReadWindow
        What to read.
    project : Path
        Not used: there are no paths in `settings`.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If it can't be reached, refuses, or doesn't answer like Prometheus.
    """
    rows = collector(settings, window)
    metrics = MetricRows(settings, rows)
    kinds = _metadata(settings)
    step = settings.step_seconds
    last = min(window.last or window.now, window.now)
    first = window.first or last - timedelta(seconds=settings.lookback_seconds)
    begin = (first - timedelta(seconds=settings.late_seconds if window.first else 0)).timestamp()
    # A sample at the very end belongs to the next window.
    grid = range(ceil(begin / step) * step, ceil(last.timestamp()), step)
    for query in settings.queries:
        for i in range(0, len(grid), POINTS):
            part = grid[i : i + POINTS]
            for series in _answer(settings, query, part[0], part[-1]):
                with quarantining(rows, f"{PATH} {query}", series.get("metric")):
                    _take(metrics, query, series, kinds)
    metrics.close(PATH)
    return rows.batch()


def _answer(
    settings: PrometheusMetricsParams, query: str, first: int, last: int
) -> list[dict[str, Any]]:
    asked = {"query": query, "start": str(first), "end": str(last),
             "step": str(settings.step_seconds)}  # fmt: skip
    answer = fetch(settings, PATH, asked)
    try:
        if answer["data"]["resultType"] != "matrix":
            raise KeyError("matrix")
        found: list[dict[str, Any]] = answer["data"]["result"]
    except (KeyError, TypeError):
        raise SignalboxError(
            f"source {settings.name}: {settings.url} does not answer like Prometheus; check its url"
        ) from None
    return found


def _take(
    metrics: MetricRows, query: str, series: dict[str, Any], kinds: dict[str, tuple[str, str]]
) -> None:
    labels = label_set(series.get("metric"))
    name = labels.get("__name__")
    # An expression has no name but itself, and is no counter: rates and sums go up and down.
    kind, unit = _kind_and_unit(name, kinds) if name else ("gauge", "")
    own = metrics.series({**labels, "__name__": name or query}, kind, unit)
    if own is None:
        return
    try:
        for time, value in series["values"]:
            own.us.append(round(float(time) * 1_000) * 1_000)
            own.values.append(number_of(value))
    except (KeyError, TypeError, ValueError) as error:
        del own.us[len(own.values) :]
        raise MalformedError(f"values are not pairs of time and number: {error}") from None


def _kind_and_unit(name: str, kinds: dict[str, tuple[str, str]]) -> tuple[str, str]:
    if name in kinds:
        return kinds[name]
    base = next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), name)
    return ("counter", kinds[base][1]) if base in kinds else (kind_of_name(name), "")


def _metadata(settings: PrometheusMetricsParams) -> dict[str, tuple[str, str]]:
    """Kind and unit of metrics as their targets tell; nothing where it isn't offered."""
    try:
        data = fetch(settings, METADATA, {})["data"]
        metadata = {name: entries[0] for name, entries in data.items() if entries}
        return {
            str(name): (_KINDS.get(meta.get("type", ""), "unknown"), str(meta.get("unit") or ""))
            for name, meta in metadata.items()
        }
    except (SignalboxError, KeyError, TypeError, AttributeError):
        return {}
