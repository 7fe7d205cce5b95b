"""Backtest: pages saved, incidents missed, delay added; one replay compared with another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config import Config
from pipelines.aiops.alerting.config.apply import changes_heartbeat, heartbeats_of
from pipelines.aiops.alerting.evaluation.attribution import RuleAttribution
from pipelines.aiops.alerting.replay import Replay, replay
from pipelines.aiops.alerting.replay.model import Deployed
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.alerting.windows import HistoryWindow, iso, rows_of
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.core.errors import SignalboxError
from pipelines.core.time import SECOND_US

NOT_PAGED = -1


@dataclass(frozen=True)
class TicketedIncident:
    """A ticketed incident and when people were notified of it.

    It begins with the earliest episode of the alerts that belong to it, whenever its ticket was
    opened. Notified of it people are by a page that names one of these alerts, sent while that
    alert's own episode lasts.

    Attributes
    ----------
    ticket : str
        Id of the ticket.
    starts : int
        Start of the earliest episode of its alerts, microseconds since 1970.
    closed : int or None
        When its ticket was closed, microseconds since 1970; None = not yet, or not known.
    baseline_first_page, candidate_first_page : int
        Time of the first page about it, without and with the rules, microseconds since 1970; -1 =
        never.
    baseline_first_notification, candidate_first_notification : int
        The same of the first notification to any receiver, whether it pages or not.
    assumed_link : bool
        Whether its alert was found by service and time, and not named by anybody.
    hidden_by : tuple of str
        Ids of the rules that decided over one of its alerts: kept back, muted, notified otherwise.
    touched_by : tuple of str
        Those, and every rule that merges, regroups or lets wait one of its alerts.
    """

    ticket: str
    starts: int
    closed: int | None
    baseline_first_page: int
    candidate_first_page: int
    hidden_by: tuple[str, ...] = ()
    touched_by: tuple[str, ...] = ()
    baseline_first_notification: int = NOT_PAGED
    candidate_first_notification: int = NOT_PAGED
    assumed_link: bool = False

    def __post_init__(self) -> None:
        """Refuse a page that is older than the incident: it can't tell of it.

        Raises
        ------
        SignalboxError
            If a first page is; names the incident.
        """
        for which in ("baseline", "candidate"):
            page = getattr(self, f"{which}_first_page")
            if page != NOT_PAGED and page < self.starts:
                raise SignalboxError(
                    f"incident {self.ticket} begins at {iso(self.starts)}, but its first page "
                    f"({which}) was sent at {iso(page)}: a page before an incident is no page "
                    "of it; the replay has an error, please report it"
                )

    @property
    def baseline_notified(self) -> bool:
        """Whether today's configuration pages about it at all."""
        return self.baseline_first_page != NOT_PAGED

    @property
    def missed(self) -> bool:
        """Whether it is paged today, but with the rules never, or only when all is over."""
        if not self.baseline_notified:
            return False
        if self.candidate_first_page == NOT_PAGED:
            return True
        # A ticket closed before even today's page says nothing about when all was over.
        return (
            self.closed is not None
            and self.baseline_first_page < self.closed <= self.candidate_first_page
        )

    @property
    def vanished(self) -> bool:
        """Whether some receiver is notified of it today, and none is with the rules."""
        return (
            self.baseline_first_notification != NOT_PAGED
            and self.candidate_first_notification == NOT_PAGED
        )

    @property
    def delay(self) -> float:
        """Seconds by which the rules delay the first page; infinite where it is missed.

        Nan where it isn't paged today: there is nothing to delay. 0 where the page comes earlier
        than today (a group of its own can do that): what one incident gains is no other's.
        """
        if not self.baseline_notified:
            return float("nan")
        if self.missed:
            return float("inf")
        return max(self.candidate_first_page - self.baseline_first_page, 0) / SECOND_US


@dataclass(frozen=True)
class BacktestResult:
    """What the rules do in one window.

    Attributes
    ----------
    window : HistoryWindow
        Where pages and incidents count.
    baseline, candidate : array of int64, shape (pages,), microseconds since 1970
        Times of pages inside the window, without and with the rules, ascending.
    incidents : tuple of TicketedIncident
        Incidents whose first alert starts inside the window.
    credit : dict of str to float
        Rule id → pages it saves: the saving, shared out by the pages that each rule's alerts no
        longer cause. Estimates; together they add up to the saving.
    """

    window: HistoryWindow
    baseline: NDArray[np.int64]
    candidate: NDArray[np.int64]
    incidents: tuple[TicketedIncident, ...]
    credit: dict[str, float]

    @property
    def saved(self) -> int:
        """Pages saved."""
        return len(self.baseline) - len(self.candidate)

    @property
    def saved_share(self) -> float:
        """Share of today's pages that are saved; nan without pages."""
        return self.saved / len(self.baseline) if len(self.baseline) else float("nan")

    @property
    def missed(self) -> tuple[TicketedIncident, ...]:
        """Incidents nobody would be notified of."""
        return tuple(incident for incident in self.incidents if incident.missed)

    @property
    def vanished(self) -> tuple[TicketedIncident, ...]:
        """Incidents of which some receiver is notified today and none would be any more."""
        return tuple(incident for incident in self.incidents if incident.vanished)

    @property
    def notified(self) -> tuple[TicketedIncident, ...]:
        """Incidents that are paged today: the ones that can be missed."""
        return tuple(incident for incident in self.incidents if incident.baseline_notified)

    def delays(self) -> NDArray[np.float64]:
        """Return the added delay of every incident that is still notified, seconds."""
        kept = [incident.delay for incident in self.notified if not incident.missed]
        return np.array(kept, dtype=np.float64)

    @property
    def median_delay(self) -> float:
        """Median added delay, seconds; nan without incidents."""
        delays = self.delays()
        return float(np.median(delays)) if len(delays) else float("nan")


