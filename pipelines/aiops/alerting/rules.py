"""What an alert rule is: what it does, whom it hits, why anybody should believe it; its files.

A rule set is released like a model. Each family maps to what Prometheus or Alertmanager can do
natively (`pipelines.aiops.alerting.export`), and `pipelines.aiops.alerting.replay` knows what it
does. Durations are whole seconds.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, write_json


class Part(BaseModel):
    """Base of everything here: no unknown keys, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Matcher(Part):
    """One Alertmanager matcher; a missing label is the empty string, regexes match whole values."""

    label: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str


class Support(Part):
    """How much history a rule rests on: separate days and episodes, not raw counts."""

    alerts: int
    episodes: int
    days: int
    first: datetime
    last: datetime


class Bound(Part):
    """The figure that makes the case, with a bound that already pays for everything tried.

    Attributes
    ----------
    measures
        In words, for example "share of episodes that end by themselves within 120 s".
    n
        Episodes it was computed on.
    level
        Confidence level after correction for `tried` candidates.
    """

    measures: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    level: float
    method: str
    tried: int


class Example(Part):
    """An episode from the history that shows the rule at work."""

    starts_at: datetime
    ends_at: datetime | None
    labels: dict[str, str]
    sentence: str


class Guard(Part):
    """When a hidden alert pages after all: there are more of them, or one lasts longer, than ever.

    Attributes
    ----------
    by
        Labels that the count is kept apart by; empty = one count for all that the rule matches.
    window_seconds, max_count
        More than so many starts within a sliding window page; the history's most, with an
        allowance.
    max_seconds
        An alert that fires for longer than this pages after all; the history's longest that
        nobody acted on, with an allowance. None: no such limit.
    """

    by: tuple[str, ...] = ()
    window_seconds: int
    max_count: int
    max_seconds: int | None = None


class RuleBase(Part):
    """What every rule has.

    Attributes
    ----------
    id
        ``<family>-<12 hex digits>`` of what the rule does: equal rules have equal ids.
    matchers
        Alerts it applies to. Values are ones that the history knows: what is new passes.
    sentence
        What it does and why, for a person.
    expires
        Day after which it must be proven anew.
    """

    id: str
    matchers: tuple[Matcher, ...]
    sentence: str
    support: Support
    bound: Bound
    expires: date
    team: str = ""
    examples: tuple[Example, ...] = ()


class GroupingRule(RuleBase):
    """Alerts that come together are notified together: a child route with its own grouping."""

    family: Literal["grouping"] = "grouping"
    group_by: tuple[str, ...]
    group_wait_seconds: int
    group_interval_seconds: int
    repeat_interval_seconds: int


class WaitRule(RuleBase):
    """It ends by itself soon: the alert has to be active so long before it fires (``for``)."""

    family: Literal["wait"] = "wait"
    for_seconds: int


class KeepFiringRule(RuleBase):
    """It comes and goes: one alert until it stays away so long (``keep_firing_for``)."""

    family: Literal["keep_firing"] = "keep_firing"
    keep_firing_for_seconds: int


class InhibitionRule(RuleBase):
    """Another alert that fires implies it: ``inhibit_rules``; `matchers` are the target's."""

    family: Literal["inhibition"] = "inhibition"
    source: tuple[Matcher, ...]
    equal: tuple[str, ...]


class MuteTimeRule(RuleBase):
    """It comes at the same hours for a known reason: a mute time interval.

    Attributes
    ----------
    weekdays
        0 = Monday … 6 = Sunday; all seven = every day.
    start_minute, end_minute
        Minutes of the day in `timezone`, end exclusive, start < end <= 1440.
    """

    family: Literal["mute_time"] = "mute_time"
    weekdays: tuple[int, ...]
    start_minute: int
    end_minute: int
    timezone: str = "UTC"
    guard: Guard | None = None


class DemotionRule(RuleBase):
    """Nobody ever acts on it: it goes to a receiver that wakes nobody, unless the guard trips."""

    family: Literal["demotion"] = "demotion"
    guard: Guard | None = None


class HoldRule(RuleBase):
    """A noisy alert tells chat at once, and the pager only for a reason.

    Reasons: it lasts `wait_seconds`; so many alert names began on its service within
    `fresh_seconds` (`names`), or so many of its instances did (`instances`); it is back within
    `again_seconds`. Then the service has one page in `window_seconds`, counted from that page; a
    second one within it takes two alerts, or one of so many instances, that the first didn't name.

    Attributes
    ----------
    service_label
        Label that names the service; the rule's matchers list the services that it is known of.
    receiver, active, mute
        The pager that such alerts go to today, and the time intervals of its route.
    chat
        Receiver that is told at once; a receiver of Signalbox's own that tells nobody where the
        alert ends at chat today anyway.
    """

    family: Literal["hold"] = "hold"
    service_label: str
    receiver: str
    active: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()
    chat: str
    wait_seconds: int
    again_seconds: int
    fresh_seconds: int
    names: int
    instances: int
    window_seconds: int


class KnownFixRule(RuleBase):
    """The same fix ended it again and again: a candidate for automation; pages stay as they are."""

    family: Literal["known_fix"] = "known_fix"
    fix: str
    median_minutes: float


Rule = Annotated[
    GroupingRule
    | WaitRule
    | KeepFiringRule
    | InhibitionRule
    | MuteTimeRule
    | DemotionRule
    | HoldRule
    | KnownFixRule,
    Field(discriminator="family"),
]

