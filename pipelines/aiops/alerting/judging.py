"""Cross-fitted judging: rules are mined on two thirds of a history and judged on the third.

A rule set is mined on the whole history, so nothing is left of it that the rules didn't know. What
is judged instead is the method: each third of the history, by whole days, is replayed through files
that are made from the other two as the stages make them, merged into the user's own files in
memory and read back. What comes out is what rules of this kind do on days that they weren't mined
from (cross-fitting in time; Chernozhukov et al. 2018, The Econometrics Journal 21, C1-C68).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar

from pipelines.aiops.alerting import windows as memory
from pipelines.aiops.alerting.config import Config, process_of
from pipelines.aiops.alerting.config.parse import config_with_pagers
from pipelines.aiops.alerting.evaluation import (
    Backtest,
    BacktestResult,
    Ticket,
    known_tickets,
    together,
)
from pipelines.aiops.alerting.evaluation.backtest import Fold
from pipelines.aiops.alerting.evaluation.baselines import BASELINES
from pipelines.aiops.alerting.evaluation.figures import outcome
from pipelines.aiops.alerting.evaluation.tables import JudgedWindow
from pipelines.aiops.alerting.evidence import (
    BaselineOutcome,
    DroppedRule,
    SmallerSet,
)
from pipelines.aiops.alerting.export.bundle import Sources, export_problems, make_bundle
from pipelines.aiops.alerting.export.read_back import files_of, read_back
from pipelines.aiops.alerting.export.write import sources_of, unexported
from pipelines.aiops.alerting.mining.history import with_feedback
from pipelines.aiops.alerting.mining.mine import mine_all
from pipelines.aiops.alerting.replay.model import Deployed
from pipelines.aiops.alerting.rules import HoldRule, Rule
from pipelines.aiops.alerting.windows import HistoryWindow, thirds, whole_window
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.aiops.lake.read import read_history, read_tickets
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import HISTORY

WAITS = (180, 300, 600)
"""Seconds that the curve of saving against delay shows."""


class Watched(Protocol):
    """A window that knows its heartbeats: a `Backtest`, or what is left of one."""

    def changing_heartbeats(self, rules: Sequence[Rule]) -> dict[str, str]:
        """Find the rules that would change what is sent of one: rule id → its name."""


@dataclass(frozen=True)
class Case:
    """What rules are mined from and judged on.

    Attributes
    ----------
    frame : AlertFrame
        The frozen history.
    config : Config
        Today's configuration.
    sources : Sources
        The user's files.
    tickets : dict of str to Ticket
        Ticket id → what it says.
    params : AiopsParams
        Settings.
    fixes : pandas.DataFrame or None
        As `read_tickets` returns it, for mining.
    """

    frame: AlertFrame
    config: Config
    sources: Sources
    tickets: dict[str, Ticket]
    params: AiopsParams
    fixes: Any = None

    @classmethod
    def read(cls, params: AiopsParams, *, ids: bool = False) -> "Case":
        """Read the frozen history and the user's files.

        Raises
        ------
        SignalboxError
            If one of them can't be read, or the history needs more memory than is allowed.
        """
        memory.require(HISTORY, params.runtime.memory_mb, memory.REPLAY_BYTES)
        own = params.export_rules
        mining = with_feedback(params.mine_rules, HISTORY)
        return cls(
            frame=read_history(HISTORY, params.runtime.memory_mb, ids=ids),
            config=config_with_pagers(
                own.alertmanager_yml, own.paging_receivers, process_of(*own.reader)
            ),
            sources=sources_of(own),
            tickets=known_tickets(HISTORY),
            params=params.model_copy(update={"mine_rules": mining}),
            fixes=read_tickets(HISTORY / "tickets.parquet"),
        )

    @cached_property
    def whole(self) -> HistoryWindow:
        """All of the history."""
        return whole_window(self.frame)

    @cached_property
    def labels(self) -> set[str]:
        """Labels that the history's alerts have."""
        return {name for labels in self.frame.labels for name in labels}

    def backtest(self, window: HistoryWindow) -> Backtest:
        """Replay a window through today's configuration."""
        return Backtest(self.frame, window, self.config, self.tickets)

    def mine(self, windows: Sequence[HistoryWindow], wait_seconds: int | None) -> tuple[Rule, ...]:
        """Mine rules that wait for `wait_seconds` (None: as the settings say) from some windows."""
        settings = self.params.mine_rules
        if wait_seconds is not None:
            hold = settings.hold.model_copy(update={"wait_seconds": wait_seconds})
            settings = settings.model_copy(update={"hold": hold})
        chat = self.params.export_rules.chat_receiver
        found = mine_all(
            self.frame, settings, windows, self.fixes, config=self.config, chat_receiver=chat
        )
        return tuple(rule for mined in found.values() for rule in mined.rules)

    def deploy(
        self, rules: Sequence[Rule], watched: Iterable[Watched]
    ) -> tuple[Deployed, tuple[Rule, ...], list[DroppedRule]]:
        """Export in memory what can be exported and spares heartbeats, and read it back.

        Parameters
        ----------
        rules : sequence of Rule
            Candidates.
        watched : iterable of Watched
            Windows in whose heartbeats nothing may change.

        Returns
        -------
        Deployed
            What the files do.
        tuple of Rule
            The rules that are in them.
        list of DroppedRule
            The others, and why.
        """
        why: dict[str, str] = {}
        for window in watched:
            for rule, name in window.changing_heartbeats(rules).items():
                why[rule] = f"it would change the heartbeat {name}: what watches it would alarm"
        for rule, problem in export_problems(self.sources, rules).items():
            why.setdefault(rule, f"can't be exported: {problem}")
        own = self.params.export_rules
        while True:
            kept = tuple(rule for rule in rules if rule.id not in why)
            bundle = make_bundle(self.sources, kept, own.step_seconds, own.pagerduty_label_field)
            refused = unexported(bundle)
            if not refused:
                break
            # Together some can't be exported that could be each by itself.
            why |= {rule: f"can't be exported: {problem}" for rule, problem in refused.items()}
        family = {rule.id: rule.family for rule in rules}
        dropped = [
            DroppedRule(rule=rule, family=family[rule], reason=why[rule]) for rule in sorted(why)
        ]
        return read_back(files_of(bundle, self.sources), kept, self.labels), kept, dropped


