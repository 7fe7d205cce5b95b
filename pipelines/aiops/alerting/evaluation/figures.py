"""Figures and bounds of judged windows: what a gate may ask of a set of rules."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.evaluation.backtest import BacktestResult, together
from pipelines.aiops.alerting.evaluation.incidents import TicketedIncident
from pipelines.aiops.alerting.evaluation.tables import JudgedWindow
from pipelines.aiops.alerting.evidence import Outcome
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.core.evidence import Figure
from pipelines.core.stats import clopper_pearson_upper
from pipelines.core.time import DAY_US

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


MINUTES = (1, 5, 15)
"""Later than today by more than so many minutes is late."""


def late_share(incidents: Sequence[TicketedIncident], minutes: int) -> float | None:
    """Return the share of incidents that are told later than today by more than so many minutes.

    Parameters
    ----------
    incidents : sequence of TicketedIncident
        Incidents that are paged today.
    minutes : int
        The limit.

    Returns
    -------
    float or None
        Missed ones aren't among the late ones, but count as incidents; None without incidents.
    """
    if not incidents:
        return None
    late = sum(60 * minutes < each.delay < math.inf for each in incidents)
    return late / len(incidents)


def outcome(effect: BacktestResult) -> Outcome:
    """Sum up what something does, in the figures that methods are compared by.

    Parameters
    ----------
    effect : BacktestResult
        What it does.

    Returns
    -------
    Outcome
        Incidents are the credible ones.
    """
    counted = effect.credible
    delays = [each.delay for each in counted if not each.missed]
    late = {f"late_{minutes}m_share": late_share(counted, minutes) for minutes in MINUTES}
    return Outcome(
        pages=len(effect.candidate),
        saved_share=round(effect.saved_share, 6) if len(effect.baseline) else None,
        incidents=len(counted),
        missed=sum(each.missed for each in counted),
        strict_missed=sum(each.strict_missed for each in counted),
        **{name: None if share is None else round(share, 6) for name, share in late.items()},
        longest_delay_seconds=round(max(delays), 3) if delays else None,
    )


_STAGE = "replay_rules"
_REPLAYED = (
    "replay of each third of the history with rules that were mined on the other two; pages of "
    "pagers, incidents told by a page about their alerts or their service"
)


def figures(
    folds: Sequence[JudgedWindow], deployed: JudgedWindow, rules: Sequence[Rule]
) -> list[Figure]:
    """Return everything that a gate may ask of a set of rules, and of the files it became.

    Parameters
    ----------
    folds : sequence of JudgedWindow
        The judged windows, in the order of time, each with rules that didn't know it.
    deployed : JudgedWindow
        All of the history, through the deployed files.
    rules : sequence of Rule
        The rules of these files.

    Returns
    -------
    list of Figure
        Their ids begin with the stage's name, ``replay_rules``.
    """
    effect = together([fold.effect for fold in folds])
    pages, counted = len(effect.baseline), effect.credible
    missed = [each for each in counted if each.missed]
    vanished = {each.ticket for each in (*effect.vanished, *deployed.effect.vanished)}
    changed = {rule for each in (*folds, deployed) for rule in each.changing_heartbeats(rules)}
    whole = deployed.effect
    no_page = why_no_page(sum(fold.alerts for fold in folds), sum(fold.points for fold in folds))
    return [
        _figure("rules", "Rules", len(rules), n=len(rules), unit="rules", method="count"),
        _figure("baseline_pages", "Pages with today's configuration", pages, n=pages, unit="pages"),
        _figure(
            "candidate_pages", "Pages with the rules", len(effect.candidate), n=pages, unit="pages"
        ),
        _saved(effect, no_page),
        _figure(
            "credible_incidents",
            "Credible incidents that today's configuration pages about",
            len(counted), n=len(effect.incidents), unit="incidents",
            method="count of incidents whose ticket names a fix, and that were linked to an alert "
            "of the ticket's service",
        ),
        _figure(
            "missed", "Credible incidents missed", len(missed), n=len(counted), unit="incidents"
        ),
        _missed_share(len(missed), len(counted)),
        _figure(
            "missed_of_all", "Ticketed incidents missed, credible or not",
            len(effect.missed), n=len(effect.notified), unit="incidents",
        ),
        _missed_at_least(len(effect.missed), len(effect.notified)),
        _figure(
            "strict_missed", "Credible incidents of whose own alerts no page tells any more",
            sum(each.strict_missed for each in counted), n=len(counted), unit="incidents",
        ),
        *_lateness(counted),
        _figure(
            "vanished", "Incidents of which no receiver at all is notified any more",
            len(vanished), n=len(effect.incidents), unit="incidents",
        ),
        _figure(
            "heartbeats_changed", "Rules that would change what is sent of a heartbeat",
            len(changed), n=len(rules), unit="rules",
            method="routes of alerts that always fire and are repeated every few minutes, without "
            "and with each rule",
        ),
        Figure(
            id=f"{_STAGE}.deployed_saved_share",
            label="Share of pages saved by the exported files on the days they were mined from",
            value=round(whole.saved_share, 6) if len(whole.baseline) else None,
            missing="" if len(whole.baseline) else why_no_page(deployed.alerts, deployed.points),
            method="replay of the exported files, read back from their bytes; in sample",
            n=max(len(whole.baseline), 1),
            unit="share",
        ),
        _figure(
            "deployed_missed", "Credible incidents that the exported files miss on these days",
            sum(each.missed for each in whole.credible), n=len(whole.credible), unit="incidents",
            method="replay of the exported files, read back from their bytes; in sample",
        ),
    ]  # fmt: skip


def _figure(
    name: str, label: str, value: float, *, n: int, unit: str, method: str = _REPLAYED
) -> Figure:
    return Figure(
        id=f"{_STAGE}.{name}", label=label, value=value, method=method, n=max(n, 1), unit=unit
    )


def why_no_page(alerts: int, points: int) -> str:
    """Say why no page is sent of so many alerts, `points` of which end as they start."""
    text = "today's configuration sends no page in this history"
    if not points:
        return text
    return (
        f"{text}: {points:,} of its {alerts:,} alerts end as they start, before any group's "
        "first flush; set hold_seconds of their source (aiops.telemetry.sources)"
    )


_PAGERDUTY = (
    "model of what PagerDuty documents, behind the replay of today's alertmanager.yml and on the "
    "same thirds; pages are notifications of its incidents"
)


def pagerduty_figures(effect: BacktestResult | None, rules: int) -> list[Figure]:
    """Return what a gate may ask of PagerDuty's form of the rules, which is judged by itself.

    Parameters
    ----------
    effect : BacktestResult or None
        What it does on the judged windows; None where nothing is exported to PagerDuty.
    rules : int
        Rules that PagerDuty's form holds.

    Returns
    -------
    list of Figure
        Their ids begin with ``replay_rules.pagerduty_``; without `effect` the first one alone.
    """
    count = _figure(
        "pagerduty_rules", "Rules that PagerDuty's form holds", rules, n=rules, unit="rules",
        method="count of the rules in the exported pagerduty.json, read back from its bytes",
    )  # fmt: skip
    if effect is None:
        return [count]
    counted = effect.credible
    missed = sum(each.missed for each in counted)
    return [
        count,
        _figure(
            "pagerduty_baseline_pages", "Notifications of PagerDuty's incidents today",
            len(effect.baseline), n=len(effect.baseline), unit="pages", method=_PAGERDUTY,
        ),
        _saved(
            effect, "PagerDuty notifies of nothing in this history",
            ("pagerduty_saved_share", "Share of PagerDuty's notifications saved", _PAGERDUTY),
        ),
        _figure(
            "pagerduty_missed", "Credible incidents missed with PagerDuty's form", missed,
            n=len(counted), unit="incidents", method=_PAGERDUTY,
        ),
        _missed_share(
            missed, len(counted),
            ("pagerduty_missed_share", "Share of credible incidents missed with PagerDuty's form"),
        ),
        _figure(
            "pagerduty_late_5m_share",
            "Share of credible incidents that PagerDuty tells of more than 5 min later than today",
            round(late_share(counted, 5) or 0.0, 6), n=len(counted), unit="share",
            method=_PAGERDUTY if counted else "no credible incident is paged: none is late",
        ),
    ]  # fmt: skip


def _saved(
    effect: BacktestResult,
    no_page: str,
    told: tuple[str, str, str] = ("saved_share", "Share of pages saved", _REPLAYED),
) -> Figure:
    """Measure the pages saved; `told`: name, label and method of the figure."""
    name, label, method = told
    window = effect.window
    low, high = saved_interval(
        per_day(effect.baseline, window), per_day(effect.candidate, window)
    ) or (None, None)
    return Figure(
        id=f"{_STAGE}.{name}",
        label=label,
        value=round(effect.saved_share, 6) if len(effect.baseline) else None,
        missing="" if len(effect.baseline) else no_page,
        low=low,
        high=high,
        level=LEVEL if low is not None else None,
        method=f"{method}; bootstrap over days",
        n=len(effect.baseline),
        unit="share",
    )


def missed_bound(missed: int, incidents: int) -> float | None:
    """Return the upper bound (one-sided, `LEVEL`) on the share missed; None without incidents."""
    return float(clopper_pearson_upper(missed, incidents, LEVEL)) if incidents else None


def _missed_share(
    missed: int,
    incidents: int,
    told: tuple[str, str] = ("missed_share", "Share of credible incidents missed"),
) -> Figure:
    """Bound the share missed; `told`: name and label of the figure."""
    return Figure(
        id=f"{_STAGE}.{told[0]}",
        label=told[1],
        value=missed / incidents if incidents else None,
        missing=""
        if incidents
        else "today's configuration pages about no credible incident in this history",
        low=0.0 if incidents else None,
        high=missed_bound(missed, incidents),
        level=LEVEL if incidents else None,
        method="Clopper–Pearson, one-sided: the upper bound is the figure that counts",
        n=incidents,
        unit="share",
    )


def _missed_at_least(missed: int, incidents: int) -> Figure:
    """Of all ticketed incidents: where fixes aren't recorded, hardly any is credible."""
    # The lower bound of a share is the upper bound of its complement.
    least = (
        1 - float(clopper_pearson_upper(incidents - missed, incidents, LEVEL)) if missed else 0.0
    )
    return _figure(
        "missed_of_all_at_least",
        "Share of all ticketed incidents that are missed at least",
        round(least, 6), n=incidents, unit="share",
        method=f"lower bound (Clopper–Pearson, one-sided, {LEVEL:.0%}), credible or not",
    )  # fmt: skip


def _lateness(counted: Sequence[TicketedIncident]) -> list[Figure]:
    delays = np.array([each.delay for each in counted if not each.missed], dtype=np.float64)
    nothing = "no credible incident is paged in this history"
    low, high = median_interval(delays) or (None, None)
    shares = [
        _figure(
            f"late_{minutes}m_share",
            f"Share of credible incidents told more than {minutes} min later than today",
            round(late_share(counted, minutes) or 0.0, 6),
            n=len(counted), unit="share",
            method=_REPLAYED if counted else f"{nothing}: none is late",
        )
        for minutes in MINUTES
    ]  # fmt: skip
    return [
        *shares,
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
