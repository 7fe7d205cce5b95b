"""Episodes: from the moment an alert starts to fire until it stops, as often as it was reported."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import NEVER, NO, UNKNOWN, YES, AlertFrame
from pipelines.core.arrays import runs
from pipelines.core.time import DAY_MS

MS = 1000
"""Microseconds in a millisecond, the precision of everything that is mined."""


@dataclass(frozen=True)
class Episodes:
    """Episodes sorted by series and start; row i of every array is the same episode.

    Attributes
    ----------
    series : array of int32, shape (episodes,)
        Series of each episode, ascending.
    start, end : array of int64, shape (episodes,), milliseconds
        Since `origin`; an unknown end is the latest it can have been.
    ended : array of bool, shape (episodes,)
        Whether the end was observed: durations are learned from these episodes alone.
    acted : array of int8, shape (episodes,)
        `YES`, `NO` or `UNKNOWN` as in `AlertFrame`; a ticket is an act.
    ticket : array of int32, shape (episodes,)
        Index of a ticket, -1 without one.
    rows : array of int32, shape (episodes,)
        Alerts reported.
    origin : int
        Start of the window, microseconds since 1970 (UTC).
    span : int
        Length of the window, milliseconds.
    """

    series: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    ended: NDArray[np.bool_]
    acted: NDArray[np.int8]
    ticket: NDArray[np.int32]
    rows: NDArray[np.int32]
    origin: int
    span: int

    def __len__(self) -> int:
        return len(self.series)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Where each series' episodes begin; the last entry is the end of all."""
        count = np.bincount(self.series) if len(self) else np.empty(0, np.int64)
        return np.concatenate([[0], np.cumsum(count)])

    def days(self) -> NDArray[np.int64]:
        """UTC day of each start, counted from 1970."""
        return (self.start + self.origin // MS) // DAY_MS


def find_episodes(frame: AlertFrame, window: HistoryWindow) -> Episodes:
    """Merge the alerts that overlap or touch, series by series.

    An alert whose end is unknown lasts until the same series is reported anew, or to the end of
    the window, and counts as not ended.

    Parameters
    ----------
    frame : AlertFrame
        Alert history; rows are alerts.
    window : HistoryWindow
        Alerts that start outside of it are left out, and ends are cut at its end.

    Returns
    -------
    Episodes
        Episodes of the window.

    Notes
    -----
    One sort by series and time as a single integer; a running maximum of ends over that integer
    restarts by itself at each series, since a later series' numbers are all larger.
    """
    span = (window.end - window.start) // MS + 1
    rows, start = _sorted(frame, window, span)
    end, known = _ends(frame.ends[rows], start, window)
    known &= frame.observed_ends[rows]
    reach = np.maximum.accumulate(end, out=end) if len(end) else end
    first = np.flatnonzero(np.concatenate([[True], start[1:] > reach[:-1]])[: len(rows)])
    if not len(first):
        return _nothing(window, span)
    # The numbers still carry the series: it is divided out again here.
    last = np.append(first[1:], len(rows)) - 1
    series = start[first] // span
    tickets, acts = frame.ticket[rows], frame.acted[rows]
    if frame.ticket_assumed is not None:
        # A guessed link says neither that somebody acted nor, any more, that nobody did.
        guessed = frame.ticket_assumed[rows]
        tickets = np.where(guessed, -1, tickets)
        acts = np.where(guessed & (acts == NO), UNKNOWN, acts)
    ticket = np.maximum.reduceat(tickets, first)
    acted = _acted(acts, first)
    return Episodes(
        series=series.astype(np.int32),
        start=start[first] - series * span,
        end=reach[last] - series * span,
        ended=np.minimum.reduceat(known, first),
        acted=np.where(ticket >= 0, YES, acted).astype(np.int8),
        ticket=ticket,
        rows=(last - first + 1).astype(np.int32),
        origin=window.start,
        span=span,
    )


def _sorted(
    frame: AlertFrame, window: HistoryWindow, span: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the rows of the window, and of each the series and start as one number, ascending."""
    rows = np.flatnonzero(window.holds(frame.starts))
    start = frame.starts[rows] - window.start
    start //= MS
    # Series and start as one number: one sort orders by both.
    start += frame.series[rows].astype(np.int64) * span
    order = np.argsort(start)
    return rows[order], start[order]


def positions(episodes: Episodes, series: NDArray[Any]) -> NDArray[np.int64]:
    """Return the positions of the episodes of some series, of which there may be none.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the history.
    series : array of int, shape (n,)
        Series, ascending.

    Returns
    -------
    array of int64
        Positions, ascending.
    """
    first = episodes.first
    # Series beyond the last one with episodes get an empty range.
    low = np.minimum(series, len(first) - 1)
    return runs(first[low], first[np.minimum(low + 1, len(first) - 1)] - first[low])


def days_of(episodes: Episodes, start: NDArray[np.int64]) -> int:
    """Count the separate UTC days on which episodes with these starts began.

    Parameters
    ----------
    episodes : Episodes
        Episodes that give the origin of `start`.
    start : array of int64, shape (n,), milliseconds
        Starts since `Episodes.origin`.

    Returns
    -------
    int
        Number of days.
    """
    since = episodes.origin // MS % DAY_MS
    return int(np.count_nonzero(np.bincount((start + since) // DAY_MS)))


def _ends(
    ends: NDArray[np.int64], start: NDArray[np.int64], window: HistoryWindow
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give the ends as such numbers, too, and whether each is known."""
    span = (window.end - window.start) // MS + 1
    known, open_ended = ends < window.end, np.flatnonzero(ends >= NEVER)
    latest = np.minimum(ends, window.end) - window.start
    latest //= MS
    latest += start // span * span
    # An alert without an end lasts until its series is reported anew, if it is.
    following = np.minimum(open_ended + 1, len(ends) - 1)
    again = (start[following] // span == start[open_ended] // span) & (following > open_ended)
    latest[open_ended[again]] = np.maximum(
        start[following[again]] - 1, start[open_ended[again]]
    )  # fmt: skip
    return np.maximum(latest, start, out=latest), known


def _acted(acted: NDArray[np.int8], first: NDArray[np.int64]) -> NDArray[np.int8]:
    most, least = np.maximum.reduceat(acted, first), np.minimum.reduceat(acted, first)
    return np.where(most == YES, YES, np.where(least == UNKNOWN, UNKNOWN, NO)).astype(np.int8)


def _nothing(window: HistoryWindow, span: int) -> Episodes:
    wide, small = np.empty(0, np.int64), np.empty(0, np.int32)
    return Episodes(
        small, wide, wide, np.empty(0, np.bool_), np.empty(0, np.int8), small, small,
        window.start, span,
    )  # fmt: skip
