"""Tables of a judged window, and intervals of what it shows."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.evaluation.backtest import Backtest, BacktestResult, TicketedIncident
from pipelines.aiops.alerting.evidence import (
    FamilyOutcome,
    IncidentOutcome,
    LabelOutcome,
    NoisyAlert,
    ReceiverOutcome,
    RuleOutcome,
)
from pipelines.aiops.alerting.replay import Replay
from pipelines.aiops.alerting.rules import FAMILIES, Rule
from pipelines.aiops.alerting.windows import HistoryWindow, moment
from pipelines.aiops.lake.frame import YES, AlertFrame
from pipelines.core.evidence import Figure
from pipelines.core.stats import clopper_pearson_upper
from pipelines.core.time import DAY_US, SECOND_US

NO_TEAM = "(no team)"
_TOP = 20


def by_family(
    rules: Sequence[Rule], effect: BacktestResult, candidate: Replay
) -> list[FamilyOutcome]:
    """Count rules, pages saved (estimate) and alerts touched of every family that has rules.

    Parameters
    ----------
    rules : sequence of Rule
        The rules that are replayed.
    effect : BacktestResult
        What the rules do in the window.
    candidate : Replay
        Replay with the rules.

    Returns
    -------
    list of FamilyOutcome
        A row a family.
    """
    touched = _touched(candidate)
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


def by_rule(rules: Sequence[Rule], effect: BacktestResult, candidate: Replay) -> list[RuleOutcome]:
    """List every rule with what it did in this window, in the order of the set.

    Parameters
    ----------
    rules : sequence of Rule
        The rules that are replayed.
    effect : BacktestResult
        What the rules do in the window.
    candidate : Replay
        Replay with the rules.

    Returns
    -------
    list of RuleOutcome
        A row a rule.
    """
    touched = _touched(candidate)
    return [
        RuleOutcome(
            rule=rule,
            pages_saved=round(effect.credit.get(rule.id, 0.0), 1),
            alerts=touched.get(rule.id, 0),
        )
        for rule in rules
    ]


def _touched(candidate: Replay) -> dict[str, int]:
    ids, counts = np.unique(candidate.alerts["rule"].to_numpy().astype(str), return_counts=True)
    return {str(key): int(n) for key, n in zip(ids, counts, strict=True) if key}


def by_label(backtest: Backtest, candidate: Replay, label: str) -> list[LabelOutcome]:
    """Count alerts, and alerts that page, without and with the rules, by the value of a label.

    Parameters
    ----------
    backtest : Backtest
        Backtest of the window.
    candidate : Replay
        Replay with the rules.
    label : str
        Name of a label.

    Returns
    -------
    list of LabelOutcome
        A row a value, the most frequent first.
    """
    rows = backtest.rows
    inside = backtest.window.holds(rows.starts)
    values, codes = _values(rows, label)
    baseline = _paged(backtest.baseline)

    def count(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(codes[inside & which], minlength=len(values)).astype(np.int64)

    alerts, acted = count(np.ones(len(rows), bool)), count(rows.acted == YES)
    paged, still = count(baseline), count(_paged(candidate))
    order = np.lexsort((np.array(values), -paged, -alerts))
    return [
        LabelOutcome(
            value=values[i] or NO_TEAM,
            alerts=int(alerts[i]),
            acted=int(acted[i]),
            baseline_paged=int(paged[i]),
            candidate_paged=int(still[i]),
        )
        for i in order
        if alerts[i]
    ]


def receivers(backtest: Backtest, candidate: Replay) -> list[ReceiverOutcome]:
    """Count what each receiver is sent in the window, pagers first.

    Parameters
    ----------
    backtest : Backtest
        Backtest of the window.
    candidate : Replay
        Replay with the rules.

    Returns
    -------
    list of ReceiverOutcome
        A row a receiver with integrations that is routed to without or with the rules.
    """
    sent = [
        dict(zip(found.receivers["receiver"], found.receivers["notifications"], strict=True))
        for found in (backtest.baseline, candidate)
    ]
    rows = [
        ReceiverOutcome(
            receiver=each.name,
            pager=each.pages,
            baseline=int(sent[0].get(each.name, 0)),
            candidate=int(sent[1].get(each.name, 0)),
        )
        for each in backtest.config.receivers
        if each.integrations and (each.name in sent[0] or each.name in sent[1])
    ]
    return sorted(rows, key=lambda row: (not row.pager, -row.baseline, row.receiver))


def noisiest(backtest: Backtest, candidate: Replay) -> list[NoisyAlert]:
    """List the alert names that page most today, how long they last and which rules touch them.

    Parameters
    ----------
    backtest : Backtest
        Backtest of the window.
    candidate : Replay
        Replay with the rules.

    Returns
    -------
    list of NoisyAlert
        At most twenty rows; durations in seconds, medians.
    """
    table = by_label(backtest, candidate, "alertname")
    table.sort(key=lambda row: (-row.baseline_paged, row.value))
    rows = backtest.rows
    values, codes = _values(rows, "alertname")
    lasts = (np.minimum(rows.ends, backtest.window.end) - rows.starts) / SECOND_US
    rules = candidate.alerts["rule"].to_numpy().astype(str)
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
    """List every incident of the window: missed ones first, then the most delayed.

    Parameters
    ----------
    effect : BacktestResult
        What the rules do in the window.

    Returns
    -------
    list of IncidentOutcome
        A row an incident.
    """

    def rank(incident: TicketedIncident) -> tuple[int, float, str]:
        if incident.missed:
            return 0, 0.0, incident.ticket
        return (
            (1, -incident.delay, incident.ticket)
            if incident.baseline_notified
            else (2, 0.0, incident.ticket)
        )

    return [_incident(incident) for incident in sorted(effect.incidents, key=rank)]


def _incident(incident: TicketedIncident) -> IncidentOutcome:
    notified = incident.baseline_notified
    return IncidentOutcome(
        ticket=incident.ticket,
        starts=moment(incident.starts),
        baseline_first_page=moment(incident.baseline_first_page) if notified else None,
        candidate_first_page=moment(incident.candidate_first_page)
        if incident.candidate_first_page >= 0
        else None,
        missed=incident.missed,
        delay_seconds=round(incident.delay, 3) if notified and not incident.missed else None,
        rules=list(incident.touched_by),
        vanished=incident.vanished,
        assumed_link=incident.assumed_link,
    )


LEVEL = 0.95
REPLICATES = 2000
_SEED = 20260101


def per_day(times: NDArray[np.int64], window: HistoryWindow) -> NDArray[np.int64]:
    """Count the events on each day of the window; the last day may be a part of one.

    Parameters
    ----------
    times : array of int64, shape (n,), microseconds since 1970
        Times inside the window.
    window : HistoryWindow
        The window.

    Returns
    -------
    array of int64, shape (days,)
        Events.
    """
    days = max(1, -(-(window.end - window.start) // DAY_US))
    index = (times - window.start) // DAY_US
    return np.bincount(index, minlength=days)[:days].astype(np.int64)


def saved_interval(
    baseline: NDArray[np.int64], candidate: NDArray[np.int64]
) -> tuple[float, float] | None:
    """Estimate an interval of the share of pages saved: bootstrap over days.

    Parameters
    ----------
    baseline, candidate : array of int64
        Pages on each day, shape (days,).

    Returns
    -------
    (float, float) or None
        Bounds at `LEVEL`; None with fewer than three days or without pages.

    Notes
    -----
    Pages of one day hang together, so days are drawn, not pages (block bootstrap; Künsch 1989).
    Few days show too little variation, so the percentiles go as far out as Student's t goes beyond
    the normal (expanded percentile interval; Hesterberg 2015, The American Statistician 69).
    """
    from scipy.stats import norm, t

    if len(baseline) < 3 or not baseline.sum():
        return None
    draw = np.random.default_rng(_SEED).integers(0, len(baseline), (REPLICATES, len(baseline)))
    total = baseline[draw].sum(axis=1)
    # A draw of days without any page has no share to save.
    drawn = total > 0
    shares = 1 - candidate[draw].sum(axis=1)[drawn] / total[drawn]
    days = len(baseline)
    tail = norm.sf(t.ppf((1 + LEVEL) / 2, days - 1) * math.sqrt(days / (days - 1)))
    low, high = np.quantile(shares, [tail, 1 - tail])
    # Days that were never drawn together can leave the share itself outside.
    share = 1 - float(candidate.sum() / baseline.sum())
    return min(float(low), share), max(float(high), share)


def median_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Estimate an interval of a median from order statistics.

    Parameters
    ----------
    values : array of float64, shape (n,)
        Sample, any order.

    Returns
    -------
    (float, float) or None
        Bounds at `LEVEL`; None with fewer than six values.

    Notes
    -----
    Ranks of a binomial distribution (David & Nagaraja 2003, 7.1).
    """
    from scipy.stats import binom

    count = len(values)
    if count < 6:
        return None
    ordered = np.sort(values)
    rank = int(binom.ppf((1 - LEVEL) / 2, count, 0.5))
    return float(ordered[max(rank - 1, 0)]), float(ordered[min(count - rank, count - 1)])


