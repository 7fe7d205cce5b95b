"""What every family looks at: alerts of some windows, their episodes, names and services."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pipelines.aiops.alerting.config.apply import heartbeats_of
from pipelines.aiops.alerting.config.matching import parse_matchers
from pipelines.aiops.alerting.config.model import PAGE_NAME, Config
from pipelines.aiops.alerting.mining.episodes import Episodes, find_episodes
from pipelines.aiops.alerting.replay.model import LabelTable
from pipelines.aiops.alerting.rules import Matcher, Rule, one_of
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.contract import SERVICE_LABELS
from pipelines.aiops.lake.feedback import harmful_names, read_frozen
from pipelines.aiops.lake.frame import NEVER, AlertFrame
from pipelines.aiops.params.alert_rules import ExcludedRules, MineRulesParams
from pipelines.core.arrays import Bools, Ints
from pipelines.core.errors import SignalboxError

NAME = "alertname"


@dataclass(frozen=True)
class History:
    """Alerts that rules are mined from.

    Attributes
    ----------
    frame : AlertFrame
        Alerts that started inside a window, without heartbeats and Signalbox's own pages; nothing
        after a window is known. Series are numbered by their labels, tickets by their ids.
    windows : tuple of HistoryWindow
        What is looked at, in order; none touches the next.
    episodes : Episodes
        Episodes of `frame`.
    table : LabelTable
        Labels of the series.
    config : Config
        Today's configuration.
    params : MineRulesParams
        Settings of mining.
    heartbeats : tuple of str
        Names of alerts that no rule may touch (`heartbeats_of`).
    """

    frame: AlertFrame
    windows: tuple[HistoryWindow, ...]
    episodes: Episodes
    table: LabelTable
    config: Config
    params: MineRulesParams
    heartbeats: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """End of the last window, microseconds since 1970."""
        return self.windows[-1].end

    @cached_property
    def pair(self) -> Ints:
        """Pair of alert name and service of each series, shape (series,)."""
        services = len(self.services)
        pair: Ints = (
            self.table.column(NAME)[0] * services + self.table.column(self.service_label)[0]
        )
        return pair

    @property
    def names(self) -> list[str]:
        """Alert names; "" where one is missing."""
        return self.table.column(NAME)[1]

    @property
    def services(self) -> list[str]:
        """Services; "" where the label is missing."""
        return self.table.column(self.service_label)[1]

    @cached_property
    def service_label(self) -> str:
        """Label that names the service: the setting, or the first one that most alerts have."""
        named = self.params.hold.service_label
        if named is not None:
            return named
        rows = np.bincount(self.frame.series, minlength=len(self.table))
        for label in filter(str.isidentifier, SERVICE_LABELS):
            codes, values = self.table.column(label)
            there = np.array([bool(value) for value in values], dtype=bool)
            if 2 * rows[there[codes]].sum() > rows.sum():
                return label
        return SERVICE_LABELS[0]

    @property
    def pairs(self) -> int:
        """Number of pairs that there can be."""
        return len(self.names) * len(self.services)

    @cached_property
    def _routed_labels(self) -> list[str]:
        """Labels that today's routes match on, without those of name and service."""
        found = {m.label for _, route in self.config.route.walk() for m in route.matchers}
        return sorted(found - {NAME, self.service_label})

    def matchers(self, series: Ints) -> tuple[Matcher, ...]:
        """List the name, the services, and the values of other labels that routes match on.

        Parameters
        ----------
        series : array of int64, shape (n,)
            Series of one alert name, at least one.

        Returns
        -------
        tuple of Matcher
            They hold for these series, and for none with a value that these don't have: an alert
            of a new service, severity or team passes. A missing label is listed as an empty value.
        """
        found = []
        for label in (NAME, self.service_label, *self._routed_labels):
            codes, values = self.table.column(label)
            found.append(one_of(label, [values[code] for code in np.unique(codes[series])]))
        seen = {matcher.label for matcher in found}
        return (*found, *(m for m in self._never if m.label not in seen))

    @cached_property
    def _never(self) -> tuple[Matcher, ...]:
        """What excludes alerts by one matcher alone, turned round: new ones stay outside too."""
        opposite = {"=": "!=", "=~": "!~", "!=": "=", "!~": "=~"}
        turned = {}
        for at, entry in enumerate(self.params.exclude):
            matchers = _matchers_of(entry, at)
            if len(matchers) == 1 and not entry.alertname and not entry.family:
                only = matchers[0]
                matcher = only.model_copy(update={"op": opposite[only.op]})
                turned[matcher.label, matcher.op, matcher.value] = matcher
        return tuple(turned[key] for key in sorted(turned))

    def team(self, series: Ints) -> str:
        """Return the label ``team`` if all of these series agree on it; otherwise ""."""
        codes, values = self.table.column("team")
        found = np.unique(codes[series])
        return values[int(found[0])] if len(found) == 1 else ""


