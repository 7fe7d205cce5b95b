"""Held alerts as PagerDuty event orchestration: conditions in its language, actions on the event.

PagerDuty decides on one event at a time. It pauses the notification of an alert that is held
(``suspend``; one that ends meanwhile pages nobody) and groups the alerts of a service
(``alert_grouping_setting``). What needs a look at other alerts it can't do: it doesn't page
earlier because more alerts fire, or because the alert came back. The form is that of its REST API
(``PUT /event_orchestrations/services/{id}``, ``POST /alert_grouping_settings``) and of its
published Terraform provider.

Conditions are in PagerDuty's condition language (PCL), after the document "PCL Overview". What
differs from Alertmanager's matchers: comparisons take no notice of case unless ``exactly``
stands there; what an event lacks is an error, and an error is false wherever it stands; ``^``
and ``$`` match at every line and ``.`` matches line ends unless flags say otherwise; strings
know two escapes (quote and backslash).
"""

import re
from collections.abc import Sequence
from typing import Any

from pipelines.aiops.alerting.config import value_matches, values_of
from pipelines.aiops.alerting.export.spelling import duration
from pipelines.aiops.alerting.rules import HoldRule, Matcher, Rule, one_of, quoted

BLOCKS = 25
"""Conditions that a rule may have, of which any is enough, …"""
BLOCK_BYTES = 2048
"""… and the length of each, in UTF-8. The overview names no limits; these are users' reports."""
GROUPED_SECONDS = (300, 86_400)
"""Least and longest ``time_window`` of a grouping by content."""
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


def blocks(matchers: Sequence[Matcher], field: str) -> list[str]:
    """Write matchers as conditions of which any is enough, each as short as it must be.

    Parameters
    ----------
    matchers : sequence of Matcher
        All must be satisfied.
    field : str
        Where an event holds a label, as for `path`.

    Returns
    -------
    list of str
        PCL conditions, at most `BLOCKS` of at most `BLOCK_BYTES`; empty if they don't fit, however
        their values are divided.
    """
    parts = [condition(matcher, field) for matcher in matchers]
    whole = " and ".join(parts)
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
        some = blocks([*matchers[:position], matcher, *matchers[position + 1 :]], field)
        if not some or len(found) + len(some) > BLOCKS:
            return []
        found += some
    return found


_TOO_LONG = f"its conditions are longer than {BLOCKS} of {BLOCK_BYTES:,} bytes"
_NO_EVENT = "it changes no event; see section aiops.remediation"


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
        ``orchestration_path``; ``alert_grouping_setting`` (None where nothing is held);
        ``not_expressed``: rules that are left out, and why; ``weaker``: rules that do less here
        than was proven, and what they lack.
    """
    taken, left, weaker = [], [], []
    grouping = None
    for rule in rules:
        record = {"rule": rule.id, "family": rule.family}
        found = blocks(rule.matchers, field) if isinstance(rule, HoldRule) else []
        if not isinstance(rule, HoldRule) or not found:
            why = _TOO_LONG if isinstance(rule, HoldRule) else _NO_EVENT
            left.append({**record, "reason": why})
            continue
        taken.append(_rule(rule, found))
        weaker.append({**record, "reason": _waits(rule)})
        grouping = grouping or _grouping(rule, field)
    path = {
        "type": "service",
        "sets": [{"id": "start", "rules": taken}],
        "catch_all": {"actions": {}},
    }
    return {
        "orchestration_path": path,
        "alert_grouping_setting": grouping,
        "not_expressed": left,
        "weaker": weaker,
    }


def _waits(rule: HoldRule) -> str:
    return (
        f"it always waits {duration(rule.wait_seconds)}: more alerts of its service, or its coming "
        f"back within {duration(rule.again_seconds)}, don't page earlier"
    )


def _rule(rule: HoldRule, found: Sequence[str]) -> dict[str, Any]:
    return {
        "label": f"{rule.id}: {' '.join(rule.sentence.split())}"[:250],
        "conditions": [{"expression": expression} for expression in found],
        "actions": {
            "annotate": f"Signalbox rule {rule.id}, expires {rule.expires}",
            "suspend": rule.wait_seconds,
        },
        "disabled": False,
    }


def _grouping(rule: HoldRule, field: str) -> dict[str, Any]:
    """One incident for all alerts of a service that come within the window."""
    least, longest = GROUPED_SECONDS
    return {
        "type": "content_based",
        "config": {
            "aggregate": "all",
            "fields": [path(field, rule.service_label).removeprefix("event.")],
            "time_window": min(max(rule.window_seconds, least), longest),
        },
    }
