"""Alerting rules in the user's rule files: found by name, told apart by labels."""

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode

from pipelines.aiops.noise.alertmanager import value_matches
from pipelines.aiops.noise.export.places import Document, child
from pipelines.aiops.noise.rules import FlappingRule, Matcher, TransientRule
from pipelines.base.errors import SignalboxError

TimingRule = TransientRule | FlappingRule


@dataclass(frozen=True)
class AlertRule:
    """One alerting rule where it stands.

    Attributes
    ----------
    data
        What YAML reads there, merge keys and aliases resolved.
    place
        Index of its group and within it.
    """

    node: MappingNode
    data: dict[str, Any]
    place: tuple[int, int]

    @property
    def name(self) -> str:
        """Name of the alert."""
        return str(self.data["alert"])


@dataclass
class Change:
    """What the rules make of one alerting rule."""

    whole: list[TimingRule] = field(default_factory=list)
    parts: list[tuple[tuple[Matcher, ...], list[TimingRule]]] = field(default_factory=list)


def load(text: str, name: str) -> Any:
    """Read a text as Prometheus would."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise SignalboxError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error


def alert_rules(doc: Document, data: Any) -> list[AlertRule]:
    """All alerting rules of a file.

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
            told = data["groups"][g]["rules"][r]
            if isinstance(told, dict) and isinstance(told.get("alert"), str):
                found.append(AlertRule(node, told, (g, r)))
    return found


def remaining(rule: TimingRule, target: AlertRule) -> tuple[Matcher, ...] | str | None:
    """Return the matchers that the expression's own labels must pass.

    Returns
    -------
    tuple
        Empty: the rule means every alert of this name.
    str
        Why that can't be told.
    None
        The rule doesn't mean these alerts.
    """
    labels = target.data.get("labels") or {}
    left = []
    for one in rule.matchers:
        value = target.name if one.label == "alertname" else labels.get(one.label)
        if value is None:
            left.append(one)
        elif "{{" in str(value):
            return f"label {one.label} is a template, so its value isn't known before it fires"
        elif not value_matches(one, str(value)):
            return None
    return tuple(left)
