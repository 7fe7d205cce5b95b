"""Findings before they are grouped: those that say the same become one, background alerts go.

Most alerts are notified on most days, whatever happens. That one comes again today says
nothing; that one comes which has been away for two weeks does.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from itertools import combinations
from math import fsum, log, log10

from pipelines.aiops.incidents.contract import LABELS, habit_subject, subject_of
from pipelines.aiops.incidents.model import Graph, Subject, SubjectSignal, name_of_finding
from pipelines.aiops.lake.contract import ALERTS
from pipelines.aiops.lake.findings import Finding, in_order
from pipelines.aiops.lake.window import Window, rows_between
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.analysis import SubjectLabels
from pipelines.core.time import DAY_US, MINUTE_US

ALERT_GAP = 5 * MINUTE_US
MOST_NAMED = 20


def deduplicate_findings(
    findings: Sequence[Finding], subjects: Mapping[str, Subject | None] | None = None
) -> list[Finding]:
    """Merge findings of one kind at one subject that start at about the same time.

    When a source fails, each of its series has a gap: that is one thing, not a thousand. Of other
    kinds only those of one metric, message, edge or alert name are the same thing. Near: within a
    step of the metric, `ALERT_GAP` of alerts, or while what moved on the map goes on.

    Parameters
    ----------
    findings : sequence of Finding
        Findings, any order; of equal ids the last counts.
    subjects : mapping of str to Subject or None, optional
        Finding's id → what it is about: alerts of two hosts, or of two edges, stay two, those of
        instances of one service are one. None: services alone tell them apart.

    Returns
    -------
    list of Finding
        The first finding of each group, with the group's end and largest score; in order.
    """
    open_: dict[tuple[str, ...], list[Finding]] = {}
    done: list[list[Finding]] = []
    unique = {finding.id: finding for finding in findings}
    for finding in in_order(unique.values()):
        key = _key(finding, (subjects or {}).get(finding.id))
        group = open_.get(key)
        if group is None or finding.start_us - _reach(group) > _gap(finding):
            group = open_[key] = []
            done.append(group)
        group.append(finding)
    return in_order(_one(group, subjects or {}) for group in done)


def _key(finding: Finding, subject: Subject | None) -> tuple[str, ...]:
    where: tuple[str, ...] = (finding.service,)
    if subject is not None and (subject.kind != "instance" or not finding.service):
        where = (subject.kind, subject.name)
    if finding.kind == "missing_data":
        return (finding.signal, finding.kind, *where)
    labels = finding.labels
    same = (labels.get("alertname") if finding.signal == "alert" else labels.get("__name__"),
            labels.get("template"), labels.get("from"), labels.get("to"))  # fmt: skip
    slot = labels.get("slot", "") + labels.get("value", "") if finding.signal == "log" else ""
    return (finding.signal, finding.kind, *where, slot, *(text or "" for text in same))


def _reach(group: Sequence[Finding]) -> int:
    """From when on the next one is measured: an edge's end, else the latest start."""
    last = group[-1]
    return (
        max(finding.end_us for finding in group) if last.signal == "service_map" else last.start_us
    )


def _gap(finding: Finding) -> int:
    if finding.signal == "alert":
        return ALERT_GAP
    if finding.signal == "service_map":
        return 0
    return int(finding.evidence.get("step_us", 0))


def _one(group: Sequence[Finding], subjects: Mapping[str, Subject | None]) -> Finding:
    first, others = group[0], group[1:]
    if not others:
        return first
    what = {"alert": "alert", "metric": "series"}.get(first.signal, "finding")
    plural = what if len(others) == 1 or what == "series" else f"{what}s"
    sentence = f"{first.sentence.removesuffix('.')}, and {len(others)} other {plural}."
    if first.signal == "service_map":
        sentence = first.sentence  # The same thing goes on.
    instances: dict[str, int] = {}
    for finding in group:
        subject = subjects.get(finding.id)
        if subject is not None and subject.kind == "instance":
            instances.setdefault(subject.name, finding.start_us)
    return replace(
        first,
        end_us=max(finding.end_us for finding in group),
        score=max(finding.score for finding in group),
        sentence=sentence,
        evidence={
            **first.evidence,
            "others": len(others),
            "other_findings": [finding.id for finding in others[:MOST_NAMED]],
            **({"instances": instances} if len(instances) > 1 else {}),
        },
    )


LEAST = 2
"""Days that make something usual."""
HABIT_BIN = 10 * MINUTE_US
"""Alerts in one such stretch came together; about how far apart in time alerts of one fault are."""
Key = tuple[str, Subject | None]
"""Alert name and subject."""


