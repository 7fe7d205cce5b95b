"""Harmful rules: incidents of late that only a rule hid, or that it delayed beyond use.

The recent history is replayed twice, without rules and with them. It must come from a source that
sees alerts before the rules do: Prometheus, or Alertmanager, which a held alert reaches at once.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.aiops.alerting.evaluation import TicketedIncident
from pipelines.aiops.alerting.evaluation.backtest import BacktestResult
from pipelines.aiops.alerting.rules import Rule, read_rules
from pipelines.aiops.params.artifacts import RULE_SET
from pipelines.release.lifecycle.files import CommitFiles
from pipelines.release.released import Released, fetch

BEYOND_USE_SECONDS = 900
"""A page that a rule delays for longer than this is of no use to whoever is on call."""


@dataclass(frozen=True)
class HarmfulRule:
    """A rule that should be withdrawn, and the incidents that say so.

    Attributes
    ----------
    rule, sentence : str
        Id of the rule, and the rule in a sentence.
    missed : tuple of str
        Tickets that are paged without the rules and never with them.
    late : tuple of str
        Tickets that are told too late with them: more than `BEYOND_USE_SECONDS` later, or only
        after they were closed.
    sole_cause : bool
        Whether taking out this rule alone brings the pages back; else it hid them together with
        others.
    """

    rule: str
    sentence: str
    missed: tuple[str, ...]
    late: tuple[str, ...]
    sole_cause: bool

    def describe(self, *, shadow: bool = False) -> str:
        """Return the finding in a sentence.

        Parameters
        ----------
        shadow : bool, default False
            Whether the rule is in shadow: then it would have done so.

        Returns
        -------
        str
            What the rule hid or delayed, and that it should be withdrawn.
        """
        effects = []
        if self.missed:
            verb, pages = ("hidden", "pages") if shadow else ("hid", "would have paged")
            effects.append(f"{verb} {_named(self.missed)}, which {pages} without it")
        if self.late:
            effects.append(f"delayed the page of {_named(self.late)} beyond use")
        others = "" if self.sole_cause else " (together with other rules)"
        done = f"{'would have ' if shadow else ''}{' and '.join(effects)}"
        return f"Rule {self.rule}{others} {done}; withdraw it. ({self.sentence})"


def _named(tickets: tuple[str, ...]) -> str:
    more = f" and {len(tickets) - 3} more" if len(tickets) > 3 else ""
    return f"incident{'s' if len(tickets) > 1 else ''} {', '.join(tickets[:3])}{more}"


def find_harmful_rules(
    measure: Callable[[Sequence[Rule]], BacktestResult],
    rules: Sequence[Rule],
    effect: BacktestResult | None = None,
) -> list[HarmfulRule]:
    """Find rules that hid a credible incident of the recent history.

    Parameters
    ----------
    measure : callable
        What some rules do in the time that is looked at, against today's configuration.
    rules : sequence of Rule
        What is published, or in shadow.
    effect : BacktestResult, optional
        What ``measure(rules)`` gives, if that is known already.

    Returns
    -------
    list of HarmfulRule
        Worst first: most incidents missed, then late. Empty where no rule hid anything.
    """
    if not rules:
        return []
    credible = (effect or measure(rules)).credible
    hidden = {each.ticket: each for each in credible if _hidden(each)}
    found = []
    for rule in rules:
        mine = [each for each in hidden.values() if rule.id in each.rules]
        if mine:
            rest = [other for other in rules if other.id != rule.id]
            still = {each.ticket for each in measure(rest).credible if _hidden(each)}
            found.append(_judged(rule, mine, still))
    guilty_alone = {
        ticket
        for harmful in found
        if harmful.sole_cause
        for ticket in (*harmful.missed, *harmful.late)
    }
    kept = [
        harmful
        for harmful in found
        if harmful.sole_cause or not {*harmful.missed, *harmful.late} <= guilty_alone
    ]
    return sorted(kept, key=lambda harmful: (-len(harmful.missed), -len(harmful.late)))


def _hidden(incident: TicketedIncident) -> bool:
    """Test that an incident is missed, or told when it is of no use any more."""
    if incident.missed or incident.delay > BEYOND_USE_SECONDS:
        return True
    closed = incident.known.closed
    return closed is not None and (
        incident.baseline_first_page < closed <= incident.candidate_first_page
    )


def _judged(rule: Rule, mine: Sequence[TicketedIncident], still: set[str]) -> HarmfulRule:
    """Say what a rule hid; `still`: tickets that are hidden without it, too."""
    back = [each for each in mine if each.ticket not in still]
    named = back or mine
    return HarmfulRule(
        rule=rule.id,
        sentence=rule.sentence,
        missed=tuple(each.ticket for each in named if each.missed),
        late=tuple(each.ticket for each in named if not each.missed),
        sole_cause=bool(back),
    )


def released_rules(released: Released | None) -> tuple[Rule, ...]:
    """Return the rules of the release in production, fetched by commit and hash.

    Parameters
    ----------
    released : Released or None
        The release; None if there is none.

    Returns
    -------
    tuple of Rule
        Empty without a release.

    Raises
    ------
    SignalboxError
        If the release has no rule set, it can't be fetched, or it isn't what was released.
    """
    if released is None:
        return ()
    with tempfile.TemporaryDirectory(prefix="signalbox-") as folder:
        copy = Path(folder) / RULE_SET.name
        fetch(released, RULE_SET, copy)
        return read_rules(copy)


def expired_rules(project: Path, commit: str, today: date) -> tuple[tuple[Rule, ...], int]:
    """Return the rules of a commit whose time is over: publication leaves them out.

    Parameters
    ----------
    project : Path
        Root of the project.
    commit : str
        Full hash of the commit, for example that of the release in production.
    today : date
        A rule holds on the day it expires, and not after.

    Returns
    -------
    expired : tuple of Rule
        The longest expired first.
    rules : int
        Rules of the commit in all.

    Raises
    ------
    SignalboxError
        If the rule set is gone, was changed after its stage made it, or isn't one.
    """
    rules = _rules_of(project, commit)
    expired = [rule for rule in rules if rule.expires < today]
    return tuple(sorted(expired, key=lambda rule: rule.expires)), len(rules)


@dataclass(frozen=True)
class RuleChanges:
    """What is different between the rule sets of two commits.

    Attributes
    ----------
    removed, added : tuple of Rule
        Rules that only the first, and only the second commit has.
    same : int
        Rules of both; a rule's id is the hash of all that it does.
    """

    removed: tuple[Rule, ...]
    added: tuple[Rule, ...]
    same: int


def compare_rules(project: Path, a: str, b: str) -> RuleChanges:
    """Compare the rule sets of two commits, released or not.

    Parameters
    ----------
    project : Path
        Root of the project.
    a, b : str
        Full hashes of the commits.

    Returns
    -------
    RuleChanges

    Raises
    ------
    SignalboxError
        As in `expired_rules`.
    """
    first, second = ({rule.id: rule for rule in _rules_of(project, side)} for side in (a, b))
    return RuleChanges(
        removed=tuple(rule for name, rule in first.items() if name not in second),
        added=tuple(rule for name, rule in second.items() if name not in first),
        same=len(first.keys() & second.keys()),
    )


def _rules_of(project: Path, commit: str) -> tuple[Rule, ...]:
    with tempfile.TemporaryDirectory(prefix="signalbox-") as folder:
        copy = Path(folder) / RULE_SET.name
        copy.write_bytes(CommitFiles(project, commit).read(RULE_SET.as_posix()))
        return read_rules(copy)
