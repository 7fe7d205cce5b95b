"""Boards of `root_cause` whose truth is a subject: faults with their alerts, and a shop's metrics.

Every case is ranked, told or not, by the product's code and defaults; plain rules stand beside:
``rarest``, the subject with the most surprising signal; ``sum``, the one whose surprise adds up to
most; ``most``, the one with most signals; ``shift``, the one whose median moved by most spreads.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.fault_alerts import FaultAlerts, read_fault_alerts
from pipelines.aiops.incidents.assemble import incidents
from pipelines.aiops.incidents.causes import rank
from pipelines.aiops.incidents.contract import (
    alert_findings,
    habit_subject,
    relations_of,
    subject_of,
)
from pipelines.aiops.incidents.deduplication import (
    AlertHistory,
    deduplicate_findings,
    subject_signals,
)
from pipelines.aiops.incidents.model import (
    Cause,
    FaultWindow,
    Graph,
    Series,
    Signals,
    SubjectSignal,
    role_of,
)
from pipelines.core.time import MINUTE_US, SECOND_US

COLUMNS = ("board", "case", "incident", "rank", "subject", "kind", "score")
Ranking = list[tuple[str, Cause]]
"""Id of the incident (empty if none was told) and suspect, the likeliest first."""


@dataclass(frozen=True)
class Case:
    """One fault with its truth, the product's ranking and those of plain rules.

    Attributes
    ----------
    name, kind : str
        Which fault, and of which kind.
    truth : str
        Subject that it was injected into.
    ranking : list of (str, Cause)
        As `Ranking`.
    rules : mapping of str to list of str
        Plain rule → subjects, the likeliest first.
    """

    name: str
    kind: str
    truth: str
    ranking: Ranking
    rules: Mapping[str, Sequence[str]]


def alert_cases(folder: Path, *, with_map: bool = True, past_only: bool = False) -> list[Case]:
    """Rank the causes of each fault from its alerts.

    What is usual is what the other faults' times show, labels of faults unread; `past_only`: only
    earlier ones.
    """
    given = read_fault_alerts(folder)
    labels = [dict(row) for row in given.alerts["labels"].to_pylist()]
    graph = relations_of(labels)
    if with_map:
        table: dict[str, set[tuple[str, str]]] = {}
        for source, relation, other in given.relations:
            table.setdefault(relation, set()).add((source, other))
        graph |= Graph(
            calls=frozenset(table.get("calls", ())),
            instance_of=frozenset(table.get("instance_of", ())),
            runs_on=frozenset(table.get("runs_on", ())),
            depends_on=frozenset(table.get("depends_on", ())),
        )
    owner = np.array([given.fault_of[name] for name in given.alerts["alert_id"].to_pylist()])
    keys = [(own["alertname"], habit_subject(own, graph)) for own in labels]
    service = {a: b for a, relation, b in given.relations if relation == "instance_of"}
    cases = []
    for number, fault in enumerate(given.faults):
        others = given.faults[:number] if past_only else [f for f in given.faults if f is not fault]
        position = {other.id: i for i, other in enumerate(others)}
        history = AlertHistory({}, {}, fault.start_us)
        for key, name in zip(keys, owner.tolist(), strict=True):
            if name in position:
                history.stretches.setdefault(key, set()).add(position[name])
        rows = given.alerts.filter(pa.array(owner == fault.id))
        signals, ranking = _of_alerts(rows, graph, history)
        truth = fault.entity
        cases.append(Case(fault.id, fault.level, truth, ranking, _rules(signals, service)))
    return cases


def _of_alerts(
    rows: pa.Table, graph: Graph, history: AlertHistory
) -> tuple[list[SubjectSignal], Ranking]:
    until = (pc.max(rows["ends_at"]).cast(pa.int64()).as_py() or 0) + MINUTE_US if len(rows) else 0
    found = []
    for finding in alert_findings(rows, until):
        key = (finding.labels["alertname"], habit_subject(finding.labels, graph))
        counts = {
            "stretches_with_it": len(history.stretches.get(key, ())),
            "stretches_before": history.known_stretches,
        }
        found.append(replace(finding, evidence={**finding.evidence, **counts}))
    subjects = {finding.id: subject_of(finding, graph) for finding in found}
    merged = deduplicate_findings(found, subjects)
    signals = subject_signals(merged, graph)
    ranking: Ranking = []
    for incident in sorted(
        incidents(merged, graph, history=history), key=lambda i: (-len(i.findings), i.start_us)
    ):
        known = {cause.service for _, cause in ranking}
        ranking += [(incident.id, c) for c in incident.causes if c.service not in known]
    return signals, ranking


def _rules(signals: Sequence[SubjectSignal], service: Mapping[str, str]) -> dict[str, list[str]]:
    best: dict[str, float] = {}
    total: dict[str, float] = {}
    count: dict[str, float] = {}
    for signal in signals:
        for name in signal.subject.ends or (signal.subject.name,):
            own = service.get(name, name)
            best[own] = max(best.get(own, 0.0), signal.surprise)
            total[own] = total.get(own, 0.0) + signal.surprise
            count[own] = count.get(own, 0.0) + 1
    return {name: sorted(points, key=lambda s: (-points[s], s))
            for name, points in (("rarest", best), ("sum", total), ("most", count))}  # fmt: skip


def shop_cases(folder: Path) -> Iterator[Case]:
    """Rank the causes of each fault of a shop from its metrics, a value a second."""
    for path in sorted(folder.glob("*-*/*/anomalous.csv*")):
        service, kind = path.parent.parent.name.rsplit("-", 1)
        normal = next(path.parent.glob("normal.csv*"))
        heads, before = _table(normal)
        _, during = _table(path)
        start = len(before) * SECOND_US
        end = start + len(during) * SECOND_US
        values = np.concatenate((before, during))
        # What was recorded as normal is laid before the fault, whenever it was recorded.
        times = np.arange(len(values)) * SECOND_US
        series = tuple(
            Series(name, metric, times, values[:, i], role_of(metric))
            for i, head in enumerate(heads)
            if head != "time"
            for name, _, metric in (head.partition("_"),)
        )
        window = FaultWindow(start, end, ((0, start),))
        causes = rank(window, Graph(), Signals(series=series))
        yield Case(
            f"{path.parent.parent.name}/{path.parent.name}",
            kind,
            service,
            [("", cause) for cause in causes],
            {"shift": shift_of_medians(window, series)},
        )


def _table(path: Path) -> tuple[list[str], np.ndarray]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        heads, *rows = list(csv.reader(file))
    return heads, np.array([[float(cell or "nan") for cell in row] for row in rows])


def shift_of_medians(window: FaultWindow, series: Sequence[Series]) -> list[str]:
    """Order services by how many spreads (quarters apart) the median of a series moved."""
    best: dict[str, float] = {}
    for one in series:
        now = one.values[(one.times >= window.start) & (one.times < window.end)]
        past = one.values[one.times < window.start]
        if len(past) and len(now):
            low, level, high = np.nanquantile(past, (0.25, 0.5, 0.75))
            moved = abs(float(np.nanmedian(now) - level))
            spread = max(float(high - low), 0.01 * abs(float(level)), 1e-12)
            best[one.service] = max(best.get(one.service, 0.0), moved / spread)
    return sorted(best, key=lambda name: (-best[name], name))


def rows_of(board: str, case: str, ranking: Ranking) -> Iterator[tuple[str, ...]]:
    """Give the lines of ``causes.csv`` of one case."""
    for i, (incident, cause) in enumerate(ranking, start=1):
        yield board, case, incident, str(i), cause.service, cause.kind, f"{cause.score:.6f}"


def boards(data: Path) -> list[Path]:
    """Find folders of faults with alerts and of a shop's metrics at or below `data`."""
    found = {path.parent for path in data.rglob("label.csv")
             if (path.parent / "knowledge_graph.json").is_file()}  # fmt: skip
    found |= {path.parent.parent.parent for path in data.rglob("anomalous.csv*")}
    return sorted(found)


def cases_of(folder: Path) -> list[Case]:
    """Rank all cases of a board."""
    if (folder / "label.csv").is_file():
        return alert_cases(folder)
    return list(shop_cases(folder))


def owners(folder: Path) -> dict[str, str]:
    """Instance → service, to score a suspect by its service; empty without a map."""
    if not (folder / "knowledge_graph.json").is_file():
        return {}
    given: FaultAlerts = read_fault_alerts(folder)
    return {a: b for a, relation, b in given.relations if relation == "instance_of"}
