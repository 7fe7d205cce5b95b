"""What an alert rule is: what it does, whom it hits, why anybody should believe it; its files.

A rule set is released like a model. Each family maps to what Prometheus or Alertmanager can do
natively (`pipelines.aiops.alerting.export`), and `pipelines.aiops.alerting.replay` knows what it
does. Durations are whole seconds.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pipelines.aiops.params.renamed import REMOVED_FAMILIES
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


class HoldRule(RuleBase):
    """A noisy alert is in chat at once, and pages only for a reason: the lone, short one doesn't.

    It is due for a page once it has fired for `wait_seconds`; as soon as `names` alert names, or
    `instances` series of its own name, have begun to fire on its service within `fresh_seconds`;
    or at once where it is back within `again_seconds`. Then the service has one page in
    `window_seconds`, counted from that page; another one within it takes one alert more than
    `names` that came in company, or one on so many instances, of which the page before it didn't
    tell.

    Attributes
    ----------
    service_label : str
        Label that names the service; the rule's matchers list the services that are known to page.
    receiver : str
        The pager that such alerts go to today.
    active, mute : tuple of str
        Names of the active and mute time intervals of the route to that pager.
    chat : str
        Receiver that is told of every alert at once; a receiver of Signalbox's own that tells
        nobody where the alerts end at a chat today anyway.
    wait_seconds : int, seconds
        An alert that fires for so long pages.
    again_seconds : int, seconds
        An alert that begins twice within so long pages at its second beginning.
    fresh_seconds : int, seconds
        Series that began to fire within so long count as company.
    names : int
        So many alert names among them on one service page.
    instances : int
        So many series of one alert name among them on one service page.
    services : int
        An alert name that begins on so many services within `storm_seconds` is company for all
        that began lately, wherever it did.
    storm_seconds : int, seconds
        See `services`.
    rate_seconds, usual_rates, rise : int
        An alert pages at once that began so often in the last `rate_seconds`: `rise` times, and
        `rise` times for each time that is usual. Usual is its mean over as many such times as
        `usual_rates` says, before the last so many: what changed is not usual at once.
    window_seconds : int, seconds
        A service pages once in so long.
    untold
        Whether nobody is told at once: today's configuration has no chat.
    chat_url : str
        Address of what chat was told, with ``{alertname}`` and ``{service}``; empty: pages have no
        link.
    """

    family: Literal["hold"] = "hold"
    service_label: str
    receiver: str
    active: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()
    chat: str
    untold: bool = False
    chat_url: str = ""
    wait_seconds: int
    again_seconds: int
    fresh_seconds: int
    names: int
    instances: int
    services: int
    storm_seconds: int
    rate_seconds: int
    usual_rates: int
    rise: int
    window_seconds: int


class KnownFixRule(RuleBase):
    """The same fix ended it again and again: a candidate for automation; pages stay as they are."""

    family: Literal["known_fix"] = "known_fix"
    fix: str
    median_minutes: float


Rule = Annotated[HoldRule | KnownFixRule, Field(discriminator="family")]

FAMILIES = ("hold", "known_fix")
"""Every family, in the order in which reports show them."""

RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])
"""Reads and writes lists of rules."""

R = TypeVar("R", bound=RuleBase)

_EVIDENCE = frozenset({"family", "median_minutes", "untold", "chat_url"})
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
    except (ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        raise SignalboxError(f"{path}: not a list of alert rules: {text[:300]}") from error


def parse_rules(content: Any) -> tuple[Rule, ...]:
    """Read the rules of a file's content.

    Rules in production are read from the commit of their release, so a file may be of an earlier
    version.

    Raises
    ------
    ValueError
        If it holds a rule of a family that was removed, or a rule that isn't one
        (`pydantic.ValidationError`).
    TypeError
        If it isn't a file of rules.
    """
    if not isinstance(content, dict) or not isinstance(content.get("rules"), list):
        raise TypeError("the key 'rules' with a list is missing")
    rules = [rule for rule in content["rules"] if isinstance(rule, dict)]
    removed = {str(rule.get("family")) for rule in rules} & REMOVED_FAMILIES
    if removed:
        raise ValueError(
            f"family {', '.join(sorted(removed))} was removed in this version of Signalbox: "
            "publish again after a new release, or withdraw with the version that released it"
        )
    return RULES.validate_python(tuple(content["rules"]))


_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def quoted(value: str) -> str:
    """`value` as a regular expression that matches it alone (what Go calls QuoteMeta)."""
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in value)


def one_of(label: str, values: Sequence[str]) -> Matcher:
    """Match exactly these values of a label; the empty one is a missing label."""
    if len(values) == 1:
        return Matcher(label=label, op="=", value=values[0])
    return Matcher(label=label, op="=~", value="|".join(quoted(value) for value in values))
