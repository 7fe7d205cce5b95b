"""Read scenarios of PetShop (amazon-science/petshop-root-cause-analysis) for `root_cause`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.aiops.incidents.model import FaultWindow, Graph, Series, Signals, Target, role_of

SECOND = 1_000_000


@dataclass(frozen=True)
class Issue:
    """One issue with its truth (`service`, and `metric` if the truth names one)."""

    name: str
    kind: str
    window: FaultWindow
    graph: Graph
    signals: Signals
    target: Target
    service: str
    metric: str | None


def read_scenarios(data: Path) -> dict[str, list[Issue]]:
    """Find scenarios (folders with graph.csv and noissue) at or below `data`."""
    found = sorted(p.parent for p in data.rglob("graph.csv") if (p.parent / "noissue").is_dir())
    return {f"petshop/{path.name}": list(_issues(path)) for path in found}


def _issues(folder: Path) -> Iterator[Issue]:
    graph = _graph(folder / "graph.csv")
    past = _columns(folder / "noissue" / "metrics.csv")
    for path in sorted(folder.glob("*/issue_*/target.json")):
        truth = json.loads(path.read_text(encoding="utf-8"))
        target = truth["target"]
        now = _columns(path.parent / "metrics.csv")
        signals = _signals(past, now, target["agg"])
        yield Issue(
            name=f"petshop/{folder.name}/{path.parent.parent.name}/{path.parent.name}",
            kind=f"{truth['root_cause']['node']}: {target['metric']}",
            window=_window(past, now, int(target["timestamp"])),
            graph=graph,
            signals=signals,
            target=Target(target["node"], role_of(target["metric"])),
            service=truth["root_cause"]["node"],
            metric=truth["root_cause"].get("metric"),
        )


Column = dict[tuple[str, str, str], dict[int, float]]


def _columns(path: Path) -> Column:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    heads = [tuple(column) for column in zip(*(row[1:] for row in rows[:3]), strict=True)]
    table: Column = {(a, b, c): {} for a, b, c in heads}
    for row in rows[3:]:
        if not row or not _number(row[0]):
            continue  # the line with the index's name
        for (a, b, c), cell in zip(heads, row[1:], strict=True):
            if cell:
                table[a, b, c][int(float(row[0]) * SECOND)] = float(cell)
    return table


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _signals(past: Column, now: Column, statistic: str) -> Signals:
    """Series of the target's statistic, and sums (requests)."""
    series = []
    for key in sorted(set(past) | set(now)):
        service, metric, aggregate = key
        if aggregate not in (statistic, "Sum"):
            continue
        values = {**past.get(key, {}), **now.get(key, {})}
        times = sorted(values)
        series.append(
            Series(
                service,
                metric,
                np.array(times, np.int64),
                np.array([values[t] for t in times], float),
                role_of(metric),
            )
        )
    return Signals(series=tuple(series))


def _window(past: Column, now: Column, timestamp: int) -> FaultWindow:
    """From the bucket that the target's time lies in to the last; the past is `noissue`."""
    times = sorted({t for column in now.values() for t in column})
    step = times[1] - times[0]
    start = max((t for t in times if t <= timestamp * SECOND), default=times[0])
    history = sorted({t for column in past.values() for t in column})
    return FaultWindow(start, times[-1] + step, ((history[0], history[-1] + step),))


def _graph(path: Path) -> Graph:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    names = rows[0][1:]
    return Graph(
        frozenset(
            (row[0], name)
            for row in rows[1:]
            for name, cell in zip(names, row[1:], strict=True)
            if float(cell)
        )
    )
