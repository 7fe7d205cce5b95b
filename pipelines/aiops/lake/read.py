"""Read alert history into memory: labels once a series, the rest as plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.aiops.lake.contract import ALERTS, TICKETS, service_of
from pipelines.aiops.lake.days import files_between
from pipelines.aiops.lake.engine import opened, parquet
from pipelines.aiops.lake.frame import NEVER, NO, AlertFrame, Labels, with_assumed_ends
from pipelines.core.errors import SignalboxError
from pipelines.core.runtime import DEFAULT_MEMORY_MB
from pipelines.core.time import HOUR_US, MINUTE_US

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


LEAST_MB = 256
"""What the engine needs to read anything large at all."""


def read_history(
    folder: Path, memory_mb: int = DEFAULT_MEMORY_MB, *, ids: bool = False
) -> AlertFrame:
    """Read a window that stage ``alert_history`` froze.

    Parameters
    ----------
    folder : Path
        Folder with ``alerts.parquet`` and ``tickets.parquet``.
    memory_mb : int
        Memory to use, MB. The engine keeps to half of this, which leaves the other half to the
        arrays that are returned: some 25 bytes an alert, and a kilobyte a series.
    ids : bool
        Whether to return ``alert_id`` too: some 80 bytes an alert more.

    Returns
    -------
    AlertFrame
        Alerts sorted by start and id; series sorted by fingerprint, tickets by id. Rows that lost
        their end have an assumed one (`with_assumed_ends`); incidents that no alert names are
        linked by service and time (`with_assumed_links`).

    Raises
    ------
    SignalboxError
        If the folder has no history, or a file isn't what it should be.
    """
    alerts = folder / "alerts.parquet"
    if not alerts.is_file():
        raise SignalboxError(f"{alerts}: no such table; run the stage alert_history")
    tickets = folder / "tickets.parquet"
    frame = _read([alerts], [tickets] if tickets.is_file() else [], memory_mb, ids)
    loose = _unlinked(alerts, tickets) if tickets.is_file() else []
    return with_assumed_links(with_assumed_ends(frame), loose)


def read_lake(
    lake: Path,
    first: date | None = None,
    last: date | None = None,
    memory_mb: int = DEFAULT_MEMORY_MB,
    *,
    ids: bool = False,
) -> AlertFrame:
    """Read alerts that started in a range of days from a lake.

    Tickets are looked up on all days: one may be opened days after its alert.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    first, last : date, optional
        UTC days, both included; None is without bound.
    memory_mb, ids
        As in `read_history`.

    Returns
    -------
    AlertFrame
        As `read_history` returns; empty if no alert started on these days.

    Raises
    ------
    SignalboxError
        If a file isn't what it should be.
    """
    return _read(
        files_between(lake, ALERTS, first, last), files_between(lake, TICKETS), memory_mb, ids
    )


def _read(alerts: Sequence[Path], tickets: Sequence[Path], memory_mb: int, ids: bool) -> AlertFrame:
    import duckdb
    import numpy as np

    if not alerts:
        empty = np.empty(0, np.int64)
        none = np.empty(0, object) if ids else None
        return AlertFrame(empty.astype(np.int32), empty, empty, empty.astype(np.int8),
                          empty.astype(np.int32), [], [], none)  # fmt: skip
    try:
        with opened(max(memory_mb // 2, LEAST_MB)) as raw:
            labels = _series(raw, alerts)
            names = _incidents(raw, alerts, tickets)
            return _frame(raw, labels, names, ids)
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise SignalboxError(f"{alerts[0].parent}: not a readable alert history: {text}") from error


def _series(raw: Any, alerts: Sequence[Path]) -> list[Labels]:
    """Give each fingerprint its position in their order as code; fetch each one's labels once."""
    raw.execute(f"CREATE TEMP VIEW alerts AS SELECT * FROM {parquet(alerts)}")
    raw.execute(
        "CREATE TEMP TABLE series AS SELECT fingerprint, any_value(labels) AS labels, "
        "(row_number() OVER (ORDER BY fingerprint) - 1)::INTEGER AS code "
        "FROM alerts GROUP BY fingerprint"
    )
    found = raw.sql("SELECT labels FROM series ORDER BY code").to_arrow_table()
    same: dict[str, str] = {}  # one copy of each text, however many series have it
    return [
        {same.setdefault(k, k): same.setdefault(v, v) for k, v in pairs or ()}
        for batch in found.to_batches()
        for pairs in batch["labels"].to_pylist()
    ]


def _incidents(raw: Any, alerts: Sequence[Path], tickets: Sequence[Path]) -> list[str]:
    """Give each incident that alerts belong to its code."""
    wanted = f"SELECT ticket_id FROM {parquet(tickets)} WHERE kind = 'incident'" if tickets else ""
    condition = f"ticket_id IN ({wanted})" if wanted else "false"
    raw.execute(
        "CREATE TEMP TABLE incidents AS SELECT ticket_id, "
        "(row_number() OVER (ORDER BY ticket_id) - 1)::INTEGER AS code "
        f"FROM (SELECT DISTINCT ticket_id FROM alerts WHERE {condition})"
    )
    return [
        row[0] for row in raw.execute("SELECT ticket_id FROM incidents ORDER BY code").fetchall()
    ]


