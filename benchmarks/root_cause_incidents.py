"""Incidents from alerts: of synthetic histories (grouping, causes, speed), of injected faults.

``python -m benchmarks.root_cause_incidents [--seeds N] [--alerts N] [--days N] [--data PATH]``
prints a line for each history, then one line of JSON. Grouping: precision, recall and F1 of pairs
of alerts that are in one incident, against the simulator's truth; on the alerts of real faults
(what is left when noise was dropped rightly), with the topology and without it, and on all alerts,
noise included (of which each is its own incident in the truth, so that this is a bound, not a
goal). Causes: share of incidents of several services whose true root is first, or among the first
three, from alerts and topology alone.

With ``--data``, a folder with ``fault_alerts*``: injected faults, whose alerts run through
``group_incidents`` hour by hour, as the DAG runs it; incidents a fault, incidents that hold several
faults (and those whose faults aren't next to one another in time), minutes from a fault to its
incident. Beside it the plain rule: what starts within N minutes of the alert before is one. Alerts
are laid out with labels of service, pod and node, or bare (only what the alert itself names); known
is a map of calls, a table of what runs where too, or nothing but the labels.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise as pairwise_of
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.fault_alerts import Fault, FaultAlerts, read_fault_alerts
from pipelines.aiops import group_incidents
from pipelines.aiops.incidents.assemble import incidents
from pipelines.aiops.incidents.grouping import group, pairwise, places_of
from pipelines.aiops.incidents.model import Graph, IncidentsFile, Ints, Subject
from pipelines.aiops.lake.findings import Finding, FindingsFile, finding_id, write_findings
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.lake.window import Window, result_dir
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import LOG_ANOMALIES, METRIC_ANOMALIES, MOVED
from pipelines.aiops.params.telemetry import SimulateParams
from pipelines.aiops.service_map.change_impact import FORMAT as MOVED_FORMAT
from pipelines.core.files import write_json
from pipelines.core.time import MINUTE_US
from pipelines.simulator.simulate import simulate

FIRST_SEED = 101
BASELINE_MINUTES = (1, 5, 10, 30)
HOUR = timedelta(hours=1)


def through_windows(given: FaultAlerts, folder: Path, *, known: str) -> list[IncidentsFile]:
    """Group a lake's alerts window by window, as the DAG does; `known` says what is known.

    ``map``: calls stand on the map. ``table``: so do they, and a table says what runs where.
    ``nothing``: the map is empty; labels say what they say.
    """
    upsert(folder / "lake", {"alerts": given.alerts})
    about: dict[str, Any] = {"signals": False}
    if known == "table":
        about["relations"] = str(folder / "relations.csv")
        with (folder / "relations.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("source", "relation", "target"), *given.relations])
    analysis = {name: str(folder / name) for name in ("lake", "results", "state")}
    params = AiopsParams.model_validate({"analysis": analysis, "group_incidents": about})
    edges = [] if known == "nothing" else given.calls
    times = given.alerts["starts_at"]
    at = pc.min(times).as_py().replace(minute=0, second=0, microsecond=0)
    found = []
    while at <= pc.max(times).as_py():
        window = Window(at, at + HOUR)
        directory = result_dir(folder / "results", window)
        write_window(directory, window, edges)
        earlier = group_incidents.earlier_directories(params, window)
        content, _ = group_incidents.build_incidents(params, window, directory, earlier)
        found.append(content)
        at += HOUR
    return found


def write_window(
    directory: Path,
    window: Window,
    calls: Sequence[tuple[str, str]],
    metrics: Sequence[Finding] = (),
) -> None:
    """Write what the stages before ``group_incidents`` leave: findings, and a map of calls."""
    for name, signal, found in (
        (METRIC_ANOMALIES, "metric", metrics),
        (LOG_ANOMALIES, "log", ()),
    ):
        write_findings(directory / name, FindingsFile(signal, window, found, {}, {}))
    write_json(
        directory / MOVED,
        {"format": MOVED_FORMAT, "window": window.as_json(), "compared_with": None,
         "diff": None, "changes": [], "changes_left_out": 0, "findings": []},
    )  # fmt: skip
    edges = [{"source": a, "target": b} for a, b in calls]
    nodes = [{"id": name} for name in sorted({name for pair in calls for name in pair})]
    write_json(directory / group_incidents.MAP, {"edges": edges, "nodes": nodes})


def of_faults(given: FaultAlerts, found: Sequence[IncidentsFile]) -> dict[str, Any]:
    """Incidents a fault, faults merged, minutes from a fault to its incident."""
    alert_of = {
        finding_id("alert", "alert", {"alert_id": name}, start): name
        for name, start in zip(
            given.alerts["alert_id"].to_pylist(),
            given.alerts["starts_at"].cast(pa.int64()).to_pylist(),
            strict=True,
        )
    }
    parts: dict[str, set[str]] = {}
    begins: dict[str, int] = {}
    for content in found:
        for incident in content.incidents:
            begins[incident.id] = incident.start_us
            for name in incident.findings:
                others = content.findings[name].evidence.get("other_findings", ())
                for one in (name, *others):
                    if one in alert_of:
                        fault = given.fault_of[alert_of[one]]
                        parts.setdefault(fault, set()).add(incident.id)
    return figures_of_faults(given, parts, begins)


def figures_of_faults(
    given: FaultAlerts, parts: dict[str, set[str]], begins: dict[str, int]
) -> dict[str, Any]:
    holds: dict[str, set[str]] = {}
    for fault, own in parts.items():
        for incident in own:
            holds.setdefault(incident, set()).add(fault)
    by_id = {fault.id: fault for fault in given.faults}
    counts = [len(parts.get(fault.id, ())) for fault in given.faults]
    lags = [
        (min(begins[name] for name in parts[fault.id]) - fault.start_us) / MINUTE_US
        for fault in given.faults
        if fault.id in parts
    ]
    merged = [own for own in holds.values() if len(own) > 1]
    apart = [own for own in merged if not _touching([by_id[fault] for fault in own])]
    return {
        "faults": len(counts),
        "faults_without_incident": counts.count(0),
        "incidents_a_fault_median": float(np.median(counts)),
        "incidents_a_fault_p90": float(np.quantile(counts, 0.9, method="inverted_cdf")),
        "faults_of_one_incident": counts.count(1),
        "incidents": len(holds),
        "incidents_of_several_faults": len(merged),
        "of_these_of_faults_apart": len(apart),
        "minutes_to_incident_median": round(float(np.median(lags)), 2),
        "minutes_to_incident_p90": round(float(np.quantile(lags, 0.9)), 2),
    }


def _touching(faults: Sequence[Fault]) -> bool:
    """Whether each begins before the one before it has been over for five minutes."""
    ordered = sorted(faults, key=lambda fault: fault.start_us)
    pairs = pairwise_of(ordered)
    return all(b.start_us - a.end_us <= 5 * MINUTE_US for a, b in pairs)


def within_minutes(given: FaultAlerts, minutes: int) -> dict[str, Any]:
    """Baseline: what starts within so many minutes of the alert before is one incident."""
    rows = sorted(
        zip(
            given.alerts["starts_at"].cast(pa.int64()).to_pylist(),
            given.alerts["alert_id"].to_pylist(),
            strict=True,
        )
    )
    parts: dict[str, set[str]] = {}
    begins: dict[str, int] = {}
    incident, last = "", 0
    for at, name in rows:
        if not incident or at - last > minutes * MINUTE_US:
            incident = name
            begins[name] = at
        last = at
        parts.setdefault(given.fault_of[name], set()).add(incident)
    return figures_of_faults(given, parts, begins)


def faults_as_incidents(data: Path) -> dict[str, Any]:
    """Figures of every ``fault_alerts*`` folder: baselines, then the product."""
    result: dict[str, Any] = {}
    for folder in sorted(data.glob("fault_alerts*")):
        own = result[folder.name] = {}
        given = read_fault_alerts(folder)
        for minutes in BASELINE_MINUTES:
            own[f"within_{minutes}_minutes"] = within_minutes(given, minutes)
        for layout, known in (("labels", "map"), ("labels", "nothing"), ("bare", "map"),
                              ("bare", "table"), ("bare", "nothing")):  # fmt: skip
            with tempfile.TemporaryDirectory() as scratch:
                given = read_fault_alerts(folder, layout)
                found = through_windows(given, Path(scratch), known=known)
            own[f"{layout}_{known}"] = of_faults(given, found)
        for name, figures in own.items():
            print(f"{folder.name} {name}: {figures}", flush=True)
    return result


@dataclass(frozen=True)
class History:
    """Alerts with their truth: the fault (-1: none), and the service each fault began at."""

    starts: Ints
    services: list[str]
    names: list[str]
    fault: Ints
    root: list[str]
    graph: Graph


def history(seed: int, alerts: int, days: int) -> History:
    made = simulate(SimulateParams(seed=seed, alerts=alerts, days=days))
    names = [one.name for one in made.world.services]
    keys = np.asarray(made.alerts.keys)[np.asarray(made.alerts.series)]
    return History(
        np.asarray(made.alerts.start, np.int64) * 1000,
        [names[i] for i in keys[:, 1].tolist()],
        [str(i) for i in keys[:, 0].tolist()],
        np.asarray(made.alerts.fault, np.int64),
        [names[fault.root] for fault in made.timeline.faults],
        Graph(
            frozenset((s.name, names[c]) for s in made.world.services for c in s.calls),
            mapped=frozenset(names),
        ),
    )


def grouping(one: History) -> dict[str, list[float]]:
    real = np.flatnonzero(one.fault >= 0)
    everything = [places_of(Subject("service", name), one.graph) for name in one.services]
    starts, places = one.starts[real], [everything[i] for i in real.tolist()]
    truth = one.fault[real]
    found = {
        "real": pairwise(truth, group(starts, places, one.graph)),
        "real_without_topology": pairwise(truth, group(starts, places, Graph())),
        "all": pairwise(one.fault, group(one.starts, everything, one.graph)),
    }
    return {name: [round(x, 4) for x in values] for name, values in found.items()}


def findings(one: History, rows: Sequence[int]) -> list[Finding]:
    return [
        Finding(
            id=f"{i:08d}",
            signal="alert",
            kind="alert",
            service=one.services[i],
            instance="",
            labels={"alertname": one.names[i]},
            start_us=int(one.starts[i]),
            end_us=int(one.starts[i]),
            score=1.0,
            sentence=f"alert {one.names[i]} at {one.services[i]}",
        )
        for i in rows
    ]


def causes(one: History) -> tuple[int, int, int]:
    """Count incidents of several services, and those whose root is first, or in the first three."""
    real = np.flatnonzero(one.fault >= 0).tolist()
    places = []
    for incident in incidents(findings(one, real), one.graph):
        if len(incident.affected) > 1:
            faults = Counter(int(one.fault[int(i)]) for i in incident.findings)
            order = [cause.service for cause in incident.causes]
            root = one.root[faults.most_common(1)[0][0]]
            places.append(order.index(root) if root in order else len(order) + 3)
    return len(places), sum(p == 0 for p in places), sum(p < 3 for p in places)


def seconds(one: History) -> float:
    every = findings(one, range(len(one.starts)))
    begin = time.perf_counter()
    incidents(every, one.graph)
    return time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--alerts", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--data", type=Path, help="folder that holds fault_alerts*")
    options = parser.parse_args(arguments)
    groups, counts = [], np.zeros(3, int)
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        one = history(seed, options.alerts, options.days)
        groups.append(grouping(one))
        counts += causes(one)
        print(f"seed {seed}: {groups[-1]}", flush=True)
    several, first, three = counts.tolist()
    result = {
        "benchmark": "root_cause_incidents",
        "synthetic": True,
        "median_precision_recall_f1": {
            name: np.round(np.median([g[name] for g in groups], axis=0), 4).tolist()
            for name in groups[0]
        },
        "lowest_f1_real": min(g["real"][2] for g in groups),
        "incidents_of_several_services": several,
        "root_first": round(first / several, 4) if several else None,
        "root_in_first_three": round(three / several, 4) if several else None,
        "alerts": len(one.starts),
        "seconds_for_incidents_of_the_last": round(seconds(one), 2),
    }
    if options.data is not None:
        result["faults"] = faults_as_incidents(options.data)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
