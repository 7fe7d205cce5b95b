"""Tables of judged windows: by alert name, team, receiver, rule and incident."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config import Config
from pipelines.aiops.alerting.evaluation.backtest import (
    BacktestResult,
    Fold,
    changing_heartbeats,
)
from pipelines.aiops.alerting.evaluation.baselines import told_keys
from pipelines.aiops.alerting.evaluation.incidents import TicketedIncident
from pipelines.aiops.alerting.evidence import (
    IncidentOutcome,
    NameOutcome,
    Pages,
    ReceiverOutcome,
    RemainingAlerts,
    RuleOutcome,
    Stages,
)
from pipelines.aiops.alerting.replay import Replay
from pipelines.aiops.alerting.rules import HoldRule, Rule
from pipelines.aiops.alerting.windows import HistoryWindow, moment
from pipelines.aiops.lake.contract import service_of
from pipelines.aiops.lake.frame import Labels
from pipelines.core.arrays import Ints
from pipelines.core.time import HOUR_US, SECOND_US

NIGHT = (22, 7)
"""The night begins and ends at these hours, UTC."""
NIGHT_HOURS = (22, 23, 0, 1, 2, 3, 4, 5, 6)
NO_VALUE = "(none)"
"""Pages about alerts that don't have the label."""
FURTHER = "(further pages)"
"""Pages that name nothing new, of groups of which nothing is known."""
_MOST = 100


def hours_of(times: Ints) -> Ints:
    """Return the hour of the day (UTC) of each time, 0 to 23."""
    return times // HOUR_US % 24


def at_night(times: Ints) -> NDArray[np.bool_]:
    """Test which times are in the `NIGHT`."""
    hours = hours_of(times)
    return (hours >= NIGHT[0]) | (hours < NIGHT[1])


@dataclass(frozen=True)
class PageShares:
    """Pages of a replay, shared out among what they are about; arrays of shape (pairs,).

    Attributes
    ----------
    values : list of str
        What pages can be about.
    code : array of int64
        Index into `values`; -1 where nobody knows.
    weight : array of float64
        Part of the page.
    time : array of int64, microseconds since 1970
        When the page was sent.
    """

    values: list[str]
    code: Ints
    weight: NDArray[np.float64]
    time: Ints

    def sums(self, which: NDArray[np.bool_] | None = None) -> dict[str, float]:
        """Pages by value."""
        chosen = np.ones(len(self.code), dtype=bool) if which is None else which
        total = np.bincount(
            self.code[chosen] + 1, weights=self.weight[chosen], minlength=len(self.values) + 1
        )
        names = [FURTHER, *(value or NO_VALUE for value in self.values)]
        return {name: float(pages) for name, pages in zip(names, total, strict=True) if pages}


def page_shares(fold: Fold, replay: Replay, value: Callable[[Labels], str]) -> PageShares:
    """Share out the pages of a replay inside the fold's window among what labels say."""
    texts = [value(labels) for labels in fold.backtest.rows.labels]
    values = sorted(set(texts))
    code = {text: number for number, text in enumerate(values)}
    codes = np.array([code[text] for text in texts], dtype=np.int64)
    times, page, about = told_keys(fold.backtest, replay, codes)
    inside = fold.backtest.window.holds(times)[page]
    share = 1 / np.maximum(np.bincount(page, minlength=len(times)), 1)
    return PageShares(values, about[inside], share[page[inside]], times[page[inside]])


@dataclass(frozen=True)
class PageSums:
    """Pages of a window by value.

    Attributes
    ----------
    all, night : tuple of dict of str to float
        Without and with the rules: all pages, and those of the `NIGHT`.
    """

    all: tuple[dict[str, float], dict[str, float]]
    night: tuple[dict[str, float], dict[str, float]]

    @classmethod
    def of(cls, today: PageShares, left: PageShares) -> "PageSums":
        """Sum up the pages without and with the rules."""
        return cls(
            (today.sums(), left.sums()),
            (today.sums(at_night(today.time)), left.sums(at_night(left.time))),
        )