@dataclass
class AlertHistory:
    """What alerts came before a time, when and together with what.

    Attributes
    ----------
    days : dict of Key to set of int
        Days on which an alert began.
    stretches : dict of Key to set of int
        Stretches of `HABIT_BIN` in which one began, counted back from the history's end.
    end_us : int
        End of the history, microseconds since 1970.
    """

    days: dict[Key, set[int]]
    stretches: dict[Key, set[int]]
    end_us: int

    @cached_property
    def known_stretches(self) -> int:
        """Stretches from the first alert to the end; before it nothing is known."""
        return max((n + 1 for own in self.stretches.values() for n in own), default=0)

    @cached_property
    def together(self) -> dict[frozenset[str], float]:
        """Two alert names → how regularly they came together at one subject.

        Jaccard's index of the stretches in which they came, over all subjects, with one stretch
        more in which they didn't come together: what came once proves no habit.
        """
        alone: Counter[str] = Counter()
        both: Counter[frozenset[str]] = Counter()
        at: dict[tuple[Subject | None, int], set[str]] = {}
        for (name, subject), own in self.stretches.items():
            alone[name] += len(own)
            for n in own:
                at.setdefault((subject, n), set()).add(name)
        for names in at.values():
            if len(names) <= MOST_TOGETHER:  # A flood says nothing about any two of it.
                both.update(frozenset(pair) for pair in combinations(sorted(names), 2))
        found = {}
        for pair, n in both.items():
            one, other = pair
            found[pair] = n / (alone[one] + alone[other] - n + 1)
        return found


MOST_TOGETHER = 60


def _chance(count: int, known: int) -> float:
    """Chance of what came in so many of the known days or stretches (Krichevsky, Trofimov)."""
    return (count + 0.5) / (known + 1)


