"""Rows of the telemetry contract as what incidents are made of: findings, subjects, relations."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.aiops.incidents.model import (
    RELATIONS,
    Change,
    Floats,
    Graph,
    Ints,
    Kind,
    Logs,
    PastIncident,
    Role,
    Series,
    Spans,
    Subject,
    role_of,
)
from pipelines.aiops.lake.contract import GUESSED_SERVICE_LABELS, SERVICE_LABELS, service_of
from pipelines.aiops.lake.findings import Finding, finding_id
from pipelines.aiops.params.analysis import SubjectLabels
from pipelines.aiops.service_map.peers import kind_of
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    import pyarrow as pa

ALERT_SCORE = 2.0
"""An alert is taken to be as rare as one in a hundred runs: noise was dropped before."""
INCIDENT = "incident"


def alert_findings(
    alerts: "pa.Table",
    until_us: int,
    *,
    service: Callable[[Mapping[str, str]], str] = service_of,
    score: float = ALERT_SCORE,
) -> list[Finding]:
    """Turn rows of the table ``alerts`` into findings.

    Parameters
    ----------
    alerts : Table
        Columns of the contract's ``alerts``.
    until_us : int
        The window's end: later alerts are left out and ends are cut there, so that a window
        that is computed later gives what it gave on time.
    service : callable
        Returns the service that labels name.
    score : float
        Score of every finding, -log10 of a chance.

    Returns
    -------
    list of Finding
        One finding a row.
    """
    return [_alert(row, until_us, service, score) for row in _rows(alerts, "starts_at", until_us)]


def _alert(
    row: Mapping[str, Any], until_us: int, service: Callable[[Mapping[str, str]], str], score: float
) -> Finding:
    labels = {"alertname": row["name"], **dict(row["labels"] or ())}
    start = row["starts_at"]
    end = row["ends_at"] if row["ends_at"] is not None else until_us
    name = service(labels)
    return Finding(
        id=finding_id("alert", "alert", {"alert_id": row["alert_id"]}, start),
        signal="alert",
        kind="alert",
        service=name,
        instance=labels.get("instance", ""),
        labels=labels,
        start_us=start,
        end_us=max(start, min(end, until_us)),
        score=score,
        sentence=f"alert {row['name']}" + (f" at {name}" if name else ""),
        evidence={"alert_id": row["alert_id"]},
    )


LABELS = SubjectLabels()
USER = "user"


def _first(labels: Mapping[str, str], names: Sequence[str]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _named_service(labels: Mapping[str, str]) -> str:
    """Service that a label names, and not a scraper's job or a namespace."""
    return _first(labels, [name for name in SERVICE_LABELS if name not in GUESSED_SERVICE_LABELS])


def _without_port(name: str) -> str:
    host, _, port = name.rpartition(":")
    return host if host and port.isdigit() else name


def subject_of(finding: Finding, graph: Graph, names: SubjectLabels = LABELS) -> Subject | None:
    """Tell what a finding is about: the narrowest subject that its labels name.

    Parameters
    ----------
    finding : Finding
        Its labels, and its service and instance where no label names them.
    graph : Graph
        Tells instances' services, and of what kind a name is.
    names : SubjectLabels
        Which labels name what.

    Returns
    -------
    Subject or None
        None if nothing is named.
    """
    labels = finding.labels
    caller, callee = (_lifted(_first(labels, own), graph) for own in (names.caller, names.callee))
    if USER in (kind_of(caller), kind_of(callee)):  # Users are nobody's subject.
        caller = callee = ""
    elif caller and callee and caller != callee:
        return Subject.edge(caller, callee)
    own, host = _named_service(labels), _first(labels, names.host)
    instance = _first(labels, names.instance) or finding.instance
    if caller and not instance and caller == callee:  # Calls among instances of one service.
        instance = _first(labels, names.callee)
    if not own:  # A scraper names a machine by its address, as an instance.
        hosts = [name for name in (instance, _without_port(instance))
                 if name and (name in graph.guests or name == host)]  # fmt: skip
        host, instance = (hosts[0], "") if hosts else (host, instance)
    if instance and instance != own:
        return Subject("instance", instance)
    if own or host:
        return Subject(_kind(own), own) if own else Subject("host", host)
    return _otherwise(finding, graph, names)


