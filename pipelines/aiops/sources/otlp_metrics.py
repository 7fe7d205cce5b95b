"""Metrics in OTLP JSON: gauges, sums, histograms and summaries.

Cumulative monotonic sums are counters; a histogram becomes ``_count``, ``_sum`` and ``_bucket`` as
Prometheus has them. Deltas are gauges: each says what came since the one before.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pipelines.aiops.lake.batch import Batch, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import OtlpMetricsParams
from pipelines.aiops.sources.metric_rows import MetricRows, Series, number_of
from pipelines.aiops.sources.otlp_json import items, texts_of
from pipelines.aiops.sources.records import (
    collector,
    documents,
    files_of,
    listing,
    mapping,
    quarantining,
)

# As Prometheus' own OTLP receiver maps resources.
_RESOURCE = {"service.name": "service", "service.instance.id": "instance", "host.name": "host",
             "service.namespace": "namespace", "k8s.pod.name": "pod",
             "k8s.namespace.name": "namespace"}  # fmt: skip
T = TypeVar("T")
_DELTA = (1, "AGGREGATION_TEMPORALITY_DELTA")


def read(settings: OtlpMetricsParams, window: ReadWindow, project: Path) -> Batch:
    """Read all data points of the files.

    Parameters
    ----------
    settings : OtlpMetricsParams
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in `settings` are relative to.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If a file is missing or can't be read.
    """
    rows = collector(settings, window)
    metrics = MetricRows(settings, rows)
    for path in files_of(settings, project):
        for location, document in documents(rows, path, project):
            with quarantining(rows, location, document):
                for resource, metric in _metrics(mapping(document)):
                    with quarantining(rows, location, metric):
                        _take(metrics, resource, metric)
    metrics.close(settings.name)
    return rows.batch()


def _metrics(document: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    for resource_metrics in items(document, "resourceMetrics"):
        attributes = texts_of(mapping(resource_metrics.get("resource") or {}, "resource"))
        resource = {
            _RESOURCE[key]: text for key, text in sorted(attributes.items()) if key in _RESOURCE
        }
        for scope_metrics in items(resource_metrics, "scopeMetrics"):
            for metric in items(scope_metrics, "metrics"):
                yield resource, metric


def _take(metrics: MetricRows, resource: dict[str, str], metric: dict[str, Any]) -> None:
    name, unit = str(metric.get("name") or ""), str(metric.get("unit") or "")
    if not name:
        raise MalformedError("name is missing")
    form = next((f for f in _FORMS if f in metric), None)
    if form is None:
        raise MalformedError(f"none of {', '.join(_FORMS)}")
    data = mapping(metric[form], form)
    delta = data.get("aggregationTemporality") in _DELTA
    monotonic = form != "sum" or data.get("isMonotonic") is True
    kind = "gauge" if form == "gauge" or delta or not monotonic else "counter"
    for point in items(data, "dataPoints"):
        labels = {**texts_of(point), **resource}
        us = _time(point)
        # Bit 1: nothing was recorded.
        empty = bool(_as(int, point.get("flags") or 0) & 1)
        for suffix, more, value in _FORMS[form](point):
            own = {**labels, **more, "__name__": name + suffix}
            kind_here = "gauge" if form == "summary" and "quantile" in more else kind
            _put(metrics.series(own, kind_here, unit), us, None if empty else value)


def _put(series: Series | None, us: int, value: Any) -> None:
    if series is None:
        return
    number = None if value is None else _as(number_of, value)
    series.us.append(us)
    series.values.append(number)


def _as(form: Callable[[Any], T], value: Any) -> T:
    try:
        return form(value)
    except (TypeError, ValueError, OverflowError):
        raise MalformedError(f"not a number: {str(value)[:60]!r}") from None


def _time(point: dict[str, Any]) -> int:
    from pipelines.aiops.log_parsing.records import epoch_us

    found = epoch_us(point.get("timeUnixNano"))
    if found is None:
        raise MalformedError("timeUnixNano is missing or not a time")
    return found


Values = Iterator[tuple[str, dict[str, str], Any]]
"""Suffix of the name, more labels, value."""


def _number(point: dict[str, Any]) -> Values:
    yield "", {}, point.get("asDouble", point.get("asInt"))


def _histogram(point: dict[str, Any]) -> Values:
    yield "_count", {}, point.get("count")
    if "sum" in point:
        yield "_sum", {}, point["sum"]
    bounds = listing(point.get("explicitBounds") or [], "explicitBounds")
    counts = listing(point.get("bucketCounts") or [], "bucketCounts")
    if counts and len(counts) != len(bounds) + 1:
        raise MalformedError(f"{len(counts)} buckets for {len(bounds)} bounds")
    total = 0
    for bound, count in zip([*bounds, "+Inf"], counts, strict=False):
        total += _as(int, count)
        yield (
            "_bucket",
            {"le": bound if isinstance(bound, str) else f"{_as(float, bound):g}"},
            total,
        )


def _exponential(point: dict[str, Any]) -> Values:
    yield "_count", {}, point.get("count")
    if "sum" in point:
        yield "_sum", {}, point["sum"]


def _summary(point: dict[str, Any]) -> Values:
    yield from _exponential(point)
    for quantile in items(point, "quantileValues"):
        yield (
            "",
            {"quantile": f"{_as(float, quantile.get('quantile') or 0):g}"},
            quantile.get("value"),
        )


_FORMS = {"gauge": _number, "sum": _number, "histogram": _histogram,
          "exponentialHistogram": _exponential, "summary": _summary}  # fmt: skip