@dataclass(frozen=True)
class Sent:
    """What each receiver is sent in a window, by its name.

    Attributes
    ----------
    known : frozenset of str
        Receivers that are routed to without or with the rules.
    notifications, pages, night : tuple of dict of str to int
        Without and with the rules; pages, and those of the `NIGHT`, inside the window.
    """

    known: frozenset[str]
    notifications: tuple[dict[str, int], dict[str, int]]
    pages: tuple[dict[str, int], dict[str, int]]
    night: tuple[dict[str, int], dict[str, int]]

    @classmethod
    def of(cls, fold: Fold) -> "Sent":
        """Count."""
        known: set[str] = set()
        sent: list[dict[str, int]] = []
        pages: list[dict[str, int]] = []
        night: list[dict[str, int]] = []
        for replay in (fold.backtest.baseline, fold.candidate):
            table = replay.receivers
            known |= set(table["receiver"])
            sent.append(dict(zip(table["receiver"], table["notifications"], strict=True)))
            notes = replay.notifications
            times = notes["time"].to_numpy(dtype=np.int64)
            counts = notes["page"].to_numpy(dtype=bool) & fold.backtest.window.holds(times)
            names = notes["receiver"].to_numpy().astype(object)
            pages.append(Counter(names[counts].tolist()))
            night.append(Counter(names[counts & at_night(times)].tolist()))
        return cls(frozenset(known), (sent[0], sent[1]), (pages[0], pages[1]), (night[0], night[1]))


@dataclass(frozen=True)
class JudgedWindow:
    """What is left of a fold for figures: none of its alerts.

    Attributes
    ----------
    window : HistoryWindow
        Where pages and incidents count.
    config : Config
        Today's configuration.
    rules : tuple of Rule
        The rules that were judged.
    effect : BacktestResult
        What they do.
    alerts, points : int
        Rows that were replayed, and those of them that end as they start.
    heartbeats : tuple of dict of str to str
        Label sets of heartbeats.
    """

    window: HistoryWindow
    config: Config
    rules: tuple[Rule, ...]
    effect: BacktestResult
    alerts: int
    points: int
    heartbeats: tuple[Labels, ...]

    @classmethod
    def of(cls, fold: Fold) -> "JudgedWindow":
        """Take what figures need."""
        return cls(**_judged(fold))

    def changing_heartbeats(self, rules: Sequence[Rule]) -> dict[str, str]:
        """Find the rules that would change a heartbeat, as `Backtest.changing_heartbeats`."""
        return changing_heartbeats(self.config, rules, self.heartbeats)


def _judged(fold: Fold) -> dict[str, Any]:
    backtest = fold.backtest
    rows = backtest.rows
    return {
        "window": backtest.window,
        "config": backtest.config,
        "rules": fold.rules,
        "effect": fold.effect,
        "alerts": len(rows),
        "points": int((rows.ends == rows.starts).sum()),
        "heartbeats": backtest.heartbeat_labels,
    }