@dataclass(frozen=True)
class Mined:
    """What a family found, and how many candidates it tried.

    Attributes
    ----------
    rules : sequence of Rule
        Rules, those that matter most first.
    tried : int
        Candidates compared.
    """

    rules: Sequence[Rule]
    tried: int


def history_of(
    frame: AlertFrame,
    params: MineRulesParams,
    windows: Sequence[HistoryWindow],
    config: Config,
) -> History:
    """Prepare the alerts of some windows; nothing outside of them is read.

    Parameters
    ----------
    frame : AlertFrame
        The whole alert history.
    params : MineRulesParams
        Settings of mining (section `mine_rules`).
    windows : sequence of HistoryWindow
        At least one; those that touch count as one.
    config : Config
        Today's configuration.

    Returns
    -------
    History
        The same whatever the order of the rows and the numbering of the series.
    """
    whole = join_windows(windows)
    heartbeats = _heartbeat_names(frame, config, whole)
    seen = _renumbered(_inside(frame, whole, {*heartbeats, PAGE_NAME}))
    span = HistoryWindow(whole[0].start, whole[-1].end)
    return History(
        seen, whole, find_episodes(seen, span), LabelTable(seen.labels), config, params, heartbeats
    )


def join_windows(windows: Sequence[HistoryWindow]) -> tuple[HistoryWindow, ...]:
    """Put windows in order of time, and those that touch or overlap together.

    Parameters
    ----------
    windows : sequence of HistoryWindow
        At least one.

    Returns
    -------
    tuple of HistoryWindow
        None of them touches the next.
    """
    found: list[HistoryWindow] = []
    for window in sorted(windows, key=lambda each: (each.start, each.end)):
        if found and window.start <= found[-1].end:
            found[-1] = replace(found[-1], end=max(found[-1].end, window.end))
        else:
            found.append(window)
    return tuple(found)


def _heartbeat_names(
    frame: AlertFrame, config: Config, windows: Sequence[HistoryWindow]
) -> tuple[str, ...]:
    """Names of which any series is a heartbeat in any window: other series of it may become one."""
    found = set()
    for window in windows:
        fires = frame.where((frame.starts < window.end) & (frame.ends > window.start))
        series = heartbeats_of(fires, config, window.start, window.end)
        found |= {frame.labels[number].get(NAME, "") for number in series.tolist()}
    return tuple(sorted(found - {""}))


def _inside(
    frame: AlertFrame, windows: Sequence[HistoryWindow], without: Collection[str]
) -> AlertFrame:
    """Alerts that started in a window and have other names; ends after it aren't known yet."""
    named = np.array([labels.get(NAME, "") in without for labels in frame.labels], dtype=bool)
    kept, unknown = np.zeros(len(frame), bool), np.zeros(len(frame), bool)
    for window in windows:
        inside = window.holds(frame.starts)
        kept |= inside
        unknown |= inside & (frame.ends >= window.end)
    if frame.end_observed is not None:
        # How long a point in time is assumed to hold is known when it begins.
        unknown &= frame.end_observed
    kept &= ~named[frame.series]
    ends = np.where(unknown, NEVER, frame.ends)
    return replace(frame, ends=ends).where(np.flatnonzero(kept))


