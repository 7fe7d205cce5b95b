"""Findings that say the same thing of many series, or again and again, become one."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.aiops.findings import Finding, in_order

MINUTE_US = 60_000_000
ALERT_GAP = 5 * MINUTE_US
MOST_NAMED = 20


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """Merge findings of one kind at one service that start at about the same time.

    When a source fails, each of its series has a gap: that is one thing, not a thousand. Of other
    kinds only those of one metric, message, edge or alert name are the same thing. Near: within a
    step of the metric, `ALERT_GAP` of alerts, or while what moved on the map goes on.
    """
    open_: dict[tuple[str, ...], list[Finding]] = {}
    done: list[list[Finding]] = []
    unique = {one.id: one for one in findings}
    for one in in_order(unique.values()):
        key = _key(one)
        group = open_.get(key)
        if group is None or one.start_us - _reach(group) > _gap(one):
            group = open_[key] = []
            done.append(group)
        group.append(one)
    return in_order(_one(group) for group in done)


def _key(one: Finding) -> tuple[str, ...]:
    if one.kind == "missing_data":
        return (one.signal, one.kind, one.service)
    labels = one.labels
    same = (labels.get("alertname") if one.signal == "alert" else labels.get("__name__"),
            labels.get("template"), labels.get("from"), labels.get("to"))  # fmt: skip
    slot = labels.get("slot", "") + labels.get("value", "") if one.signal == "log" else ""
    return (one.signal, one.kind, one.service, slot, *(text or "" for text in same))


def _reach(group: Sequence[Finding]) -> int:
    """From when on the next one is measured: an edge's end, else the latest start."""
    last = group[-1]
    return max(one.end_us for one in group) if last.signal == "service_map" else last.start_us


def _gap(one: Finding) -> int:
    if one.signal == "alert":
        return ALERT_GAP
    if one.signal == "service_map":
        return 0
    return int(one.evidence.get("step_us", 0))


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
        end_us=max(one.end_us for one in group),
        score=max(one.score for one in group),
        sentence=sentence,
        evidence={
            **first.evidence,
            "others": len(others),
            "other_findings": [one.id for one in others[:MOST_NAMED]],
        },
    )