@dataclass(frozen=True)
class JudgedFold(JudgedWindow):
    """What is left of a fold for tables: sums, and how long alerts last for medians.

    Attributes
    ----------
    stages : tuple of dict of str to int
        Counts from events to pages, without and with the rules.
    names, teams : PageSums
        Pages by alert name and by label ``team``.
    hours : dict of int to dict of str to float
        Hour of the night (UTC) → pages with the rules by alert name.
    services : dict of str to float
        Pages with the rules by alert name and service, with a zero character between them.
    sent : Sent
        What receivers are sent.
    held : dict of str to int
        Alert name → alerts that a rule holds.
    held_by : tuple of int
        Alerts that each rule holds.
    lasts, paged : dict of str to array of float64, seconds
        Alert name → how long its alerts last: all of the window, and those that page with the
        rules.
    """

    stages: tuple[dict[str, int], dict[str, int]]
    names: PageSums
    teams: PageSums
    hours: dict[int, dict[str, float]]
    services: dict[str, float]
    sent: Sent
    held: dict[str, int]
    held_by: tuple[int, ...]
    lasts: dict[str, NDArray[np.float64]]
    paged: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, fold: Fold) -> "JudgedFold":
        """Take what tables need."""
        backtest = fold.backtest
        rows, window = backtest.rows, backtest.window
        left = page_shares(fold, fold.candidate, _alertname)
        both = page_shares(
            fold, fold.candidate, lambda one: f"{_alertname(one)}\0{service_of(one)}"
        )
        inside = np.flatnonzero(window.holds(rows.starts))
        first = fold.candidate.alerts["first_page"].to_numpy(dtype=np.int64)
        counts = np.bincount(rows.series[inside], minlength=len(rows.labels))
        holding = backtest.held_by(fold.rules)
        held = Counter[str]()
        for labels, alerts in zip(rows.labels, (counts * (holding != "")).tolist(), strict=True):
            held[_alertname(labels)] += alerts
        return cls(
            **_judged(fold),
            stages=(backtest.baseline.stages, fold.candidate.stages),
            names=PageSums.of(page_shares(fold, backtest.baseline, _alertname), left),
            teams=PageSums.of(
                page_shares(fold, backtest.baseline, _team),
                page_shares(fold, fold.candidate, _team),
            ),
            hours={hour: left.sums(hours_of(left.time) == hour) for hour in NIGHT_HOURS},
            services=both.sums(),
            sent=Sent.of(fold),
            held=dict(held),
            held_by=tuple(int(counts[holding == rule.id].sum()) for rule in fold.rules),
            lasts=_seconds_by_name(fold, inside),
            paged=_seconds_by_name(fold, inside[first[inside] >= 0]),
        )


def _seconds_by_name(fold: Fold, which: Ints) -> dict[str, NDArray[np.float64]]:
    """How long some rows last up to the end of the replay, by alert name."""
    rows = fold.backtest.rows
    seconds = (np.minimum(rows.ends[which], fold.backtest.until) - rows.starts[which]) / SECOND_US
    names = np.array([_alertname(labels) for labels in rows.labels], dtype=str)
    values, code = np.unique(names, return_inverse=True)
    code = code[rows.series[which]]
    order = np.argsort(code, kind="stable")
    parts = np.split(seconds[order], np.searchsorted(code[order], np.arange(1, len(values))))
    return {name: part for name, part in zip(values.tolist(), parts, strict=True) if len(part)}


def _median(folds: Sequence[dict[str, NDArray[np.float64]]], name: str) -> float:
    """Median of a name's seconds, rounded; 0 without any."""
    parts = [fold[name] for fold in folds if name in fold]
    return round(float(np.median(np.concatenate(parts))), 1) if parts else 0.0


def pages_by(parts: Sequence[PageSums]) -> list[Pages]:
    """Count pages without and with the rules by something that labels say.

    Parameters
    ----------
    parts : sequence of PageSums
        Sums of each judged window.

    Returns
    -------
    list of Pages
        A row a value, the one with most pages today first. A page about several is shared out
        equally, so that rows add up to all pages.
    """
    sums: list[Counter[str]] = [Counter() for _ in range(4)]
    for part in parts:
        for total, found in zip(sums, (*part.all, *part.night), strict=True):
            total.update(found)
    rows = [
        Pages(
            value=name,
            baseline=round(sums[0][name], 1),
            candidate=round(sums[1][name], 1),
            baseline_night=round(sums[2][name], 1),
            candidate_night=round(sums[3][name], 1),
        )
        for name in sums[0] | sums[1]
    ]
    return sorted(rows, key=lambda row: (-row.baseline, -row.candidate, row.value))


def by_team(folds: Sequence[JudgedFold]) -> list[Pages]:
    """Count pages by label ``team``."""
    return pages_by([fold.teams for fold in folds])


def _alertname(labels: Labels) -> str:
    return labels.get("alertname", "")


