"""Pages saved, incidents lost, delay added: one replay held against another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.windows import Window
from pipelines.aiops.telemetry.frame import AlertFrame

SECOND = 1_000_000
NOT_PAGED = -1


@dataclass(frozen=True)
class Incident:
    """A ticketed incident and when people heard of it.

    Attributes
    ----------
    first_before, first_after
        Time of the first page about it, today and with the rules; -1 = never.
    closed
        When its ticket was closed; None = not yet, or not known.
    rules
        Ids of the rules that changed what happens to its alerts.
    """

    ticket: str
    starts: int
    closed: int | None
    first_before: int
    first_after: int
    rules: tuple[str, ...]

    @property
    def heard_today(self) -> bool:
        """Whether today's configuration pages about it at all."""
        return self.first_before != NOT_PAGED

    @property
    def lost(self) -> bool:
        """Whether it is paged today, but with the rules never, or only when all is over."""
        if not self.heard_today:
            return False
        if self.first_after == NOT_PAGED:
            return True
        too_late = self.closed is not None and self.first_after >= self.closed
        return too_late and self.first_after > self.first_before

    @property
    def delay(self) -> float:
        """Seconds by which the rules delay the first page; infinite where it is lost.

        Nan where it isn't paged today: there is nothing to delay.
        """
        if not self.heard_today:
            return float("nan")
        if self.lost:
            return float("inf")
        return (self.first_after - self.first_before) / SECOND


@dataclass(frozen=True)
class Effect:
    """What the rules do in one window.

    Attributes
    ----------
    before, after
        Times of pages inside the window, today and with the rules, ascending.
    credit
        Rule id → pages it saves: the saving, shared out by the pages that each rule's alerts no
        longer cause. Estimates; together they add up to the saving.
    """

    window: Window
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    incidents: tuple[Incident, ...]
    credit: dict[str, float]

    @property
    def saved(self) -> int:
        """Pages saved."""
        return len(self.before) - len(self.after)

    @property
    def saved_share(self) -> float:
        """Share of today's pages that are saved; nan without pages."""
        return self.saved / len(self.before) if len(self.before) else float("nan")

    @property
    def lost(self) -> tuple[Incident, ...]:
        """Incidents nobody would hear of."""
        return tuple(one for one in self.incidents if one.lost)

    @property
    def heard(self) -> tuple[Incident, ...]:
        """Incidents that are paged today: the ones that can be lost."""
        return tuple(one for one in self.incidents if one.heard_today)

    def delays(self) -> NDArray[np.float64]:
        """Return the added delay of every incident that is still heard, seconds."""
        kept = [one.delay for one in self.heard if not one.lost]
        return np.array(kept, dtype=np.float64)

    @property
    def median_delay(self) -> float:
        """Median added delay, seconds; nan without incidents."""
        delays = self.delays()
        return float(np.median(delays)) if len(delays) else float("nan")


def judge(
    frame: AlertFrame,
    window: Window,
    before: Any,
    after: Any,
    closed: dict[str, int] | None = None,
) -> Effect:
    """Compare two replays of the same rows.

    Parameters
    ----------
    frame
        The rows that were replayed.
    window
        Where pages and incidents count.
    before, after
        Replays with today's configuration and with the rules.
    closed
        Ticket id → microseconds when it was closed.
    """
    return Effect(
        window=window,
        before=_pages(before, window),
        after=_pages(after, window),
        incidents=_incidents(frame, window, before, after, closed or {}),
        credit=_credit(frame, window, before, after),
    )


def _pages(replay: Any, window: Window) -> NDArray[np.int64]:
    notes = replay.notifications
    times = notes["time"].to_numpy(dtype=np.int64)[notes["page"].to_numpy(dtype=bool)]
    return np.sort(times[window.holds(times)])


def _incidents(
    frame: AlertFrame, window: Window, before: Any, after: Any, closed: dict[str, int]
) -> tuple[Incident, ...]:
    """Incidents whose first alert starts inside the window."""
    rows = np.flatnonzero(frame.ticket >= 0)
    if not len(rows):
        return ()
    ticket = frame.ticket[rows]
    order = np.argsort(ticket, kind="stable")
    rows, ticket = rows[order], ticket[order]
    codes, at = np.unique(ticket, return_index=True)
    starts = np.minimum.reduceat(frame.starts[rows], at)
    heard_before = _first(before, rows, at)
    heard_after = _first(after, rows, at)
    rules = after.alerts["rule"].to_numpy()[rows]
    parts = np.split(rules, at[1:])
    return tuple(
        Incident(
            ticket=frame.tickets[code],
            starts=int(starts[i]),
            closed=closed.get(frame.tickets[code]),
            first_before=int(heard_before[i]),
            first_after=int(heard_after[i]),
            rules=tuple(sorted({str(rule) for rule in parts[i] if rule})),
        )
        for i, code in enumerate(codes)
        if window.start <= starts[i] < window.end
    )


def _first(replay: Any, rows: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """First page of each run of rows; -1 where none of them is ever in a page."""
    times = replay.alerts["first_page"].to_numpy(dtype=np.int64)[rows]
    never = np.iinfo(np.int64).max
    first = np.minimum.reduceat(np.where(times < 0, never, times), at)
    return np.where(first == never, NOT_PAGED, first)


def _credit(frame: AlertFrame, window: Window, before: Any, after: Any) -> dict[str, float]:
    saved = len(_pages(before, window)) - len(_pages(after, window))
    fewer = before.alerts["pages"].to_numpy(dtype=np.int64) - after.alerts["pages"].to_numpy(
        dtype=np.int64
    )
    rules = after.alerts["rule"].to_numpy()
    counts = (fewer > 0) & window.holds(frame.starts) & (rules != "")
    total = float(fewer[counts].sum())
    if saved <= 0 or total <= 0:
        return {}
    names, codes = np.unique(rules[counts].astype(str), return_inverse=True)
    weights = np.bincount(codes, weights=fewer[counts].astype(np.float64), minlength=len(names))
    return {str(name): saved * float(w) / total for name, w in zip(names, weights, strict=True)}
