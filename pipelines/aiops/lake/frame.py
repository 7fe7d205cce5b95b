"""Alert history in memory: small numbers a row, labels once a series.

Ten million alerts have perhaps a hundred thousand different label sets; everything that mines or
replays works on codes, and looks at labels once a series.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Labels = dict[str, str]

NEVER = np.int64(2**62)
"""End of an alert that is not known to have ended."""

UNKNOWN, NO, YES = np.int8(-1), np.int8(0), np.int8(1)
"""Values of `AlertFrame.acted`."""


@dataclass(frozen=True)
class AlertFrame:
    """Alerts as arrays; row i of every array is the same alert.

    Attributes
    ----------
    series : ndarray of int32, shape (rows,)
        Index into `labels`.
    starts, ends : ndarray of int64, shape (rows,)
        Microseconds since 1970 (UTC); `NEVER` where the end is not known. ``ends >= starts``. Rows
        of one series may overlap: then it is one alert that goes on.
    acted : ndarray of int8, shape (rows,)
        `YES`, `NO` or `UNKNOWN`.
    ticket : ndarray of int32, shape (rows,)
        Index into `tickets`, -1 without one.
    labels : list of dict of str to str, length (series,)
        Label set of each series, ``alertname`` among them.
    tickets : list of str
        Ids of tickets of kind ``incident`` that alerts belong to.
    ids : ndarray of object, shape (rows,), optional
        ``alert_id`` of each row, or None where nobody asked for them.
    end_observed : ndarray of bool, shape (rows,), optional
        Whether somebody saw the row end; None: every end that is known was seen.
    ticket_assumed : ndarray of bool, shape (rows,), optional
        Whether the row's ticket is a guess by service and time; None: none is.
    """

    series: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    acted: NDArray[np.int8]
    ticket: NDArray[np.int32]
    labels: list[Labels]
    tickets: list[str]
    ids: NDArray[np.object_] | None = None
    end_observed: NDArray[np.bool_] | None = None
    ticket_assumed: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.series)

    @property
    def observed_ends(self) -> NDArray[np.bool_]:
        """Whether each row's end was seen, shape (rows,): only these say how long alerts last.

        Not so where the end is unknown or assumed; nor where the row ends as it starts: that is a
        point in time, of which nobody recorded how long it held.
        """
        seen: NDArray[np.bool_] = (self.ends < NEVER) & (self.ends > self.starts)
        return seen if self.end_observed is None else seen & self.end_observed

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "AlertFrame":
        """Select rows; `labels` and `tickets` stay whole, so codes keep their meaning.

        Parameters
        ----------
        keep : ndarray of bool, shape (rows,), or of int64
            A mask, or positions of rows.

        Returns
        -------
        AlertFrame
            This frame itself, not a copy, if a mask keeps all rows.
        """
        if keep.dtype == np.bool_ and keep.all():
            return self
        return AlertFrame(
            self.series[keep],
            self.starts[keep],
            self.ends[keep],
            self.acted[keep],
            self.ticket[keep],
            self.labels,
            self.tickets,
            None if self.ids is None else self.ids[keep],
            None if self.end_observed is None else self.end_observed[keep],
            None if self.ticket_assumed is None else self.ticket_assumed[keep],
        )


FEW_DURATIONS = 5
"""Fewer observed durations of a name say nothing about how long it lasts at most."""


def with_assumed_ends(frame: AlertFrame) -> AlertFrame:
    """End the rows whose end was lost: they don't fire for ever.

    A row without an end whose series starts again has ended before: after the median observed
    duration of its alert name (of all alerts if its name has none), at the latest just before
    that start. One that would by now have lasted longer than any of its name (at least
    `FEW_DURATIONS` observed) is assumed to have ended after the longest of them. All other rows
    without an end still fire.

    Parameters
    ----------
    frame : AlertFrame
        Alert history.

    Returns
    -------
    AlertFrame
        The same rows; assumed ends aren't among `AlertFrame.observed_ends`. The frame itself where
        nothing is assumed.
    """
    open_rows = frame.ends >= NEVER
    if not open_rows.any():
        return frame
    names = [labels.get("alertname", "") for labels in frame.labels]
    _, name_of_series = np.unique(np.array(names, dtype=str), return_inverse=True)
    name = name_of_series[frame.series]
    observed = frame.observed_ends
    lasted = (frame.ends - frame.starts)[observed]
    order = np.lexsort((lasted, name[observed]))
    sorted_names, lasted = name[observed][order], lasted[order]
    low, high = (np.searchsorted(sorted_names, name[open_rows], side) for side in ("left", "right"))
    row, start = np.flatnonzero(open_rows), frame.starts[open_rows]
    again = _next_start(frame)[row]
    if len(lasted):
        middle = np.minimum((low + high) // 2, len(lasted) - 1)
        usual = np.where(high > low, lasted[middle], int(np.median(lasted)))
        longest = lasted[np.maximum(high - 1, 0)]
        known_long = high - low >= FEW_DURATIONS
    else:
        usual, longest, known_long = np.full(len(row), NEVER), np.zeros_like(row), again < 0
    ends = frame.ends.copy()
    restarted = again < NEVER
    ends[row[restarted]] = np.minimum(start + np.minimum(usual, NEVER - start), again - 1)[
        restarted
    ]
    seen_ends = frame.ends[~open_rows]
    now = max(int(frame.starts.max()), int(seen_ends.max()) if len(seen_ends) else 0)
    lost = ~restarted & known_long & (start + longest < now)
    ends[row[lost]] = (start + longest)[lost]
    return replace(frame, ends=np.maximum(ends, frame.starts), end_observed=observed)


def _next_start(frame: AlertFrame) -> NDArray[np.int64]:
    """Return the next later start of each row's series; `NEVER` if there is none."""
    order = np.lexsort((frame.starts, frame.series))
    series, starts = frame.series[order], frame.starts[order]
    found = np.full(len(frame), NEVER)
    # Backwards over equal starts: of rows that start together none ends the other.
    new = np.ones(len(order), dtype=bool)
    new[1:] = (series[1:] != series[:-1]) | (starts[1:] != starts[:-1])
    run = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    following = np.append(first[1:], len(order))[run]
    inside = following < len(order)
    inside[inside] = series[following[inside]] == series[inside]
    found[order[inside]] = starts[following[inside]]
    return found
