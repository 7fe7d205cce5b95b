"""Guards as Prometheus rules: what a rule hides is heard again when it is more than ever before.

Two alerting rules a guard, and both read ``ALERTS``, the series that Prometheus writes of its own
alerts:

- `GUARD_NAME` counts starts: steps at which an alert fires and did not fire one step before. An
  alert that comes, goes and comes within one step is counted once; the step should be the
  evaluation interval.
- `STILL_NAME` is an alert itself, with its labels, once it fires for longer than ``max_seconds``.

Each Prometheus has guards of its own, which see its own labels only (`for_server`).

A mute-time rule hides in its hours only. PromQL's clock is UTC: the hours of a time zone are
written with all the zone's changes from the rule's history until a year after it expires.
`pipelines.aiops.alerting.replay.guard_alerts` does the same.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pipelines.aiops.alerting.config import GUARD_NAME, STILL_NAME, sparing_guards
from pipelines.aiops.alerting.config.model import steady
from pipelines.aiops.alerting.export.servers import (
    ANY,
    SETTING,
    UNKNOWN,
    PrometheusServer,
    Servers,
)
from pipelines.aiops.alerting.export.spelling import duration, quoted, selector, yaml_scalar
from pipelines.aiops.alerting.export.yaml_edit import one_line
from pipelines.aiops.alerting.replay.guard_alerts import counted_by, guard_labels
from pipelines.aiops.alerting.rules import DemotionRule, Guard, Matcher, MuteTimeRule, Rule

GROUP = "signalbox-guards"
_FIRING = Matcher(label="alertstate", op="=", value="firing")
_DAY_MINUTES = 1440
_WEEK = 7


def guarded(rule: Rule) -> Guard | None:
    """Return the guard of a rule that hides alerts, if it has one.

    Parameters
    ----------
    rule : Rule
        Only quiet and mute-time rules have guards.

    Returns
    -------
    Guard or None
        The rule's guard.
    """
    return rule.guard if isinstance(rule, DemotionRule | MuteTimeRule) else None


def for_server(rule: Rule, server: PrometheusServer) -> Rule | str | None:
    """Return a rule as one Prometheus sees it: without labels that it adds itself.

    Parameters
    ----------
    rule : Rule
        A rule with a guard, on labels as Alertmanager has them.
    server : PrometheusServer
        Who counts.

    Returns
    -------
    Rule
        With fewer matchers, and a guard that counts by fewer labels.
    str
        Why its guard can't be evaluated there.
    None
        No alert of this server is the rule's.
    """
    guard = guarded(rule)
    seen = server.seen(rule.matchers)
    if guard is None or seen is None:
        return None
    if isinstance(seen, str):
        return seen
    for name in guard.by:
        why = server.unclear.get(name) or server.unclear.get(ANY)
        if why:
            return f"{server.name}: label {name}: {why}"
    by = tuple(name for name in guard.by if name not in server.external)
    return rule.model_copy(update={"matchers": seen, "guard": guard.model_copy(update={"by": by})})


def _alerts(rule: Rule) -> str:
    return selector("ALERTS", (*sparing_guards(rule.matchers), _FIRING))


def _while_hidden(rule: Rule, expression: str) -> str:
    hours = hours_expression(rule) if isinstance(rule, MuteTimeRule) else ""
    return f"({expression}) and on () ({hours})" if hours else expression


def guard_expression(rule: Rule, guard: Guard, step: int) -> str:
    """Return PromQL that has a result where too many alerts start.

    Parameters
    ----------
    rule : Rule
        The rule that hides them.
    guard : Guard
        Its guard.
    step : int, seconds
        Time between two looks at ``ALERTS``.

    Returns
    -------
    str
        Expression of the alert `GUARD_NAME`.
    """
    return f"{starts_expression(rule, guard, step)} > {guard.max_count}"


def lasting_expression(rule: Rule) -> str:
    """Return PromQL for the alerts that a rule hides.

    Parameters
    ----------
    rule : Rule
        The rule that hides them.

    Returns
    -------
    str
        Expression of the alert `STILL_NAME`, which needs a ``for``. Its results are labelled as by
        `still_labels`, without ``rule``.
    """
    bare = f"max without (alertstate, alert, rule) ({_alerts(rule)})"
    return _while_hidden(rule, f'label_replace({bare}, "alert", "$1", "alertname", "(.+)")')


def hours_expression(rule: MuteTimeRule) -> str:
    """Return PromQL that has a result in the hours of a mute-time rule.

    Parameters
    ----------
    rule : MuteTimeRule
        Its hours are in its own time zone; the zone's changes are written out until a year after
        it expires.

    Returns
    -------
    str
        Empty if the rule applies at every time.
    """
    local = f"vector({_local_time(rule)})"
    parts = []
    if (rule.start_minute, rule.end_minute) != (0, _DAY_MINUTES):
        low, high = rule.start_minute * 60, rule.end_minute * 60
        parts.append(f"{local} % 86400 >= {low} < {high}")
    days = sorted({(day + 1) % _WEEK for day in rule.weekdays})
    if len(days) < _WEEK:
        some = [f"day_of_week({local}) >= {a} <= {b}" for a, b in _runs(days)]
        parts.append(f"({' or '.join(some)})" if some else f"{local} < 0")
    return " and ".join(parts)


def _runs(days: list[int]) -> Iterator[tuple[int, int]]:
    for first in (day for day in days if day - 1 not in days):
        last = first
        while last + 1 in days:
            last += 1
        yield first, last


def _local_time(rule: MuteTimeRule) -> str:
    """PromQL for the seconds that a clock in the rule's zone shows."""
    last = datetime.combine(rule.expires, datetime.min.time(), UTC) + timedelta(days=366)
    first = min(rule.support.first, last)
    spans = steady(rule.timezone, int(first.timestamp()), int(last.timestamp()))
    text, offset = "time()", 0
    for number, (start, _, now) in enumerate(spans):
        change = now - offset
        sign, offset = "-" if change < 0 else "+", now
        if change and not number:
            text += f" {sign} {abs(change)}"
        elif change:
            text += f" {sign} {abs(change)} * (time() >= bool {start})"
    return text