def evaluate_outcomes(
    attribution: RuleAttribution,
    *,
    window: HistoryWindow,
    baseline: Any,
    candidate: Any,
    rules: Sequence[Rule],
    closed: dict[str, int] | None = None,
) -> BacktestResult:
    """Compare two replays of the same rows.

    Parameters
    ----------
    attribution : RuleAttribution
        Knows the rows that were replayed.
    window : HistoryWindow
        Where pages and incidents count.
    baseline, candidate : Replay
        Replays with today's configuration and with the rules.
    rules : sequence of Rule
        The rules of `candidate`.
    closed : dict of str to int or None
        Ticket id → microseconds when it was closed.

    Returns
    -------
    BacktestResult
        Pages, incidents and credit inside the window.
    """
    return BacktestResult(
        window=window,
        baseline=_pages(baseline, window),
        candidate=_pages(candidate, window),
        incidents=_incidents(
            attribution,
            window=window,
            baseline=baseline,
            candidate=candidate,
            rules=rules,
            closed=closed or {},
        ),
        credit=_credit(
            attribution, window=window, baseline=baseline, candidate=candidate, rules=rules
        ),
    )


def _pages(replay: Any, window: HistoryWindow) -> NDArray[np.int64]:
    notes = replay.notifications
    times = notes["time"].to_numpy(dtype=np.int64)[notes["page"].to_numpy(dtype=bool)]
    return np.sort(times[window.holds(times)])


def _incidents(
    attribution: RuleAttribution,
    *,
    window: HistoryWindow,
    baseline: Any,
    candidate: Any,
    rules: Sequence[Rule],
    closed: dict[str, int],
) -> tuple[TicketedIncident, ...]:
    """Incidents whose first alert starts inside the window."""
    frame = attribution.frame
    rows = np.flatnonzero(frame.ticket >= 0)
    if not len(rows):
        return ()
    # Sorted by ticket, each incident is one stretch of rows.
    rows = rows[np.argsort(frame.ticket[rows], kind="stable")]
    codes, at = np.unique(frame.ticket[rows], return_index=True)
    starts = np.minimum.reduceat(frame.starts[rows], at)
    assumed = frame.ticket_assumed
    guessed = np.zeros(len(at), bool) if assumed is None else assumed[rows][at]
    begins = np.minimum.reduceat(attribution.episode_starts[rows], at)
    baseline_first, candidate_first = _first(baseline, rows, at), _first(candidate, rows, at)
    any_baseline, any_candidate = (
        _first(each, rows, at, "first_notification") for each in (baseline, candidate)
    )
    touching = [np.split(column[rows], at[1:]) for column in attribution.columns(rules, candidate)]
    return tuple(
        TicketedIncident(
            ticket=frame.tickets[code],
            starts=int(begins[i]),
            closed=closed.get(frame.tickets[code]),
            baseline_first_page=int(baseline_first[i]),
            candidate_first_page=int(candidate_first[i]),
            hidden_by=_names(touching[0][i]),
            touched_by=_names(*(column[i] for column in touching)),
            baseline_first_notification=int(any_baseline[i]),
            candidate_first_notification=int(any_candidate[i]),
            assumed_link=bool(guessed[i]),
        )
        for i, code in enumerate(codes)
        if window.start <= starts[i] < window.end
    )


def _names(*columns: NDArray[np.object_]) -> tuple[str, ...]:
    return tuple(
        sorted({str(incident_id) for column in columns for incident_id in column if incident_id})
    )


def _first(
    replay: Any, rows: NDArray[np.int64], at: NDArray[np.int64], column: str = "first_page"
) -> NDArray[np.int64]:
    """First page of each run of rows; -1 where none of them is ever in a page."""
    times = replay.alerts[column].to_numpy(dtype=np.int64)[rows]
    never = np.iinfo(np.int64).max
    first = np.minimum.reduceat(np.where(times < 0, never, times), at)
    return np.where(first == never, NOT_PAGED, first)


