"""Evidence from metrics: what moved beyond habit, and whose losses aren't those of its callees.

Time that callers wait is conserved along synchronous calls: what a service loses is what its
callees lose plus what it loses itself. The same holds for failed calls. So each service's excess
over its ordinary level, times its requests, is a budget, and what callees don't account for is
blamed on the service itself. A service that has no past and fails is not blamed: who began to call
it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipelines.aiops.incidents.model import (
    FaultWindow,
    Floats,
    Graph,
    Ints,
    Kind,
    Role,
    Series,
    Signals,
    Target,
    inside,
)

SURE = 4.0
"""Deviations from the median, in robust standard deviations, below which nothing is anomalous."""
DRIFT = 3.0
"""A level just before the fault up to this far from the past is drift, not already the fault."""
ENOUGH = 5
"""Values below which a series has no past."""
RATE_FLOOR = 0.002
SHARE_FLOOR = 0.02
SMALL = 0.0025
"""Least share of what callees account for: keeps the path in the ranking, below its cause."""
LOAD = 0.5
"""Factor for signals of load: they come from those who call."""
FLOOR = 0.01
"""A spread is at least this share of the level."""
DISTANCE = 1.0
"""Nats for each factor e of the distance in ordinary spreads."""
BUDGETS: Mapping[str, tuple[Role, ...]] = {
    "latency": ("latency",),
    "errors": ("availability", "errors"),
}
Source = Literal["metric", "alert", "log", "trace", "change"]
PERCENT = 1.5
"""An availability above this is in percent."""


@dataclass(frozen=True)
class CauseEvidence:
    """A signal at one subject that it is the cause, with the sentence for it.

    Attributes
    ----------
    service : str
        Name of the subject: a service, an instance, a host, or an edge ``caller -> callee``.
    metric : str
        Metric, alert, or kind of evidence, that says so; the same twice counts once.
    points : float
        Surprise, nats.
    sentence : str
        Evidence in words.
    at_us : int or None
        When it began, microseconds since 1970; None: not known.
    source : {"metric", "alert", "log", "trace", "change"}
        Where it was seen.
    kind : Kind
        What the subject is.
    """

    service: str
    metric: str
    points: float
    sentence: str
    at_us: int | None = None
    source: Source = "metric"
    kind: Kind = "service"


@dataclass(frozen=True)
class BudgetLoss:
    """What a service lost in the window: seconds waited, or calls failed.

    Attributes
    ----------
    total : float
        Sum over the window of the excess times requests: seconds, or failed calls.
    worst : float
        Largest value in the window.
    level : float
        Ordinary value.
    metric : str
        Metric that says so.
    """

    total: float
    worst: float
    level: float
    metric: str


def series_evidence(
    window: FaultWindow,
    graph: Graph,
    signals: Signals,
    target: Target | None,
    *,
    budgets: bool = True,
) -> list[CauseEvidence]:
    """Find series that moved farther than they do in comparable stretches of the past.

    Waits and failures of a service count by how much of them its callees don't account for, by
    lost time times requests; only callees whose change came first account for anything.

    Parameters
    ----------
    window : FaultWindow
        The fault's time, and the times it is compared with.
    graph : Graph
        Who calls whom.
    signals : Signals
        Series, whatever they are called.
    target : Target or None
        The symptom, if it is known: where it is slow, failures elsewhere aren't its cause.
    budgets : bool, default True
        Whether series of waits and failures are read: traces say the same, finer.

    Returns
    -------
    list of CauseEvidence
        One a series that moved.
    """
    moved: list[tuple[Series, Moved]] = []
    asked = _budget(target.role) if target and target.role else None
    for series in sorted(signals.series, key=lambda s: (s.service, s.metric)):
        kind = _budget(series.role)
        if kind and (not budgets or (asked and kind != asked)):
            continue
        found = moved_beyond_habit(window, series)
        good = found and kind and found.off < 0
        if found and not good:
            moved.append((series, found))
    onset: dict[tuple[str, str], int] = {}
    for series, found in moved:
        key = series.service, _budget(series.role) or ""
        onset[key] = min(found.at_us, onset.get(key, found.at_us))
    weight = _own_shares(window, graph, signals, onset) if budgets else {}
    evidence = []
    for series, found in moved:
        share, accounted = weight.get((series.service, _budget(series.role) or ""), (1.0, 0.0))
        failed = ", share that failed" if series.role == "availability" else ""
        load = LOAD if series.role == "requests" else 1.0
        sentence = (
            f"{series.metric}{failed}: {found.now:.3g} in the middle, before {found.level:.3g}; "
            f"as far off in {found.as_far} of {found.stretches} stretches before"
        )
        if accounted:
            sentence += f"; what it calls accounts for {100 * accounted:.0f} % of it"
        points = found.surprise * max(SMALL, share) ** 0.5 * load
        evidence.append(CauseEvidence(series.service, series.metric, points, sentence, found.at_us))
    return evidence


def _budget(role: Role | None) -> str | None:
    """Which budget a role belongs to: time waited, or calls failed."""
    if role == "latency":
        return "latency"
    return "errors" if role in ("availability", "errors") else None


@dataclass(frozen=True)
class Moved:
    """How a series moved, against its own past.

    Attributes
    ----------
    surprise : float
        Nats.
    at_us : int
        When it was half as far off as in the middle of the window, microseconds since 1970.
    off, now, level : float
        Distance, the window's middle and the ordinary level, in the series' unit.
    as_far, stretches : int
        Stretches of the past that were as far off, and all.
    """

    surprise: float
    at_us: int
    off: float
    now: float
    level: float
    as_far: int
    stretches: int


def moved_beyond_habit(window: FaultWindow, series: Series) -> Moved | None:
    """Measure how surprising it is where a series lies in a window.

    Parameters
    ----------
    window : FaultWindow
        The fault's time, and the times it is compared with.
    series : Series
        Any metric.

    Returns
    -------
    Moved or None
        None if it lies within its ordinary spread, or has no past.

    Notes
    -----
    -log of the share of past stretches of the same length whose middle was as far off, plus the
    log of the distance in ordinary spreads: shares alone end where the past ends.
    """
    times, values = _bad_is_up(series)
    past = values[inside(times, window.metric_reference or window.reference)]
    here = (times >= window.start) & (times < window.end)
    now = values[here]
    if len(past) < ENOUGH or not len(now):
        return None
    before = values[(times < window.start) & (times >= 2 * window.start - window.end)]
    found = [_moved(past, before, now, middle) for middle in (np.median, np.mean)]
    best = max((one for one in found if one), key=lambda one: one[0], default=None)
    if best is None:
        return None
    surprise, off, middle, level, as_far, stretches = best
    late = np.flatnonzero((now - level) * np.sign(off) >= abs(off) / 2)
    at = int(times[here][late[0]]) if len(late) else window.start
    return Moved(surprise, at, off, middle, level, as_far, stretches)


def _moved(
    past: Floats, before: Floats, now: Floats, middle: Callable[..., Any]
) -> tuple[float, float, float, float, int, int] | None:
    size = min(len(now), len(past))
    halves = np.lib.stride_tricks.sliding_window_view(past, size)[:: max(1, size // 2)]
    stretches = np.asarray(middle(halves, axis=1))
    level, value = float(np.median(past)), float(middle(now))
    off = value - level
    if len(before):  # A drift that stood before isn't the fault.
        since = value - float(middle(before))
        off = 0.0 if off * since <= 0 else min(off, since, key=abs)
    mad = 1.4826 * float(np.median(np.abs(past - level)))
    low, high = np.quantile(past, (0.05, 0.95))
    floor = FLOOR * max(abs(level), float(np.abs(past).max()))
    spread = max(mad, float(high - low) / 4, floor) or FLOOR * abs(value)
    if abs(off) <= spread:
        return None
    as_far = int((np.abs(stretches - level) >= abs(off) * (1 - 1e-9)).sum())
    chance = (as_far + 0.5) / (len(stretches) + 1)
    surprise = -float(np.log(chance)) + DISTANCE * float(np.log(abs(off) / spread))
    return surprise, off, value, level, as_far, len(stretches)


def _own_shares(
    window: FaultWindow, graph: Graph, signals: Signals, onset: Mapping[tuple[str, str], int]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Service and budget → its own loss as a share of the largest, share its callees account for.

    Services that call each other in a circle don't account for each other.
    """
    callees, circle = graph.callees, _circles(graph)
    found = {}
    for kind, roles in BUDGETS.items():
        losses = _losses(window, signals, roles)
        own = {}
        for name, loss in losses.items():
            first = onset.get((name, kind))
            below = sum(
                losses[other].total
                for other in sorted(callees.get(name, ()))
                if other in losses
                and circle.get(other) != circle.get(name)
                and (first is None or onset.get((other, kind), first) <= first)
            )
            own[name] = loss.total - min(loss.total, below)
        most = max(own.values(), default=0.0)
        for name, loss in losses.items():
            share = own[name] / most if most else 1.0
            found[name, kind] = share, 1 - own[name] / loss.total if loss.total else 0.0
    return found