def _otherwise(finding: Finding, graph: Graph, names: SubjectLabels) -> Subject | None:
    """Tell what a finding is about that names no service, instance, host or edge."""
    labels = finding.labels
    found: tuple[tuple[Kind, str], ...] = (
        ("database", _first(labels, names.database)),
        ("third_party", _first(labels, names.third_party)),
    )
    for kind, name in found:
        if name:
            return Subject(_kind(name, kind), name)
    if name := _first(labels, names.anything):
        return _named(name, graph)
    return Subject(_kind(finding.service), finding.service) if finding.service else None


def habit_subject(
    labels: Mapping[str, str], graph: Graph, names: SubjectLabels = LABELS
) -> Subject | None:
    """Tell at what an alert is usual: instances come and go, so their service stands for them.

    Parameters
    ----------
    labels : mapping of str to str
        Labels of the alert.
    graph : Graph
        Tells instances' services.
    names : SubjectLabels
        Which labels name what.

    Returns
    -------
    Subject or None
        None if nothing is named.
    """
    service = service_of(labels)
    alert = Finding("", "alert", "alert", service, labels.get("instance", ""), labels, 0, 0, 0, "")
    subject = subject_of(alert, graph, names)
    if subject is None or subject.kind != "instance":
        return subject
    own = min(graph.services.get(subject.name) or {service})
    return Subject("service", own) if own else subject


def _lifted(name: str, graph: Graph) -> str:
    """Service of an instance; any other name as it is."""
    return min(graph.services.get(name) or {name})


_KINDS: Mapping[str, Kind] = {"database": "database", "queue": "database",
                              "external": "third_party"}  # fmt: skip


def _kind(name: str, otherwise: Kind = "service") -> Kind:
    """Kind of a node of the map by its id's prefix."""
    return _KINDS.get(kind_of(name), otherwise)


def _named(name: str, graph: Graph) -> Subject:
    if name in graph.services:
        return Subject("instance", name)
    if name in graph.guests:
        return Subject("host", name)
    return Subject(_kind(name), name)


Pairs = dict[str, set[tuple[str, str]]]


def _graph(found: Pairs) -> Graph:
    calls, instance_of, runs_on, depends_on = (frozenset(found[name]) for name in RELATIONS)
    return Graph(calls, instance_of, runs_on, depends_on)


def relations_of(label_sets: Iterable[Mapping[str, str]], names: SubjectLabels = LABELS) -> Graph:
    """Collect what labels say of relations: a pod beside a node runs on it.

    Parameters
    ----------
    label_sets : iterable of mapping of str to str
        Labels of alerts and series, any order.
    names : SubjectLabels
        Which labels name what.

    Returns
    -------
    Graph
    """
    found: Pairs = {name: set() for name in RELATIONS}
    for labels in label_sets:
        service, host = service_of(labels), _first(labels, names.host)
        instance = _first(labels, names.instance)
        if instance and instance not in (service, host):
            if service:
                found["instance_of"].add((instance, service))
            if host:
                found["runs_on"].add((instance, host))
        elif host and (own := _named_service(labels)):
            found["runs_on"].add((own, host))
        caller, callee = _first(labels, names.caller), _first(labels, names.callee)
        if (
            caller
            and callee
            and caller != callee
            and USER not in (kind_of(caller), kind_of(callee))
        ):
            found["calls"].add((caller, callee))
        if (own := _named_service(labels)) and (base := _first(labels, names.database)):
            found["depends_on"].add((own, base))
    return _graph(found)


