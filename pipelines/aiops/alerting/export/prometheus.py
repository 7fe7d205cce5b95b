"""Merge wait and keep-firing rules into the user's Prometheus rule files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode

from pipelines.aiops.alerting.config import value_matches, values_of
from pipelines.aiops.alerting.export.servers import Servers, lacks
from pipelines.aiops.alerting.export.spelling import duration, matching, seconds_of, without
from pipelines.aiops.alerting.export.yaml_edit import (
    WAS,
    Document,
    Edit,
    UnmergeableError,
    after,
    apply,
    block,
    child,
    line_end,
    line_start,
    one_line,
    own_end,
    pair,
    read,
    remove,
    start,
)
from pipelines.aiops.alerting.rules import KeepFiringRule, Matcher, WaitRule
from pipelines.core.errors import SignalboxError

TimingRule = WaitRule | KeepFiringRule


@dataclass(frozen=True)
class AlertRule:
    """One alerting rule where it stands.

    Attributes
    ----------
    node : ruamel.yaml.nodes.MappingNode
        Its position in the text.
    data : dict
        What YAML reads there, merge keys and aliases resolved.
    position : tuple of int
        Index of its group and within it.
    """

    node: MappingNode
    data: dict[str, Any]
    position: tuple[int, int]

    @property
    def name(self) -> str:
        """Name of the alert."""
        return str(self.data["alert"])


@dataclass
class RuleChange:
    """What the rules make of one alerting rule.

    Attributes
    ----------
    whole : list of WaitRule or KeepFiringRule
        Rules that mean every alert of it.
    parts : list of tuple
        Matchers that split alerts off it, and the rules that mean those.
    """

    whole: list[TimingRule] = field(default_factory=list)
    parts: list[tuple[tuple[Matcher, ...], list[TimingRule]]] = field(default_factory=list)


def load(text: str, name: str) -> Any:
    """Read a text as Prometheus would.

    Parameters
    ----------
    text : str
        YAML.
    name : str
        The file's name, for messages.

    Returns
    -------
    Any
        What YAML reads, merge keys and aliases resolved.

    Raises
    ------
    SignalboxError
        If it isn't YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise SignalboxError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error


def alert_rules(doc: Document, data: Any) -> list[AlertRule]:
    """Return all alerting rules of a file.

    Parameters
    ----------
    doc : Document
        The text and its nodes.
    data : Any
        The same as `load` reads it.

    Returns
    -------
    list of AlertRule
        In the order of the file; recording rules are left out.

    Raises
    ------
    SignalboxError
        If the file isn't a Prometheus rule file.
    """
    groups = child(doc.root, "groups")
    if not isinstance(groups, SequenceNode):
        raise SignalboxError(f"{doc.name}: not a Prometheus rule file: it has no list 'groups'")
    found = []
    for g, group in enumerate(groups.value):
        if not isinstance(group, MappingNode):
            raise SignalboxError(f"{doc.name}: groups[{g}] is no mapping: not a rule file")
        rules = child(group, "rules")
        for r, node in enumerate(rules.value if isinstance(rules, SequenceNode) else []):
            rule_data = data["groups"][g]["rules"][r]
            if isinstance(rule_data, dict) and isinstance(rule_data.get("alert"), str):
                found.append(AlertRule(node, rule_data, (g, r)))
    return found


def remaining(
    rule: TimingRule, target: AlertRule, servers: Servers, file: str
) -> tuple[Matcher, ...] | str | None:
    """Return the matchers that the results of the expression itself must pass.

    Parameters
    ----------
    rule : WaitRule or KeepFiringRule
        A rule that was mined.
    target : AlertRule
        An alerting rule of the user's.
    servers : Servers
        Who evaluates it, and which labels they add afterwards.
    file : str
        Path of the rule file that it stands in.

    Returns
    -------
    tuple of Matcher
        Empty: the rule means every alert of this name.
    str
        Why that can't be told.
    None
        The rule doesn't mean these alerts.
    """
    labels = target.data.get("labels") or {}
    left = []
    for matcher in rule.matchers:
        value = target.name if matcher.label == "alertname" else labels.get(matcher.label)
        if value is None:
            left.append(matcher)
        elif "{{" in str(value):
            return f"label {matcher.label} is a template, so its value isn't known before it fires"
        elif not value_matches(matcher, str(value)):
            return None
    found = servers.seen(left, file)
    if isinstance(found, tuple):
        for matcher in found:
            if lacks(str(target.data.get("expr")), matcher.label):
                return f"its expression drops the label {matcher.label}"
    return found