def _team(labels: Labels) -> str:
    return labels.get("team", "")


def by_name(folds: Sequence[JudgedFold]) -> list[NameOutcome]:
    """Say what is different for each alert name.

    Parameters
    ----------
    folds : sequence of JudgedFold
        Judged windows.

    Returns
    -------
    list of NameOutcome
        The name with most pages today first, at most `_MOST` and all that are held.
    """
    alerts, held = Counter[str](), Counter[str]()
    for fold in folds:
        alerts.update({name: len(seconds) for name, seconds in fold.lasts.items()})
        held.update(fold.held)
    touched: dict[str, list[TicketedIncident]] = {}
    for fold in folds:
        for incident in fold.effect.notified:
            for name in incident.names:
                touched.setdefault(name, []).append(incident)
    found = []
    for position, row in enumerate(pages_by([fold.names for fold in folds])):
        name = row.value
        if position >= _MOST and not held[name]:
            continue
        mine = touched.get(name, [])
        found.append(
            NameOutcome(
                **row.model_dump(),
                alerts=alerts[name],
                held=held[name],
                incidents=len(mine),
                delayed=sum(60 < each.delay < float("inf") for each in mine),
                missed=sum(each.missed for each in mine),
                median_seconds=_median([fold.lasts for fold in folds], name),
            )
        )
    return found


def remaining(folds: Sequence[JudgedFold]) -> list[RemainingAlerts]:
    """List what still pages, by alert name: what can only be mended at its source.

    Parameters
    ----------
    folds : sequence of JudgedFold
        Judged windows.

    Returns
    -------
    list of RemainingAlerts
        The name with most pages that are left first, at most `_MOST`.
    """
    left, nights, hours = Counter[str](), Counter[str](), Counter[tuple[str, int]]()
    services: dict[str, Counter[str]] = {}
    noisy: set[str] = set()
    for fold in folds:
        noisy |= {
            matcher.value
            for rule in fold.rules
            if isinstance(rule, HoldRule)
            for matcher in rule.matchers
            if matcher.label == "alertname"
        }
        left.update(fold.names.all[1])
        nights.update(fold.names.night[1])
        for hour, found in fold.hours.items():
            for name, pages in found.items():
                hours[name, hour] += pages  # type: ignore[assignment]
        for key, pages in fold.services.items():
            name, _, service = key.partition("\0")
            services.setdefault(name, Counter())[service] += pages  # type: ignore[assignment]
    total = sum(left.values())
    return [
        RemainingAlerts(
            name=name,
            noisy=name in noisy,
            pages=round(pages, 1),
            share=round(pages / total, 6),
            night=round(nights[name], 1),
            night_hours={f"{hour:02d}": round(hours[name, hour], 1) for hour in NIGHT_HOURS},
            median_seconds=_median([fold.paged for fold in folds], name),
            services=[
                service
                for service, _ in sorted(
                    services.get(name, Counter()).items(), key=lambda pair: (-pair[1], pair[0])
                )
                if service
            ][:5],
        )
        for name, pages in sorted(left.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST]
    ]


def rule_key(rule: Rule) -> tuple[object, ...]:
    """Say what makes rules of different windows the same: alert name and pager."""
    names = tuple(matcher.value for matcher in rule.matchers if matcher.label == "alertname")
    if isinstance(rule, HoldRule):
        return rule.family, names, rule.receiver, rule.active, rule.mute
    return (rule.family, rule.id)