def _frame(raw: Any, labels: list[Labels], tickets: list[str], ids: bool) -> AlertFrame:
    found = raw.execute(
        "SELECT series.code AS series, epoch_us(starts_at) AS starts, "
        f"greatest(coalesce(epoch_us(ends_at), {NEVER}), epoch_us(starts_at)) AS ends, "
        f"coalesce({_column(raw, 'end_observed', 'BOOLEAN')}, true) AS end_observed, "
        # Whoever acknowledges acts, whatever else the source calls an act.
        f"CASE WHEN {_column(raw, 'acknowledged_at', 'TIMESTAMPTZ')} IS NOT NULL THEN 1 "
        "ELSE coalesce(acted::TINYINT, -1) END::TINYINT AS acted, "
        "coalesce(incidents.code, -1)::INTEGER AS ticket"
        f"{', alert_id' if ids else ''} "
        "FROM alerts JOIN series USING (fingerprint) LEFT JOIN incidents USING (ticket_id) "
        "ORDER BY starts_at, alert_id"
    ).fetchnumpy()
    return AlertFrame(
        _plain(found["series"]),
        _plain(found["starts"]),
        _plain(found["ends"]),
        _plain(found["acted"]),
        _plain(found["ticket"]),
        labels,
        tickets,
        _plain(found["alert_id"]) if ids else None,
        _plain(found["end_observed"]).astype(bool),
    )


def _column(raw: Any, name: str, kind: str) -> str:
    """Name a column of the alerts, or null where the files lack it."""
    names = {row[0] for row in raw.execute("DESCRIBE alerts").fetchall()}
    return name if name in names else f"NULL::{kind}"


LINK_BEFORE_US, LINK_AFTER_US = HOUR_US, 15 * MINUTE_US
"""An alert belongs to a ticket of its service at a guess if it starts at most so long before the
ticket is opened, or so long after."""


@dataclass(frozen=True)
class UnlinkedIncident:
    """An incident that no alert names: ticket, time of opening (microseconds) and service."""

    ticket: str
    opened: int
    service: str


def _unlinked(alerts: Path, tickets: Path) -> list[UnlinkedIncident]:
    import duckdb

    with duckdb.connect() as raw:
        found = raw.execute(
            "SELECT ticket_id, min(epoch_us(opened_at)), min(service) "
            f"FROM {parquet([tickets])} WHERE kind = 'incident' AND coalesce(service, '') <> '' "
            f"AND ticket_id NOT IN (SELECT ticket_id FROM {parquet([alerts])} "
            "WHERE ticket_id IS NOT NULL) GROUP BY ticket_id ORDER BY ticket_id"
        ).fetchall()
    return [UnlinkedIncident(*row) for row in found]


def with_assumed_links(frame: AlertFrame, incidents: Sequence[UnlinkedIncident]) -> AlertFrame:
    """Link incidents that no alert names to an alert of their service that began about then.

    Of the alerts without a ticket that qualify, those come first that somebody acted on (or may
    have), then the one that starts nearest to the ticket's opening. It is a guess: it protects the
    incident, and teaches nothing.

    Parameters
    ----------
    frame : AlertFrame
        Alert history.
    incidents : sequence of UnlinkedIncident
        Incidents without alerts.

    Returns
    -------
    AlertFrame
        The same rows; incidents that found one stand after the other tickets, and
        `AlertFrame.ticket_assumed` says which rows were guessed.
    """
    import numpy as np

    if not incidents or not len(frame):
        return frame
    service = np.array([service_of(labels) for labels in frame.labels], dtype=object)
    of_service: dict[str, NDArray[np.int64]] = {}
    ticket, assumed = frame.ticket.copy(), np.zeros(len(frame), dtype=bool)
    names = list(frame.tickets)
    for incident in incidents:
        if incident.service not in of_service:
            mine = service == incident.service
            rows = np.flatnonzero(mine[frame.series])
            of_service[incident.service] = rows[np.argsort(frame.starts[rows], kind="stable")]
        rows = of_service[incident.service]
        low, high = np.searchsorted(
            frame.starts[rows], [incident.opened - LINK_BEFORE_US, incident.opened + LINK_AFTER_US]
        )
        near = rows[low:high]
        near = near[ticket[near] < 0]
        if not len(near):
            continue
        distance = np.abs(frame.starts[near] - incident.opened)
        best = near[np.lexsort((near, distance, frame.acted[near] == NO))[0]]
        ticket[best], assumed[best] = len(names), True
        names.append(incident.ticket)
    return replace(frame, ticket=ticket, tickets=names, ticket_assumed=assumed)


def _plain(values: "NDArray[Any] | np.ma.MaskedArray[Any, Any]") -> "NDArray[Any]":
    """Values without the mask that the engine puts on; none is null here."""
    import numpy as np

    return np.asarray(np.ma.getdata(values))


def read_tickets(path: Path) -> "pd.DataFrame | None":
    """Read the frozen tickets.

    Parameters
    ----------
    path : Path
        ``tickets.parquet`` of a frozen window.

    Returns
    -------
    DataFrame or None
        Columns ``ticket_id``, ``opened_at``, ``closed_at``, ``fix``; None if there is no such file:
        then no fixes are known.
    """
    import pandas as pd

    columns = ["ticket_id", "opened_at", "closed_at", "fix"]
    return pd.read_parquet(path, columns=columns) if path.is_file() else None