def read_alert_history(params: AiopsParams, window: Window, graph: Graph) -> AlertHistory:
    """Read which alerts came in the days before a window.

    Parameters
    ----------
    params : AiopsParams
        Settings of stage `group_incidents`, and where the lake lies.
    window : Window
        Nothing in it or later is read.
    graph : Graph
        Tells instances' services.

    Returns
    -------
    AlertHistory
        Of whole days, and the part of the window's first day that lies before it.
    """
    import pyarrow as pa

    midnight = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight - timedelta(days=params.group_incidents.background_days)
    before = Window(first, window.start if window.start > first else midnight)
    rows = rows_between(params, ALERTS, before, columns=["name", "labels", "starts_at"])
    starts = rows["starts_at"].cast(pa.int64()).to_numpy()
    found = AlertHistory({}, {}, before.end_us)
    keys: dict[tuple[str, tuple[tuple[str, str], ...]], Key] = {}
    for name, labels, start in zip(
        rows["name"].to_pylist(), rows["labels"].to_pylist(), starts.tolist(), strict=True
    ):
        series = (name, tuple(labels or ()))
        if series not in keys:
            own = {"alertname": name, **dict(labels or ())}
            keys[series] = (name, habit_subject(own, graph, params.group_incidents.subjects))
        key = keys[series]
        found.days.setdefault(key, set()).add(start // DAY_US)
        found.stretches.setdefault(key, set()).add((before.end_us - 1 - start) // HABIT_BIN)
    return found


def split_background_alerts(
    params: AiopsParams,
    window: Window,
    alerts: Sequence[Finding],
    graph: Graph,
    history: AlertHistory,
) -> tuple[list[Finding], list[Finding]]:
    """Score alerts by how rare they are; split those that are news from those that come anyway.

    The score is -log10 of the chance of a day with such an alert (name and subject), from the days
    before the window: (days with it + 1/2) / (days + 1), Krichevsky and Trofimov's estimate. Days
    count from the first with any alert: before it nothing is known.

    Parameters
    ----------
    params : AiopsParams
        Settings of stage `group_incidents`.
    window : Window
        The days before its first one are what is usual; nothing later is read.
    alerts : sequence of Finding
        Alerts of the window, as findings.
    graph : Graph
        Tells instances' services.
    history : AlertHistory
        What came before the window.

    Returns
    -------
    (list of Finding, list of Finding)
        News, and background alerts, both in the given order and scored. Evidence
        ``stretches_with_it`` and ``stretches_before`` say how rare an alert is in ten minutes.
    """
    about = params.group_incidents
    today = window.start_us // DAY_US
    seen = {key: {day for day in own if day < today} for key, own in history.days.items()}
    known = today - min((day for own in seen.values() for day in own), default=today)
    news: list[Finding] = []
    background: list[Finding] = []
    for finding in alerts:
        key = (
            finding.labels.get("alertname", ""),
            habit_subject(finding.labels, graph, about.subjects),
        )
        count = len(seen.get(key, ()))
        chance = _chance(count, known)
        counts = {
            "days_with_it": count,
            "days_before": known,
            "stretches_with_it": len(history.stretches.get(key, ())),
            "stretches_before": history.known_stretches,
        }
        scored = replace(
            finding, score=round(-log10(chance), 3), evidence={**finding.evidence, **counts}
        )
        is_background = count >= LEAST and count > about.background_share * known
        (background if is_background else news).append(scored)
    return news, background


def subject_signals(
    findings: Sequence[Finding],
    graph: Graph,
    together: Mapping[frozenset[str], float] | None = None,
    names: SubjectLabels = LABELS,
) -> list[SubjectSignal]:
    """Turn an incident's findings into evidence about subjects.

    Findings of one name at one subject are one signal. Signals of a subject that always came
    together before weigh about one in all: each weighs one over the sum of its likeness to all of
    them. Where more instances of one host show signals than chance lets, the host has a signal.

    Parameters
    ----------
    findings : sequence of Finding
        Of one incident, any order.
    graph : Graph
        Relations between subjects.
    together : mapping of frozenset of str to float, optional
        `AlertHistory.together`.
    names : SubjectLabels
        Which labels name what.

    Returns
    -------
    list of SubjectSignal
        Sorted by start, then the most surprising, then subject and name.

    Notes
    -----
    The weight is that of sequences that are alike (Vingron and Sibbald 1993): k equal signals weigh
    1/k each. A host's surprise is that of drawing instances at random (hypergeometric), Bonferroni
    corrected for the number of hosts.
    """
    parts: dict[tuple[Subject, str], list[Finding]] = {}
    for finding in in_order(findings):
        subject = subject_of(finding, graph, names)
        if subject is None:
            continue
        what = name_of_finding(finding)
        instances = finding.evidence.get("instances") or {subject.name: finding.start_us}
        for name, start in sorted(instances.items()):
            own = replace(finding, start_us=start, end_us=max(start, finding.end_us))
            parts.setdefault((replace(subject, name=name), what), []).append(own)
    mine: dict[Subject, list[str]] = {}
    for subject, what in parts:
        mine.setdefault(subject, []).append(what)
    alike = together or {}
    found = [
        SubjectSignal(
            subject,
            what,
            own[0].start_us,
            max(finding.end_us for finding in own),
            max(surprise_of(finding) for finding in own),
            1 / (1 + fsum(alike.get(frozenset((what, other)), 0.0)
                          for other in mine[subject] if other != what)),
            tuple(finding.id for finding in own),
        )
        for (subject, what), own in parts.items()
    ]  # fmt: skip
    found += _hosts_of_many(found, graph)
    return sorted(found, key=lambda s: (s.start_us, -s.surprise, s.subject, s.what))


def surprise_of(finding: Finding) -> float:
    """Return how surprising a finding is, in nats.

    Parameters
    ----------
    finding : Finding
        An alert's evidence says in how many stretches of time before it came; of others the score
        is -log10 of the chance.

    Returns
    -------
    float
        Zero or more.
    """
    count, known = (finding.evidence.get(f"stretches_{name}") for name in ("with_it", "before"))
    if count is None or known is None:
        return finding.score * log(10)
    return -log(_chance(count, known))


SEVERAL = "several_instances"
"""Name of a host's signal that several of its instances show something."""


def _hosts_of_many(signals: Sequence[SubjectSignal], graph: Graph) -> list[SubjectSignal]:
    placed = {guest for own in graph.guests.values() for guest in own}
    first: dict[str, SubjectSignal] = {}
    for one in sorted(signals, key=lambda s: (s.start_us, s.subject, s.what)):
        if one.subject.kind == "instance" and one.subject.name in placed:
            first.setdefault(one.subject.name, one)
    if len(first) < LEAST or len(graph.guests) < LEAST:
        return []
    from scipy.stats import hypergeom

    found = []
    for host, guests in sorted(graph.guests.items()):
        here = sorted((first[name] for name in guests & first.keys()), key=lambda s: s.start_us)
        if len(here) < LEAST:
            continue
        chance = float(hypergeom.sf(len(here) - 1, len(placed), len(guests), len(first)))
        surprise = -log(min(1.0, max(chance, 1e-300) * len(graph.guests)))
        if surprise > 0:
            found.append(
                SubjectSignal(
                    Subject("host", host),
                    SEVERAL,
                    here[0].start_us,
                    max(one.end_us for one in here),
                    surprise,
                    findings=tuple(sorted({id_ for one in here for id_ in one.findings})),
                )
            )
    return found
