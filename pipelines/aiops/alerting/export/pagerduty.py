"""Rules as PagerDuty event orchestration: conditions in its language, actions on the event.

PagerDuty decides on one event at a time. What needs a look at other alerts (inhibition,
grouping, flapping) it can't be expressed this way; such rules are listed with the reason. The form
is that of its REST API (``PUT /event_orchestrations/services/{id}``) and of its published
Terraform provider.

Conditions are in PagerDuty's condition language (PCL), after the document "PCL Overview". What
differs from Alertmanager's matchers: comparisons take no notice of case unless ``exactly``
stands there; what an event lacks is an error, and an error is false wherever it stands; ``^``
and ``$`` match at every line and ``.`` matches line ends unless flags say otherwise; strings
know two escapes (quote and backslash); the end of a schedule belongs to it.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pipelines.aiops.alerting.config import value_matches, values_of
from pipelines.aiops.alerting.rules import (
    DemotionRule,
    Guard,
    Matcher,
    MuteTimeRule,
    Rule,
    WaitRule,
    one_of,
    quoted,
)
from pipelines.core.time import WORDS, parts

BLOCKS = 25
"""Conditions that a rule may have, of which any is enough, …"""
BLOCK_BYTES = 2048
"""… and the length of each, in UTF-8. The overview names no limits; these are users' reports."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def text(value: str) -> str:
    """Write a string.

    Parameters
    ----------
    value : str
        Any text.

    Returns
    -------
    str
        PCL, in single quotes.
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def span(seconds: int) -> str:
    """Write a duration: 5400 as ``1 hour 30 minutes``.

    Parameters
    ----------
    seconds : int
        Not negative; 0 gives an empty text.

    Returns
    -------
    str
        PCL.
    """
    return " ".join(
        f"{count} {unit}{'s' if count > 1 else ''}" for count, unit in parts(seconds, WORDS)
    )


def schedule(rule: MuteTimeRule) -> str:
    """Write a rule's hours, up to their last second.

    Parameters
    ----------
    rule : MuteTimeRule
        Its weekdays count from 0 = Monday.

    Returns
    -------
    str
        PCL condition; the end of a schedule belongs to it, so it is a second earlier.
    """
    days = ",".join(DAYS[day] for day in sorted(rule.weekdays))
    first, last = rule.start_minute * 60, rule.end_minute * 60 - 1
    return f"now in {days} {_clock(first)} to {_clock(last)} {rule.timezone}"


def _clock(seconds: int) -> str:
    return str(timedelta(seconds=seconds)).rjust(8, "0")


def path(field: str, label: str) -> str:
    """Write where an event holds a label.

    Parameters
    ----------
    field : str
        ``{label}`` in it stands for the label's name.
    label : str
        Name of the label.

    Returns
    -------
    str
        PCL path; names that aren't plain stand in brackets.
    """
    if _NAME.fullmatch(label):
        return field.format(label=label)
    return field.replace(".{label}", "[{label}]").format(label=text(label))


def condition(matcher: Matcher, field: str) -> str:
    """Write a matcher, missing labels being empty as in Alertmanager.

    Parameters
    ----------
    matcher : Matcher
        Of any operator.
    field : str
        Where an event holds a label, as for `path`.

    Returns
    -------
    str
        PCL condition.
    """
    where = path(field, matcher.label)
    said = _says(matcher, where)
    empty = [f"not {where} exists", f"{where} matches exactly ''"]
    if matcher.op in {"=", "=~"}:
        options = [*empty, said] if value_matches(matcher, "") else [said]
        return _any(options)
    if value_matches(matcher, ""):
        return f"not {said}"  # an event without the label doesn't say so either
    return f"not {_any([*empty, said])}"


def _any(options: Sequence[str]) -> str:
    some = [option for option in options if option]
    return some[0] if len(some) == 1 else f"({' or '.join(some)})"


def _says(matcher: Matcher, where: str) -> str:
    """Write that the label has one of the values named, other than the empty one; "" without."""
    values = [matcher.value] if matcher.op == "!=" else values_of(matcher)
    if values is None:
        return f"{where} matches regex exactly {text(f'(?-sm)^(?:{matcher.value})$')}"
    some = [value for value in values if value]
    if len(some) < 2:
        return f"{where} matches exactly {text(some[0])}" if some else ""
    listed = "|".join(map(quoted, some))
    return f"{where} matches regex exactly {text(f'(?-sm)^(?:{listed})$')}"


def blocks(matchers: Sequence[Matcher], field: str, more: Sequence[str] = ()) -> list[str]:
    """Write matchers as conditions of which any is enough, each as short as it must be.

    Parameters
    ----------
    matchers : sequence of Matcher
        All must be satisfied.
    field : str
        Where an event holds a label, as for `path`.
    more : sequence of str
        Conditions that each has to hold beside them.

    Returns
    -------
    list of str
        PCL conditions, at most `BLOCKS` of at most `BLOCK_BYTES`; empty if they don't fit, however
        their values are divided.
    """
    parts = [condition(matcher, field) for matcher in matchers]
    whole = " and ".join([*parts, *more])
    if len(whole.encode()) <= BLOCK_BYTES:
        return [whole]
    sizes = [len(values_of(matcher) or ()) for matcher in matchers]
    position = max(range(len(parts)), key=lambda i: (sizes[i] > 1, len(parts[i])), default=-1)
    if position < 0 or sizes[position] < 2:
        return []
    values = values_of(matchers[position]) or ()
    found: list[str] = []
    for half in (values[: len(values) // 2], values[len(values) // 2 :]):
        matcher = one_of(matchers[position].label, half)
        some = blocks([*matchers[:position], matcher, *matchers[position + 1 :]], field, more)
        if not some or len(found) + len(some) > BLOCKS:
            return []
        found += some
    return found


_REASONS = {
    "grouping": "grouping is a setting of the service (alert grouping by content), not a rule",
    "keep_firing": "a rule can't wait for an alert to stay away; use the service's auto-pause",
    "inhibition": "a rule can't look at other alerts",
    "known_fix": "it changes no event; see section aiops.remediation",
}
_TOO_LONG = f"its conditions are longer than {BLOCKS} of {BLOCK_BYTES:,} bytes"
_TOO_LONG_TO_GUARD = f"its condition is longer than {BLOCK_BYTES:,} bytes: its guard counts one"


def orchestration(rules: Sequence[Rule], field: str) -> dict[str, Any]:
    """Return the orchestration as PagerDuty's API takes it, and what it can't take.

    Parameters
    ----------
    rules : sequence of Rule
        Rules of all families.
    field : str
        Where the event holds a label; ``{label}`` stands for its name, for example
        ``event.custom_details.{label}``.

    Returns
    -------
    dict
        ``orchestration_path``; ``not_expressed``: rules that are left out, and why; ``weaker``:
        rules that do less here than was proven, and what they lack.
    """
    taken, left, weaker = [], [], []
    for rule in rules:
        found, why = conditions(rule, field)
        record = {"rule": rule.id, "family": rule.family}
        if not found:
            left.append({**record, "reason": why})
            continue
        taken.append(_rule(rule, found))
        guard = _guard(rule)
        if guard is not None and guard.max_seconds is not None:
            weaker.append({**record, "reason": _unlimited(guard.max_seconds)})
    # The first rule that matches decides: what is suppressed need not wait first.
    taken.sort(key=lambda event_rule: "suppress" not in event_rule["actions"])
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
    if isinstance(rule, WaitRule):
        actions["suspend"] = rule.for_seconds
    elif isinstance(rule, DemotionRule):
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
    return rule.guard if isinstance(rule, DemotionRule | MuteTimeRule) else None


def conditions(rule: Rule, field: str) -> tuple[list[str], str]:
    """Write the conditions of a rule, of which any is enough.

    Parameters
    ----------
    rule : Rule
        Of any family.
    field : str
        Where an event holds a label, as for `path`.

    Returns
    -------
    conditions : list of str
        PCL; empty if the rule can't be expressed.
    reason : str
        Why it can't be expressed; empty if it can.
    """
    if rule.family in _REASONS:
        return [], _REASONS[rule.family]
    guard, more = _guard(rule), []
    if isinstance(rule, MuteTimeRule):
        more.append(schedule(rule))
    if guard is not None:
        if guard.by:
            return [], f"its guard counts by {', '.join(guard.by)}; a rule has one count"
        if not guard.max_count:
            return [], "its guard pages at the first event; a count of events begins with it"
        # Events are counted as they come, also those that page because there are too many.
        more.append(f"trigger_count over {span(guard.window_seconds)} <= {guard.max_count}")
    found = blocks(rule.matchers, field, more)
    if guard is not None and len(found) > 1:
        return [], _TOO_LONG_TO_GUARD
    return found, "" if found else _TOO_LONG