def disjoint(matchers: Sequence[Matcher], other: Sequence[Matcher]) -> bool:
    """Return whether no alert can match both, as far as listed values tell.

    Parameters
    ----------
    matchers, other : sequence of Matcher
        All of a side must be satisfied.

    Returns
    -------
    bool
        True only if it is certain.
    """
    return any(
        _apart(left, right) for left in matchers for right in other if left.label == right.label
    )


def _apart(left: Matcher, right: Matcher) -> bool:
    for mine, theirs in ((left, right), (right, left)):
        values = values_of(mine)
        if values is not None:
            return not any(value_matches(theirs, value) for value in values)
    return False


TIMES = ("for", "keep_firing_for")
_REPLACED = ("alert", "expr", *TIMES)


def times_after(target: AlertRule, rules: Sequence[TimingRule]) -> dict[str, int]:
    """Return ``for`` and ``keep_firing_for`` as the rules ask for them.

    History tells of alerts as they fired, after the times that are there already; so what a rule
    asks for comes on top. Of several rules the longest counts.

    Parameters
    ----------
    target : AlertRule
        An alerting rule of the user's.
    rules : sequence of WaitRule or KeepFiringRule
        Rules that mean its alerts.

    Returns
    -------
    dict of str to int, seconds
        Only keys that a rule changes.

    Raises
    ------
    UnmergeableError
        If what stands there isn't a duration.
    """
    found = {}
    for key in TIMES:
        asked = [_asks(rule) for rule in rules if _key(rule) == key]
        if not asked:
            continue
        now = seconds_of(str(target.data.get(key) or "0"))
        if now is None:
            raise UnmergeableError(f"{key}: {target.data[key]!r} isn't a duration")
        found[key] = now + max(asked)
    return found


def _key(rule: TimingRule) -> str:
    return "for" if isinstance(rule, WaitRule) else "keep_firing_for"


def _asks(rule: TimingRule) -> int:
    return rule.for_seconds if isinstance(rule, WaitRule) else rule.keep_firing_for_seconds


def edits_for(doc: Document, target: AlertRule, change: RuleChange) -> list[Edit]:
    """Return the edits for one alerting rule.

    Parameters
    ----------
    doc : Document
        The text and its nodes.
    target : AlertRule
        The alerting rule.
    change : RuleChange
        What the rules make of it.

    Returns
    -------
    list of Edit
        For `yaml_edit.apply`.

    Raises
    ------
    UnmergeableError
        If the text gives no safe position for them.
    """
    if target.node.flow_style:
        raise UnmergeableError("the rule is written in braces on one line")
    edits = [
        _set_time(doc, target.node, key, seconds, change.whole)
        for key, seconds in times_after(target, change.whole).items()
    ]
    if not change.parts:
        return edits
    taken = [matching(f"(\n{target.data['expr']}\n)", matchers) for matchers, _ in change.parts]
    split_off = [rule for _, rules in change.parts for rule in rules]
    rest = without(str(target.data["expr"]).strip(), taken)
    edits.append(_replace(doc, target.node, "expr", _literal("expr", rest), split_off))
    for (_, rules), expr in zip(change.parts, taken, strict=True):
        every = [*change.whole, *rules]
        edits.append(_part(doc, target, expr, every))
    return edits


def _set_time(
    doc: Document, node: MappingNode, key: str, seconds: int, rules: Sequence[TimingRule]
) -> Edit:
    mine = [rule for rule in rules if _key(rule) == key]
    line = f"{key}: {duration(seconds)}"
    if pair(node, key) is not None:
        return _replace(doc, node, key, [line], mine)
    return after(doc, node, [line], about(mine), int(node.value[0][0].start_mark.column))