def read_relations(path: Path) -> Graph:
    """Read relations that a person or another system wrote down.

    Parameters
    ----------
    path : Path
        CSV or Parquet with columns ``source``, ``relation`` and ``target``.

    Returns
    -------
    Graph

    Raises
    ------
    SignalboxError
        If it can't be read, has other columns, or a row names no relation or no subject.
    """
    found: Pairs = {name: set() for name in RELATIONS}
    for number, row in enumerate(_relation_rows(path), start=1):
        source, relation, target = ((row[key] or "").strip() for key in RELATION_COLUMNS)
        if relation not in RELATIONS or not source or not target:
            raise SignalboxError(
                f"{path}: row {number}: {source!r}, {relation!r}, {target!r}: give a source, a "
                f"target and one of the relations {', '.join(RELATIONS)}"
            )
        found[relation].add((source, target))
    return _graph(found)


RELATION_COLUMNS = ("source", "relation", "target")


def _relation_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                rows: list[dict[str, Any]] = list(csv.DictReader(file))
        else:
            rows = pq.read_table(path).to_pylist()
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowInvalid) as error:
        raise SignalboxError(
            f"{path}: not readable as a table of relations, CSV or Parquet "
            f"(aiops.group_incidents.relations): {error}"
        ) from error
    missing = [key for key in RELATION_COLUMNS if rows and key not in rows[0]]
    if missing:
        raise SignalboxError(
            f"{path}: no column {missing[0]}; a table of relations has the columns "
            f"{', '.join(RELATION_COLUMNS)}"
        )
    return rows


