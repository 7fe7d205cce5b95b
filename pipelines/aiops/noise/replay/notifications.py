"""What was sent, from the notification log's entries: compact a chunk, a table at the end."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.arrays import Bools, Ints, heads, order_of
from pipelines.aiops.noise.replay.dedup import REASONS, Told
from pipelines.aiops.noise.replay.model import Groups

if TYPE_CHECKING:
    import pandas as pd

_SORTS = ("time", "group", "resolved")


@dataclass(frozen=True)
class Sent:
    """Notifications, 26 bytes each.

    Attributes
    ----------
    receiver
        Index into the list of receivers' names.
    reason
        Index into `REASONS`.
    """

    time: Ints
    receiver: NDArray[np.int16]
    group: NDArray[np.int32]
    firing: NDArray[np.int32]
    resolved: NDArray[np.int32]
    reason: NDArray[np.int8]
    page: Bools

    def __len__(self) -> int:
        return len(self.time)

    def where(self, keep: Bools | Ints) -> "Sent":
        """Return some of them, by a mask or by positions."""
        return Sent(*(getattr(self, each.name)[keep] for each in fields(self)))


def sent_of(groups: Groups, told: Told, number: dict[str, int]) -> Sent:
    """Pick what went out of what was logged; `number` counts the receivers."""
    at = np.flatnonzero(groups.tells[told.group] & ((told.firing > 0) | groups.sends[told.group]))
    group = told.group[at]
    of_route = np.array([number[route.receiver] for route in groups.routes], dtype=np.int16)
    firing = told.firing[at]
    return Sent(
        told.time[at],
        of_route[groups.route[group]],
        groups.real[group].astype(np.int32),
        firing.astype(np.int32),
        np.where(groups.sends[group], told.resolved[at], 0).astype(np.int32),
        told.reason[at].astype(np.int8),
        (firing > 0) & groups.pages[group],
    )


class Collector:
    """Collects what chunks of groups sent.

    Parameters
    ----------
    groups
        All of them.
    only_pages
        Drop what wakes nobody as soon as it is counted.
    """

    def __init__(self, groups: Groups, *, only_pages: bool) -> None:
        self.names = sorted({route.receiver for route in groups.routes})
        self.number = {name: i for i, name in enumerate(self.names)}
        self.only_pages = only_pages
        # Classes of one receiver that tell at the same tick are one notification.
        self.shared = len(np.unique(groups.real)) < len(groups)
        self.count = 0
        self.parts: list[Sent] = []

    def add(self, groups: Groups, told: Told) -> None:
        """Take what one chunk logged."""
        sent = sent_of(groups, told, self.number)
        self.count += len(sent)
        if self.only_pages and not self.shared:
            sent = sent.where(sent.page)
        self.parts.append(sent)

    def result(self) -> tuple["pd.DataFrame", int]:
        """Return the table, in order of time and group, and how many notifications there were."""
        sent = self._joined()
        order = (
            np.lexsort([getattr(sent, name) for name in reversed(_SORTS)])
            if self.shared
            else order_of(sent.time, sent.group.astype(np.int64))
        )
        sent = sent.where(order)
        if self.shared:
            last = np.ones(len(sent), dtype=bool)
            last[:-1] = heads(sent.time)[1:] | heads(sent.group.astype(np.int64))[1:]
            sent = sent.where(last)
            self.count = len(sent)
            sent = sent.where(sent.page) if self.only_pages else sent
        return self._table(sent), self.count

    def _joined(self) -> Sent:
        parts, self.parts = self.parts, []
        empty = np.empty(0, dtype=np.int64)
        first = Sent(empty, *(empty.astype(t) for t in ("i2", "i4", "i4", "i4", "i1", "?")))
        columns: list[Any] = []
        for each in fields(Sent):
            columns.append(np.concatenate([getattr(part, each.name) for part in (first, *parts)]))
        return Sent(*columns)

    def _table(self, sent: Sent) -> "pd.DataFrame":
        import pandas as pd

        def named(names: list[str], codes: NDArray[Any]) -> Any:
            return pd.array(names or [""], dtype="str").take(codes)

        return pd.DataFrame(
            {
                "time": sent.time,
                "receiver": named(self.names, sent.receiver),
                "group": sent.group.astype(np.int64),
                "firing": sent.firing.astype(np.int64),
                "resolved": sent.resolved.astype(np.int64),
                "reason": named(list(REASONS), sent.reason),
                "page": sent.page,
            }
        )