def starts_expression(rule: Rule, guard: Guard, step: int) -> str:
    """Return PromQL for the number of a rule's alerts that started within the guard's window.

    Parameters
    ----------
    rule : Rule
        The rule that hides them.
    guard : Guard
        Its guard.
    step : int, seconds
        Time between two looks at ``ALERTS``.

    Returns
    -------
    str
        One result for each combination of the labels that the guard counts by.
    """
    pace, alerts = duration(step), _alerts(rule)
    begun = _while_hidden(rule, f"{alerts} unless {alerts} offset {pace}")
    starts = f"count_over_time(({begun})[{duration(guard.window_seconds)}:{pace}])"
    return f"sum by ({_by(guard)}) ({starts})"


def _by(guard: Guard) -> str:
    return ", ".join(counted_by(guard))


def untemplated(text: str) -> str:
    """Escape a text so that Prometheus's templates leave it as it is.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        With ``{{`` written as a template that prints it.
    """
    return text.replace("{{", '{{ "{{" }}')


def guard_rules(rule: Rule, guard: Guard, step: int) -> Iterator[list[str]]:
    """Yield the alerting rules of a guard.

    Parameters
    ----------
    rule : Rule
        The rule that hides alerts.
    guard : Guard
        Its guard.
    step : int, seconds
        Time between two looks at ``ALERTS``.

    Yields
    ------
    list of str
        YAML lines of one alerting rule; the first without its dash.
    """
    labels = {name: value for name, value in guard_labels(rule).items() if name != "alertname"}
    says = f"More of what rule {rule.id} hides than its history ever had"
    yield _lines(GUARD_NAME, guard_expression(rule, guard, step), "", labels, (says, rule))
    if guard.max_seconds is not None:
        limit = duration(guard.max_seconds)
        says = f"An alert that rule {rule.id} hides fires for longer than {limit}"
        yield _lines(STILL_NAME, lasting_expression(rule), limit, {"rule": rule.id}, (says, rule))


def _lines(
    name: str, expression: str, wait: str, labels: dict[str, str], about: tuple[str, Rule]
) -> list[str]:
    said, rule = about
    return [
        f"alert: {yaml_scalar(name)}",
        f"expr: {yaml_scalar(expression)}",
        *([f"for: {wait}"] if wait else []),
        "labels:",
        *(f"  {key}: {yaml_scalar(untemplated(labels[key]))}" for key in sorted(labels)),
        "annotations:",
        f"  summary: {yaml_scalar(said)}",
        f"  description: {yaml_scalar(untemplated(one_line(rule.sentence)))}",
    ]


def guards_file(
    rules: tuple[Rule, ...], step: int, notes: list[str], server: PrometheusServer | None
) -> str:
    """Return a Prometheus rule file with the guards of all rules.

    Parameters
    ----------
    rules : tuple of Rule
        Those without a guard, or without alerts of this server, are passed over.
    step : int, seconds
        Evaluation interval of the group.
    notes : list of str
        Become comments at the head of the file.
    server : PrometheusServer or None
        Who loads the file; None (not known) can have no guards.

    Returns
    -------
    str
        YAML.
    """
    head = ["# Written by Signalbox; replaced at every publication.", *(f"# {n}" for n in notes)]
    seen = [for_server(rule, server) for rule in rules] if server is not None else []
    guards = [
        (rule, rule.guard)
        for rule in seen
        if isinstance(rule, DemotionRule | MuteTimeRule) and rule.guard is not None
    ]
    if not guards:
        return "\n".join([*head, "groups: []", ""])
    lines = [
        *head,
        "groups:",
        f"  - name: {GROUP}",
        f"    interval: {duration(step)}",
        "    rules:",
    ]
    for rule, guard in guards:
        lines.append(f"      # {rule.id}, expires {rule.expires}: {one_line(rule.sentence)}")
        for first, *rest in guard_rules(rule, guard, step):
            lines += [f"      - {first}", *(f"        {line}" for line in rest)]
    return "\n".join([*lines, ""])


def guard_problem(rule: Rule, servers: Servers) -> str:
    """Return why no guard of a rule can be written.

    Parameters
    ----------
    rule : Rule
        Of any family; without a guard there is no problem.
    servers : Servers
        Who would evaluate it.

    Returns
    -------
    str
        The reason; empty if each server that has its alerts can.
    """
    if guarded(rule) is None:
        return ""
    if not servers.all:
        return UNKNOWN
    found = [for_server(rule, server) for server in servers.all]
    why = next((each for each in found if isinstance(each, str)), "")
    if why:
        return why
    if all(each is None for each in found):
        added = "; ".join(
            f"{s.name}: " + (", ".join(f"{k}={v}" for k, v in sorted(s.external.items())) or "none")
            for s in servers.all
        )
        return f"no Prometheus named in {SETTING} sends such alerts ({added})"
    return _odd_name(rule)


def _odd_name(rule: Rule) -> str:
    names = [m.label for m in rule.matchers] + list(
        (guarded(rule) or Guard(window_seconds=1, max_count=0)).by
    )
    odd = [name for name in names if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name)]
    return f"label name {quoted(odd[0])} isn't one of Prometheus" if odd else ""
