"""Edits that change ``for`` and ``keep_firing_for`` of one alerting rule, or split it in two."""

from collections.abc import Sequence
from typing import Any

from ruamel.yaml.nodes import MappingNode

from pipelines.aiops.noise.export.alert_rules import AlertRule, Change, TimingRule
from pipelines.aiops.noise.export.filters import matching, without
from pipelines.aiops.noise.export.marks import WAS, Edit, block, one_line
from pipelines.aiops.noise.export.places import (
    Document,
    UnmergeableError,
    after,
    line_end,
    line_start,
    own_end,
    pair,
    start,
)
from pipelines.aiops.noise.export.scalars import duration, seconds_of
from pipelines.aiops.noise.rules import TransientRule

TIMES = ("for", "keep_firing_for")
_REPLACED = ("alert", "expr", *TIMES)


def times_after(target: AlertRule, rules: Sequence[TimingRule]) -> dict[str, int]:
    """Seconds of ``for`` and ``keep_firing_for`` that the rules ask for.

    History tells of alerts as they fired, after the times that are there already; so what a rule
    asks for comes on top. Of several rules the longest counts.
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
    return "for" if isinstance(rule, TransientRule) else "keep_firing_for"


def _asks(rule: TimingRule) -> int:
    return rule.wait if isinstance(rule, TransientRule) else rule.keep_firing


def edits_for(doc: Document, target: AlertRule, change: Change) -> list[Edit]:
    """Edits for one alerting rule.

    Raises
    ------
    UnmergeableError
        If the text gives no safe place for them.
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
    told = [rule for _, rules in change.parts for rule in rules]
    rest = without(str(target.data["expr"]).strip(), taken)
    edits.append(_replace(doc, target.node, "expr", _literal("expr", rest), told))
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
    return after(doc, node, [f"- {first}", *(f"  {one}" for one in more)], about(rules), indent)


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
    """Rule ids, sentences and expiry for a mark."""
    return "; ".join(
        f"{rule.id} (expires {rule.expires}): {one_line(rule.sentence)}" for rule in rules
    )
