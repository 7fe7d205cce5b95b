"""What a set of rules must not do to incidents, and which of its rules have to go for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.aiops.alerting.evaluation.backtest import BacktestResult, TicketedIncident
from pipelines.aiops.alerting.rules import Rule, content_key
from pipelines.aiops.params.alert_rules import SelectRulesParams

Measure = Callable[[Sequence[Rule]], BacktestResult]
"""Replays the window with some rules and measures what they do."""


@dataclass(frozen=True)
class Dropped:
    """A candidate that isn't chosen, and why.

    Attributes
    ----------
    rule : str
        Id of the rule.
    why : str
        Reason in words.
    """

    rule: str
    why: str


def harmless(effect: BacktestResult, limits: SelectRulesParams) -> bool:
    """Test that no incident is missed, vanishes or waits too long, and not too many wait.

    Parameters
    ----------
    effect : BacktestResult
        What the rules do in the window.
    limits : SelectRulesParams
        What a set of rules may cost.

    Returns
    -------
    bool
        True if the limits are kept.
    """
    return not any(_harm(incident, limits) for incident in effect.incidents) and not _late(
        effect, limits
    )


def without_harm(
    active: list[Rule], measure: Measure, limits: SelectRulesParams
) -> tuple[list[Rule], list[Dropped], BacktestResult]:
    """Drop rules until a window is `harmless`.

    Parameters
    ----------
    active : list of Rule
        Rules to begin with.
    measure : Measure
        Replays a window with some rules and measures what they do.
    limits : SelectRulesParams
        What a set of rules may cost.

    Returns
    -------
    (list of Rule, list of Dropped, BacktestResult)
        Rules that stay, those that were dropped, and what the former do.
    """
    dropped: list[Dropped] = []
    while True:
        effect = measure(active)
        to_drop = _rules_to_drop(active, effect, limits) or _slowest(
            active, effect, measure, limits
        )
        if not to_drop:
            return active, dropped, effect
        dropped += [Dropped(rule.id, to_drop[rule.id]) for rule in active if rule.id in to_drop]
        active = [rule for rule in active if rule.id not in to_drop]


def _rules_to_drop(
    active: list[Rule], effect: BacktestResult, limits: SelectRulesParams
) -> dict[str, str]:
    """Rule id → why it has to go."""
    present = {rule.id for rule in active}
    to_drop: dict[str, str] = {}
    for incident in effect.incidents:
        why = _harm(incident, limits)
        if why:
            gone = incident.missed or incident.vanished
            responsible = present.intersection(incident.hidden_by) if gone else set()
            responsible = responsible or present.intersection(incident.touched_by) or present
            to_drop |= dict.fromkeys(responsible, why)
    return to_drop


def _harm(incident: TicketedIncident, limits: SelectRulesParams) -> str:
    if incident.missed:
        return f"incident {incident.ticket} would be missed"
    if incident.vanished:
        return f"no receiver at all would be notified of incident {incident.ticket}"
    if incident.delay > limits.max_incident_delay_seconds:
        return f"incident {incident.ticket} would be notified {incident.delay:.0f} s later"
    return ""


def _late(effect: BacktestResult, limits: SelectRulesParams) -> list[TicketedIncident]:
    """List the incidents that are notified late, if there are too many of them."""
    late = [
        incident for incident in effect.notified if incident.delay > limits.max_median_delay_seconds
    ]
    return late if len(late) > limits.max_late_share * len(effect.notified) else []


def _slowest(
    active: list[Rule], effect: BacktestResult, measure: Measure, limits: SelectRulesParams
) -> dict[str, str]:
    """If too many incidents wait: as few rules as possible, those that save least for each.

    Found by bisection: the more of them go, the fewer wait.
    """
    late = _late(effect, limits)
    if not late:
        return {}
    present = {rule.id for rule in active}
    touched = [rule for incident in late for rule in present.intersection(incident.touched_by)]
    worth = {
        rule_id: effect.credit.get(rule_id, 0.0) / touched.count(rule_id)
        for rule_id in set(touched)
    }
    some = [rule for rule in active if not worth or rule.id in worth]
    some.sort(key=lambda rule: (worth.get(rule.id, 0.0), content_key(rule)))
    order = [rule.id for rule in some]
    low, high = 1, len(order)
    while low < high:
        middle = (low + high) // 2
        gone = set(order[:middle])
        if _late(measure([rule for rule in active if rule.id not in gone]), limits):
            low = middle + 1
        else:
            high = middle
    why = f"{len(late)} of {len(effect.notified)} incidents would be notified late"
    return dict.fromkeys(order[:high], why)
