"""What a source delivers: rows of the contract's tables, and records that could not be read."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import (
    ALERTS,
    CHANGES,
    SIGNALS,
    TABLES,
    TICKETS,
    TIME,
    Table,
    alert_id,
    fingerprint,
    microseconds,
)

_CHUNK = 50_000

RAW_LIMIT = 4096
"""Characters of a malformed record that quarantine keeps."""

REJECTED = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        # File and line, or address.
        ("place", pa.string()),
        ("reason", pa.string()),
        # When the record says it began; null where that could not be read.
        ("at", TIME),
        ("raw", pa.string()),
    ]
)


@dataclass(frozen=True)
class ReadWindow:
    """What to read: records that changed in ``[first, last)``, UTC.

    Attributes
    ----------
    first, last : datetime or None
        Bounds with a time zone; None is without bound.
    now : datetime
        The time of reading, against which a source's clock is judged.
    """

    first: datetime | None
    last: datetime | None
    now: datetime

    def holds(self, changed: datetime, late: timedelta = timedelta()) -> bool:
        """Return whether a record is to be read.

        Parameters
        ----------
        changed : datetime
            When the record changed last.
        late : timedelta
            How long before `first` a record may have changed and is read all the same.

        Returns
        -------
        bool
        """
        return (self.first is None or changed >= self.first - late) and (
            self.last is None or changed < self.last
        )


@dataclass(frozen=True)
class Batch:
    """Rows of each table by the contract's schema, and rejected records.

    Attributes
    ----------
    alerts, tickets, changes : pyarrow.Table
        Rows with the schemas of `ALERTS`, `TICKETS` and `CHANGES`.
    rejected : pyarrow.Table
        Records for quarantine, with the schema `REJECTED`.
    signals : dict of str to pyarrow.Table
        Name of a table of `SIGNALS` → its rows; only those that a source delivers.
    """

    alerts: pa.Table
    tickets: pa.Table
    changes: pa.Table
    rejected: pa.Table
    signals: dict[str, pa.Table] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Tables of the contract by name."""
        named = {"alerts": self.alerts, "tickets": self.tickets, "changes": self.changes}
        return {**named, **self.signals}


class MalformedError(Exception):
    """A record that can't be read; the message is the reason that quarantine shows."""


