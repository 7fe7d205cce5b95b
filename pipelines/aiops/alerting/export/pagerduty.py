"""Held alerts as PagerDuty event orchestration: conditions in its language, actions on the event.

PagerDuty decides on one event at a time. It pauses the notification of an alert that is held
(``suspend``; one that ends meanwhile pages nobody) and groups the alerts of a service
(``alert_grouping_setting``). What needs a look at other alerts it can't do: it doesn't page
earlier because more alerts fire, or because the alert came back. The form is that of its REST API
(``PUT /event_orchestrations/services/{id}``, ``POST /alert_grouping_settings``) and of its
published Terraform provider, one for each receiver: each has a service of its own.

Events have the labels that ``details`` of ``pagerduty_configs`` send, those that all alerts of the
group share. A rule that asks for another label can't be expressed.

Conditions are in PagerDuty's condition language (PCL), after the document "PCL Overview". What
differs from Alertmanager's matchers: comparisons take no notice of case unless ``exactly``
stands there; what an event lacks is an error, and an error is false wherever it stands; ``^``
and ``$`` match at every line and ``.`` matches line ends unless flags say otherwise; strings
know two escapes (quote and backslash).

What is written is read back from its bytes (`read_services`) into what
`pipelines.aiops.alerting.replay.pagerduty` replays; anything else is refused.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.aiops.alerting.config import Config, Integration, value_matches, values_of
from pipelines.aiops.alerting.export.spelling import duration
from pipelines.aiops.alerting.replay.model import Event, Grouping, Orchestration, PauseRule
from pipelines.aiops.alerting.replay.pagerduty import escaped, events_of
from pipelines.aiops.alerting.rules import HoldRule, Matcher, Rule, one_of, quoted
from pipelines.core.errors import SignalboxError

DETAILS = "event.custom_details."
"""Where an event holds what ``details`` of ``pagerduty_configs`` say."""
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
    return "'" + escaped(value) + "'"


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


def orchestration(rules: Sequence[Rule], field: str, config: Config) -> dict[str, Any]:
    """Return the orchestrations as PagerDuty's API takes them, and what it can't take.

    Parameters
    ----------
    rules : sequence of Rule
        Rules of all families.
    field : str
        Where the event holds a label; ``{label}`` stands for its name, for example
        ``event.custom_details.{label}``.
    config : Config
        Today's configuration: which receivers send PagerDuty what.

    Returns
    -------
    dict
        ``services``: ``receiver``, ``orchestration_path`` and ``alert_grouping_setting`` of each
        service on which something is held; ``not_expressed``: rules that are left out, and why;
        ``weaker``: rules that do less here than was proven, and what they lack.
    """
    services: dict[str, dict[str, Any]] = {}
    left, weaker = [], []
    for rule in rules:
        record = {"rule": rule.id, "family": rule.family}
        if not isinstance(rule, HoldRule):
            left.append({**record, "reason": _NO_EVENT})
            continue
        why, made = _service(rule, field, config)
        known = services.get(rule.receiver)
        if made and known and known["alert_grouping_setting"] != made["alert_grouping_setting"]:
            why = f"alerts of {rule.receiver} are grouped already in another way"
        if why or made is None:
            left.append({**record, "reason": why})
            continue
        if known:
            _rules_of(known).extend(_rules_of(made))
        else:
            services[rule.receiver] = made
        weaker.append({**record, "reason": _waits(rule)})
    return {
        "services": [services[name] for name in sorted(services)],
        "not_expressed": left,
        "weaker": weaker,
    }


def _rules_of(service: dict[str, Any]) -> list[Any]:
    found: list[Any] = service["orchestration_path"]["sets"][0]["rules"]
    return found


def _service(rule: HoldRule, field: str, config: Config) -> tuple[str, dict[str, Any] | None]:
    """Write the service of one rule, or say why there is none."""
    why = _unsent(rule, field, config)
    if why:
        return why, None
    try:
        found = blocks(rule.matchers, field)
        if not found:
            return _TOO_LONG, None
        made = {
            "receiver": rule.receiver,
            "orchestration_path": {
                "type": "service",
                "sets": [{"id": "start", "rules": [_rule(rule, found)]}],
                "catch_all": {"actions": {}},
            },
            "alert_grouping_setting": _grouping(rule, field),
        }
        read_services(json.dumps({"services": [made]}), "pagerduty.json")
    except SignalboxError as error:
        return f"it can't be read back: {error}", None
    return "", made


def _unsent(rule: HoldRule, field: str, config: Config) -> str:
    """Say why PagerDuty wouldn't know the rule's alerts; empty where it does."""
    known = next((r for r in config.receivers if r.name == rule.receiver), None)
    events = events_of(known) if known else f"there is no receiver {rule.receiver}"
    if not isinstance(events, Integration):
        return events
    if not field.startswith(DETAILS):
        return f"aiops.export_rules.pagerduty_label_field: nobody knows what is outside {DETAILS}"
    above = tuple(field.removeprefix(DETAILS).split(".")[:-1])
    wanted = dict.fromkeys([*(matcher.label for matcher in rule.matchers), rule.service_label])
    lacking = [each for each in wanted if ((*above, each), each) not in events.common_labels]
    if not lacking:
        return ""
    line = ", ".join(f"{each}: '{{{{ .CommonLabels.{each} }}}}'" for each in lacking)
    if above:
        line = f"{'.'.join(above)}: {{{line}}}"
    return (
        f"its pager {rule.receiver} doesn't send PagerDuty the labels {', '.join(lacking)}: put "
        f"into its pagerduty_configs details: {{{line}}}"
    )


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


def grouped_seconds(window_seconds: int) -> int:
    """Return the ``time_window`` that PagerDuty allows for a window."""
    least, longest = GROUPED_SECONDS
    return min(max(window_seconds, least), longest)


def _grouping(rule: HoldRule, field: str) -> dict[str, Any]:
    """One incident for all alerts of a service that come within the window."""
    return {
        "type": "content_based",
        "config": {
            "aggregate": "all",
            "fields": [path(field, rule.service_label).removeprefix("event.")],
            "time_window": grouped_seconds(rule.window_seconds),
        },
    }


class _Part(BaseModel):
    """A part of the file, as it is written: nothing less, nothing more."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Condition(_Part):
    expression: str


