"""Tables of judged windows: by alert name, team, receiver, rule and incident."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.evaluation.backtest import Fold
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
from pipelines.aiops.alerting.windows import moment
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
class _Shares:
    """Pages of a replay, shared out among what they are about; arrays of shape (pairs,)."""

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


def _shares(fold: Fold, replay: Replay, value: Callable[[Labels], str]) -> _Shares:
    texts = [value(labels) for labels in fold.backtest.rows.labels]
    values = sorted(set(texts))
    code = {text: number for number, text in enumerate(values)}
    codes = np.array([code[text] for text in texts], dtype=np.int64)
    times, page, about = told_keys(fold.backtest, replay, codes)
    inside = fold.backtest.window.holds(times)[page]
    share = 1 / np.maximum(np.bincount(page, minlength=len(times)), 1)
    return _Shares(values, about[inside], share[page[inside]], times[page[inside]])


def pages_by(folds: Sequence[Fold], value: Callable[[Labels], str]) -> list[Pages]:
    """Count pages without and with the rules by something that labels say.

    Parameters
    ----------
    folds : sequence of Fold
        Judged windows.
    value : callable
        What is counted by: labels to a text.

    Returns
    -------
    list of Pages
        A row a value, the one with most pages today first. A page about several is shared out
        equally, so that rows add up to all pages.
    """
    sums: list[Counter[str]] = [Counter() for _ in range(4)]
    for fold in folds:
        for at, replay in enumerate((fold.backtest.baseline, fold.candidate)):
            shares = _shares(fold, replay, value)
            sums[at].update(shares.sums())
            sums[2 + at].update(shares.sums(at_night(shares.time)))
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


def by_team(folds: Sequence[Fold]) -> list[Pages]:
    """Count pages by label ``team``."""
    return pages_by(folds, lambda labels: labels.get("team", ""))


def _alertname(labels: Labels) -> str:
    return labels.get("alertname", "")


def by_name(folds: Sequence[Fold]) -> list[NameOutcome]:
    """Say what is different for each alert name.

    Parameters
    ----------
    folds : sequence of Fold
        Judged windows.

    Returns
    -------
    list of NameOutcome
        The name with most pages today first, at most `_MOST` and all that are held.
    """
    alerts, held = Counter[str](), Counter[str]()
    lasts: dict[str, list[NDArray[np.float64]]] = {}
    for fold in folds:
        rows = fold.backtest.rows
        inside = np.flatnonzero(fold.backtest.window.holds(rows.starts))
        holding = fold.backtest.held_by(fold.rules) != ""
        names = np.array([_alertname(labels) for labels in rows.labels], dtype=object)
        values, code = np.unique(names.astype(str), return_inverse=True)
        code = code[rows.series[inside]]
        seconds = (
            np.minimum(rows.ends[inside], fold.backtest.until) - rows.starts[inside]
        ) / SECOND_US
        order = np.argsort(code, kind="stable")
        parts = np.split(seconds[order], np.searchsorted(code[order], np.arange(1, len(values))))
        kept = np.bincount(
            code, weights=holding[rows.series[inside]], minlength=len(values)
        ).tolist()
        for value, part, count in zip(values.tolist(), parts, kept, strict=True):
            alerts[value] += len(part)
            held[value] += int(count)
            lasts.setdefault(value, []).append(part)
    touched: dict[str, list[TicketedIncident]] = {}
    for fold in folds:
        for incident in fold.effect.notified:
            for name in incident.names:
                touched.setdefault(name, []).append(incident)
    found = []
    for position, row in enumerate(pages_by(folds, _alertname)):
        name = row.value
        if position >= _MOST and not held[name]:
            continue
        mine = touched.get(name, [])
        parts = lasts.get(name, [])
        found.append(
            NameOutcome(
                **row.model_dump(),
                alerts=alerts[name],
                held=held[name],
                incidents=len(mine),
                delayed=sum(60 < each.delay < float("inf") for each in mine),
                missed=sum(each.missed for each in mine),
                median_seconds=round(float(np.median(np.concatenate(parts))), 1) if parts else 0.0,
            )
        )
    return found


def remaining(folds: Sequence[Fold]) -> list[RemainingAlerts]:
    """List what still pages, by alert name: what can only be mended at its source.

    Parameters
    ----------
    folds : sequence of Fold
        Judged windows.

    Returns
    -------
    list of RemainingAlerts
        The name with most pages that are left first, at most `_MOST`.
    """
    left, nights, hours = Counter[str](), Counter[str](), Counter[tuple[str, int]]()
    services: dict[str, Counter[str]] = {}
    lasts: dict[str, list[NDArray[np.float64]]] = {}
    noisy: set[str] = set()
    for fold in folds:
        rows = fold.backtest.rows
        noisy |= {
            matcher.value
            for rule in fold.rules
            if isinstance(rule, HoldRule)
            for matcher in rule.matchers
            if matcher.label == "alertname"
        }
        shares = _shares(fold, fold.candidate, _alertname)
        left.update(shares.sums())
        nights.update(shares.sums(at_night(shares.time)))
        for hour in NIGHT_HOURS:
            for name, pages in shares.sums(hours_of(shares.time) == hour).items():
                hours[name, hour] += pages  # type: ignore[assignment]
        both = _shares(fold, fold.candidate, lambda one: f"{_alertname(one)}\0{service_of(one)}")
        for key, pages in both.sums().items():
            name, _, service = key.partition("\0")
            services.setdefault(name, Counter())[service] += pages  # type: ignore[assignment]
        first = fold.candidate.alerts["first_page"].to_numpy(dtype=np.int64)
        paged = np.flatnonzero((first >= 0) & fold.backtest.window.holds(rows.starts))
        seconds = (
            np.minimum(rows.ends[paged], fold.backtest.until) - rows.starts[paged]
        ) / SECOND_US
        names = np.array([_alertname(one) for one in rows.labels], dtype=object)
        of_row = names[rows.series[paged]].astype(str)
        for name in np.unique(of_row).tolist():
            lasts.setdefault(name, []).append(seconds[of_row == name])
    total = sum(left.values())
    return [
        RemainingAlerts(
            name=name,
            noisy=name in noisy,
            pages=round(pages, 1),
            share=round(pages / total, 6),
            night=round(nights[name], 1),
            night_hours={f"{hour:02d}": round(hours[name, hour], 1) for hour in NIGHT_HOURS},
            median_seconds=round(float(np.median(np.concatenate(lasts[name]))), 1)
            if name in lasts
            else 0.0,
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


def by_rule(rules: Sequence[Rule], folds: Sequence[Fold]) -> list[RuleOutcome]:
    """List every rule with what rules like it did in the judged windows.

    Parameters
    ----------
    rules : sequence of Rule
        The rule set.
    folds : sequence of Fold
        Judged windows, with rules of their own.

    Returns
    -------
    list of RuleOutcome
        A row a rule, in the order of the set. The pages that an alert name saves are shared out by
        the alerts that its rules hold.
    """
    saved = {row.value: row.saved for row in pages_by(folds, _alertname)}
    alerts: Counter[object] = Counter()
    of_name: Counter[str] = Counter()
    for fold in folds:
        backtest = fold.backtest
        inside = np.bincount(
            backtest.rows.series[backtest.window.holds(backtest.rows.starts)],
            minlength=len(backtest.rows.labels),
        )
        holding = backtest.held_by(fold.rules)
        for rule in fold.rules:
            count = int(inside[holding == rule.id].sum())
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


def stages(replays: Sequence[Replay]) -> Stages:
    """Add up the counts from events to pages of several replays (each with its warm-up)."""
    total: Counter[str] = Counter()
    for each in replays:
        total.update(each.stages)
    return Stages(**total)


def receivers(folds: Sequence[Fold]) -> list[ReceiverOutcome]:
    """Count what each receiver is sent in the judged windows, pagers first.

    Parameters
    ----------
    folds : sequence of Fold
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
        for at, replay in enumerate((fold.backtest.baseline, fold.candidate)):
            table = replay.receivers
            known |= set(table["receiver"])
            sent[at].update(dict(zip(table["receiver"], table["notifications"], strict=True)))
            notes = replay.notifications
            times = notes["time"].to_numpy(dtype=np.int64)
            counts = notes["page"].to_numpy(dtype=bool) & fold.backtest.window.holds(times)
            names = notes["receiver"].to_numpy().astype(object)
            pages[at].update(names[counts].tolist())
            pages[2 + at].update(names[counts & at_night(times)].tolist())
    rows = []
    for each in folds[0].backtest.config.receivers:
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
