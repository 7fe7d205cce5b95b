"""Rules as PagerDuty event orchestration: conditions in its language, actions on the event.

PagerDuty decides on one event at a time. What needs a look at other alerts (inhibition, grouping,
flapping) it can't be told this way; such rules are listed with the reason.
"""

from collections.abc import Sequence
from typing import Any

from pipelines.aiops.noise.alertmanager import values_of
from pipelines.aiops.noise.export.scalars import pcl_text
from pipelines.aiops.noise.rules import Matcher, QuietRule, RecurringRule, Rule, TransientRule

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_REASONS = {
    "duplicate": "grouping is a setting of the service (alert grouping by content), not a rule",
    "flapping": "a rule can't wait for an alert to stay away; use the service's auto-pause",
    "implied": "a rule can't look at other alerts",
    "known_fix": "it changes no event; see section aiops.response",
}


def orchestration(rules: Sequence[Rule], field: str) -> dict[str, Any]:
    """Return the orchestration as PagerDuty's API takes it, and what it can't take.

    Parameters
    ----------
    field
        Where the event holds a label; ``{label}`` stands for its name, for example
        ``event.custom_details.{label}``.
    """
    taken, left = [], []
    for rule in rules:
        why = _REASONS.get(rule.family, "")
        condition, problem = conditions(rule, field)
        if why or problem:
            left.append({"rule": rule.id, "family": rule.family, "reason": why or problem})
        else:
            taken.append(_rule(rule, condition))
    path = {
        "type": "service",
        "sets": [{"id": "start", "rules": taken}],
        "catch_all": {"actions": {}},
    }
    return {"orchestration_path": path, "not_expressed": left}


def _rule(rule: Rule, condition: str) -> dict[str, Any]:
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
        "conditions": [{"expression": condition}],
        "actions": actions,
        "disabled": False,
    }


def conditions(rule: Rule, field: str) -> tuple[str, str]:
    """Return the condition, and why there is none."""
    parts = []
    for one in rule.matchers:
        text = _condition(one, field)
        if not text:
            return "", f"label {one.label!r} is no name that a condition can hold"
        parts.append(text)
    if isinstance(rule, RecurringRule):
        parts.append(_times(rule))
    return " and ".join(parts), ""


def _condition(matcher: Matcher, field: str) -> str:
    if not matcher.label.replace("_", "").isalnum() or not matcher.label.isascii():
        return ""
    path = field.format(label=matcher.label)
    values = values_of(matcher)
    if values is not None:
        options = [f"{path} matches {pcl_text(value)}" for value in sorted(values)]
        return options[0] if len(options) == 1 else f"({' or '.join(options)})"
    if matcher.op == "!=":
        return f"not {path} matches {pcl_text(matcher.value)}"
    found = f"{path} matches regex {pcl_text(f'^(?:{matcher.value})$')}"
    return found if matcher.op == "=~" else f"not {found}"


def _times(rule: RecurringRule) -> str:
    days = ",".join(_DAYS[day] for day in sorted(rule.weekdays))
    end = "23:59:59" if rule.end_minute == 1440 else _clock(rule.end_minute)
    return f"now in {days} {_clock(rule.start_minute)} to {end} {rule.timezone}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}:00"