def _losses(
    window: FaultWindow, signals: Signals, roles: tuple[Role, ...]
) -> dict[str, BudgetLoss]:
    requests = {s.service: s for s in signals.series if s.role == "requests"}
    best: dict[str, BudgetLoss] = {}
    for series in sorted(signals.series, key=lambda s: (s.service, s.metric)):
        if series.role not in roles:
            continue
        excess = _excess(window, series, requests.get(series.service))
        if excess and excess.total > best.get(series.service, BudgetLoss(0, 0, 0, "")).total:
            best[series.service] = excess
    return best


def _excess(window: FaultWindow, series: Series, requests: Series | None) -> BudgetLoss | None:
    times, values = _bad_is_up(series)
    past = values[inside(times, window.metric_reference or window.reference)]
    now = (times >= window.start) & (times < window.end)
    if len(past) < ENOUGH or not now.any():
        return None
    level = float(np.median(past))
    spread = _spread(past, series.role)
    before = values[(times < window.start) & (times >= window.start - (window.end - window.start))]
    if len(before):
        level += float(np.clip(np.median(before) - level, -DRIFT * spread, DRIFT * spread))
    over = values[now] - level
    if over.max() < SURE * spread:
        return None
    counted = series.role == "errors" and float(np.abs(values).max()) > 1  # calls, not a share
    calls = _calls_at(times[now], None if counted else requests)
    total = float((np.maximum(over - spread, 0) * calls).sum())
    return BudgetLoss(total, float(values[now].max()), level, series.metric)