def _renumbered(frame: AlertFrame) -> AlertFrame:
    """Drop series without rows; number the others by their labels, and tickets by their ids."""
    used = np.unique(frame.series)
    key = [sorted(frame.labels[number].items()) for number in used.tolist()]
    order = sorted(range(len(used)), key=key.__getitem__)
    number = np.zeros(len(frame.labels), np.int32)
    number[used[order]] = np.arange(len(used))
    labels = [frame.labels[at] for at in used[order].tolist()]
    by_id = sorted(range(len(frame.tickets)), key=frame.tickets.__getitem__)
    # The last entry is for rows without a ticket, which have -1.
    ticket = np.full(len(by_id) + 1, -1, np.int32)
    ticket[by_id] = np.arange(len(by_id))
    return replace(
        frame,
        series=number[frame.series],
        labels=labels,
        ticket=ticket[frame.ticket],
        tickets=[frame.tickets[at] for at in by_id],
    )


@dataclass(frozen=True)
class Exclusion:
    """What an entry of ``aiops.mine_rules.exclude`` leaves out.

    Attributes
    ----------
    entry : ExcludedRules
        The entry.
    pairs : array of bool, shape (pairs,)
        Pairs of alert name and service that it leaves out; none for an entry that names a rule or
        a whole family.
    """

    entry: ExcludedRules
    pairs: Bools

    def concerns(self, family: str) -> bool:
        """Return whether the pairs are left out of a family."""
        return self.entry.family in (None, family)

    @property
    def whole_family(self) -> str | None:
        """The family that the entry leaves out as a whole."""
        names_alerts = self.entry.alertname or self.entry.matchers
        return None if names_alerts else self.entry.family


def exclusions(history: History) -> list[Exclusion]:
    """Find what the settings leave out.

    Parameters
    ----------
    history : History
        The alerts.

    Returns
    -------
    list of Exclusion
        One an entry.

    Raises
    ------
    SignalboxError
        If a matcher isn't one.
    """
    found = []
    for at, entry in enumerate(history.params.exclude):
        matchers = list(_matchers_of(entry, at))
        if entry.alertname:
            matchers.append(Matcher(label=NAME, op="=", value=entry.alertname))
        pairs = np.zeros(history.pairs, bool)
        if matchers:
            pairs[history.pair[history.table.mask(matchers)]] = True
        found.append(Exclusion(entry, pairs))
    return found


def excluded_pairs(history: History, family: str) -> Bools:
    """Return which pairs of alert name and service are left out of a family, shape (pairs,)."""
    found = np.zeros(history.pairs, bool)
    for exclusion in exclusions(history):
        if exclusion.concerns(family):
            found |= exclusion.pairs
    return found


def _matchers_of(entry: ExcludedRules, at: int) -> tuple[Matcher, ...]:
    found: list[Matcher] = []
    for number, text in enumerate(entry.matchers):
        where = f"params.yaml: aiops.mine_rules.exclude[{at}].matchers[{number}]"
        matchers = parse_matchers(text, where)
        if not matchers:
            raise SignalboxError(f"{where}: {text!r} holds no matcher")
        found += matchers
    return tuple(found)


def is_left_out(rule: Rule, entries: Sequence[ExcludedRules]) -> bool:
    """Return whether settings leave out this very rule, by its id."""
    return any(entry.id == rule.id for entry in entries)


def with_feedback(params: MineRulesParams, folder: Path) -> MineRulesParams:
    """Leave out of rules the alert names whose held alerts people call incidents.

    Parameters
    ----------
    params : MineRulesParams
        Settings of mining.
    folder : Path
        Directory of the frozen history, with what people said.

    Returns
    -------
    MineRulesParams
        With an entry more in ``exclude`` for each name of `harmful_names`.
    """
    names = harmful_names(read_frozen(folder))
    spared = [ExcludedRules(family="hold", alertname=name) for name in names]
    new = [entry for entry in spared if entry not in params.exclude]
    return params.model_copy(update={"exclude": [*params.exclude, *new]}) if new else params