def lifted_graph(
    graph: Graph, instances: Iterable[str] = (), services: Iterable[str] = ()
) -> Graph:
    """Let services call one another where instances were seen to; find services of instances.

    An instance of which nothing says whose it is belongs to the service whose name its own begins
    with, up to a hyphen, as Kubernetes names pods; the longest such name counts.

    Parameters
    ----------
    graph : Graph
        What the map, labels and a table say.
    instances, services : iterable of str
        Names of instances and of services that were seen, beside those in the graph.

    Returns
    -------
    Graph
    """
    pairs = graph.calls | graph.depends_on
    named = {name for pair in pairs for name in pair} - graph.services.keys() - {*instances}
    named |= graph.instances.keys() | {*services}
    guests = {guest for guest, _ in graph.runs_on}
    found = set()
    for instance in {*instances, *guests} - graph.services.keys() - named:
        parts = instance.split("-")
        prefixes = ("-".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))
        if owner := next((prefix for prefix in prefixes if prefix in named), ""):
            found.add((instance, owner))
    known = graph | Graph(instance_of=frozenset(found))

    def lifted(pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        return frozenset((_lifted(a, known), _lifted(b, known)) for a, b in pairs)

    return replace(known, calls=lifted(known.calls), depends_on=lifted(known.depends_on))


def changes_of(changes: "pa.Table", until_us: int) -> list[Change]:
    """Turn rows of the table ``changes`` into changes.

    Parameters
    ----------
    changes : Table
        Columns of the contract's ``changes``.
    until_us : int
        Rows at or after it are left out, microseconds since 1970.

    Returns
    -------
    list of Change
        One change a row.
    """
    return [
        Change(
            row["change_id"],
            row["service"] or "",
            row["at"],
            row["title"] or row["version"] or "",
            row["kind"],
        )
        for row in _rows(changes, "at", until_us)
    ]


def past_of(
    tickets: "pa.Table", until_us: int, names: Mapping[str, Sequence[str]] | None = None
) -> list[PastIncident]:
    """Turn tickets about incidents that were opened before a time into past incidents.

    Parameters
    ----------
    tickets : Table
        Columns of the contract's ``tickets``.
    until_us : int
        Tickets opened at or after it are left out, microseconds since 1970.
    names : mapping of str to sequence of str or None
        For each ticket's id the alert names (or template ids) that it was about, if known.

    Returns
    -------
    list of PastIncident
        One past incident a ticket of kind incident.
    """
    known = names or {}
    return [
        PastIncident(
            row["ticket_id"],
            row["opened_at"],
            (row["service"],) if row["service"] else (),
            tuple(known.get(row["ticket_id"], ())),
            row["title"] or "",
            row["fix"] or "",
            row["resolution"] or "",
        )
        for row in _rows(tickets, "opened_at", until_us)
        if row["kind"] == INCIDENT
    ]


def series_of(
    metrics: "pa.Table", service: Callable[[Mapping[str, str]], str] = service_of
) -> tuple[Series, ...]:
    """Turn rows of the table ``metrics`` (gauges, or rates of counters) into series.

    Parameters
    ----------
    metrics : Table
        Columns of the contract's ``metrics``.
    service : callable
        Returns the service that labels name.

    Returns
    -------
    tuple of Series
        One series a service and metric.
    """
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in _rows(metrics, "at", None):
        if row["value"] is not None:
            key = service(dict(row["labels"] or ())), row["name"]
            found.setdefault(key, []).append((row["at"], row["value"]))
    return tuple(
        Series(name, metric, *columns_of(sorted(points), role_of(metric)), role_of(metric))
        for (name, metric), points in sorted(found.items())
    )


def columns_of(points: list[tuple[int, float]], role: Role) -> tuple[Ints, Floats]:
    """Join the values of instances at the same time: the largest for saturation, else the mean.

    Parameters
    ----------
    points : list of (int, float)
        Time (microseconds since 1970) and value, any order.
    role : Role
        What the metric is about.

    Returns
    -------
    (array of int64, array of float64), shape (times,)
        Times, ascending, and values.
    """
    import numpy as np

    times = np.array([at for at, _ in points], np.int64)
    values = np.array([value for _, value in points], float)
    at, inverse, counts = np.unique(times, return_inverse=True, return_counts=True)
    if role == "saturation":
        worst = np.full(len(at), -np.inf)
        np.maximum.at(worst, inverse, values)
        return at, worst
    return at, np.bincount(inverse, weights=values) / counts


def spans_of(spans: "pa.Table") -> Spans:
    """Turn rows of the table ``spans`` into columns; a span without duration ends as it starts.

    Parameters
    ----------
    spans : Table
        Columns of the contract's ``spans``.

    Returns
    -------
    Spans
        Row i is span i.
    """
    import numpy as np

    rows = list(_rows(spans, "starts_at", None))
    start = np.array([row["starts_at"] for row in rows], np.int64)
    taken = np.array([max(row["duration_us"] or 0, 0) for row in rows], np.int64)
    return Spans(
        [row["trace_id"] for row in rows],
        [row["span_id"] for row in rows],
        [row["parent_span_id"] or "" for row in rows],
        [row["service"] for row in rows],
        [row["name"] for row in rows],
        start,
        start + taken,
    )


def logs_of(logs: "pa.Table", codes: Sequence[int], texts: Sequence[str]) -> Logs:
    """Turn rows of the table ``logs`` with their templates into columns.

    Parameters
    ----------
    logs : Table
        Columns of the contract's ``logs``.
    codes : sequence of int, shape (rows,)
        Template of each row.
    texts : sequence of str
        Text of each template.

    Returns
    -------
    Logs
        Row i has template ``texts[codes[i]]``.
    """
    import numpy as np

    rows = list(_rows(logs, "at", None))
    return Logs(
        [row["trace_id"] or "" for row in rows],
        [row["span_id"] or "" for row in rows],
        [row["service"] or "" for row in rows],
        np.array([row["at"] for row in rows], np.int64),
        np.array(codes, np.int64),
        list(texts),
    )


def _rows(table: "pa.Table", time: str, until_us: int | None) -> Iterable[dict[str, Any]]:
    """Give rows before a time, with times as microseconds."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            column = table.column(i).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
            table = table.set_column(i, field.name, column)
    for batch in table.to_batches():
        for row in batch.to_pylist():
            if until_us is None or row[time] < until_us:
                yield row
