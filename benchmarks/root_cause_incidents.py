"""Incidents from alerts, on synthetic histories of the simulator: grouping, causes, speed.

``python -m benchmarks.root_cause_incidents [--seeds N] [--alerts N] [--days N]`` prints a line for
each history, then one line of JSON. Grouping: precision, recall and F1 of pairs of alerts that are
in one incident, against the simulator's truth; on the alerts of real faults (what is left when
noise was dropped rightly), with the topology and without it, and on all alerts, noise included (of
which each is its own incident in the truth, so that this is a bound, not a goal). Causes: share of
incidents of several services whose true root is first, or among the first three, from alerts and
topology alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.incidents.assemble import incidents
from pipelines.aiops.incidents.grouping import group, pairwise
from pipelines.aiops.incidents.model import Graph, Ints
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.params.telemetry import SimulateParams
from pipelines.simulator.simulate import simulate

FIRST_SEED = 101


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
        Graph(frozenset((s.name, names[c]) for s in made.world.services for c in s.calls)),
    )


def grouping(one: History) -> dict[str, list[float]]:
    real = np.flatnonzero(one.fault >= 0)
    starts, services = one.starts[real], [one.services[i] for i in real.tolist()]
    truth = one.fault[real]
    found = {
        "real": pairwise(truth, group(starts, services, one.graph)),
        "real_without_topology": pairwise(truth, group(starts, services, Graph())),
        "all": pairwise(one.fault, group(one.starts, one.services, one.graph)),
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
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