class _Actions(_Part):
    annotate: str
    suspend: int = Field(ge=0)


class _Rule(_Part):
    label: str
    conditions: list[_Condition] = Field(min_length=1, max_length=BLOCKS)
    actions: _Actions
    disabled: bool


class _Set(_Part):
    id: str
    rules: list[_Rule]


class _CatchAll(_Part):
    actions: dict[str, int] = Field(max_length=0)


class _Path(_Part):
    type: str = Field(pattern="^service$")
    sets: list[_Set] = Field(min_length=1, max_length=1)
    catch_all: _CatchAll


class _GroupingConfig(_Part):
    aggregate: str = Field(pattern="^all$")
    fields: list[str] = Field(min_length=1, max_length=1)
    time_window: int = Field(ge=GROUPED_SECONDS[0], le=GROUPED_SECONDS[1])


class _Grouping(_Part):
    type: str = Field(pattern="^content_based$")
    config: _GroupingConfig


class _Service(_Part):
    receiver: str
    orchestration_path: _Path
    alert_grouping_setting: _Grouping


class _File(BaseModel):
    """What is beside the services is for people."""

    services: list[_Service]


def read_services(text: str, name: str) -> dict[str, Orchestration]:
    """Read back what PagerDuty's services do.

    Parameters
    ----------
    text : str
        As `orchestration` has it, in JSON; empty = nothing is exported.
    name : str
        Its file, for messages.

    Returns
    -------
    dict of str to Orchestration
        Receiver → what its service does.

    Raises
    ------
    SignalboxError
        If it is of no shape that the export writes: nobody judged that.
    """
    if not text:
        return {}
    try:
        file = _File.model_validate_json(text)
    except ValidationError as error:
        said = error.errors()[0]
        where = ".".join(map(str, said["loc"]))
        raise SignalboxError(
            f"{name}: {where}: {said['msg']}; it isn't what Signalbox exports: export it again"
        ) from error
    found = {}
    for number, service in enumerate(file.services):
        if service.receiver in found:
            raise SignalboxError(
                f"{name}: services.{number}: {service.receiver} stands there twice"
            )
        rules = [
            PauseRule(
                tuple(read_condition(each.expression, name) for each in rule.conditions),
                rule.actions.suspend,
            )
            for rule in service.orchestration_path.sets[0].rules
            if not rule.disabled
        ]
        grouping = service.alert_grouping_setting.config
        found[service.receiver] = Orchestration(
            tuple(rules), Grouping(f"event.{grouping.fields[0]}", grouping.time_window)
        )
    return found


