"""Traces that a Jaeger query service finds: ``GET /api/traces`` of each of its services.

It gives at most a number of traces and has no pages, so where an answer is full the time is halved
and asked for again.
"""

from datetime import timedelta
from pathlib import Path

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.lake.contract import microseconds
from pipelines.aiops.params.telemetry import JaegerApiParams
from pipelines.aiops.sources.jaeger import take_traces
from pipelines.aiops.sources.records import collector, fetch, listing, mapping
from pipelines.aiops.sources.spans import keeper
from pipelines.core.errors import SignalboxError

SHORTEST_US = 1000


def read(settings: JaegerApiParams, window: ReadWindow, project: Path) -> Batch:
    """Ask for the traces of the window.

    Parameters
    ----------
    settings : JaegerApiParams
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
        If it can't be reached, refuses, or isn't a Jaeger query service.
    """
    rows = collector(settings, window)
    last = min(window.last or window.now, window.now)
    first = window.first or last - timedelta(seconds=settings.lookback_seconds)
    early = first - timedelta(seconds=settings.late_seconds if window.first else 0)
    for service in settings.services or _services(settings):
        _ask(rows, settings, service, microseconds(early), microseconds(last))
    return rows.batch()


def _services(settings: JaegerApiParams) -> list[str]:
    return sorted(map(str, _data(settings, "/api/services", {})))


def _data(settings: JaegerApiParams, path: str, query: dict[str, str]) -> list[object]:
    try:
        answer = mapping(fetch(settings, path, query), "answer")
        return listing(answer.get("data") or [], "data")
    except MalformedError as error:
        raise SignalboxError(
            f"source {settings.name}: {settings.url}{path}: {error}; is it a Jaeger query service?"
        ) from None


def _ask(
    rows: Collector, settings: JaegerApiParams, service: str, first_us: int, last_us: int
) -> None:
    query = {"service": service, "start": str(first_us), "end": str(last_us)}
    found = _data(settings, "/api/traces", {**query, "limit": str(settings.limit)})
    if len(found) >= settings.limit and last_us - first_us > SHORTEST_US:
        middle = (first_us + last_us) // 2
        _ask(rows, settings, service, first_us, middle)
        _ask(rows, settings, service, middle, last_us)
        return
    take_traces(rows, {"data": found}, f"{settings.url}/api/traces", keeper(settings))