def wait_of(rules: Sequence[Rule]) -> int | None:
    """How long the rules of a set wait; all agree. None without a rule that waits."""
    return next((rule.wait_seconds for rule in rules if isinstance(rule, HoldRule)), None)


@dataclass(frozen=True)
class Unseen:
    """A third of a history, with files made from the other two.

    Attributes
    ----------
    backtest : Backtest
        Of the third.
    rules : tuple of Rule
        Rules of the others.
    files : Deployed
        What their files do.
    """

    backtest: Backtest
    rules: tuple[Rule, ...]
    files: Deployed

    def fold(self) -> Fold:
        """Replay the third through the files."""
        candidate = self.backtest.replay_deployed(self.files)
        return Fold(
            self.backtest, self.rules, candidate, self.backtest.effect(candidate, self.rules)
        )

    def in_pagerduty(self) -> BacktestResult:
        """Judge PagerDuty's form of the rules, instead of the other files."""
        return self.backtest.pagerduty_effect(self.files.pagerduty, self.rules)

    def effect(self, wait_seconds: int) -> BacktestResult:
        """Judge what the files would do if their rules waited for so long."""
        files = with_wait(self.files, wait_seconds)
        return self.backtest.effect(self.backtest.replay_deployed(files), self.rules)


Made = TypeVar("Made")


def cross_fit(
    case: Case, make: Callable[[Unseen], Made], wait_seconds: int | None = None
) -> tuple[Made, ...]:
    """Judge each third with rules that are mined on the others.

    Parameters
    ----------
    case : Case
        History and files.
    make : callable
        Takes what is needed of a third; its alerts and replays are gone before the next one's.
    wait_seconds : int or None
        How long rules wait; None: as the settings say.

    Returns
    -------
    tuple
        What was made of each third, in the order of time.
    """
    windows = thirds(case.whole)

    def of(window: HistoryWindow) -> Made:
        # Mined first: that replays two thirds, and what it takes for it is free again by then.
        mined = case.mine([each for each in windows if each is not window], wait_seconds)
        backtest = case.backtest(window)
        files, rules, _ = case.deploy(mined, [backtest])
        return make(Unseen(backtest, rules, files))

    return tuple(of(window) for window in windows)


def with_wait(deployed: Deployed, wait_seconds: int) -> Deployed:
    """Return what the files do if their rules wait for so long."""
    return replace(
        deployed,
        held=tuple(
            replace(
                each,
                rules=tuple(
                    rule.model_copy(update={"wait_seconds": wait_seconds}) for rule in each.rules
                ),
            )
            for each in deployed.held
        ),
    )


def baselines(measured: Sequence[Sequence[BacktestResult]]) -> list[BaselineOutcome]:
    """Add up what other methods do on the same windows, by the same judge.

    Parameters
    ----------
    measured : sequence of sequence of BacktestResult
        For each window what each of `BASELINES` does there.
    """
    return [
        BaselineOutcome(
            name=each.name,
            label=each.label,
            **outcome(together([window[number] for window in measured])).model_dump(),
        )
        for number, each in enumerate(BASELINES)
    ]


def guilty_names(effect: BacktestResult) -> list[str]:
    """Name the alerts whose rules hid the counted misses."""
    return sorted({name for each in effect.credible if each.missed for name in each.names})


def without_names(rules: Iterable[Rule], names: Sequence[str]) -> tuple[Rule, ...]:
    """Leave out the rules that hold alerts of these names."""
    return tuple(
        rule
        for rule in rules
        if not isinstance(rule, HoldRule)
        or not any(m.label == "alertname" and m.value in names for m in rule.matchers)
    )


def smaller_set(case: Case, folds: Sequence[JudgedWindow]) -> SmallerSet | None:
    """Propose the next step where an incident is missed: all but the guilty names.

    Parameters
    ----------
    case : Case
        History and files.
    folds : sequence of JudgedWindow
        What was judged.

    Returns
    -------
    SmallerSet or None
        None where nothing is missed that is counted, or no rule holds what is missed.
    """
    names = guilty_names(together([fold.effect for fold in folds]))
    if not names:
        return None

    def without(fold: JudgedWindow) -> BacktestResult:
        backtest = case.backtest(fold.window)
        deployed, kept, _ = case.deploy(without_names(fold.rules, names), [backtest])
        return backtest.effect(backtest.replay_deployed(deployed), kept)

    return SmallerSet(
        guilty=names,
        outcome=outcome(together([without(fold) for fold in folds])),
        exclude=[{"alertname": name} for name in names],
    )
