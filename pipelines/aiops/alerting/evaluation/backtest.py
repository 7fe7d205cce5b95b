"""Backtest: pages saved, incidents missed, delay added; one replay compared with another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config import Config
from pipelines.aiops.alerting.config.apply import changes_heartbeat, heartbeats_of
from pipelines.aiops.alerting.evaluation.incidents import (
    FirstPages,
    RuleAttribution,
    Ticket,
    TicketedIncident,
    incidents_of,
)
from pipelines.aiops.alerting.replay import Replay, replay
from pipelines.aiops.alerting.replay.model import Deployed, Orchestration
from pipelines.aiops.alerting.replay.pagerduty import PagerdutyAlerts
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.alerting.windows import FOLLOW_UP_US, HistoryWindow, rows_of
from pipelines.aiops.lake.frame import AlertFrame, Labels


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
    """

    window: HistoryWindow
    baseline: NDArray[np.int64]
    candidate: NDArray[np.int64]
    incidents: tuple[TicketedIncident, ...]

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

    @property
    def credible(self) -> tuple[TicketedIncident, ...]:
        """Those of the notified ones that a gate counts."""
        return tuple(incident for incident in self.notified if incident.credible)


def together(results: Sequence[BacktestResult]) -> BacktestResult:
    """Add up results of windows that follow one another.

    Parameters
    ----------
    results : sequence of BacktestResult
        At least one, in the order of time.

    Returns
    -------
    BacktestResult
        Of the time from the first window's start to the last one's end.
    """
    return BacktestResult(
        HistoryWindow(results[0].window.start, results[-1].window.end),
        np.concatenate([each.baseline for each in results]),
        np.concatenate([each.candidate for each in results]),
        tuple(incident for each in results for incident in each.incidents),
    )


def pages_in(replay: Any, window: HistoryWindow) -> NDArray[np.int64]:
    """Return the times of a replay's pages inside a window.

    Parameters
    ----------
    replay : Replay
        Replay of the window, and perhaps more.
    window : HistoryWindow
        Where pages count.

    Returns
    -------
    array of int64, shape (pages,), microseconds since 1970
        Ascending.
    """
    notes = replay.notifications
    times = notes["time"].to_numpy(dtype=np.int64)[notes["page"].to_numpy(dtype=bool)]
    return np.sort(times[window.holds(times)])


