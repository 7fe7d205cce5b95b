"""Findings before they are grouped: those that say the same become one, background alerts go.

Most alerts are notified on most days, whatever happens. That one comes again today says
nothing; that one comes which has been away for two weeks does.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import log10

from pipelines.aiops.lake.contract import ALERTS, service_of
from pipelines.aiops.lake.findings import Finding, in_order
from pipelines.aiops.lake.window import Window, rows_between
from pipelines.aiops.params import AiopsParams
from pipelines.core.time import DAY_US, MINUTE_US

ALERT_GAP = 5 * MINUTE_US
MOST_NAMED = 20


def deduplicate_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Merge findings of one kind at one service that start at about the same time.

    When a source fails, each of its series has a gap: that is one thing, not a thousand. Of other
    kinds only those of one metric, message, edge or alert name are the same thing. Near: within a
    step of the metric, `ALERT_GAP` of alerts, or while what moved on the map goes on.

    Parameters
    ----------
    findings : sequence of Finding
        Findings, any order; of equal ids the last counts.

    Returns
    -------
    list of Finding
        The first finding of each group, with the group's end and largest score; in order.
    """
    open_: dict[tuple[str, ...], list[Finding]] = {}
    done: list[list[Finding]] = []
    unique = {finding.id: finding for finding in findings}
    for finding in in_order(unique.values()):
        key = _key(finding)
        group = open_.get(key)
        if group is None or finding.start_us - _reach(group) > _gap(finding):
            group = open_[key] = []
            done.append(group)
        group.append(finding)
    return in_order(_one(group) for group in done)


def _key(finding: Finding) -> tuple[str, ...]:
    if finding.kind == "missing_data":
        return (finding.signal, finding.kind, finding.service)
    labels = finding.labels
    same = (labels.get("alertname") if finding.signal == "alert" else labels.get("__name__"),
            labels.get("template"), labels.get("from"), labels.get("to"))  # fmt: skip
    slot = labels.get("slot", "") + labels.get("value", "") if finding.signal == "log" else ""
    return (finding.signal, finding.kind, finding.service, slot, *(text or "" for text in same))


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


def _one(group: Sequence[Finding]) -> Finding:
    first, others = group[0], group[1:]
    if not others:
        return first
    what = {"alert": "alert", "metric": "series"}.get(first.signal, "finding")
    plural = what if len(others) == 1 or what == "series" else f"{what}s"
    sentence = f"{first.sentence.removesuffix('.')}, and {len(others)} other {plural}."
    if first.signal == "service_map":
        sentence = first.sentence  # The same thing goes on.
    return replace(
        first,
        end_us=max(finding.end_us for finding in group),
        score=max(finding.score for finding in group),
        sentence=sentence,
        evidence={
            **first.evidence,
            "others": len(others),
            "other_findings": [finding.id for finding in others[:MOST_NAMED]],
        },
    )


LEAST = 2
"""Days that make something usual."""
Subject = tuple[str, str]
"""Alert name and service."""


def split_background_alerts(
    params: AiopsParams, window: Window, alerts: Sequence[Finding]
) -> tuple[list[Finding], list[Finding]]:
    """Score alerts by how rare they are; split those that are news from those that come anyway.

    The score is -log10 of the chance of a day with such an alert (name and service), from the days
    before the window: (days with it + 1/2) / (days + 1), Krichevsky and Trofimov's estimate. Days
    count from the first with any alert: before it nothing is known.

    Parameters
    ----------
    params : AiopsParams
        Settings of stage `group_incidents`, and where the lake lies.
    window : Window
        The days before its first one are what is usual; nothing later is read.
    alerts : sequence of Finding
        Alerts of the window, as findings.

    Returns
    -------
    (list of Finding, list of Finding)
        News, and background alerts, both in the given order and scored.
    """
    about = params.group_incidents
    midnight = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
    before = Window(midnight - timedelta(days=about.background_days), midnight)
    seen = _days_of(params, before)
    today = before.end_us // DAY_US
    known = today - min((day for own in seen.values() for day in own), default=today)
    news: list[Finding] = []
    background: list[Finding] = []
    for finding in alerts:
        count = len(seen.get((finding.labels.get("alertname", ""), finding.service), ()))
        chance = (count + 0.5) / (known + 1)
        scored = replace(
            finding,
            score=round(-log10(chance), 3),
            evidence={**finding.evidence, "days_with_it": count, "days_before": known},
        )
        is_background = count >= LEAST and count > about.background_share * known
        (background if is_background else news).append(scored)
    return news, background


def _days_of(params: AiopsParams, window: Window) -> dict[Subject, set[int]]:
    """Subject → days on which such alerts began."""
    import pyarrow as pa

    rows = rows_between(params, ALERTS, window, columns=["name", "labels", "starts_at"])
    days = rows["starts_at"].cast(pa.int64()).to_numpy() // DAY_US
    found: dict[Subject, set[int]] = {}
    known: dict[tuple[str, tuple[tuple[str, str], ...]], set[int]] = {}
    for name, labels, day in zip(
        rows["name"].to_pylist(), rows["labels"].to_pylist(), days.tolist(), strict=True
    ):
        series = (name, tuple(labels or ()))
        if series not in known:
            known[series] = found.setdefault((name, service_of(dict(labels or ()))), set())
        known[series].add(day)
    return found