def by_rule(rules: Sequence[Rule], folds: Sequence[JudgedFold]) -> list[RuleOutcome]:
    """List every rule with what rules like it did in the judged windows.

    Parameters
    ----------
    rules : sequence of Rule
        The rule set.
    folds : sequence of JudgedFold
        Judged windows, with rules of their own.

    Returns
    -------
    list of RuleOutcome
        A row a rule, in the order of the set. The pages that an alert name saves are shared out by
        the alerts that its rules hold.
    """
    saved = {row.value: row.saved for row in pages_by([fold.names for fold in folds])}
    alerts: Counter[object] = Counter()
    of_name: Counter[str] = Counter()
    for fold in folds:
        for rule, count in zip(fold.rules, fold.held_by, strict=True):
            alerts[rule_key(rule)] += count
            for matcher in rule.matchers:
                if matcher.label == "alertname":
                    of_name[matcher.value] += count
    found = []
    for rule in rules:
        mine = alerts[rule_key(rule)]
        pages = 0.0
        for matcher in rule.matchers:
            if matcher.label == "alertname" and of_name[matcher.value]:
                pages += saved.get(matcher.value, 0.0) * mine / of_name[matcher.value]
        found.append(RuleOutcome(rule=rule, pages_saved=round(pages, 1), alerts=mine))
    return found


def stages(counts: Sequence[dict[str, int]]) -> Stages:
    """Add up the counts from events to pages of several replays (each with its warm-up)."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return Stages(**total)


def receivers(folds: Sequence[JudgedFold]) -> list[ReceiverOutcome]:
    """Count what each receiver is sent in the judged windows, pagers first.

    Parameters
    ----------
    folds : sequence of JudgedFold
        Judged windows.

    Returns
    -------
    list of ReceiverOutcome
        A row a receiver with integrations that is routed to without or with the rules. Pagers:
        pages; others: notifications, those of `FOLLOW_UP_US` after each window among them.
    """
    pages: list[Counter[str]] = [Counter() for _ in range(4)]
    sent: list[Counter[str]] = [Counter(), Counter()]
    known: set[str] = set()
    for fold in folds:
        known |= fold.sent.known
        for at in range(2):
            sent[at].update(fold.sent.notifications[at])
            pages[at].update(fold.sent.pages[at])
            pages[2 + at].update(fold.sent.night[at])
    rows = []
    for each in folds[0].config.receivers:
        if not each.integrations or each.name not in known:
            continue
        counted = pages[:2] if each.pages else sent
        rows.append(
            ReceiverOutcome(
                receiver=each.name,
                pager=each.pages,
                baseline=int(counted[0][each.name]),
                candidate=int(counted[1][each.name]),
                baseline_night=pages[2][each.name] if each.pages else None,
                candidate_night=pages[3][each.name] if each.pages else None,
            )
        )
    return sorted(rows, key=lambda row: (not row.pager, -row.baseline, row.receiver))


def incidents(found: Sequence[TicketedIncident]) -> list[IncidentOutcome]:
    """List incidents: missed ones first, those that a gate counts before others, then by delay.

    Parameters
    ----------
    found : sequence of TicketedIncident
        Incidents.

    Returns
    -------
    list of IncidentOutcome
        A row an incident.
    """

    def rank(incident: TicketedIncident) -> tuple[int, bool, float, str]:
        if incident.missed:
            return 0, not incident.credible, 0.0, incident.ticket
        if incident.baseline_notified:
            return 1, False, -incident.delay, incident.ticket
        return 2, False, 0.0, incident.ticket

    return [_incident(incident) for incident in sorted(found, key=rank)]


def _incident(incident: TicketedIncident) -> IncidentOutcome:
    notified, known = incident.baseline_notified, incident.known
    return IncidentOutcome(
        ticket=incident.ticket,
        title=known.title,
        service=known.service,
        severity=known.severity,
        starts=moment(incident.starts),
        baseline_first_page=moment(incident.baseline_first_page) if notified else None,
        candidate_first_page=moment(incident.candidate_first_page)
        if incident.candidate_first_page >= 0
        else None,
        credible=incident.credible,
        missed=incident.missed,
        strict_missed=incident.strict_missed,
        told_by_service=incident.told_by_service,
        delay_seconds=round(incident.delay, 3) if notified and not incident.missed else None,
        rules=list(incident.rules),
        names=list(incident.names),
        vanished=incident.vanished,
        assumed_link=incident.assumed_link,
        heard_after_seconds=incident.heard_after if incident.missed else None,
    )
