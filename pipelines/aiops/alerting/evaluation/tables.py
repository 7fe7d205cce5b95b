"""Tables of a judged window, and intervals of what it shows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.evaluation.backtest import Backtest, BacktestResult, Incident
from pipelines.aiops.alerting.evidence import (
    FamilyOutcome,
    IncidentOutcome,
    LabelOutcome,
    NoisyAlert,
    RuleOutcome,
)
from pipelines.aiops.alerting.replay import Replay
from pipelines.aiops.alerting.rules import FAMILIES, Rule
from pipelines.aiops.alerting.windows import Window, moment
from pipelines.aiops.lake.frame import YES, AlertFrame
from pipelines.core.time import DAY_US, SECOND_US

NO_TEAM = "(no team)"
_TOP = 20


def by_family(rules: Sequence[Rule], effect: BacktestResult, after: Replay) -> list[FamilyOutcome]:
    """Rules, pages saved (estimate) and alerts touched of every family that has rules."""
    touched = _touched(after)
    rows = []
    for family in FAMILIES:
        ids = [rule.id for rule in rules if rule.family == family]
        if ids:
            rows.append(
                FamilyOutcome(
                    family=family,
                    rules=len(ids),
                    pages_saved=round(sum(effect.credit.get(rule_id, 0.0) for rule_id in ids), 1),
                    alerts=sum(touched.get(rule_id, 0) for rule_id in ids),
                )
            )
    return rows


def by_rule(rules: Sequence[Rule], effect: BacktestResult, after: Replay) -> list[RuleOutcome]:
    """Every rule with what it did in this window, in the order of the set."""
    touched = _touched(after)
    return [
        RuleOutcome(
            rule=rule,
            pages_saved=round(effect.credit.get(rule.id, 0.0), 1),
            alerts=touched.get(rule.id, 0),
        )
        for rule in rules
    ]


def _touched(after: Replay) -> dict[str, int]:
    ids, counts = np.unique(after.alerts["rule"].to_numpy().astype(str), return_counts=True)
    return {str(key): int(n) for key, n in zip(ids, counts, strict=True) if key}


def by_label(measured: Backtest, after: Replay, label: str) -> list[LabelOutcome]:
    """Alerts, and alerts that page, today and with the rules, by the value of a label."""
    rows = measured.rows
    inside = measured.window.holds(rows.starts)
    values, codes = _values(rows, label)
    before = _paged(measured.before)

    def count(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(codes[inside & which], minlength=len(values)).astype(np.int64)

    alerts, acted = count(np.ones(len(rows), bool)), count(rows.acted == YES)
    paged, still = count(before), count(_paged(after))
    order = np.lexsort((np.array(values), -paged, -alerts))
    return [
        LabelOutcome(
            value=values[i] or NO_TEAM,
            alerts=int(alerts[i]),
            acted=int(acted[i]),
            paged_today=int(paged[i]),
            paged_with_rules=int(still[i]),
        )
        for i in order
        if alerts[i]
    ]


def noisiest(measured: Backtest, after: Replay) -> list[NoisyAlert]:
    """Alert names that page most today, with how long they last and what to change at the source.

    Returns
    -------
    At most twenty; durations in seconds, medians.
    """
    table = by_label(measured, after, "alertname")
    table.sort(key=lambda row: (-row.paged_today, row.value))
    rows = measured.rows
    values, codes = _values(rows, "alertname")
    lasts = (np.minimum(rows.ends, measured.window.end) - rows.starts) / SECOND_US
    rules = after.alerts["rule"].to_numpy().astype(str)
    found = []
    for row in table[:_TOP]:
        of_name = codes == values.index(row.value) if row.value in values else codes < 0
        by = [rule for rule in np.unique(rules[of_name]) if rule]
        median = float(np.median(lasts[of_name])) if of_name.any() else 0.0
        found.append(NoisyAlert(**row.model_dump(), median_seconds=round(median, 1), rules=by))
    return found


def _values(rows: AlertFrame, label: str) -> tuple[list[str], NDArray[np.int64]]:
    """Values of a label, sorted, and the position of each row's value."""
    of_series = [labels.get(label, "") for labels in rows.labels]
    values = sorted(set(of_series))
    position_of = {value: i for i, value in enumerate(values)}
    return values, np.array([position_of[series_label] for series_label in of_series], np.int64)[
        rows.series
    ]


def _paged(replay: Replay) -> NDArray[np.bool_]:
    return replay.alerts["first_page"].to_numpy(dtype=np.int64) >= 0


def incidents(effect: BacktestResult) -> list[IncidentOutcome]:
    """Every incident of the window: lost first, then the most delayed."""

    def rank(incident: Incident) -> tuple[int, float, str]:
        if incident.lost:
            return 0, 0.0, incident.ticket
        return (
            (1, -incident.delay, incident.ticket)
            if incident.heard_today
            else (2, 0.0, incident.ticket)
        )

    return [_incident(incident) for incident in sorted(effect.incidents, key=rank)]


def _incident(incident: Incident) -> IncidentOutcome:
    heard = incident.heard_today
    return IncidentOutcome(
        ticket=incident.ticket,
        starts=moment(incident.starts),
        paged_today=moment(incident.first_before) if heard else None,
        paged_with_rules=moment(incident.first_after) if incident.first_after >= 0 else None,
        lost=incident.lost,
        delay_seconds=round(incident.delay, 3) if heard and not incident.lost else None,
        rules=list(incident.touched_by),
    )


LEVEL = 0.95
REPLICATES = 2000
_SEED = 20260101


def per_day(times: NDArray[np.int64], window: Window) -> NDArray[np.int64]:
    """Events on each day of the window, shape (days,); the last day may be a part of one."""
    days = max(1, -(-(window.end - window.start) // DAY_US))
    index = (times - window.start) // DAY_US
    return np.bincount(index, minlength=days)[:days].astype(np.int64)


def saved_interval(
    before: NDArray[np.int64], after: NDArray[np.int64]
) -> tuple[float, float] | None:
    """Interval of the share of pages saved: bootstrap over days.

    Parameters
    ----------
    before, after
        Pages on each day, shape (days,).

    Returns
    -------
    Bounds at `LEVEL`; None with fewer than three days or without pages.

    Notes
    -----
    Pages of one day hang together, so days are drawn, not pages (block bootstrap; Künsch 1989).
    """
    if len(before) < 3 or not before.sum():
        return None
    draw = np.random.default_rng(_SEED).integers(0, len(before), (REPLICATES, len(before)))
    total = before[draw].sum(axis=1)
    drawn = total > 0
    shares = 1 - after[draw].sum(axis=1)[drawn] / total[drawn]
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def median_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Interval of a median from order statistics (David & Nagaraja 2003, 7.1); None below six."""
    from scipy.stats import binom

    count = len(values)
    if count < 6:
        return None
    ordered = np.sort(values)
    rank = int(binom.ppf((1 - LEVEL) / 2, count, 0.5))
    return float(ordered[max(rank - 1, 0)]), float(ordered[min(count - rank, count - 1)])
