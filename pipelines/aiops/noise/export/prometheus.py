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
from pipelines.aiops.noise.export.rule_edits import TIMES, edits_for, times_after
from pipelines.aiops.noise.export.scalars import duration, seconds_of
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


Step = tuple[AlertRule, Change, list[Edit]]


def _merge_one(text: str, name: str, rules: Sequence[TimingRule], merged: Merged) -> str:
    doc, data = read(text, name), load(text, name)
    steps: list[Step] = []
    for target in alert_rules(doc, data):
        change = _change(target, rules, name, merged)
        if not (change.whole or change.parts):
            continue
        try:
            steps.append((target, change, edits_for(doc, target, change)))
        except SignalboxError as error:
            _refuse(merged, doc, target, change, str(error))
    accepted = _accepted(doc, data, steps, merged)
    for target, change, _ in accepted:
        for rule in _told(change):
            merged.placed.setdefault(rule.id, []).append(f"{name}: alert {target.name}")
    return apply(text, _all_edits(accepted))


def _accepted(doc: Document, data: Any, steps: list[Step], merged: Merged) -> list[Step]:
    """Return the steps whose result is what it should be; usually all, so all are tried first."""
    if _problem(doc, data, steps) == "":
        return steps
    accepted: list[Step] = []
    for step in steps:
        why = _problem(doc, data, [*accepted, step])
        if why:
            _refuse(merged, doc, step[0], step[1], why)
        else:
            accepted.append(step)
    return accepted


def _all_edits(steps: Sequence[Step]) -> list[Edit]:
    return [edit for _, _, edits in steps for edit in edits]


def _told(change: Change) -> list[TimingRule]:
    return [*change.whole, *(rule for _, those in change.parts for rule in those)]


def _refuse(merged: Merged, doc: Document, target: AlertRule, change: Change, why: str) -> None:
    for rule in _told(change):
        merged.refuse(rule, f"{doc.name}: alert {target.name}: {why}")


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


def _problem(doc: Document, data: Any, steps: Sequence[Step]) -> str:
    """Say what is wrong with the text after the steps; empty if it is what it should be."""
    text = apply(doc.text, _all_edits(steps))
    try:
        found = load(text, doc.name)
        if remove(text, doc.name) != doc.text:
            return "the change could not be taken back exactly"
    except SignalboxError as error:
        return str(error)
    wanted = _expected(data, steps)
    split = {target.name for target, change, _ in steps if change.parts}
    same = _without_split(found, split) == _without_split(wanted, split)
    return "" if same else "the change would alter more than it should"


def _without_split(data: Any, split: set[str]) -> Any:
    """Leave out the expressions of alerts that are split: they are new."""
    return data | {
        "groups": [
            group | {"rules": [_without_expr(rule, split) for rule in group.get("rules") or []]}
            for group in data["groups"]
        ]
    }


def _without_expr(rule: Any, split: set[str]) -> Any:
    if not isinstance(rule, dict) or rule.get("alert") not in split:
        return rule
    return {key: value for key, value in rule.items() if key != "expr"}


def _expected(data: Any, steps: Sequence[Step]) -> Any:
    """Return what the file should say."""
    made = {target.place: _made(target, change) for target, change, _ in steps}
    groups = []
    for g, group in enumerate(data["groups"]):
        rules: list[Any] = []
        for r, rule in enumerate(group.get("rules") or []):
            rules += made.get((g, r), [rule])
        groups.append(group | {"rules": rules})
    return data | {"groups": groups}


def _made(target: AlertRule, change: Change) -> list[dict[str, Any]]:
    """Return the rule after the change, and the parts split off it."""

    def timed(told: Sequence[TimingRule]) -> dict[str, Any]:
        times = times_after(target, told)
        return target.data | {key: duration(seconds) for key, seconds in times.items()}

    parts = [_normal(timed([*change.whole, *those])) for _, those in change.parts]
    return [timed(change.whole), *parts]


def _normal(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a part as it is written: times of zero are left out, others in our spelling."""
    times = {key: seconds_of(str(rule.get(key) or "0")) for key in TIMES}
    rest = {key: value for key, value in rule.items() if key not in TIMES}
    return rest | {key: duration(value) for key, value in times.items() if value}