FAMILIES = (
    "grouping", "wait", "keep_firing", "inhibition", "mute_time", "demotion", "hold",
    "known_fix",
)  # fmt: skip
"""Every family, in the order in which reports show them."""

RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])
"""Reads and writes lists of rules."""


R = TypeVar("R", bound=RuleBase)

_EVIDENCE = frozenset({"family", "median_minutes"})
"""Own fields of families that don't say what a rule does."""


def with_id(rule: R) -> R:
    """Give a rule the id that belongs to what it does: its matchers and settings, not its evidence.

    Parameters
    ----------
    rule : RuleBase
        Its id doesn't matter.

    Returns
    -------
    RuleBase
        A copy; equal rules have equal ids.
    """
    wanted = {"matchers", *(set(type(rule).model_fields) - set(RuleBase.model_fields))} - _EVIDENCE
    does = rule.model_dump(mode="json", include=wanted)
    text = json.dumps(does, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    family = type(rule).model_fields["family"].default
    return rule.model_copy(
        update={"id": f"{family}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"}
    )


def content_key(rule: Rule) -> tuple[Any, ...]:
    """Sort rules by what they do and what they rest on, never by what anything is called.

    A choice between rules that are equally good must not depend on ids: those are made from names
    of families and parameters, and renaming one would choose other rules.

    Returns
    -------
    tuple
        The family's position in `FAMILIES`; support, the larger first; matchers; the values of
        the family's own fields, in the order in which the class declares them. Only rules that do
        the same fall back to the id, which is made from what a rule does.
    """
    support = rule.support
    own = [name for name in type(rule).model_fields if name not in RuleBase.model_fields]
    return (
        FAMILIES.index(rule.family),
        (-support.episodes, -support.days, -support.alerts),
        _sortable(rule.matchers),
        tuple(_sortable(getattr(rule, name)) for name in own if name != "family"),
        rule.id,
    )


def _sortable(value: Any) -> tuple[Any, ...]:
    """Values as tuples, which compare even where one of them is None."""
    if value is None:
        return ()
    if isinstance(value, BaseModel):
        return tuple(_sortable(getattr(value, name)) for name in type(value).model_fields)
    if isinstance(value, tuple):
        return tuple(_sortable(item) for item in value)
    return (value,)


def write_rules(path: Path, rules: Sequence[Rule], **facts: Any) -> None:
    """Write rules and what else belongs to them, the same bytes for the same content."""
    write_json(path, {**facts, "rules": RULES.dump_python(tuple(rules), mode="json")})


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Read the rules of a file.

    Raises
    ------
    SignalboxError
        If it isn't a file of rules.
    """
    content = read_json(path)
    try:
        return parse_rules(content)
    except (ValidationError, TypeError) as error:
        text = " ".join(str(error).split())
        raise SignalboxError(f"{path}: not a list of alert rules: {text[:300]}") from error


def parse_rules(content: Any) -> tuple[Rule, ...]:
    """Read the rules of a file's content, also of one that was released under old names.

    Raises
    ------
    TypeError, pydantic.ValidationError
        If it isn't a file of rules.
    """
    if not isinstance(content, dict) or not isinstance(content.get("rules"), list):
        raise TypeError("the key 'rules' with a list is missing")
    return RULES.validate_python(tuple(map(with_new_names, content["rules"])))


OLD_FAMILIES: Final[Mapping[str, str]] = {
    "duplicate": "grouping",
    "transient": "wait",
    "flapping": "keep_firing",
    "implied": "inhibition",
    "recurring": "mute_time",
    "quiet": "demotion",
}
"""Old family → its name today.

Rules in production are read from the commit of their release, so a rule set that was released under
old names has to be understood for as long as it is in use. It keeps its rules' ids: the ledger, the
files of Alertmanager and Prometheus, and who withdrew a rule name them.
"""

OLD_FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "grouping": {
        "group_wait": "group_wait_seconds",
        "group_interval": "group_interval_seconds",
        "repeat_interval": "repeat_interval_seconds",
    },
    "wait": {"wait": "for_seconds"},
    "keep_firing": {"keep_firing": "keep_firing_for_seconds"},
}
"""Family of today → old field → its name today."""

_OLD_EXAMPLE_FIELDS: Final[Mapping[str, str]] = {"says": "sentence"}


def with_new_names(rule: Any) -> Any:
    """Translate a rule as a file holds it; what has new names already, or is no rule, stays.

    Parameters
    ----------
    rule : object
        JSON values of one rule.

    Returns
    -------
    object
        The same with today's names; its id as it was.
    """
    if not isinstance(rule, dict) or not isinstance(rule.get("family"), str):
        return rule
    old = rule["family"] in OLD_FAMILIES
    family = OLD_FAMILIES.get(rule["family"], rule["family"])
    renamed = _renamed({**rule, "family": family}, OLD_FIELDS.get(family, {}) if old else {})
    examples = renamed.get("examples")
    if isinstance(examples, list):
        renamed["examples"] = [
            _renamed(example, _OLD_EXAMPLE_FIELDS) if isinstance(example, dict) else example
            for example in examples
        ]
    return renamed


def _renamed(values: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}


_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def quoted(value: str) -> str:
    """`value` as a regular expression that matches it alone (what Go calls QuoteMeta)."""
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in value)


def one_of(label: str, values: Sequence[str]) -> Matcher:
    """Match exactly these values of a label; the empty one is a missing label."""
    if len(values) == 1:
        return Matcher(label=label, op="=", value=values[0])
    return Matcher(label=label, op="=~", value="|".join(quoted(value) for value in values))
