"""Counts and templates of each day, kept as files: a day rests on the days before it.

``<state>/day=YYYY-MM-DD/`` holds ``counts.parquet``, ``values.parquet``, ``templates.json`` (known
at the day's end) and ``key.txt``, the hash of what it was made from: the day before, the lake's
files, the settings.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import LOGS, TIME, microseconds
from pipelines.aiops.lake.days import day_files, days_of
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.lake.store import write_if_changed
from pipelines.aiops.logs.anomalies.find import find
from pipelines.aiops.logs.counts import (
    COUNTS,
    DEFAULT,
    VALUES,
    Counted,
    LogAnomalySettings,
    count_lines,
)
from pipelines.aiops.logs.templates import TemplateStore
from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file, write_json, write_text
from pipelines.core.time import DAY_US


class FileHashes:
    """SHA-256 of files; one whose size and time of change are as they were is not read again.

    What is remembered is a help and no truth: if it is lost or damaged, files are read.

    Parameters
    ----------
    path : Path
        JSON file in which hashes are remembered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._old = _read(path)
        self._now: dict[str, list[int | str]] = {}

    def of(self, file: Path) -> str:
        """Return the hash of a file's content.

        Parameters
        ----------
        file : Path

        Returns
        -------
        str
            Hex digits of its SHA-256.
        """
        about = file.stat()
        seen: list[int | str] = [about.st_size, about.st_mtime_ns]
        known = self._old.get(str(file))
        if known is not None and known[:2] == seen:
            self._now[str(file)] = known
            return str(known[2])
        found = sha256_file(file)
        self._now[str(file)] = [*seen, found]
        return found

    def save(self) -> None:
        """Remember the files that were asked for, and forget the others."""
        if self._now != self._old:
            write_json(self._path, dict(sorted(self._now.items())))


def _read(path: Path) -> dict[str, list[int | str]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        file: known
        for file, known in found.items()
        if isinstance(known, list) and len(known) == 3 and isinstance(known[2], str)
    }


FORMAT = "2"
_COLUMNS = ["log_id", "at", "service", "severity", "body"]


@dataclass(frozen=True)
class Outcome:
    """What a window gave.

    Attributes
    ----------
    findings : list of Finding
        In order of time.
    lines, templates : int
        Lines and templates in the window.
    history_days : int
        Days before the window that it was compared with.
    counts : pyarrow.Table
        By `COUNTS`, of the window and these days.
    store : TemplateStore
        Templates as they are known at the window's end.
    """

    findings: list[Finding]
    lines: int
    templates: int
    history_days: int
    counts: pa.Table
    store: TemplateStore


def anomalies_between(
    lake: Path,
    state: Path,
    first: datetime,
    last: datetime,
    settings: LogAnomalySettings = DEFAULT,
) -> Outcome:
    """Find log anomalies in ``[first, last)``.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    state : Path
        Folder for counts and templates of days; what is missing or outdated is made.
    first, last : datetime
        With a time zone, whole bins.
    settings : LogAnomalySettings

    Returns
    -------
    Outcome

    Raises
    ------
    SignalboxError
        If the window is empty or not of whole bins, or a template store of the state is damaged.
    """
    start_us, end_us = microseconds(first), microseconds(last)
    if end_us <= start_us or start_us % settings.bin_us or end_us % settings.bin_us:
        raise SignalboxError(
            f"window {first.isoformat()} to {last.isoformat()}: must be whole bins of "
            f"{settings.bin_seconds} s, one at least"
        )
    end_day = last.astimezone(UTC).date()
    store = advance(lake, state, end_day - timedelta(days=1), settings)
    since = first.astimezone(UTC).date() - timedelta(days=settings.history_days)
    days = [d for d in days_of(lake, LOGS) if since <= d < end_day]
    parts = [_load(state, day) for day in days]
    if end_us % DAY_US:
        rest = count_lines(_logs(lake, end_day, last), store, settings)
        parts.append((rest.counts, rest.values))
        store = rest.store
    counts = pa.concat_tables([COUNTS.empty_table(), *(counted for counted, _ in parts)])
    values = pa.concat_tables([VALUES.empty_table(), *(two for _, two in parts)])
    found = find(counts, values, store, start_us, end_us, settings=settings)
    lines, templates = _size(counts, start_us, end_us)
    earlier = sum(day < first.astimezone(UTC).date() for day in days)
    return Outcome(found, lines, templates, earlier, counts, store)


