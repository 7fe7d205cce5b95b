"""The time that is analysed, ``[start, end)`` in UTC: its rows, and the folder of its results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.aiops.lake.contract import SIGNALS, Table
from pipelines.aiops.lake.days import day_files, days_of, files_between
from pipelines.aiops.lake.engine import opened, parquet
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.analysis import AnalysisParams
from pipelines.aiops.params.artifacts import LOG_ANOMALIES, METRIC_ANOMALIES, MOVED
from pipelines.core.errors import SignalboxError
from pipelines.core.time import EPOCH

if TYPE_CHECKING:
    import pyarrow as pa


DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_FORM = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(\d{8}T\d{6}Z)_(\d{8}T\d{6}Z)")
_COMPLETE = 0.9
"""A day or an hour is complete if something is known of its last tenth."""


@dataclass(frozen=True, order=True)
class Window:
    """The time that is analysed, ``[start, end)``.

    Attributes
    ----------
    start, end : datetime
        Whole seconds, with a time zone; kept in UTC.

    Raises
    ------
    SignalboxError
        If a time has no time zone or parts of a second, or the end isn't after the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            at: datetime = getattr(self, name)
            if at.tzinfo is None or at.microsecond:
                raise SignalboxError(f"window's {name} {at}: give whole seconds and a time zone")
            # A plain datetime, whatever kind came in: some kinds lose their zone when added to.
            plain = datetime.fromtimestamp(int(at.timestamp()), UTC)
            object.__setattr__(self, name, plain)
        if self.end <= self.start:
            raise SignalboxError(f"window {self.start} to {self.end}: the end must be later")

    @property
    def name(self) -> str:
        """Both times, for example ``20260412T100000Z_20260412T110000Z``; sorts by time."""
        return f"{self.start.strftime(_FORM)}_{self.end.strftime(_FORM)}"

    @property
    def start_us(self) -> int:
        """Start, microseconds since 1970."""
        return (self.start - EPOCH) // timedelta(microseconds=1)

    @property
    def end_us(self) -> int:
        """End, microseconds since 1970."""
        return (self.end - EPOCH) // timedelta(microseconds=1)

    @property
    def last_day(self) -> date:
        """Last day of which the window holds anything."""
        return (self.end - timedelta(microseconds=1)).date()

    def as_json(self) -> dict[str, str]:
        """Return both times as text.

        Returns
        -------
        dict of str to str
            ``start`` and ``end`` as `iso` writes them.
        """
        return {"start": iso(self.start), "end": iso(self.end)}

    def moved(self, by: timedelta) -> Window:
        """Return the window shifted in time.

        Parameters
        ----------
        by : timedelta
            Positive: later. Whole seconds.

        Returns
        -------
        Window
        """
        return Window(self.start + by, self.end + by)

    @classmethod
    def parse(cls, name: str) -> Window:
        """Return the window of a name.

        Parameters
        ----------
        name : str
            As `Window.name` gives it.

        Returns
        -------
        Window

        Raises
        ------
        SignalboxError
            If no window has that name.
        """
        found = _NAME.fullmatch(name)
        try:
            if found:
                first, last = (datetime.strptime(text, _FORM) for text in found.groups())
                return cls(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
        except ValueError:
            pass
        raise SignalboxError(
            f"{name!r} names no window; names look like 20260412T100000Z_20260412T110000Z"
        )


def iso(at: datetime) -> str:
    """Format a time as in ``2026-04-12T10:00:00Z``.

    Parameters
    ----------
    at : datetime
        With a time zone; parts of a second are cut.

    Returns
    -------
    str
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def lake_of(settings: AnalysisParams) -> Path:
    """Return the folder of the lake.

    Parameters
    ----------
    settings : AnalysisParams

    Returns
    -------
    Path

    Raises
    ------
    SignalboxError
        If it doesn't exist.
    """
    lake = Path(settings.lake)
    if not lake.is_dir():
        raise SignalboxError(
            f"{lake}: no such lake (aiops.analysis.lake); run the stage simulate or "
            "signalbox ingest, or set aiops.analysis.lake"
        )
    return lake


def window_of(settings: AnalysisParams) -> Window:
    """Return the window that params name: ``hours`` long, up to ``until`` or the latest data.

    Parameters
    ----------
    settings : AnalysisParams

    Returns
    -------
    Window

    Raises
    ------
    SignalboxError
        If ``until`` is no time, the lake isn't there, or it has no signals that could tell what
        the latest day is.
    """
    length = timedelta(hours=settings.hours)
    if settings.until:
        try:
            end = datetime.fromisoformat(f"{settings.until}:00+00:00")
        except ValueError as error:
            raise SignalboxError(f"aiops.analysis.until: {settings.until!r}: {error}") from None
    else:
        end = _latest(lake_of(settings), HOUR if length % DAY else DAY)
    return Window(end - length, end)


def _latest(lake: Path, unit: timedelta) -> datetime:
    """End of the latest day or hour of which the last tenth is known, too."""
    times = [at for table in SIGNALS.values() if (at := newest(lake, table)) is not None]
    if not times:
        raise SignalboxError(
            f"{lake}: has no metrics, logs or spans; collect some (signalbox ingest), set "
            "aiops.analysis.lake, or say which time is meant by aiops.analysis.until"
        )
    at = max(times)
    begin = EPOCH + (at - EPOCH) // unit * unit
    return begin + unit if at - begin >= unit * _COMPLETE else begin


def newest(lake: Path, table: Table) -> datetime | None:
    """Return the time of a table's newest row.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    table : Table

    Returns
    -------
    datetime or None
        UTC; None without rows.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for day in reversed(days_of(lake, table)):
        times = [
            pc.max(pq.ParquetFile(file).read(columns=[table.time])[table.time]).as_py()
            for file in day_files(lake, table, day)
        ]
        if known := [at for at in times if at is not None]:
            newest_at: datetime = max(known)
            return newest_at
    return None


def rows_between(
    params: AiopsParams,
    table: Table,
    window: Window,
    *,
    where: str = "true",
    values: Sequence[object] = (),
    columns: Sequence[str] = (),
    most: int | None = None,
) -> pa.Table:
    """Read rows whose time lies in a window, sorted by time and key.

    Parameters
    ----------
    params : AiopsParams
        Says where the lake lies and how much memory the engine may use.
    table : Table
    window : Window
    where : str
        A further condition in SQL, with a question mark for each of `values`.
    values : sequence
        Values of the question marks in `where`, in order.
    columns : sequence of str
        Columns to return; none: all.
    most : int, optional
        Rows at most, the earliest; None: all.

    Returns
    -------
    pyarrow.Table
        With the contract's types; empty if no file lies on the window's days.

    Raises
    ------
    SignalboxError
        If there is no lake, or the files aren't of the contract.
    """
    import duckdb
    import pyarrow as pa

    files = files_between(lake_of(params.analysis), table, window.start.date(), window.last_day)
    schema = table.schema
    if columns:
        schema = pa.schema([schema.field(name) for name in columns])
    if not files:
        return schema.empty_table()
    names = ", ".join(f'"{name}"' for name in schema.names)
    keys = ", ".join(f'"{name}"' for name in (table.time, *table.key))
    limit = "" if most is None else f" LIMIT {most}"
    query = (
        f'SELECT {names} FROM {parquet(files)} WHERE "{table.time}" >= '
        f'make_timestamptz({window.start_us}) AND "{table.time}" < '
        f"make_timestamptz({window.end_us}) AND ({where}) ORDER BY {keys}{limit}"
    )
    try:
        with opened(params.runtime.memory_mb) as raw:
            found = raw.sql(query, params=list(values)).to_arrow_table()
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise SignalboxError(
            f"{files[0].parent.parent}: not a readable table of the contract: {text}"
        ) from error
    return found.cast(schema)


INPUTS = (METRIC_ANOMALIES, LOG_ANOMALIES, MOVED)
"""What incidents of a window are made of."""
HORIZON = timedelta(hours=24)
"""Findings so long before a window may belong to its incidents."""


def result_dir(results: Path, window: Window) -> Path:
    """Return the folder of a window's results.

    Parameters
    ----------
    results : Path
        Folder with the results of all windows.
    window : Window

    Returns
    -------
    Path
    """
    return results / window.name


def windows_in(results: Path) -> list[Window]:
    """Return the windows that have a folder; other folders are ignored.

    Parameters
    ----------
    results : Path
        Folder with the results of all windows.

    Returns
    -------
    list of Window
        Sorted by start, then end.
    """
    found = []
    for path in results.iterdir() if results.is_dir() else ():
        try:
            found.append(Window.parse(path.name))
        except SignalboxError:
            continue
    return sorted(found)


def has_all_inputs(directory: Path) -> bool:
    """Return whether all `INPUTS` of incidents are there.

    Parameters
    ----------
    directory : Path
        Folder of a window's results.

    Returns
    -------
    bool
    """
    return all((directory / path).is_file() for path in INPUTS)


def earlier_windows(results: Path, window: Window) -> list[Window]:
    """Return windows before one whose findings may belong to its incidents.

    Parameters
    ----------
    results : Path
        Folder with the results of all windows.
    window : Window

    Returns
    -------
    list of Window
        Those within `HORIZON` before it that have all `INPUTS`, sorted by start, then end.
    """
    return [
        other_window for other_window in windows_in(results)
        if window.start - HORIZON <= other_window.start and other_window.end <= window.start
        and has_all_inputs(result_dir(results, other_window))
    ]  # fmt: skip


def gaps(windows: Iterable[Window]) -> list[str]:
    """Return the times between windows that no window covers.

    Parameters
    ----------
    windows : iterable of Window

    Returns
    -------
    list of str
        `Window.name` of each gap, sorted by time.
    """
    found, until = [], None
    for window in sorted(windows):
        if until is not None and window.start > until:
            found.append(Window(until, window.start).name)
        until = window.end if until is None else max(until, window.end)
    return found