def _replace(
    doc: Document, node: MappingNode, key: str, lines: list[str], rules: Sequence[TimingRule]
) -> Edit:
    """Turn the lines of a key into comments, and put ours below."""
    name, value = pair(node, key) or (None, None)
    if name is None or value is None:
        raise UnmergeableError(f"{key} doesn't stand in the rule itself")
    at, until = _own_lines(doc, name, value)
    lead = doc.text[at : start(name)]
    first, *more = lines
    pad = " " * len(lead)
    kept = "".join(f"{WAS}{line}" for line in doc.text[at:until].splitlines(keepends=True))
    if not kept.endswith("\n"):
        raise UnmergeableError("the file ends without a newline right after it")
    body = [lead.strip() + " " * (len(lead.lstrip()) - len(lead.strip())) + first]
    indent = len(lead) - len(lead.lstrip())
    body += [f"{pad[indent:]}{line}" for line in more]
    return Edit(at, kept + block(body, about(rules), indent, doc.newline), until)


def _own_lines(doc: Document, name: Any, value: Any) -> tuple[int, int]:
    """Begin and end of the lines that a key and its value have for themselves."""
    at = line_start(doc.text, start(name))
    if doc.text[at : start(name)].strip() not in ("", "-"):
        raise UnmergeableError(f"{name.value} shares a line with something else")
    end = own_end(doc, value) if start(value) > start(name) else int(name.end_mark.index)
    until = end if end == line_start(doc.text, end) and end > at else line_end(doc.text, end)
    return at, until


def _part(doc: Document, target: AlertRule, expr: str, rules: Sequence[TimingRule]) -> Edit:
    """Return the rule once more, for the alerts that the rules mean."""
    node = target.node
    indent = int(node.value[0][0].start_mark.column) - 2
    if indent < 0:
        raise UnmergeableError("the rules aren't a list in block style")
    lines = [_alert_line(doc, node), *_literal("expr", expr)]
    times = {key: seconds_of(str(target.data.get(key) or "0")) for key in TIMES}
    times.update(times_after(target, rules))
    lines += [f"{key}: {duration(seconds)}" for key, seconds in times.items() if seconds]
    lines += _copied(doc, node)
    first, *more = lines
    return after(doc, node, [f"- {first}", *(f"  {line}" for line in more)], about(rules), indent)


def _alert_line(doc: Document, node: MappingNode) -> str:
    name, value = pair(node, "alert") or (None, None)
    if name is None or value is None or start(value) < start(name):
        raise UnmergeableError("the alert's name comes from an anchor")
    return f"alert: {doc.text[start(value) : int(value.end_mark.index)]}"


def _copied(doc: Document, node: MappingNode) -> list[str]:
    """Lines of the keys that stay as they are: labels, annotations, what we don't know."""
    lines: list[str] = []
    for name, value in node.value:
        if name.value in _REPLACED:
            continue
        at, until = _own_lines(doc, name, value)
        column = int(name.start_mark.column)
        text = " " * column + doc.text[at + column : until]
        for line in text.splitlines():
            if line[:column].strip():
                raise UnmergeableError(f"{name.value} is indented in a way that can't be copied")
            lines.append(line[column:])
    return lines


def _literal(key: str, text: str) -> list[str]:
    if any(not c.isprintable() and c not in "\n\t" for c in text):
        raise UnmergeableError("the expression holds characters that don't print")
    return [f"{key}: |-", *(f"  {line}" for line in text.splitlines())]


def about(rules: Sequence[TimingRule]) -> str:
    """Return rule ids, expiry and sentences for a mark.

    Parameters
    ----------
    rules : sequence of WaitRule or KeepFiringRule
        Rules that a change serves.

    Returns
    -------
    str
        One line.
    """
    return "; ".join(
        f"{rule.id} (expires {rule.expires}): {one_line(rule.sentence)}" for rule in rules
    )