def advance(
    lake: Path, state: Path, until: date, settings: LogAnomalySettings = DEFAULT
) -> TemplateStore:
    """Bring the state up to the end of a day.

    Days whose lake files, settings or days before changed are counted again.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    state : Path
        Folder for counts and templates of days.
    until : date
        The last day, UTC.
    settings : LogAnomalySettings

    Returns
    -------
    TemplateStore
        Templates known at the day's end.

    Raises
    ------
    SignalboxError
        If a template store of the state is damaged.
    """
    store: TemplateStore | None = None
    before, key = None, ""
    hashes = FileHashes(state / "hashes.json")
    for day in days_of(lake, LOGS):
        if day > until:
            break
        key = _key(key, [hashes.of(file) for file in day_files(lake, LOGS, day)], day, settings)
        folder = _folder(state, day)
        path = folder / "key.txt"
        if path.is_file() and path.read_text(encoding="utf-8").strip() == key:
            before, store = day, None
            continue
        if store is None:
            store = _store(state, before)
        counted = count_lines(_logs(lake, day), store, settings)
        path.unlink(missing_ok=True)
        _save(folder, counted)
        write_text(path, f"{key}\n")
        before, store = day, counted.store
    hashes.save()
    return store if store is not None else _store(state, before)


def _store(state: Path, day: date | None) -> TemplateStore:
    return TemplateStore.load(_folder(state, day) / "templates.json") if day else TemplateStore()


def _folder(state: Path, day: date) -> Path:
    return state / f"day={day.isoformat()}"


def _key(before: str, files: list[str], day: date, settings: LogAnomalySettings) -> str:
    digest = hashlib.sha256(f"{FORMAT}\0{before}\0{day}\0{_counting(settings)}".encode())
    for file in files:
        digest.update(file.encode())
    return digest.hexdigest()


def _counting(settings: LogAnomalySettings) -> str:
    """Those settings that counts depend on; the others judge only."""
    return f"{settings.bin_seconds} {settings.max_values} {settings.sample}"


def _logs(lake: Path, day: date, until: datetime | None = None) -> Any:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    files = day_files(lake, LOGS, day)
    schema = pa.schema([LOGS.schema.field(name) for name in _COLUMNS])
    parts = [pq.ParquetFile(file).read(columns=_COLUMNS).cast(schema) for file in files]
    rows = pa.concat_tables([schema.empty_table(), *parts])
    if until is not None:
        rows = rows.filter(pc.less(rows["at"], pa.scalar(until, TIME)))
    return rows


def _save(folder: Path, counted: Counted) -> None:
    write_if_changed(folder / "counts.parquet", counted.counts)
    write_if_changed(folder / "values.parquet", counted.values)
    counted.store.save(folder / "templates.json")


def _load(state: Path, day: date) -> tuple[pa.Table, pa.Table]:
    import pyarrow.parquet as pq

    folder = _folder(state, day)
    return (pq.ParquetFile(folder / "counts.parquet").read().cast(COUNTS),
            pq.ParquetFile(folder / "values.parquet").read().cast(VALUES))  # fmt: skip


def _size(counts: pa.Table, start_us: int, end_us: int) -> tuple[int, int]:
    import pyarrow.compute as pc

    inside = pc.and_(pc.greater_equal(counts["at"], start_us), pc.less(counts["at"], end_us))
    own = counts.filter(inside)
    return int(pc.sum(own["count"]).as_py() or 0), len(pc.unique(own["template"]))