@dataclass(frozen=True)
class Exists:
    """``path exists``."""

    path: str

    def __call__(self, event: Event) -> bool:
        """Test an event."""
        return self.path in event


@dataclass(frozen=True)
class Says:
    """``path matches exactly`` a text, or a regex for all of it; without the path an error."""

    matcher: Matcher

    def __call__(self, event: Event) -> bool:
        """Test an event."""
        value = event.get(self.matcher.label)
        return value is not None and value_matches(self.matcher, value)


@dataclass(frozen=True)
class Not:
    """``not part``."""

    part: "Condition"

    def __call__(self, event: Event) -> bool:
        """Test an event."""
        return not self.part(event)


@dataclass(frozen=True)
class Either:
    """``part or part``."""

    parts: tuple["Condition", ...]

    def __call__(self, event: Event) -> bool:
        """Test an event."""
        return any(part(event) for part in self.parts)


@dataclass(frozen=True)
class Both:
    """``part and part``."""

    parts: tuple["Condition", ...]

    def __call__(self, event: Event) -> bool:
        """Test an event."""
        return all(part(event) for part in self.parts)


Condition = Exists | Says | Not | Either | Both

_STRING = r"'(?:[^'\\]|\\['\\])*'"
_TOKEN = re.compile(
    rf"\s*(?:(?P<string>{_STRING})|(?P<mark>[()])|(?P<word>[^\s()'\[\]]+(?:\[{_STRING}\])*))"
)
_WHOLE = re.compile(r"\(\?-sm\)\^\(\?:(.*)\)\$", re.DOTALL)


def read_condition(text: str, name: str) -> Condition:
    """Read a condition of PCL, as far as the export writes it.

    Parameters
    ----------
    text : str
        The condition.
    name : str
        Its file, for messages.

    Returns
    -------
    Condition
        What it says of an event. Precedence: parentheses, operations, ``not``, ``and``, ``or``.

    Raises
    ------
    SignalboxError
        If it has another form, or a regex that PagerDuty (RE2) and Python don't read alike.
    """
    return _Reader(text, name).read()


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.text, self.name, self.at = text, name, 0
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise self.error()
            self.tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            position = found.end()

    def error(self) -> SignalboxError:
        return SignalboxError(
            f"{self.name}: {self.text[:100]!r} is no condition that Signalbox exports"
        )

    def read(self) -> Condition:
        found = self.either()
        if self.at < len(self.tokens):
            raise self.error()
        return found

    def take(self, kind: str, *texts: str) -> str:
        """Take the next token, which has to be this one."""
        if self.at >= len(self.tokens):
            raise self.error()
        known, text = self.tokens[self.at]
        if known != kind or (texts and text not in texts):
            raise self.error()
        self.at += 1
        return text

    def comes(self, text: str) -> bool:
        """Take the next token if it is this one."""
        here = self.at < len(self.tokens) and self.tokens[self.at] in {
            ("word", text),
            ("mark", text),
        }
        self.at += here
        return here

    def either(self) -> Condition:
        parts = [self.both()]
        while self.comes("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def both(self) -> Condition:
        parts = [self.negated()]
        while self.comes("and"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def negated(self) -> Condition:
        if self.comes("not"):
            return Not(self.negated())
        if self.comes("("):
            found = self.either()
            self.take("mark", ")")
            return found
        return self.operation()

    def operation(self) -> Condition:
        where = self.take("word")
        if self.take("word", "exists", "matches") == "exists":
            return Exists(where)
        regex = self.take("word", "regex", "exactly") == "regex"
        if regex:
            self.take("word", "exactly")
        value = re.sub(r"\\(['\\])", r"\1", self.take("string")[1:-1])
        if not regex:
            return Says(Matcher(label=where, op="=", value=value))
        whole = _WHOLE.fullmatch(value)
        if whole is None:
            raise self.error()
        matcher = Matcher(label=where, op="=~", value=whole[1])
        value_matches(matcher, "")  # refuses what Python and RE2 read differently
        return Says(matcher)