@dataclass
class Collector:
    """Collects the rows of one reading; whatever is malformed goes to quarantine with a reason.

    Attributes
    ----------
    source : str
        Name of the source; every row carries it.
    window : ReadWindow
        What to read; rows that changed outside it are dropped.
    skew_seconds : int
        How far ahead of `ReadWindow.now` a row may begin, in seconds.
    late_seconds : int
        How long before the window a row may have changed and is taken all the same, in seconds.
    """

    source: str
    window: ReadWindow
    skew_seconds: int = 300
    late_seconds: int = 0
    _rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in (*TABLES, *SIGNALS)}
    )
    _full: dict[str, list[pa.Table]] = field(
        default_factory=lambda: {name: [] for name in (*TABLES, *SIGNALS)}
    )
    _rejected: list[dict[str, Any]] = field(default_factory=list)

    def alert(
        self,
        labels: Mapping[str, str],
        starts_at: datetime,
        *,
        annotations: Mapping[str, str] | None = None,
        ends_at: datetime | None = None,
        updated_at: datetime | None = None,
        **more: Any,
    ) -> None:
        """Take an alert.

        Parameters
        ----------
        labels : mapping of str to str
            The label set, from which the fingerprint is made.
        starts_at : datetime
            When it began to fire, with a time zone.
        annotations : mapping of str to str, optional
            Alertmanager's annotations.
        ends_at : datetime, optional
            When it stopped firing; None if it isn't known to have ended.
        updated_at : datetime, optional
            By default the latest time that the record itself names, so that the same record read
            twice is the same row.
        **more
            ``acknowledged_at``, ``acted``, ``ticket_id``, ``end_observed``; ``name`` in place of
            label ``alertname``.

        Raises
        ------
        MalformedError
            If it has no name, begins in the future, or ends before it starts.
        """
        name = more.pop("name", None) or labels.get("alertname", "")
        if not name:
            raise MalformedError("no name: label alertname is missing or empty")
        self._check_start(starts_at)
        if ends_at is not None and ends_at < starts_at:
            raise MalformedError(f"ends at {ends_at.isoformat()}, before it starts")
        changed = updated_at or max(starts_at, ends_at or starts_at)
        if not self.window.holds(changed, timedelta(seconds=self.late_seconds)):
            return
        series = fingerprint(labels)
        self._append(ALERTS, {
            "alert_id": alert_id(self.source, series, microseconds(starts_at)),
            "source": self.source, "fingerprint": series, "name": name,
            "labels": sorted(labels.items()), "annotations": sorted((annotations or {}).items()),
            "starts_at": starts_at, "ends_at": ends_at, "updated_at": changed, **more,
        })  # fmt: skip

    def ticket(self, row: dict[str, Any]) -> None:
        """Take a ticket.

        Parameters
        ----------
        row : dict
            Columns of `TICKETS` without ``source``; ``opened_at`` must be there. ``kind`` is
            ``incident`` and ``updated_at`` the latest time by default.

        Raises
        ------
        MalformedError
            If it was opened in the future, or closed before it was opened.
        """
        self._check_start(row["opened_at"])
        closed = row.get("closed_at")
        if closed is not None and closed < row["opened_at"]:
            raise MalformedError(f"closed at {closed.isoformat()}, before it was opened")
        self._dated(TICKETS, {"kind": "incident", **row}, [row["opened_at"], closed])

    def change(self, row: dict[str, Any]) -> None:
        """Take a change.

        Parameters
        ----------
        row : dict
            Columns of `CHANGES` without ``source``; ``at`` must be there. ``kind`` is ``other`` and
            ``updated_at`` is ``at`` by default.

        Raises
        ------
        MalformedError
            If it lies in the future.
        """
        self._check_start(row["at"])
        self._dated(CHANGES, {"kind": "other", **row}, [row["at"]])

    def signal(self, table: Table, row: dict[str, Any]) -> None:
        """Take a row of a table of `SIGNALS`.

        Parameters
        ----------
        table : Table
            A table of `SIGNALS`.
        row : dict
            The table's columns; ``source`` is filled in.

        Raises
        ------
        MalformedError
            If its time lies in the future.
        """
        self._check_start(row[table.time])
        if self.window.holds(row[table.time], timedelta(seconds=self.late_seconds)):
            self._append(table, {**row, "source": self.source})

    def signals(self, table: Table, rows: pa.Table, location: str = "") -> None:
        """Take many rows of a table of `SIGNALS` at once.

        Those outside the window are dropped; those in the future are counted in quarantine.

        Parameters
        ----------
        table : Table
            A table of `SIGNALS`.
        rows : pyarrow.Table
            Rows with the table's schema.
        location : str
            File or address that quarantine names for rows in the future.
        """
        import pyarrow.compute as pc

        time = rows[table.time]
        soon = self.window.now + timedelta(seconds=self.skew_seconds)
        late = timedelta(seconds=self.late_seconds)
        ahead = pc.greater(time, pa.scalar(soon, TIME))
        if n := pc.sum(ahead).as_py():
            first = pc.min(time.filter(ahead)).as_py()
            reason = f"{table.name} rows begin in the future: is a clock wrong?"
            self.reject(location, reason, f"{n} rows from {first.isoformat()}", first)
        keep = pc.invert(ahead)
        if self.window.first is not None:
            first = pa.scalar(self.window.first - late, TIME)
            keep = pc.and_(keep, pc.greater_equal(time, first))
        if self.window.last is not None:
            keep = pc.and_(keep, pc.less(time, pa.scalar(self.window.last, TIME)))
        self._full[table.name].append(rows.filter(keep).cast(table.schema))

    def reject(self, location: str, reason: str, raw: str, at: datetime | None = None) -> None:
        """Put a record into quarantine.

        Parameters
        ----------
        location : str
            File and line, or address.
        reason : str
            What is wrong with it.
        raw : str
            The record as it was read; more than `RAW_LIMIT` characters are cut.
        at : datetime, optional
            When the record says it began; None where that could not be read.
        """
        reason, raw, location = (
            replace_surrogates(reason),
            replace_surrogates(raw),
            replace_surrogates(location),
        )
        known = "\0".join((self.source, location, reason, raw))
        if len(raw) > RAW_LIMIT:
            raw = f"{raw[:RAW_LIMIT]}… ({len(raw)} characters)"
        self._rejected.append({
            "id": hashlib.sha256(known.encode()).hexdigest()[:32], "source": self.source,
            "place": location, "reason": reason, "at": at, "raw": raw,
        })  # fmt: skip

    def batch(self) -> Batch:
        """Return what was collected.

        Returns
        -------
        Batch
            `Batch.signals` only has tables with rows.
        """
        alerts, tickets, changes = map(self._table, (ALERTS, TICKETS, CHANGES))
        rejected = pa.Table.from_pylist(self._rejected, REJECTED)
        read = {name: self._table(table) for name, table in SIGNALS.items()}
        signals = {name: rows for name, rows in read.items() if len(rows)}
        return Batch(alerts, tickets, changes, rejected, signals)

    def _check_start(self, starts_at: datetime) -> None:
        ahead = (starts_at - self.window.now).total_seconds()
        if ahead > self.skew_seconds:
            raise MalformedError(f"begins {ahead:.0f} s in the future: is a clock wrong?")

    def _dated(self, table: Table, row: dict[str, Any], times: list[datetime | None]) -> None:
        changed = row.get("updated_at") or max(time for time in times if time is not None)
        if self.window.holds(changed, timedelta(seconds=self.late_seconds)):
            self._append(table, {**row, "source": self.source, "updated_at": changed})

    def _append(self, table: Table, row: dict[str, Any]) -> None:
        """Take a row; many rows are kept as Arrow, which is some twenty times smaller."""
        rows = self._rows[table.name]
        rows.append({k: replace_surrogates(v) if isinstance(v, str) else v for k, v in row.items()})
        if len(rows) >= _CHUNK:
            self._full[table.name].append(pa.Table.from_pylist(rows, schema=table.schema))
            rows.clear()

    def _table(self, table: Table) -> pa.Table:
        rest = pa.Table.from_pylist(self._rows[table.name], schema=table.schema)
        return pa.concat_tables([*self._full[table.name], rest])


def replace_surrogates(text: str) -> str:
    r"""Make a text that can be written as UTF-8: lone surrogates become ``\udXXX`` escapes.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
