"""Alert history in memory: small numbers a row, labels once a series.

Ten million alerts have perhaps a hundred thousand different label sets; everything that mines or
replays works on codes, and looks at labels once a series.
"""

from dataclasses import dataclass

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
    """

    series: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    acted: NDArray[np.int8]
    ticket: NDArray[np.int32]
    labels: list[Labels]
    tickets: list[str]
    ids: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.series)

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
        )