class Backtest:
    """Measures sets of rules on one window.

    Incidents that begin in the window may be told for `FOLLOW_UP_US` longer.

    Parameters
    ----------
    frame : AlertFrame
        The whole history.
    window : HistoryWindow
        Where pages and incidents count.
    config : Config
        Today's configuration.
    tickets : mapping of str to Ticket
        Ticket id → what it says (`known_tickets`).

    Attributes
    ----------
    rows : AlertFrame
        What is replayed.
    heartbeats : array of int64, shape (heartbeats,)
        Series that always fire in the window and are repeated every few minutes: no pages.
    """

    def __init__(
        self,
        frame: AlertFrame,
        window: HistoryWindow,
        config: Config,
        tickets: Mapping[str, Ticket],
    ) -> None:
        self.window = window
        self.until = window.end + FOLLOW_UP_US
        self.config = config
        self.tickets = tickets
        self.rows = rows_of(frame, HistoryWindow(window.start, self.until))
        self.heartbeats = heartbeats_of(self.rows, config, window.start, window.end)

    @cached_property
    def attribution(self) -> RuleAttribution:
        """Which rules hold which series of `rows`."""
        return RuleAttribution(self.rows)

    @cached_property
    def baseline(self) -> Replay:
        """Replay of today's configuration."""
        return self.replay(())

    def replay(self, rules: Sequence[Rule], config: Config | None = None) -> Replay:
        """Replay the window with `rules` on top of a configuration.

        Parameters
        ----------
        rules : sequence of Rule
            Rules in the order in which they apply.
        config : Config, optional
            Today's by default.

        Returns
        -------
        Replay
            Outcome up to the end of the window.
        """
        return replay(
            self.rows,
            config or self.config,
            rules=tuple(rules),
            until=self.until,
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
            held=deployed.held,
            until=self.until,
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
        return changing_heartbeats(self.config, rules, self.heartbeat_labels)

    @property
    def heartbeat_labels(self) -> tuple[Labels, ...]:
        """Label sets of the heartbeats."""
        return tuple(self.rows.labels[number] for number in self.heartbeats.tolist())

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
            Pages saved and incidents.
        """
        return self.compare(
            pages_in(candidate, self.window), FirstPages.of(candidate), self.held_by(rules)
        )

    def held_by(self, rules: Sequence[Rule]) -> NDArray[np.object_]:
        """Return the rule that holds each series, as `RuleAttribution.held_by`."""
        return self.attribution.held_by(rules)

    def in_pagerduty(self) -> PagerdutyAlerts:
        """Find out what today's configuration opens in PagerDuty; nothing is kept of it."""
        found = replay(
            self.rows,
            self.config,
            until=self.until,
            table=self.attribution.table,
            heartbeats=self.heartbeats,
            since=self.window.start,
            only_pages=True,
            pagerduty=True,
        ).pagerduty
        assert found is not None  # asked for
        return found

    def pagerduty_effect(
        self, services: Mapping[str, Orchestration], rules: Sequence[Rule]
    ) -> BacktestResult:
        """Compare what PagerDuty notifies people of, with orchestrations and as it does today.

        Parameters
        ----------
        services : mapping of str to Orchestration
            Receiver → what its service does.
        rules : sequence of Rule
            The rules that the orchestrations were made from.

        Returns
        -------
        BacktestResult
            Pages are notifications of PagerDuty's incidents, of receivers that page through it.
        """
        found = self.in_pagerduty()
        anybody = FirstPages.of(self.baseline).notification
        today, then = (found.notified(each) for each in ({}, services))
        first, left = (FirstPages(found.first_pages(each), anybody) for each in (today, then))
        return self.compare(
            self._inside(then), left, self.held_by(rules), baseline=(self._inside(today), first)
        )

    def _inside(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.sort(times[self.window.holds(times)])

    def compare(
        self,
        pages: NDArray[np.int64],
        first: FirstPages,
        held_by: NDArray[np.object_],
        baseline: tuple[NDArray[np.int64], FirstPages] | None = None,
    ) -> BacktestResult:
        """Compare what is sent with what is sent today.

        Parameters
        ----------
        pages : array of int64, shape (pages,), microseconds since 1970
            Pages inside the window, ascending.
        first : FirstPages
            Of each row.
        held_by : array of object, shape (series,)
            Id of the rule that holds each series, "" without.
        baseline : tuple of (array of int64, FirstPages), optional
            The same of what is sent today; by default what the replay of today's configuration
            says.

        Returns
        -------
        BacktestResult
            Pages saved and incidents.
        """
        today, first_today = baseline or (
            pages_in(self.baseline, self.window),
            FirstPages.of(self.baseline),
        )
        return BacktestResult(
            window=self.window,
            baseline=today,
            candidate=pages,
            incidents=incidents_of(
                self.attribution,
                window=self.window,
                baseline=first_today,
                candidate=first,
                held_by=held_by,
                tickets=self.tickets,
                until=self.until,
            ),
        )

    def __call__(self, rules: Sequence[Rule]) -> BacktestResult:
        """Replay and compare."""
        return self.effect(self.replay(rules), rules)


def changing_heartbeats(
    config: Config, rules: Sequence[Rule], heartbeats: Sequence[Labels]
) -> dict[str, str]:
    """Find the rules that would change what is sent of a heartbeat.

    Parameters
    ----------
    config : Config
        Today's configuration.
    rules : sequence of Rule
        Rules, each looked at by itself.
    heartbeats : sequence of dict of str to str
        Label sets.

    Returns
    -------
    dict of str to str
        Rule id → name of a heartbeat that it would change.
    """
    found = {rule.id: changes_heartbeat(config, rule, list(heartbeats)) for rule in rules}
    return {rule: name for rule, name in found.items() if name}


@dataclass(frozen=True)
class Fold:
    """A window, and rules that are judged on it, with all that was replayed.

    Attributes
    ----------
    backtest : Backtest
        Of the window.
    rules : tuple of Rule
        The rules.
    candidate : Replay
        Replay with them.
    effect : BacktestResult
        What they do.
    """

    backtest: Backtest
    rules: tuple[Rule, ...]
    candidate: Replay
    effect: BacktestResult
