"""Read days of Nezha (IntelligentDDS/Nezha) for `root_cause`: folders, or archives of them."""

from __future__ import annotations

import csv
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pipelines.aiops.incidents.model import (
    FaultWindow,
    Graph,
    Logs,
    Series,
    Signals,
    Spans,
    role_of,
)
from pipelines.aiops.logs.templates import mine

SECOND = 1_000_000
MINUTE = 60 * SECOND
GUARD = 2 * MINUTE
LENGTH = 3 * MINUTE
FOREVER = 1 << 62
FIELDS = 8
IDS = re.compile(r"\b(TraceID|SpanID): \S+ ?")


@dataclass(frozen=True)
class Fault:
    """An injected fault: what is to be found."""

    name: str
    kind: str
    service: str
    at: int
    time: str


@dataclass(frozen=True)
class NezhaDay:
    """A day's telemetry and faults; `fault_free` is the time of the constructed data."""

    name: str
    signals: Signals
    graph: Graph
    faults: tuple[Fault, ...]
    fault_free: tuple[int, int]
    board: str = "nezha"


def read_days(data: Path, scratch: Path) -> Iterator[NezhaDay]:
    """Read each day with a fault list at or below `data`; archives are unpacked to `scratch`."""
    folders = {data: ""}
    if data.is_dir():
        archives = sorted(data.rglob("*.tar.xz"))
    else:
        archives = [data] if tarfile.is_tarfile(data) else []
    for archive in archives:
        own = scratch / archive.name
        with tarfile.open(archive) as file:
            file.extractall(own, filter="data")
        folders[own] = archive.parent.name
    for root, board in folders.items():
        for path in sorted(root.rglob("*-fault_list.json")):
            yield replace(_day(path), board=board or _board(data, path))


def _board(data: Path, path: Path) -> str:
    """Folder of the collection: the first below `data`, or `data` itself."""
    parts = path.relative_to(data).parts
    return parts[0] if parts[0].startswith("nezha") else data.name


def windows(day: NezhaDay, reference: str) -> Iterator[FaultWindow]:
    """Give each fault's window with its reference; see `root_cause`."""
    for fault in day.faults:
        start, end = fault.at, fault.at + LENGTH
        before, after = (0, start - GUARD), (end + GUARD, FOREVER)
        spans = {
            "others": (before, after),
            "earlier": (before, day.fault_free),
            "fault_free": (day.fault_free,),
        }
        yield FaultWindow(start, end, spans[reference], (before, after))


def _day(faults: Path) -> NezhaDay:
    folder, date = faults.parent, faults.parent.name
    normal = folder.parent.parent / "construct_data" / date
    spans = _spans([*sorted(normal.glob("trace/*.csv")), *sorted(folder.glob("trace/*.csv"))])
    logs = _logs([*sorted(normal.glob("log/*.csv")), *sorted(folder.glob("log/*.csv"))])
    free = _spans(sorted(normal.glob("trace/*.csv"))).start
    name = f"nezha/{date}"
    return NezhaDay(
        name,
        Signals(tuple(_series(folder / "metric")), spans, logs),
        Graph(frozenset(_calls(spans))),
        tuple(_faults(faults, name, _offset(folder / "trace"))),
        (int(free.min()), int(free.max()) + 1) if len(free) else (0, 0),
    )


def _offset(traces: Path) -> int:
    """Give what is to be added to local times (those in names of files and of faults), in us.

    File HH_MM holds the minute that ends then, so the difference from its spans' times is the time
    zone; rounded to half an hour.
    """
    found = []
    for path in sorted(traces.glob("*_trace.csv")):
        starts = _spans([path]).start
        if len(starts):
            hour, minute = path.name.split("_")[:2]
            named = (int(hour) * 60 + int(minute)) * MINUTE
            found.append(float(np.median(starts)) % (24 * 60 * MINUTE) - named)
    half, day = 30 * MINUTE, 24 * 60 * MINUTE
    shift = round(float(np.median(found)) / half) * half if found else 0
    return (shift + day // 2) % day - day // 2


def _faults(path: Path, day: str, offset: int) -> Iterator[Fault]:
    listed = json.loads(path.read_text(encoding="utf-8"))
    every = [fault for hour in listed.values() for fault in hour]
    for i, fault in enumerate(every):
        at = datetime.fromisoformat(fault["inject_time"]).replace(tzinfo=UTC)
        yield Fault(
            f"{day}/fault_{i:02d}",
            fault["inject_type"],
            deployment(fault["inject_pod"]),
            int(at.timestamp()) * SECOND + offset,
            fault["inject_time"],
        )


def deployment(pod: str) -> str:
    """Service of a pod: its name without the generated parts."""
    return pod.rsplit("-", 2)[0]


def _spans(paths: list[Path]) -> Spans:
    rows: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.reader(file):
                if len(row) == FIELDS and row[5].isdigit():
                    rows.setdefault((row[0], row[1]), row)
    kept = list(rows.values())
    return Spans(
        [row[0] for row in kept],
        [row[1] for row in kept],
        [row[2] for row in kept],
        [deployment(row[3]) for row in kept],
        [row[4] for row in kept],
        np.array([int(row[5]) // 1000 for row in kept], np.int64),
        np.array([int(row[6]) // 1000 for row in kept], np.int64),
    )


def _logs(paths: list[Path]) -> Logs:
    rows: dict[tuple[str, ...], None] = {}
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                cells = line.rstrip("\n").split(",", FIELDS - 1)
                if len(cells) == FIELDS and cells[1].isdigit():
                    rows[cells[1], cells[3], cells[5], cells[6], _message(cells[7])] = None
    kept = list(rows)
    mined = mine([row[4] for row in kept])
    return Logs(
        [row[2] for row in kept],
        [row[3] for row in kept],
        [deployment(row[1]) for row in kept],
        np.array([int(row[0]) // 1000 for row in kept], np.int64),
        mined.codes.astype(np.int64),
        [template.text for template in mined.templates],
    )


def _message(cell: str) -> str:
    """Message of a line as the container runtime wrote it."""
    text = cell.strip('"').replace('""', '"')
    for key in ("log", "message"):  # the container runtime's line may hold a line of JSON
        with suppress(ValueError, KeyError, TypeError):
            text = str(json.loads(text)[key])
    return IDS.sub("", text).rstrip()


def _series(folder: Path) -> Iterator[Series]:
    for path in sorted(folder.glob("*_metric.csv")):
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or "PodName" not in rows[0]:
            continue
        times = np.array([int(row["TimeStamp"]) * SECOND for row in rows], np.int64)
        service = deployment(rows[0]["PodName"])
        for metric in [name for name in rows[0] if name not in ("Time", "TimeStamp", "PodName")]:
            if metric.startswith("Node"):
                continue  # the machine's, shared by all its pods
            values = np.array([_float(row[metric]) for row in rows])
            yield Series(service, metric, times, values, role_of(metric))


def _float(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return float("nan")


def _calls(spans: Spans) -> set[tuple[str, str]]:
    service = dict(zip(zip(spans.trace, spans.span, strict=True), spans.service, strict=True))
    above = zip(spans.trace, spans.parent, strict=True)
    pairs = {(service.get(key, ""), mine) for key, mine in zip(above, spans.service, strict=True)}
    return {(a, b) for a, b in pairs if a and a != b}