@dataclass
class Merged:
    """Rule files after the merge.

    Attributes
    ----------
    texts : dict of str to str
        File → text; files that didn't change too.
    placed : dict of str to list of str
        Rule id → alerts that it changed, in words.
    refused : dict of str to list of str
        Rule id → why it didn't go somewhere.
    """

    texts: dict[str, str] = field(default_factory=dict)
    placed: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, rule: TimingRule, why: str) -> None:
        """Record why a rule didn't go somewhere.

        Parameters
        ----------
        rule : WaitRule or KeepFiringRule
            The rule.
        why : str
            The reason.
        """
        self.refused.setdefault(rule.id, []).append(why)


def merge_rule_files(
    texts: Mapping[str, str], rules: Sequence[TimingRule], servers: Servers
) -> Merged:
    """Change ``for`` and ``keep_firing_for`` of the alerts that the rules mean.

    Parameters
    ----------
    texts : mapping of str to str
        File → text. What an earlier merge put in is taken out first.
    rules : sequence of WaitRule or KeepFiringRule
        Rules with distinct ids.
    servers : Servers
        Who loads the files. Where that isn't known, only rules that name nothing but the alert
        and its rule's own labels are merged.

    Returns
    -------
    Merged
        A change that can't be made safely is refused with a reason.

    Raises
    ------
    SignalboxError
        If a file isn't a Prometheus rule file.
    """
    merged = Merged()
    for name, text in texts.items():
        merged.texts[name] = _merge_one(remove(text, name), name, rules, merged, servers)
    return merged


Step = tuple[AlertRule, RuleChange, list[Edit]]


def _merge_one(
    text: str, name: str, rules: Sequence[TimingRule], merged: Merged, servers: Servers
) -> str:
    doc, data = read(text, name), load(text, name)
    steps: list[Step] = []
    for target in alert_rules(doc, data):
        change = _change(target, rules, name, merged, servers)
        if not (change.whole or change.parts):
            continue
        try:
            steps.append((target, change, edits_for(doc, target, change)))
        except SignalboxError as error:
            _refuse(merged, doc, target, change, str(error))
    accepted = _accepted(doc, data, steps, merged)
    for target, change, _ in accepted:
        for rule in _timing_rules(change):
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


def _timing_rules(change: RuleChange) -> list[TimingRule]:
    return [*change.whole, *(rule for _, those in change.parts for rule in those)]


def _refuse(merged: Merged, doc: Document, target: AlertRule, change: RuleChange, why: str) -> None:
    for rule in _timing_rules(change):
        merged.refuse(rule, f"{doc.name}: alert {target.name}: {why}")


def _change(
    target: AlertRule, rules: Sequence[TimingRule], name: str, merged: Merged, servers: Servers
) -> RuleChange:
    change = RuleChange()
    for rule in rules:
        left = remaining(rule, target, servers, name)
        if left is None:
            continue
        if isinstance(left, str):
            merged.refuse(rule, f"{name}: alert {target.name}: {left}")
        elif not left:
            change.whole.append(rule)
        else:
            _add_part(change, left, rule, name, merged)
    return change


def _add_part(change: RuleChange, left: Any, rule: TimingRule, name: str, merged: Merged) -> None:
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
    made = {target.position: _made(target, change) for target, change, _ in steps}
    groups = []
    for g, group in enumerate(data["groups"]):
        rules: list[Any] = []
        for r, rule in enumerate(group.get("rules") or []):
            rules += made.get((g, r), [rule])
        groups.append(group | {"rules": rules})
    return data | {"groups": groups}


def _made(target: AlertRule, change: RuleChange) -> list[dict[str, Any]]:
    """Return the rule after the change, and the parts split off it."""

    def timed(rules: Sequence[TimingRule]) -> dict[str, Any]:
        times = times_after(target, rules)
        return target.data | {key: duration(seconds) for key, seconds in times.items()}

    parts = [_normal(timed([*change.whole, *those])) for _, those in change.parts]
    return [timed(change.whole), *parts]


def _normal(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a part as it is written: times of zero are left out, others in our spelling."""
    times = {key: seconds_of(str(rule.get(key) or "0")) for key in TIMES}
    rest = {key: value for key, value in rule.items() if key not in TIMES}
    return rest | {key: duration(value) for key, value in times.items() if value}
