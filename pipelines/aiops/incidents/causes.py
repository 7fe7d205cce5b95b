"""Causes ranked from metrics, logs and spans around an incident; a bounded amount is read."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import isfinite

from pipelines.aiops.incidents.assemble import rank
from pipelines.aiops.incidents.contract import columns_of, logs_of, spans_of
from pipelines.aiops.incidents.model import (
    Cause,
    Graph,
    Incident,
    Logs,
    Series,
    Signals,
    Spans,
    Target,
    role_of,
)
from pipelines.aiops.incidents.model import FaultWindow as Fault
from pipelines.aiops.lake.contract import LOGS, METRICS, SPANS, service_of
from pipelines.aiops.lake.window import Window, rows_between
from pipelines.aiops.logs.templates import mine
from pipelines.aiops.metrics.grid import grids
from pipelines.aiops.params import AiopsParams
from pipelines.core.time import EPOCH, MINUTE_US, SECOND_US

MOST_RANKED = 20
"""Incidents that are ranked from signals: those seen in most of them, with the most findings."""
REFERENCE, GAP, SHORTEST, LONGEST = (n * MINUTE_US for n in (120, 5, 10, 60))
"""Ordinary time before an incident; its last minutes, that may be part of it; length looked at."""
METRIC_REFERENCE = 360 * MINUTE_US
MOST_SPANS, MOST_LINES, MOST_SERIES, MOST_ROWS = 50_000, 50_000, 2_000, 1_000_000

Ranker = Callable[[int, int, str], Sequence[Cause]]


def ranker(params: AiopsParams, window: Window, graph: Graph, found: Sequence[Incident]) -> Ranker:
    """Build the ranker of causes of some incidents, the weightiest, and of none of the others.

    Parameters
    ----------
    params : AiopsParams
        Where the lake lies.
    window : Window
        Nothing after its end is read.
    graph : Graph
        Who calls whom.
    found : sequence of Incident
        Incidents, grouped and not yet ranked.

    Returns
    -------
    Ranker
        Function of start and end (microseconds since 1970) and the most affected service.
    """

    def weight(incident: Incident) -> tuple[int, int, int, str]:
        signals = {entry.what for entry in incident.timeline if entry.what != "change"}
        return (-len(signals), -len(incident.findings), incident.start_us, incident.id)

    ordered = sorted(found, key=weight)
    chosen = {(incident.start_us, incident.end_us) for incident in ordered[:MOST_RANKED]}

    def rank_causes(start_us: int, end_us: int, worst: str) -> Sequence[Cause]:
        if (start_us, end_us) not in chosen:
            return ()
        end = min(max(end_us, start_us + SHORTEST), start_us + LONGEST, window.end_us)
        if end <= start_us:
            return ()
        fault = Fault(
            start_us,
            end,
            ((start_us - REFERENCE, start_us - GAP),),
            ((start_us - METRIC_REFERENCE, start_us - GAP),),
        )
        return rank(fault, graph, signals(params, start_us, end), target=Target(worst))

    return rank_causes


def signals(params: AiopsParams, start_us: int, end_us: int) -> Signals:
    """Read what was measured around an incident.

    Parameters
    ----------
    params : AiopsParams
        Where the lake lies.
    start_us, end_us : int
        Time of the incident, microseconds since 1970.

    Returns
    -------
    Signals
        Series, a sample of whole traces, and their log lines.
    """
    short = _window(start_us - REFERENCE, end_us)
    sample = _sample(params, short)
    spans = _spans(params, short, sample)
    return Signals(
        _series(params, _window(start_us - METRIC_REFERENCE, end_us)),
        spans,
        _logs(params, short, sample) if spans else None,
    )


def _window(start_us: int, end_us: int) -> Window:
    return Window(
        EPOCH + timedelta(seconds=start_us // SECOND_US),
        EPOCH + timedelta(seconds=-(-end_us // SECOND_US)),
    )


def _series(params: AiopsParams, window: Window) -> tuple[Series, ...]:
    table = rows_between(params, METRICS, window, most=MOST_ROWS)
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for grid in grids(table, MOST_SERIES, window.end_us):
        times = [grid.start_us + i * grid.step_us for i in range(grid.values.shape[1])]
        for subject, values in zip(grid.subjects, grid.values.tolist(), strict=True):
            service = service_of(subject.labels)
            known = [(at, x) for at, x in zip(times, values, strict=True) if isfinite(x)]
            if service and known:
                points.setdefault((service, subject.name), []).extend(known)
    return tuple(
        Series(service, name, *columns_of(sorted(own), role_of(name)), role_of(name))
        for (service, name), own in sorted(points.items())
    )


def _sample(params: AiopsParams, window: Window) -> str:
    """Condition that keeps whole traces, so many that their spans are about `MOST_SPANS`."""
    ids = rows_between(params, SPANS, window, columns=["trace_id"])
    every = -(-len(ids) // MOST_SPANS)
    return f"md5_number_lower(trace_id) % {every} = 0" if every > 1 else "true"


def _spans(params: AiopsParams, window: Window, sample: str) -> Spans | None:
    rows = rows_between(params, SPANS, window, where=sample, most=2 * MOST_SPANS)
    return spans_of(rows) if len(rows) else None


def _logs(params: AiopsParams, window: Window, sample: str) -> Logs | None:
    where = f"coalesce(trace_id, '') <> '' AND {sample}"
    rows = rows_between(params, LOGS, window, where=where, most=MOST_LINES)
    if not len(rows):
        return None
    mined = mine(rows["body"].combine_chunks())
    return logs_of(rows, mined.codes.tolist(), [template.text for template in mined.templates])
