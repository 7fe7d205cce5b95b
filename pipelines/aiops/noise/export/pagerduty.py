"""Rules as PagerDuty event orchestration: conditions in its language, actions on the event.

PagerDuty decides on one event at a time. What needs a look at other alerts (inhibition, grouping,
flapping) it can't be told this way; such rules are listed with the reason. The form is that of its
REST API (``PUT /event_orchestrations/services/{id}``) and of its published Terraform provider.
"""

from collections.abc import Sequence
from typing import Any

from pipelines.aiops.noise.export import pcl
from pipelines.aiops.noise.rules import Guard, QuietRule, RecurringRule, Rule, TransientRule

_REASONS = {
    "duplicate": "grouping is a setting of the service (alert grouping by content), not a rule",
    "flapping": "a rule can't wait for an alert to stay away; use the service's auto-pause",
    "implied": "a rule can't look at other alerts",
    "known_fix": "it changes no event; see section aiops.response",
}
_TOO_LONG = f"its conditions are longer than {pcl.BLOCKS} of {pcl.BLOCK_BYTES:,} bytes"
_TOO_LONG_TO_GUARD = f"its condition is longer than {pcl.BLOCK_BYTES:,} bytes: its guard counts one"


def orchestration(rules: Sequence[Rule], field: str) -> dict[str, Any]:
    """Return the orchestration as PagerDuty's API takes it, and what it can't take.

    Parameters
    ----------
    field
        Where the event holds a label; ``{label}`` stands for its name, for example
        ``event.custom_details.{label}``.

    Returns
    -------
    ``orchestration_path``; ``not_expressed``: rules that are left out, and why; ``weaker``: rules
    that do less here than was proven, and what they lack.
    """
    taken, left, weaker = [], [], []
    for rule in rules:
        found, why = conditions(rule, field)
        told = {"rule": rule.id, "family": rule.family}
        if not found:
            left.append({**told, "reason": why})
            continue
        taken.append(_rule(rule, found))
        guard = _guard(rule)
        if guard is not None and guard.max_seconds is not None:
            weaker.append({**told, "reason": _unlimited(guard.max_seconds)})
    # The first rule that matches decides: what is suppressed need not wait first.
    taken.sort(key=lambda one: "suppress" not in one["actions"])
    path = {
        "type": "service",
        "sets": [{"id": "start", "rules": taken}],
        "catch_all": {"actions": {}},
    }
    return {"orchestration_path": path, "not_expressed": left, "weaker": weaker}


def _unlimited(seconds: int) -> str:
    return f"what is suppressed stays so: one that lasts longer than {seconds} s doesn't page"


def _rule(rule: Rule, found: Sequence[str]) -> dict[str, Any]:
    actions: dict[str, Any] = {
        "annotate": f"Signalbox rule {rule.id}, expires {rule.expires}",
    }
    if isinstance(rule, TransientRule):
        actions["suspend"] = rule.wait
    elif isinstance(rule, QuietRule):
        actions |= {"severity": "info", "suppress": True}
    else:
        actions["suppress"] = True
    return {
        "label": f"{rule.id}: {' '.join(rule.sentence.split())}"[:250],
        "conditions": [{"expression": expression} for expression in found],
        "actions": actions,
        "disabled": False,
    }


def _guard(rule: Rule) -> Guard | None:
    return rule.guard if isinstance(rule, QuietRule | RecurringRule) else None


def conditions(rule: Rule, field: str) -> tuple[list[str], str]:
    """Return the conditions, of which any is enough, or none and the reason."""
    if rule.family in _REASONS:
        return [], _REASONS[rule.family]
    guard, more = _guard(rule), []
    if isinstance(rule, RecurringRule):
        more.append(pcl.schedule(rule))
    if guard is not None:
        if guard.by:
            return [], f"its guard counts by {', '.join(guard.by)}; a rule has one count"
        if not guard.max_count:
            return [], "its guard pages at the first event; a count of events begins with it"
        # Events are counted as they come, also those that page because there are too many.
        more.append(f"trigger_count over {pcl.span(guard.window_seconds)} <= {guard.max_count}")
    found = pcl.blocks(rule.matchers, field, more)
    if guard is not None and len(found) > 1:
        return [], _TOO_LONG_TO_GUARD
    return found, "" if found else _TOO_LONG