_STAGE = "replay_rules"
_REPLAYED = "replay of the test window, on which nothing was mined or selected"


def figures(
    backtest: Backtest, effect: BacktestResult, rules: tuple[Rule, ...], candidate: Replay
) -> list[Figure]:
    """Return everything that a gate may ask of a set of rules, or of the files it became.

    Parameters
    ----------
    backtest : Backtest
        Of the window that judges.
    effect : BacktestResult
        What the rules do in it.
    rules : tuple of Rule
        The rules.
    candidate : Replay
        Replay with them.

    Returns
    -------
    list of Figure
        Their ids begin with the stage's name, ``replay_rules``.
    """
    pages, notified = len(effect.baseline), len(effect.notified)
    stages_today, stages_with_rules = backtest.baseline.stages, candidate.stages
    return [
        _figure("rules", "Rules", len(rules), n=len(rules), unit="rules", method="count"),
        _figure("baseline_pages", "Pages with today's configuration", pages, n=pages, unit="pages"),
        _figure(
            "candidate_pages", "Pages with the rules", len(effect.candidate), n=pages, unit="pages"
        ),
        _saved(effect, why_no_page(backtest.rows)),
        _figure("missed", "Incidents missed", len(effect.missed), n=notified, unit="incidents"),
        _missed_share(effect),
        _figure(
            "vanished", "Incidents of which no receiver at all is notified any more",
            len(effect.vanished), n=len(effect.incidents), unit="incidents",
        ),
        _figure(
            "heartbeats_changed", "Rules that would change what is sent of a heartbeat",
            len(backtest.changing_heartbeats(rules)), n=len(rules), unit="rules",
            method="routes, inhibition and durations of alerts that always fire and are repeated "
            "every few minutes, without and with each rule",
        ),
        *_delays(effect),
        _figure(
            "baseline_notifications", "Notifications with today's configuration, of any kind",
            stages_today["notifications"], n=stages_today["alerts"], unit="notifications",
        ),
        _figure(
            "candidate_notifications", "Notifications with the rules, of any kind",
            stages_with_rules["notifications"], n=stages_with_rules["alerts"], unit="notifications",
        ),
    ]  # fmt: skip


