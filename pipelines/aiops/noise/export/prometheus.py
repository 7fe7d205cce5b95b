"""Merge transient and flapping rules into the user's Prometheus rule files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.aiops.noise.export.alert_rules import (
    AlertRule,
    Change,
    TimingRule,
    alert_rules,
    load,
    remaining,
)
from pipelines.aiops.noise.export.landing import disjoint
from pipelines.aiops.noise.export.marks import Edit, apply, remove
from pipelines.aiops.noise.export.places import Document, read
from pipelines.aiops.noise.export.rule_edits import edits_for, times_after
from pipelines.base.errors import SignalboxError


@dataclass
class Merged:
    """Rule files after the merge.

    Attributes
    ----------
    texts
        File → text; files that didn't change too.
    placed
        Rule id → places it went to, in words.
    refused
        Rule id → why it didn't go somewhere.
    """

    texts: dict[str, str] = field(default_factory=dict)
    placed: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, rule: TimingRule, why: str) -> None:
        """Note why a rule didn't go somewhere."""
        self.refused.setdefault(rule.id, []).append(why)


def merge_rule_files(texts: Mapping[str, str], rules: Sequence[TimingRule]) -> Merged:
    """Change ``for`` and ``keep_firing_for`` of the alerts that the rules mean.

    Parameters
    ----------
    texts
        File → text. What an earlier merge put in is taken out first.

    Raises
    ------
    SignalboxError
        If a file isn't a Prometheus rule file.
    """
    merged = Merged()
    for name, text in texts.items():
        merged.texts[name] = _merge_one(remove(text, name), name, rules, merged)
    return merged


def _merge_one(text: str, name: str, rules: Sequence[TimingRule], merged: Merged) -> str:
    doc, data = read(text, name), load(text, name)
    accepted: list[Edit] = []
    for target in alert_rules(doc, data):
        change = _change(target, rules, name, merged)
        if not (change.whole or change.parts):
            continue
        told = [*change.whole, *(rule for _, those in change.parts for rule in those)]
        try:
            edits = edits_for(doc, target, change)
            _check(doc, data, target, change, apply(text, edits))
            _check_parses(doc, apply(text, [*accepted, *edits]))
        except SignalboxError as error:
            for rule in told:
                merged.refuse(rule, f"{name}: alert {target.name}: {error}")
            continue
        accepted += edits
        for rule in told:
            merged.placed.setdefault(rule.id, []).append(f"{name}: alert {target.name}")
    return apply(text, accepted)


def _change(target: AlertRule, rules: Sequence[TimingRule], name: str, merged: Merged) -> Change:
    change = Change()
    for rule in rules:
        left = remaining(rule, target)
        if left is None:
            continue
        if isinstance(left, str):
            merged.refuse(rule, f"{name}: alert {target.name}: {left}")
        elif not left:
            change.whole.append(rule)
        else:
            _add_part(change, left, rule, name, merged)
    return change


def _add_part(change: Change, left: Any, rule: TimingRule, name: str, merged: Merged) -> None:
    for matchers, those in change.parts:
        if matchers == left:
            those.append(rule)
            return
        if not disjoint(matchers, left):
            merged.refuse(
                rule,
                f"{name}: it may mean alerts that rule {those[0].id} splits off already; "
                "set it by hand",
            )
            return
    change.parts.append((left, [rule]))


def _check_parses(doc: Document, text: str) -> None:
    load(text, doc.name)
    if remove(text, doc.name) != doc.text:
        raise SignalboxError("the change could not be taken back exactly")


def _check(doc: Document, data: Any, target: AlertRule, change: Change, text: str) -> None:
    """Hold the text after the edits against what it should say."""
    found = load(text, doc.name)
    g, r = target.place
    groups = [
        group | {"rules": _expected(group["rules"], r, target, change)} if i == g else group
        for i, group in enumerate(data["groups"])
    ]
    for one in (groups, found["groups"]):
        for rule in one[g]["rules"]:
            if isinstance(rule, dict) and change.parts and rule.get("alert") == target.name:
                rule.pop("expr", None)
    if found | {"groups": None} != data | {"groups": None} or found["groups"] != groups:
        raise SignalboxError("the change would alter more than it should")


def _expected(rules: list[Any], at: int, target: AlertRule, change: Change) -> list[Any]:
    from pipelines.aiops.noise.export.scalars import duration

    def timed(told: Sequence[TimingRule]) -> dict[str, Any]:
        times = times_after(target, told)
        return target.data | {key: duration(seconds) for key, seconds in times.items()}

    parts = [timed([*change.whole, *those]) for _, those in change.parts]
    parts = [_normal(one) for one in parts]
    before = [dict(one) if isinstance(one, dict) else one for one in rules]
    return [*before[:at], timed(change.whole), *parts, *before[at + 1 :]]


def _normal(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a part as it is written: times of zero are left out, others in our spelling."""
    from pipelines.aiops.noise.export.rule_edits import TIMES
    from pipelines.aiops.noise.export.scalars import duration, seconds_of

    times = {key: seconds_of(str(rule.get(key) or "0")) for key in TIMES}
    rest = {key: value for key, value in rule.items() if key not in TIMES}
    return rest | {key: duration(value) for key, value in times.items() if value}
