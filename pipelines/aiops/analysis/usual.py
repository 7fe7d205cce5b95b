"""Alerts that come anyway: they join an incident, and never make one.

Somebody is told of most alerts of most days, whatever happens. That one comes again today says
nothing; that one comes which has been away for two weeks does.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import log10

from pipelines.aiops.analysis.read import rows_between
from pipelines.aiops.analysis.window import Window
from pipelines.aiops.findings import Finding, service_of
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.telemetry.contract import ALERTS

DAY_US = 86_400_000_000
LEAST = 2
"""Days that make something usual."""
Subject = tuple[str, str]
"""Alert name and service."""


def judged(
    params: AiopsParams, window: Window, alerts: Sequence[Finding]
) -> tuple[list[Finding], list[Finding]]:
    """Score alerts by how rare they are; give those that are news, and those that come anyway.

    The score is -log10 of the chance of a day with such an alert (name and service), from the days
    before the window: (days with it + 1/2) / (days + 1), Krichevsky and Trofimov's estimate. Days
    count from the first with any alert: before it nothing is known.

    Parameters
    ----------
    window
        The days before its first one are what is usual; nothing later is read.
    """
    about = params.group_incidents
    midnight = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
    before = Window(midnight - timedelta(days=about.usual_days), midnight)
    seen = _days_of(params, before)
    today = before.end_us // DAY_US
    known = today - min((day for own in seen.values() for day in own), default=today)
    news: list[Finding] = []
    usual: list[Finding] = []
    for one in alerts:
        count = len(seen.get((one.labels.get("alertname", ""), one.service), ()))
        chance = (count + 0.5) / (known + 1)
        scored = replace(
            one,
            score=round(-log10(chance), 3),
            evidence={**one.evidence, "days_with_it": count, "days_before": known},
        )
        (usual if count >= LEAST and count > about.usual_share * known else news).append(scored)
    return news, usual


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
