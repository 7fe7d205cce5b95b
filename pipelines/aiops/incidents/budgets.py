"""Evidence from metrics: whose lost time and whose failures aren't those of the services it calls.

Time that callers wait is conserved along synchronous calls: what a service loses is what its
callees lose plus what it loses itself. The same holds for failed calls. So each service's excess
over its ordinary level, times its requests, is a budget, and what callees don't account for is
blamed on the service itself. A service that has no past and fails is not blamed: who began to call
it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.incidents.model import (
    FaultWindow,
    Floats,
    Graph,
    Ints,
    Role,
    Series,
    Signals,
    Target,
    inside,
)

CAP = 60.0
"""Most that one source of evidence adds to a service, in nats."""
SURE = 4.0
"""Deviations from the median, in robust standard deviations, below which nothing is anomalous."""
DRIFT = 3.0
"""A level just before the fault up to this far from the past is drift, not already the fault."""
ENOUGH = 5
"""Values below which a series has no past."""
RATE_FLOOR = 0.002
SHARE_FLOOR = 0.02
SMALL = 5.0
"""Points for an excess that callees account for: keeps the path in the ranking, below its cause."""
UNREACHABLE = 0.2
"""Factor for services that the symptom doesn't depend on, as far as the graph knows."""
PERCENT = 1.5
"""An availability above this is in percent."""


@dataclass(frozen=True)
class CauseEvidence:
    """Points for one service from one source, with the sentence for it.

    Attributes
    ----------
    service : str
        Name of the service.
    metric : str
        Metric, or kind of evidence, that says so.
    points : float
        Nats, at most `CAP`.
    sentence : str
        Evidence in words.
    """

    service: str
    metric: str
    points: float
    sentence: str


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


def budget_evidence(
    window: FaultWindow, graph: Graph, signals: Signals, target: Target | None
) -> list[CauseEvidence]:
    """Blame lost time and failures on services whose callees don't account for them.

    Parameters
    ----------
    window : FaultWindow
        The fault's time, and the times it is compared with.
    graph : Graph
        Who calls whom.
    signals : Signals
        Series of latency, availability, errors and requests.
    target : Target or None
        The symptom, if it is known: only what it depends on is blamed in full.

    Returns
    -------
    list of CauseEvidence
        One piece of evidence a service and kind of budget.
    """
    asked = target.role if target else None
    kinds: tuple[tuple[Role, ...], ...] = (("latency",), ("availability", "errors"))
    found = []
    for roles in kinds:
        if asked in ("latency", "availability", "errors") and asked not in roles:
            continue
        losses = _losses(window, signals, roles)
        found += _attribute_losses(losses, graph, roles[0], _reachable(losses, graph, target))
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


def _reachable(losses: dict[str, BudgetLoss], graph: Graph, target: Target | None) -> set[str]:
    """Give what the symptom can come from; all, if the graph doesn't know the target."""
    callees = graph.callees
    if target is None or target.service not in callees:
        return set(losses)
    seen, todo = {target.service}, [target.service]
    while todo:
        fresh = callees.get(todo.pop(), set()) - seen
        seen |= fresh
        todo += sorted(fresh)
    return seen


def _attribute_losses(
    losses: Mapping[str, BudgetLoss], graph: Graph, what: str, reachable: set[str]
) -> list[CauseEvidence]:
    own = _own(losses, graph)
    candidates = [name for name in losses if name in reachable] or list(losses)
    most = max((own[name] for name in candidates), default=0.0)
    largest = max((losses[name].total for name in candidates), default=0.0)
    if not most:
        return []
    found = []
    for name in sorted(losses):
        share = min(1.0, own[name] / most), min(1.0, losses[name].total / largest)
        points = (CAP - SMALL) * share[0] + SMALL * share[1]
        points *= 1.0 if name in reachable else UNREACHABLE
        sentence = _sentence(losses[name], own[name], what)
        found.append(CauseEvidence(name, losses[name].metric, points, sentence))
    return found


def _own(losses: Mapping[str, BudgetLoss], graph: Graph) -> dict[str, float]:
    """Give what of each service's excess isn't that of its callees, those in a circle apart."""
    callees, circle = graph.callees, _circles(graph)
    own = {}
    for name, loss in losses.items():
        below = [
            other
            for other in sorted(callees.get(name, ()))
            if other in losses and circle.get(other) != circle.get(name)
        ]
        own[name] = loss.total - min(loss.total, sum(losses[other].total for other in below))
    return own


def _sentence(loss: BudgetLoss, own: float, what: str) -> str:
    if what == "latency":
        seen = f"{loss.metric}: {loss.level:.3g} before, {loss.worst:.3g} at worst"
        unit = "s of waiting"
    else:
        seen = f"{loss.metric}: {loss.level:.3g} of calls failed before, {loss.worst:.3g} at worst"
        unit = " failed calls"
    return (
        f"{seen}; {loss.total:.3g}{unit} more than usual, "
        f"{100 * own / loss.total:.0f} % of it not accounted for by what it calls"
    )


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


PER_FOLD = 15.0
"""Nats for each factor e beyond the past's own extreme."""
EXTREME = 0.995


def saturation_evidence(window: FaultWindow, signals: Signals) -> list[CauseEvidence]:
    """Compare each resource with the most extreme it ordinarily shows, not with its noise.

    Parameters
    ----------
    window : FaultWindow
        The fault's time, and the times it is compared with.
    signals : Signals
        Series of role saturation.

    Returns
    -------
    list of CauseEvidence
        At most one piece of evidence a service, by name.
    """
    best: dict[str, CauseEvidence] = {}
    for series in sorted(signals.series, key=lambda s: (s.service, s.metric)):
        found = _beyond(window, series) if series.role == "saturation" else None
        if found and found.points > best.get(series.service, CauseEvidence("", "", 0, "")).points:
            best[series.service] = found
    return [best[name] for name in sorted(best)]


def _beyond(window: FaultWindow, series: Series) -> CauseEvidence | None:
    known = np.isfinite(series.values)
    times, values = series.times[known], series.values[known]
    past = values[inside(times, window.metric_reference or window.reference)]
    now = values[(times >= window.start) & (times < window.end)]
    if len(past) < ENOUGH or not len(now):
        return None
    level, high = (float(x) for x in np.quantile(past, (0.5, EXTREME)))
    reach = max(high - level, 0.05 * abs(level), 1e-12)
    times_over = (float(now.max()) - level) / reach
    if times_over <= 1:
        return None
    points = min(CAP, PER_FOLD * float(np.log(times_over)))
    sentence = (
        f"{series.metric}: {float(now.max()):.3g}, usually {level:.3g} and hardly ever above "
        f"{high:.3g}"
    )
    return CauseEvidence(series.service, series.metric, points, sentence)
