"""Alerts as Prometheus itself recorded them: range queries of the series ``ALERTS``.

An alert fires from its first sample to one step after its last. Samples are asked for on whole
multiples of the step, so that every window sees the same ones. Of an alert that fires already when
a window begins, the begin is looked for further back; otherwise each window would make
it a new one.

The same from files: answers that were saved, whose first and last sample bound what is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import PrometheusExportParams, PrometheusParams
from pipelines.aiops.sources.records import (
    collector,
    content_of,
    fetch,
    files_of,
    label_set,
    location_of,
    parse_json,
    quarantining,
)
from pipelines.core.errors import SignalboxError

PATH = "/api/v1/query_range"
POINTS = 10_000
"""Samples a series in one answer; Prometheus refuses more than 11,000."""
_OWN = ("__name__", "alertstate")


@dataclass(frozen=True)
class Grid:
    """Times of samples: whole steps from `first` to `last`, both included.

    Attributes
    ----------
    first, last : int
        Seconds since 1970, multiples of `step`.
    step : int
        Seconds.
    """

    first: int
    last: int
    step: int


def read(
    settings: PrometheusParams | PrometheusExportParams, window: ReadWindow, project: Path
) -> Batch:
    """Query the window; look back where an alert fires at its very begin. Files are read whole.

    Parameters
    ----------
    settings : PrometheusParams or PrometheusExportParams
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
        If it can't be reached, refuses, or doesn't answer like Prometheus; if a file doesn't hold
        such an answer.
    """
    if isinstance(settings, PrometheusExportParams):
        return _of_files(settings, window, project)
    grid = _grid(settings, window)
    found = _samples(settings, grid)
    if any(times[0] == grid.first for times in found.values()):
        grid = Grid(_whole(grid.first - settings.lookback_seconds, grid.step), grid.last, grid.step)
        found = _samples(settings, grid)
    rows = collector(settings, window)
    unknown = "fires for longer than lookback_seconds: its begin is unknown"
    _take(rows, settings, found, grid, (PATH, unknown))
    return rows.batch()


Found = dict[tuple[tuple[str, str], ...], list[int]]
"""Labels of a series → times of its samples, rising, in seconds since 1970."""


def _take(
    rows: Collector,
    settings: PrometheusParams | PrometheusExportParams,
    found: Found,
    grid: Grid,
    said: tuple[str, str],
) -> None:
    """Make alerts of samples; what fires at the first one of all began earlier."""
    where, unknown = said
    for metric, times in sorted(found.items()):
        for first, last in _runs(times, grid.step):
            raw = {"metric": dict(metric), "first": first, "last": last}
            with quarantining(rows, where, raw):
                if first == grid.first:
                    raise MalformedError(unknown)
                ended = last < grid.last
                rows.alert(
                    label_set(_labels(settings, dict(metric))),
                    _time(first),
                    ends_at=_time(last + grid.step) if ended else None,
                    updated_at=_time(last + grid.step if ended else last),
                )


def _of_files(settings: PrometheusExportParams, window: ReadWindow, project: Path) -> Batch:
    """Take the alerts of answers that were saved; files of one source are one history."""
    rows = collector(settings, window)
    found: Found = {}
    names = []
    for path in files_of(settings, project):
        names.append(location_of(path, project))
        try:
            document = parse_json(content_of(path))
            if document["data"]["resultType"] != "matrix":
                raise KeyError("matrix")
            for series in document["data"]["result"]:
                if series["metric"].get("alertstate", "firing") == "firing":
                    metric = tuple(sorted(series["metric"].items()))
                    times = [int(float(time)) for time, _ in series["values"]]
                    found[metric] = sorted({*found.get(metric, ()), *times})
        except (MalformedError, KeyError, TypeError, ValueError, AttributeError):
            raise SignalboxError(
                f"{path}: holds no range query's answer (resultType matrix) of ALERTS; check files "
                f"of source {settings.name}"
            ) from None
    if found:
        gaps = [b - a for times in found.values() for a, b in pairwise(times)]
        step = settings.step_seconds or min(gaps, default=60)
        first = min(times[0] for times in found.values())
        last = max(times[-1] for times in found.values())
        unknown = "fires at the first sample of the export: its begin is unknown"
        _take(rows, settings, found, Grid(first, last, step), (names[0], unknown))
    return rows.batch()


def _grid(settings: PrometheusParams, window: ReadWindow) -> Grid:
    """Lay the samples of a window, with one before it: what fires there began earlier."""
    last = min(window.last or window.now, window.now)
    first = window.first or last - timedelta(seconds=settings.lookback_seconds)
    step = settings.step_seconds
    # A sample at the very end belongs to the next window.
    end = _whole(ceil(last.timestamp()) - 1, step)
    return Grid(_whole(int(first.timestamp()), step) - step, end, step)


def _whole(seconds: int, step: int) -> int:
    return seconds // step * step


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _samples(settings: PrometheusParams, grid: Grid) -> Found:
    """Fetch the times of samples of each series, rising."""
    found: Found = {}
    for first in range(grid.first, grid.last + 1, POINTS * grid.step):
        last = min(first + (POINTS - 1) * grid.step, grid.last)
        for series in _query(settings, Grid(first, last, grid.step)):
            metric = tuple(sorted(series["metric"].items()))
            found.setdefault(metric, []).extend(int(float(time)) for time, _ in series["values"])
    return found


def _query(settings: PrometheusParams, grid: Grid) -> Iterator[dict[str, Any]]:
    matchers = 'alertstate="firing"' + (f",{settings.selector}" if settings.selector else "")
    query = {"query": f"ALERTS{{{matchers}}}", "start": str(grid.first), "end": str(grid.last)}
    answer = fetch(settings, PATH, {**query, "step": str(grid.step)})
    try:
        if answer["data"]["resultType"] != "matrix":
            raise KeyError("matrix")
        yield from answer["data"]["result"]
    except (KeyError, TypeError):
        raise SignalboxError(
            f"source {settings.name}: {settings.url} does not answer like Prometheus; check its url"
        ) from None


def _runs(times: list[int], step: int) -> Iterator[tuple[int, int]]:
    """First and last time of each stretch without a missing sample."""
    begin = times[0]
    for before, time in pairwise(times):
        if time - before > step:
            yield begin, before
            begin = time
    yield begin, times[-1]


def _labels(
    settings: PrometheusParams | PrometheusExportParams, metric: dict[str, str]
) -> dict[str, str]:
    drop = {*_OWN, *settings.drop_labels}
    return {name: value for name, value in metric.items() if name not in drop}
