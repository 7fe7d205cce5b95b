"""A window of a small shop in a folder: every file that the stages before the report would leave.

Payments gets a bad deployment at 10:30; its errors rise, checkout above it waits, alerts fire.
"""

import math
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.aiops.incidents import Change, Graph, PastIncident, incidents
from pipelines.aiops.lake.findings import Finding, finding_id, in_order
from pipelines.aiops.params.analysis import ReportIncidentsParams
from pipelines.aiops.params.artifacts import INCIDENTS, MOVED
from pipelines.aiops.report.incidents.evidence import LOGS, MAP, METRICS
from pipelines.aiops.service_map.change_impact import change_impact
from pipelines.aiops.service_map.edge_changes import diff_maps
from pipelines.aiops.service_map.model import ServiceMap, write_map
from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import Evidence, Figure, write_evidence
from pipelines.core.files import sha256_file, write_json
from tests.unit.aiops.service_map.spans import NOON_US, built, client, span

Json = dict[str, Any]
MINUTE = 60_000_000
START = NOON_US - 120 * MINUTE
"""10:00 of the day of the spans."""
WINDOW = {"start": "2024-03-09T10:00:00Z", "end": "2024-03-09T12:00:00Z"}
ABOUT = ReportIncidentsParams(title="Incidents of the shop", owner="Shop team")
CALLS = (("web", "checkout"), ("web", "catalog"), ("checkout", "payments"),
         ("checkout", "stock"), ("mobile", "checkout"))  # fmt: skip


def finding(signal: str, kind: str, service: str, minute: float, **more: Any) -> Finding:
    """A finding that begins `minute` minutes into the window."""
    start = START + int(minute * MINUTE)
    end = start + int(more.pop("minutes", 0) * MINUTE)
    labels = more.pop("labels", {})
    id_ = finding_id(signal, kind, {"service": service, **labels}, start)
    sentence = more.pop("sentence", f"{service}: {kind} was seen.")
    given = {"instance": "", "score": 3.0, **more}
    return Finding(id=id_, signal=signal, kind=kind, service=service, labels=labels,  # type: ignore[arg-type]
                   start_us=start, end_us=end, sentence=sentence, **given)  # fmt: skip


def metric_findings() -> list[Finding]:
    seconds = {"unit": "seconds", "rate_per_second": False}
    return [
        finding("metric", "level_shift", "payments", 31, minutes=40, score=8.2,
                labels={"__name__": "http_server_error_share", "pod": "payments-7f9"},
                expected_low=0.0, expected_high=0.02, observed=0.34, instance="payments-7f9",
                sentence="http_server_error_share of payments: a new level from 2024-03-09 "
                "10:31:00 UTC, 0.34 (expected 0 to 0.02).", evidence={"unit": "share"}),
        finding("metric", "spike", "checkout", 33, minutes=12, score=3.0,
                labels={"__name__": "http_request_duration_seconds_p99"},
                expected_low=0.11, expected_high=0.4, observed=2.31, evidence=seconds,
                sentence="http_request_duration_seconds_p99 of checkout: a spike from 2024-03-09 "
                "10:33:00 UTC, 2.31 (expected 0.11 to 0.4)."),
        finding("metric", "missing_data", "stock", 90, minutes=15, score=1.1,
                labels={"__name__": "jvm_memory_used_bytes"}, evidence={"unit": "bytes"},
                sentence="jvm_memory_used_bytes of stock: no values from 2024-03-09 11:30:00 UTC, "
                "for 15 points in a row."),
        finding("metric", "trend_change", "catalog", 70, score=0.8,
                labels={"__name__": "queue_depth"}, observed=812.0, expected_high=90.0,
                sentence="queue_depth of catalog: a new trend from 2024-03-09 11:10:00 UTC, 812."),
    ]  # fmt: skip


def log_findings() -> list[Finding]:
    return [
        finding("log", "new_template", "payments", 31.2, minutes=38, score=4.1,
                labels={"template": "E17"}, observed=118.0, expected_low=0.0, expected_high=0.0,
                evidence={"severity": "error", "first_line": "card authoriser refused: code 5003"},
                sentence="payments wrote a message never seen before (error), 118 times: card "
                "authoriser refused: code <int>"),
        finding("log", "silence", "stock", 91, minutes=14, score=2.0, labels={"template": "E2"},
                observed=840.0, expected_low=0.0, expected_high=65.0,
                sentence="stock fell silent for 0:14:00 (then back) with a message that comes "
                "every 60 s: heartbeat"),
    ]  # fmt: skip