def _figure(
    name: str, label: str, value: float, *, n: int, unit: str, method: str = _REPLAYED
) -> Figure:
    return Figure(
        id=f"{_STAGE}.{name}", label=label, value=value, method=method, n=max(n, 1), unit=unit
    )


def why_no_page(rows: AlertFrame) -> str:
    """Say why today's configuration sends no page, as far as the alerts themselves show it."""
    text = "today's configuration sends no page in this window"
    points = int((rows.ends == rows.starts).sum())
    if not points:
        return text
    return (
        f"{text}: {points:,} of its {len(rows):,} alerts end as they start, before any group's "
        "first flush; set hold_seconds of their source (aiops.telemetry.sources)"
    )


def _saved(effect: BacktestResult, no_page: str) -> Figure:
    window = effect.window
    low, high = saved_interval(
        per_day(effect.baseline, window), per_day(effect.candidate, window)
    ) or (None, None)
    return Figure(
        id=f"{_STAGE}.saved_share",
        label="Share of pages saved",
        value=round(effect.saved_share, 6) if len(effect.baseline) else None,
        missing="" if len(effect.baseline) else no_page,
        low=low,
        high=high,
        level=LEVEL if low is not None else None,
        method=f"{_REPLAYED}; bootstrap over days",
        n=len(effect.baseline),
        unit="share",
    )


def _missed_share(effect: BacktestResult) -> Figure:
    # A guessed link is no proof that people are notified of the incident: it only counts as missed.
    guessed = sum(incident.assumed_link for incident in effect.notified if not incident.missed)
    notified = len(effect.notified) - guessed
    besides = f"; {guessed} incidents linked by service and time alone don't count" * bool(guessed)
    return Figure(
        id=f"{_STAGE}.missed_share",
        label="Share of ticketed incidents missed",
        value=len(effect.missed) / notified if notified else None,
        missing=""
        if notified
        else "today's configuration pages about no ticketed incident in this window",
        low=0.0 if notified else None,
        high=float(clopper_pearson_upper(len(effect.missed), notified, LEVEL))
        if notified
        else None,
        level=LEVEL if notified else None,
        method=f"Clopper–Pearson, one-sided: the upper bound is the figure that counts{besides}",
        n=notified,
        unit="share",
    )


def _delays(effect: BacktestResult) -> list[Figure]:
    delays = effect.delays()
    nothing = "no ticketed incident is paged in this window"
    low, high = median_interval(delays) or (None, None)
    return [
        Figure(
            id=f"{_STAGE}.median_delay",
            label="Delay added to the median incident's first page",
            value=float(np.median(delays)) if len(delays) else None,
            missing="" if len(delays) else nothing,
            low=low,
            high=high,
            level=LEVEL if low is not None else None,
            method="order statistics of incidents' added delays",
            n=len(delays),
            unit="seconds",
        ),
        Figure(
            id=f"{_STAGE}.longest_delay",
            label="Longest delay added to an incident's first page",
            value=float(np.max(delays)) if len(delays) else None,
            missing="" if len(delays) else nothing,
            method=_REPLAYED,
            n=len(delays),
            unit="seconds",
        ),
    ]