def _bad_is_up(series: Series) -> tuple[Ints, Floats]:
    order = np.argsort(series.times, kind="stable")
    times, values = series.times[order], series.values[order].astype(float)
    known = np.isfinite(values)
    times, values = times[known], values[known]
    if series.role == "availability" and len(values):
        whole = 100.0 if values.max() > PERCENT else 1.0
        values = 1 - values / whole
    return times, values


def _spread(past: Floats, role: Role) -> float:
    level = float(np.median(past))
    # Robust deviation; quantiles as well, for a series that is constant most of the time.
    mad = 1.4826 * float(np.median(np.abs(past - level)))
    low, high = np.quantile(past, (0.05, 0.95))
    floor = SHARE_FLOOR * abs(level) + (RATE_FLOOR if role == "availability" else 0.0)
    return max(mad, float(high - low) / 4, floor, 1e-12)


def _calls_at(times: Ints, requests: Series | None) -> Floats:
    ones = np.ones(len(times))
    if requests is None:
        return ones
    known = dict(zip(requests.times.tolist(), requests.values.tolist(), strict=True))
    calls = np.array([known.get(t, np.nan) for t in times.tolist()], float)
    return np.where(np.isfinite(calls), calls, 1.0)


def reachable(graph: Graph, target: Target | None) -> set[str] | None:
    """Give what a symptom can come from.

    Parameters
    ----------
    graph : Graph
        Who calls whom.
    target : Target or None
        The symptom.

    Returns
    -------
    set of str or None
        Services; None if there is no target or the graph doesn't know it.
    """
    callees = graph.callees
    if target is None or target.service not in callees:
        return None
    seen, todo = {target.service}, [target.service]
    while todo:
        fresh = callees.get(todo.pop(), set()) - seen
        seen |= fresh
        todo += sorted(fresh)
    return seen


def _circles(graph: Graph) -> dict[str, int]:
    """Give services that call each other in a circle the same number, others their own."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    names = sorted({name for call in graph.calls for name in call})
    if not names:
        return {}
    number = {name: i for i, name in enumerate(names)}
    rows = [number[a] for a, _ in sorted(graph.calls)]
    columns = [number[b] for _, b in sorted(graph.calls)]
    matrix = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    _, groups = connected_components(matrix, directed=True, connection="strong")
    return dict(zip(names, groups.tolist(), strict=True))