def alert_findings() -> list[Finding]:
    return [
        finding("alert", "alert", service, minute, minutes=length, score=2.0,
                labels={"alertname": name}, sentence=f"Alert {name} of {service} fires.")
        for name, service, minute, length in (
            ("HighErrorRate", "payments", 36, 30),
            ("SlowCheckout", "checkout", 38, 20),
            ("SlowCheckout", "web", 41, 15),
        )
    ]  # fmt: skip


def plot(one: Finding, points: int = 240) -> Json:
    """A day-like course that leaves its band while the finding lasts."""
    chance = random.Random(one.id)
    start = START - 120 * MINUTE
    low, high = one.expected_low, one.expected_high
    usual = ((low or 0) + (high if high is not None else 100.0)) / 2
    step = 5 * MINUTE if one.signal == "log" else MINUTE
    values: list[float | None] = []
    for i in range(points * MINUTE // step):
        at = start + i * step
        inside = one.start_us - step < at <= one.end_us
        value = usual * (1 + 0.3 * math.sin(i / 30) + 0.1 * chance.gauss(0, 1))
        if inside and one.kind == "missing_data":
            values.append(None)
        elif one.signal == "log":
            values.append(float(chance.randint(8, 20)) if inside else 0.0)
        else:
            values.append(one.observed * (1 - 0.2 * chance.random())
                          if inside and one.observed is not None else value)  # fmt: skip
    unit = "lines" if one.signal == "log" else str(one.evidence.get("unit", ""))
    return {"unit": unit, "per_second": False, "step_us": step, "start_us": start,
            "values": values, "low": low, "high": high}  # fmt: skip


def lines(one: Finding) -> list[Json]:
    body = str(one.evidence.get("first_line", "heartbeat"))
    return [
        {"at_us": one.start_us + i * 1_500_000, "severity": "error", "body": f"{body} try={i}"}
        for i in range(3)
    ]


@cache
def shop_map(*, slow: bool = False) -> ServiceMap:
    """Two requests a minute; from 10:30 on payments is slow and fails if `slow`."""
    rows: list[Json] = []
    for minute in range(120):
        bad = slow and minute >= 30
        for i in range(2):
            at, trace = (minute - 120) * 60 + i * 20, f"t{minute}-{i}"
            more: Json = {"trace_id": trace, "at": at}
            took = 40_000 if bad else 4000 + 40 * (minute % 7)
            state = "error" if bad and i else "unset"
            rows += [
                span("web", "1", **more, duration_us=2 * took),
                client("web", "2", "1", **more, duration_us=took + 900, status=state),
                span("checkout", "3", "2", **more, duration_us=took + 600, status=state),
                client("checkout", "4", "3", **more, duration_us=took + 200, status=state),
                span("payments", "5", "4", **more, duration_us=took, status=state),
                client("payments", "6", "5", **more, duration_us=900,
                       attributes={"db.system": "postgresql", "db.name": "ledger"}),
                client("checkout", "7", "3", **more), span("stock", "8", "7", **more),
                client("web", "9", "1", **more), span("catalog", "a", "9", **more),
            ]  # fmt: skip
    return built(*rows)


def leave(
    place: Path,
    metrics: Sequence[Finding] | None = None,
    logs: Sequence[Finding] | None = None,
    alerts: Sequence[Finding] | None = None,
    **more: Any,
) -> Path:
    """Leave all files in `place`; return it."""
    metrics = metric_findings() if metrics is None else metrics
    logs = log_findings() if logs is None else logs
    alerts = alert_findings() if alerts is None else alerts
    plots = more.get("plots", {one.id: plot(one) for one in (*metrics[:3], *logs)})
    shown = more.get("lines", {one.id: lines(one) for one in logs})
    series = {"series": 812, "points": 97440, "uncertain": 3,
              "skipped": {"fewer than 144 points": 12}}  # fmt: skip
    read = {"lines": 482113, "templates": 214, "history_days": 14}
    _findings(place, METRICS, metrics, plots, counts=more.get("metric_counts", series),
              settings={"lookback_days": 15, "fdr_limit": 0.2})  # fmt: skip
    _findings(place, LOGS, logs, plots, lines=shown, counts=more.get("log_counts", read),
              settings={"history_days": 14, "bin_seconds": 300})  # fmt: skip
    changes = more.get("changes", [Change("d-41", "payments", START + 30 * MINUTE,
                                          "payments 4.2.0: new card authoriser")])  # fmt: skip
    now = more.get("map") or shop_map(slow=True)
    before = more.get("map_before", shop_map())
    _map(place, now, before, changes)
    past = more.get("past", [PastIncident(
        "OPS-2211", START - 40 * 1440 * MINUTE, ("payments", "checkout"), ("HighErrorRate",),
        "payments refuses cards", "Rolled payments back to the last release", "fixed",
    )])  # fmt: skip
    found = incidents([*metrics, *logs, *alerts], Graph(frozenset(more.get("calls", CALLS))),
                      changes, past)  # fmt: skip
    _incidents(place, found, [*metrics, *logs, *alerts], more)
    _evidence(place)
    return place


def _findings(place: Path, path: Path, found: Sequence[Finding], plots: Json, **more: Any) -> None:
    ids = {one.id for one in found}
    signal = "metric" if path == METRICS else "log"
    kept = {key: value for key, value in plots.items() if key in ids}
    write_json(place / path, {"format": "signalbox.findings/1", "signal": signal, "window": WINDOW,
                              "findings": [one.as_json() for one in in_order(found)],
                              "plots": kept, **more})  # fmt: skip


def _map(
    place: Path, now: ServiceMap, before: ServiceMap | None, changes: Sequence[Change]
) -> None:
    write_map(now, place / MAP.parent)
    impacts = [
        {
            **change_impact(now, one.service, one.at_us).as_data(),
            "id": one.id,
            "title": one.title,
            "kind": one.kind,
        }
        for one in changes
    ]
    diff = None if before is None else diff_maps(before, now).as_data()
    compared = {"start": "2024-03-08T10:00:00Z", "end": "2024-03-08T12:00:00Z"}
    write_json(place / MOVED, {"format": "signalbox.moved/1", "window": WINDOW,
                               "compared_with": compared, "diff": diff, "changes": impacts,
                               "changes_left_out": 0, "findings": []})  # fmt: skip


def _incidents(place: Path, found: Sequence[Any], findings: Sequence[Finding], more: Json) -> None:
    ids = {id_ for one in found for id_ in one.findings}
    counts: Json = {}
    for one in findings:
        counts[one.signal] = counts.get(one.signal, 0) + 1
    write_json(place / INCIDENTS, {
        "format": "signalbox.incidents/1", "window": WINDOW,
        "inputs": {path.as_posix(): sha256_file(place / path) for path in (METRICS, LOGS, MAP)},
        "counts": {"findings": counts, "incidents": len(found), "earlier_windows": 2,
                   "missing_windows": more.get("missing_windows", [])},
        "graph": {"calls": [list(pair) for pair in sorted(more.get("calls", CALLS))]},
        "findings": {one.id: one.as_json() for one in findings if one.id in ids},
        "incidents": [one.as_json() for one in found],
        "synthetic": more.get("synthetic", True),
    })  # fmt: skip


def _evidence(place: Path) -> None:
    made = {"metric_anomalies": [METRICS], "log_anomalies": [LOGS], "map_services": [MAP, MOVED],
            "group_incidents": [METRICS, LOGS, MAP, MOVED]}  # fmt: skip
    for stage, paths in made.items():
        inputs = {"telemetry/simulated/metrics": "b" * 64}
        if stage == "group_incidents":
            inputs = {path.as_posix(): sha256_file(place / path) for path in paths}
        figure = Figure(id=f"{stage}.found", label="Found", value=4.0, method="count", n=812,
                        unit="findings")  # fmt: skip
        write_evidence(place / evidence_of(stage), Evidence(stage=stage, inputs=inputs,
                                                            figures=[figure]))  # fmt: skip
