"""Harmful rules: incidents of late that only a rule hid.

The recent history is replayed twice, without rules and with them. It must come from a source that
sees alerts before the rules do (Prometheus, or Alertmanager's API, which lists inhibited and muted
alerts): what a longer ``for`` held back never became an alert and is in no such history.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.aiops.alerting.rules import Rule, read_rules
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.aiops.params.artifacts import RULE_SET
from pipelines.release.released import Released, fetch

Replayer = Callable[..., Any]
"""`pipelines.aiops.alerting.replay.replay`, or something with its signature."""

NO_PAGE = -1


@dataclass(frozen=True)
class HarmfulRule:
    """A rule that should be withdrawn, and the incidents that say so.

    Attributes
    ----------
    rule, sentence : str
        Id of the rule, and the rule in a sentence.
    missed : tuple of str
        Tickets that are paged without the rule and never with it.
    late : tuple of str
        Tickets that a person opened before the page came that the rule delayed.
    sole_cause : bool
        Whether taking out this rule alone brings the pages back; else it hid them together with
        others.
    """

    rule: str
    sentence: str
    missed: tuple[str, ...]
    late: tuple[str, ...]
    sole_cause: bool

    def describe(self) -> str:
        """Return the finding in a sentence.

        Returns
        -------
        str
            What the rule hid or delayed, and that it should be withdrawn.
        """
        effects = []
        if self.missed:
            effects.append(f"hid {_named(self.missed)}, which would have paged without it")
        if self.late:
            effects.append(f"delayed the page of {_named(self.late)} until a person had found it")
        others = "" if self.sole_cause else " (together with other rules)"
        return f"Rule {self.rule}{others} {' and '.join(effects)}; withdraw it. ({self.sentence})"


def _named(tickets: tuple[str, ...]) -> str:
    more = f" and {len(tickets) - 3} more" if len(tickets) > 3 else ""
    return f"incident{'s' if len(tickets) > 1 else ''} {', '.join(tickets[:3])}{more}"


def find_harmful_rules(
    recent: AlertFrame,
    config: Any,
    rules: Sequence[Rule],
    replay: Replayer,
    *,
    opened: Mapping[str, int] | None = None,
    until: int | None = None,
) -> list[HarmfulRule]:
    """Find rules that hid an incident of the recent history.

    Parameters
    ----------
    recent : AlertFrame
        Alerts since the rules were published.
    config : Config
        Today's configuration without the rules.
    rules : sequence of Rule
        What is published.
    replay : callable
        `pipelines.aiops.alerting.replay.replay`, or something with its signature.
    opened : mapping of str to int, microseconds since 1970, optional
        Ticket → time at which a person opened it; a page later than that was too late if it would
        have come earlier without the rules.
    until : int, optional, microseconds since 1970
        End of the history, as for `replay`.

    Returns
    -------
    list of HarmfulRule
        Worst first: most incidents missed, then late. Empty where no rule hid anything.
    """
    if not rules or not recent.tickets:
        return []
    before = replay(recent, config, rules=(), until=until)
    after = replay(recent, config, rules=tuple(rules), until=until)
    hidden = _hidden(recent, before, after, opened or {})
    if not hidden:
        return []
    suspects = _suspects(recent, after, rules, hidden)
    found = []
    for rule, mine in suspects:
        rest = tuple(candidate for candidate in rules if candidate.id != rule.id)
        pages = _first_pages(recent, replay(recent, config, rules=rest, until=until))
        found.append(_judged(rule, pages, hidden, mine))
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


@dataclass(frozen=True)
class _Hidden:
    """A ticket that the rules hid; `before` is when it paged without them."""

    ticket: str
    missed: bool
    before: int
    limit: int


def _first_pages(recent: AlertFrame, replayed: Any) -> np.ndarray[Any, Any]:
    return np.asarray(replayed.tickets["first_page"], dtype=np.int64)[: len(recent.tickets)]


def _hidden(
    recent: AlertFrame, before: Any, after: Any, opened: Mapping[str, int]
) -> dict[int, _Hidden]:
    found = {}
    pairs = zip(_first_pages(recent, before), _first_pages(recent, after), strict=True)
    for ticket, (without, with_) in enumerate(pairs):
        if without == NO_PAGE:
            continue
        name = recent.tickets[ticket]
        limit = opened.get(name, -1)
        if with_ == NO_PAGE:
            found[ticket] = _Hidden(name, True, int(without), limit)
        elif name in opened and without <= limit < with_:
            found[ticket] = _Hidden(name, False, int(without), limit)
    return found


def _suspects(
    recent: AlertFrame, after: Any, rules: Sequence[Rule], hidden: Mapping[int, _Hidden]
) -> list[tuple[Rule, set[int]]]:
    """Return each rule with the hidden tickets whose alerts it decided."""
    # Row i of `alerts` is row i of the frame: the rule that decided it, or an empty text.
    decided = list(after.alerts["rule"])
    found: dict[str, set[int]] = {}
    for row, ticket in enumerate(recent.ticket.tolist()):
        if ticket in hidden:
            found.setdefault(str(decided[row]), set()).add(ticket)
    return [(rule, found[rule.id]) for rule in rules if rule.id in found]


def _judged(
    rule: Rule,
    pages: np.ndarray[Any, Any],
    hidden: Mapping[int, _Hidden],
    mine: set[int],
) -> HarmfulRule:
    """Say what a rule hid; `pages` are the first pages of all tickets without it."""
    back = {
        ticket
        for ticket, hidden_incident in hidden.items()
        if _is_back(int(pages[ticket]), hidden_incident)
    }
    named = [hidden[ticket] for ticket in sorted(back or mine)]
    return HarmfulRule(
        rule=rule.id,
        sentence=rule.sentence,
        missed=tuple(hidden_incident.ticket for hidden_incident in named if hidden_incident.missed),
        late=tuple(
            hidden_incident.ticket for hidden_incident in named if not hidden_incident.missed
        ),
        sole_cause=bool(back),
    )


def _is_back(page: int, hidden: _Hidden) -> bool:
    if page == NO_PAGE:
        return False
    return hidden.missed or page <= hidden.limit


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