def _credit(
    attribution: RuleAttribution,
    *,
    window: HistoryWindow,
    baseline: Any,
    candidate: Any,
    rules: Sequence[Rule],
) -> dict[str, float]:
    """Share out what is saved by the alerts that page no more.

    Where every alert is still paged, and fewer pages name them (groups of alerts that last), by the
    alerts that are paged in a rule's way.
    """
    saved = len(_pages(baseline, window)) - len(_pages(candidate, window))
    starts = attribution.frame.starts
    baseline_first_page = baseline.alerts["first_page"].to_numpy(dtype=np.int64)
    candidate_first_page = candidate.alerts["first_page"].to_numpy(dtype=np.int64)
    credited = attribution.credited(rules, baseline, candidate)
    counts = (baseline_first_page >= 0) & window.holds(starts) & (credited != "")
    if saved <= 0 or not counts.any():
        return {}
    quiet = counts & (candidate_first_page < 0)
    counts = quiet if quiet.any() else counts
    names, weights = np.unique(credited[counts].astype(str), return_counts=True)
    each = saved / weights.sum()
    return {str(name): each * int(w) for name, w in zip(names, weights, strict=True)}


class Backtest:
    """Measures sets of rules on one window.

    Parameters
    ----------
    frame : AlertFrame
        The whole history.
    window : HistoryWindow
        Where pages and incidents count.
    config : Config
        Today's configuration.
    closed : dict of str to int
        Ticket id → microseconds when it was closed (`closing_times`).

    Attributes
    ----------
    heartbeats : array of int64, shape (heartbeats,)
        Series that always fire in the window and are repeated every few minutes: no pages.
    """

    def __init__(
        self, frame: AlertFrame, window: HistoryWindow, config: Config, closed: dict[str, int]
    ) -> None:
        self.window = window
        self.config = config
        self.closed = closed
        self.rows = rows_of(frame, window)
        self.heartbeats = heartbeats_of(self.rows, config, window.start, window.end)
        self.attribution = RuleAttribution(self.rows)
        self.baseline = self.replay(())

    def replay(self, rules: Sequence[Rule]) -> Replay:
        """Replay the window with `rules` on top of today's configuration.

        Parameters
        ----------
        rules : sequence of Rule
            Rules in the order in which they apply.

        Returns
        -------
        Replay
            Outcome up to the end of the window.
        """
        return replay(
            self.rows,
            self.config,
            rules=tuple(rules),
            until=self.window.end,
            table=self.attribution.table,
            heartbeats=self.heartbeats,
            since=self.window.start,
            only_pages=True,
        )

    def replay_deployed(self, deployed: Deployed) -> Replay:
        """Replay the window through files as they are deployed.

        Parameters
        ----------
        deployed : Deployed
            What the files do.

        Returns
        -------
        Replay
            Outcome up to the end of the window.
        """
        # Who pages is a setting, not in the file; a receiver of ours pages nobody.
        pages = {receiver.name: receiver.pages for receiver in self.config.receivers}
        receivers = tuple(
            replace(receiver, pages=pages.get(receiver.name, False))
            for receiver in deployed.config.receivers
        )
        return replay(
            self.rows,
            replace(deployed.config, receivers=receivers),
            rules=deployed.rules,
            until=self.window.end,
            table=self.attribution.table,
            heartbeats=self.heartbeats,
            since=self.window.start,
            only_pages=True,
            applied=True,
        )

    def changing_heartbeats(self, rules: Sequence[Rule]) -> dict[str, str]:
        """Find the rules that would change what is sent of a heartbeat.

        Parameters
        ----------
        rules : sequence of Rule
            Rules, each looked at by itself.

        Returns
        -------
        dict of str to str
            Rule id → name of a heartbeat that it would change.
        """
        labels = [self.rows.labels[number] for number in self.heartbeats.tolist()]
        found = {rule.id: changes_heartbeat(self.config, rule, labels) for rule in rules}
        return {rule: name for rule, name in found.items() if name}

    def effect(self, candidate: Replay, rules: Sequence[Rule]) -> BacktestResult:
        """Compare the replay of some rules with today's.

        Parameters
        ----------
        candidate : Replay
            Replay with the rules.
        rules : sequence of Rule
            The rules of `candidate`.

        Returns
        -------
        BacktestResult
            Pages saved, incidents and credit.
        """
        return evaluate_outcomes(
            self.attribution,
            window=self.window,
            baseline=self.baseline,
            candidate=candidate,
            rules=rules,
            closed=self.closed,
        )

    def __call__(self, rules: Sequence[Rule]) -> BacktestResult:
        """Replay and compare."""
        return self.effect(self.replay(rules), rules)


def closing_times(folder: Path) -> dict[str, int]:
    """Read when each incident of a frozen history was closed.

    Parameters
    ----------
    folder : Path
        Directory of the frozen history; without ``tickets.parquet`` nothing is known.

    Returns
    -------
    dict of str to int
        Ticket id to microseconds since 1970.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = folder / "tickets.parquet"
    if not path.is_file():
        return {}
    table: Any = pq.read_table(path, columns=["ticket_id", "closed_at", "kind"])
    table = table.filter(
        pc.and_(pc.equal(table["kind"], "incident"), pc.is_valid(table["closed_at"]))
    )
    closed = table["closed_at"].cast("int64").to_pylist()
    return dict(zip(table["ticket_id"].to_pylist(), closed, strict=True))
