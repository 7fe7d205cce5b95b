"""Held alerts as rules of one Prometheus: nine in all, over ``ALERTS``, the series of its alerts.

Alertmanager sends held alerts to chat at once and the alert `PAGE_NAME` to the pager
(`pipelines.aiops.alerting.config.apply`). These rules decide when that alert fires. The rules of a
group are evaluated in order, all at one timestamp, so each sees what those before it gave; what
was at the evaluation before is read with ``offset``. No rule of the user's changes.

Each Prometheus has a file of its own, which sees its own alerts and labels only (`for_server`).
`pipelines.aiops.alerting.replay.held_pages` is the model of the same.

Ranges are half a step shorter than they say, so that it makes no difference whether their left end
belongs to them (it does before Prometheus 3). Differences of timestamps are rounded to whole
seconds: groups are evaluated at fractions of a second, and a float can't hold those exactly.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipelines.aiops.alerting.config import QUIET_RECEIVER, values_of
from pipelines.aiops.alerting.config.model import PAGE_NAME, page_label
from pipelines.aiops.alerting.export.servers import (
    ANY,
    SETTING,
    UNKNOWN,
    PrometheusServer,
    Servers,
)
from pipelines.aiops.alerting.export.spelling import (
    duration,
    millis_of,
    quoted,
    seconds_of,
    selected,
    selector,
    unquoted,
    yaml_scalar,
)
from pipelines.aiops.alerting.export.yaml_edit import load, one_line
from pipelines.aiops.alerting.rules import HoldRule, Matcher

GROUP = "signalbox-hold"
PAGED_SECONDS = 300
"""A page fires for at least so long, so that Alertmanager surely hears of it."""
SETTINGS = (
    "service_label", "wait_seconds", "again_seconds", "fresh_seconds", "names", "instances",
    "services", "storm_seconds", "rate_seconds", "usual_rates", "rise", "window_seconds",
)  # fmt: skip
"""Fields that all hold rules of a set agree on."""

_FIRING = Matcher(label="alertstate", op="=", value="firing")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class PrometheusRule(NamedTuple):
    """One rule of the group: what it is in a line, ``record`` or ``alert``, its name, PromQL."""

    says: str
    kind: str
    name: str
    expression: str


def settings_of(rule: HoldRule) -> tuple[str | int, ...]:
    """Return what a hold rule must have in common with the others of its set, as `SETTINGS`."""
    return tuple(getattr(rule, name) for name in SETTINGS)


def for_server(rule: HoldRule, server: PrometheusServer) -> HoldRule | str | None:
    """Return a rule as one Prometheus sees it: without labels that it adds itself.

    Parameters
    ----------
    rule : HoldRule
        On labels as Alertmanager has them.
    server : PrometheusServer
        Who evaluates it.

    Returns
    -------
    HoldRule
        With fewer matchers.
    str
        Why it can't be evaluated there.
    None
        No alert of this server is the rule's.
    """
    seen = server.seen(rule.matchers)
    if seen is None or isinstance(seen, str):
        return seen
    service = rule.service_label
    why = server.unclear.get(service) or server.unclear.get(ANY)
    if service in server.external:
        why = "this Prometheus adds it, so all its alerts are of one service"
    if why:
        return f"{server.name}: label {service}: {why}"
    return rule.model_copy(update={"matchers": seen})


def hold_problem(rule: HoldRule, servers: Servers) -> str:
    """Return why a hold rule can't be written.

    Parameters
    ----------
    rule : HoldRule
        On labels as Alertmanager has them.
    servers : Servers
        Who would evaluate it.

    Returns
    -------
    str
        The reason; empty if each server that has its alerts can.
    """
    if not servers.all:
        return UNKNOWN
    found = [for_server(rule, server) for server in servers.all]
    apart = [servers.added(s) for s, each in zip(servers.all, found, strict=True) if each]
    why = next((each for each in (*found, *apart) if isinstance(each, str)), "")
    if why:
        return why
    if all(each is None for each in found):
        added = "; ".join(
            f"{s.name}: " + (", ".join(f"{k}={v}" for k, v in sorted(s.external.items())) or "none")
            for s in servers.all
        )
        return f"no Prometheus named in {SETTING} sends such alerts ({added})"
    names = (rule.service_label, *(matcher.label for matcher in rule.matchers))
    odd = next((name for name in names if not _LABEL.fullmatch(name)), "")
    return f"label name {quoted(odd)} isn't one of Prometheus" if odd else ""


def hold_rules(rules: Sequence[HoldRule], step: int) -> list[PrometheusRule]:
    """Return the rules of one Prometheus that hold alerts back and page for them.

    Parameters
    ----------
    rules : sequence of HoldRule
        As the server sees them (`for_server`); at least one, all of equal settings.
    step : int, seconds
        Evaluation interval of the group.

    Returns
    -------
    list of PrometheusRule
        In the order of evaluation.
    """
    one = rules[0]
    by, names, instances, window = one.service_label, one.names, one.instances, one.window_seconds
    wait, again, fresh = one.wait_seconds, one.again_seconds, one.fresh_seconds
    pace = f"offset {duration(step)}"
    within = f"round(time() - signalbox:onset {pace}) < {window}"
    many = f"signalbox:fresh >= {instances}"
    rates, rise = one.usual_rates, one.rise
    late, near, far = (
        f"count_over_time(signalbox:started[{half_less(one.rate_seconds * times, step)}])"
        for times in (1, rates, 2 * rates)
    )
    past = f"offset {duration(one.storm_seconds)}"
    oldest = (
        f"count_over_time(signalbox:started[{half_less(one.rate_seconds, step)}] "
        f"offset {duration(one.rate_seconds * (2 * rates - 1))})"
    )
    return [
        PrometheusRule(
            "alerts that are held", "record", "signalbox:held", _held_expression(rules, by)
        ),
        PrometheusRule(
            "since when each is held",
            "record", "signalbox:since",
            f"(signalbox:since {pace} and signalbox:held) or signalbox:held * time()",
        ),
        PrometheusRule(
            "those that begin now", "record", "signalbox:started", "signalbox:since == time()"
        ),
        PrometheusRule(
            f"instances of each alert that began within {duration(fresh)}, held or not",
            "record", "signalbox:fresh",
            f"""\
count by (alertname, {by}) (
  {selector("ALERTS", (_FIRING, _but(PAGE_NAME), _some(by)))}
  unless {selector("ALERTS", (_FIRING,))} offset {duration(fresh)}
)""",
        ),
        PrometheusRule(
            f"held alerts with company: {names} names began on the service, or {instances} "
            f"instances did; in a storm (a name begins on {one.services} services within "
            f"{duration(one.storm_seconds)}) all that began lately",
            "record", "signalbox:several",
            f"""\
(signalbox:held and on ({by}) (count by ({by}) (signalbox:fresh) >= {names}))
or (signalbox:held and on (alertname, {by}) ({many}))
or (
  signalbox:held and on (alertname, {by}) signalbox:fresh
  and on () (
    count by (alertname) (signalbox:fresh unless signalbox:fresh {past})
    >= {one.services}
  )
)""",
        ),
        PrometheusRule(
            f"held alerts that people must hear of: with company, for {duration(wait)}, twice "
            f"within {duration(again)}, or {rise} times as often in "
            f"{duration(one.rate_seconds)} as in the {duration(one.rate_seconds * rates)} before "
            "the last",
            "record", "signalbox:due",
            f"""\
signalbox:several
or (signalbox:held and round(time() - signalbox:since) >= {wait - step})
or (signalbox:held and count_over_time(signalbox:started[{half_less(again, step)}]) >= 2)
or (
  signalbox:held
  and ({late} * {rates} >= {rise} * ({rates} + {far} - {near}))
  and on () {oldest}
)""",
        ),
        PrometheusRule(
            f"when the service paged last; one page in {duration(window)} and, within it, one "
            f"for {names + 1} with company, or one of so many instances, that it didn't name",
            "record", "signalbox:onset",
            f"""\
(
  (
    count by ({by}, pager) (signalbox:due unless signalbox:told {pace})
    unless on ({by}, pager) ({within})
  )
  or count by ({by}, pager) (signalbox:several unless (signalbox:told {pace} == 2)) >= {names + 1}
  or count by ({by}, pager) (
    (signalbox:several and on (alertname, {by}) ({many}))
    unless (signalbox:told {pace} == 2)
  )
) * 0 + time()
or (
  signalbox:onset {pace}
  and on ({by}, pager) (
    {within}
    or on ({by}, pager) (signalbox:told {pace} and signalbox:due)
  )
)""",
        ),
        PrometheusRule(
            "alerts that a page named: 2 with company, else 1",
            "record", "signalbox:told",
            f"""\
(signalbox:several * 0 + 2 and on ({by}, pager) (signalbox:onset == time()))
or (signalbox:due * 0 + 1 and on ({by}, pager) (signalbox:onset == time()))
or (signalbox:told {pace} == 2 and signalbox:several)
or ((signalbox:told {pace}) * 0 + 1 and signalbox:due)""",
        ),
        PrometheusRule(
            "the page, which Alertmanager sends to the pager; label since makes each a new one",
            "alert", PAGE_NAME,
            f"""\
count_values by ({by}, pager) ("since",
  signalbox:onset
  and on ({by}, pager) (
    (round(time() - signalbox:onset) < {PAGED_SECONDS})
    or on ({by}, pager) signalbox:told
  )
)""",
        ),
    ]  # fmt: skip


def half_less(seconds: int, step: int) -> str:
    """Write a range without its last half step, exact to the millisecond."""
    whole, rest = divmod(seconds * 1000 - step * 500, 1000)
    text = duration(whole) if whole or not rest else ""
    return f"{text}{rest}ms" if rest else text


def _but(name: str) -> Matcher:
    return Matcher(label="alertname", op="!=", value=name)


def _some(label: str) -> Matcher:
    return Matcher(label=label, op="!=", value="")


def alerts_of(rule: HoldRule) -> str:
    """Return the selector of a rule's alerts among the server's own."""
    return selector("ALERTS", (_FIRING, *rule.matchers))


def _held_expression(rules: Sequence[HoldRule], by: str) -> str:
    """PromQL for what is held, by pager; `held_in` reads it."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        found.setdefault(page_label(rule), []).append(alerts_of(rule))
    parts = [
        "label_replace(\n    "
        + "\n    or ".join(selectors)
        + f'\n  , "pager", {_replacement(label)}, "", "")'
        for label, selectors in found.items()
    ]
    return f"max by (alertname, {by}, pager) (\n  " + "\n  or ".join(parts) + "\n)"


def _replacement(text: str) -> str:
    """Write a text that ``label_replace`` sets as it is: a dollar sign names a group."""
    return quoted(text.replace("$", "$$"))


_PAGER = re.compile(r'  , "pager", ("(?:[^"\\]|\\.)*"), "", ""\)')
_ALERTS = re.compile(r"    (?:or )?(ALERTS\{.*\})")


def held_in(expression: str) -> list[tuple[str, tuple[Matcher, ...]]]:
    """Read which alerts an expression of ``signalbox:held`` holds.

    Parameters
    ----------
    expression : str
        As `hold_rules` writes it; of anything else what is understood is returned, and writing it
        again gives another text.

    Returns
    -------
    list of tuple
        Label of the pager, and matchers of the alerts.
    """
    found: list[tuple[str, tuple[Matcher, ...]]] = []
    waiting: list[tuple[Matcher, ...]] = []
    for line in expression.split("\n"):
        alerts, pager = _ALERTS.fullmatch(line), _PAGER.fullmatch(line)
        seen = selected(alerts[1], "ALERTS") if alerts else None
        if seen:
            waiting.append(tuple(matcher for matcher in seen if matcher != _FIRING))
        if pager:
            label = unquoted(pager[1]).replace("$$", "$")
            found += [(label, matchers) for matchers in waiting]
            waiting = []
    return found


def _annotations(rules: Sequence[HoldRule]) -> dict[str, str]:
    """Templates of Prometheus: what fires on the service when the page is sent."""
    service = rules[0].service_label
    chats = sorted({rule.chat for rule in rules} - {QUIET_RECEIVER})
    chat = f" (receiver {', '.join(chats)})" if chats else ""
    untold = any(rule.untold for rule in rules)
    told = "" if untold else f"Chat{untemplated(chat)} was told of each at once. "
    firing = f'ALERTS{{alertstate=\\"firing\\",alertname!=\\"{PAGE_NAME}\\",{service}=%q}}'
    began = (
        f"min(ALERTS_FOR_STATE{{alertname=%q,{service}=%q}} and ignoring (alertstate) "
        f'ALERTS{{alertstate=\\"firing\\"}})'
    )
    own = f"$labels.{service}"
    address = rules[0].chat_url
    link = (
        "{{ with .Labels.alertname }}"
        + address.replace("{alertname}", "{{ urlquery . }}").replace(
            "{service}", f"{{{{ urlquery {own} }}}}"
        )
        + "{{ end }}"
    )
    return {
        "summary": (
            f'{{{{ {own} }}}}: {{{{ with query (printf "count({firing})" {own}) }}}}'
            "{{ . | first | value }}{{ else }}0{{ end }} alerts fire"
        ),
        "description": (
            f'{{{{ range query (printf "count by (alertname) ({firing})" {own}) '
            '| sortByLabel "alertname" }}'
            "- {{ .Labels.alertname }}: {{ .Value }} firing"
            f'{{{{ with query (printf "{began}" .Labels.alertname {own}) }}}}, since '
            "{{ . | first | value | humanizeTimestamp }}{{ end }}"
            + (f" {link}" if address else "")
            + "\n"
            f"{{{{ end }}}}{told}This page stands for them: they last, more than one came, or they "
            "came back, soon or more often than usual."
        ),
    }


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


def hold_file(rules: Sequence[HoldRule], step: int) -> str:
    """Return the rule file of one Prometheus.

    Parameters
    ----------
    rules : sequence of HoldRule
        As the server sees them (`for_server`), of equal settings; without any it has no group.
    step : int, seconds
        Evaluation interval of the group.

    Returns
    -------
    str
        YAML; which alerts are held stands in its comments too.
    """
    head = ["# Written by Signalbox; replaced at every publication."]
    if not rules:
        return "\n".join([*head, "groups: []", ""])
    service = rules[0].service_label
    lines = [*head, f"# Held, each for the values of {service} that its selector lists:"]
    lines += [f"# - {_held_line(rule)}" for rule in rules]
    lines += ["groups:", f"  - name: {GROUP}", f"    interval: {duration(step)}", "    rules:"]
    for each in hold_rules(rules, step):
        lines += [
            f"      # {each.says}",
            f"      - {each.kind}: {each.name}",
            *(f"        {line}" for line in _text("expr", each.expression)),
        ]
        if each.kind == "alert":
            lines.append("        annotations:")
            for key, text in _annotations(rules).items():
                lines += [f"          {line}" for line in _text(key, text)]
    return "\n".join([*lines, ""])


def _held_line(rule: HoldRule) -> str:
    listed = {each.label: values_of(each) or () for each in rule.matchers}
    names, services = listed.get("alertname", ()), listed.get(rule.service_label, ())
    count = f"{len(services)} service{'s' if len(services) != 1 else ''}" if services else "all"
    return one_line(
        f"{', '.join(names)} ({count}), paged to {page_label(rule)}: {rule.id}, expires "
        f"{rule.expires}"
    )


def _text(key: str, text: str) -> list[str]:
    """Write a key with its text; several lines become a block that reads as it stands."""
    if "\n" not in text or any(not char.isprintable() and char != "\n" for char in text):
        return [f"{key}: {yaml_scalar(text)}"]
    return [f"{key}: |-", *(f"  {line}" if line else "" for line in text.split("\n"))]


def held_of(
    group: Mapping[str, Any], rules: Sequence[HoldRule], server: PrometheusServer
) -> tuple[tuple[HoldRule, ...], int] | None:
    """Read what a group of rules holds back; what is read is written again and must be the same.

    Parameters
    ----------
    group : mapping of str to object
        As YAML reads it.
    rules : sequence of HoldRule
        They give what is read its ids, receivers and sentences; not its matchers and settings.
    server : PrometheusServer
        Who evaluates the group.

    Returns
    -------
    rules : tuple of HoldRule
        With the server's own matchers.
    step : int, seconds
        Evaluation interval.
    None
        If the group isn't one that the export writes for these rules.
    """
    text = {
        str(each.get("record")): str(each.get("expr"))
        for each in group.get("rules") or []
        if isinstance(each, dict)
    }
    step = seconds_of(str(group.get("interval"))) or 0
    settings = _settings(text, step) if step else None
    if settings is None or "signalbox:held" not in text:
        return None
    found = []
    for label, matchers in held_in(text["signalbox:held"]):
        rule = _like(rules, label, matchers, server)
        if rule is None:
            return None
        found.append(rule.model_copy(update={"matchers": matchers, **settings}))
    if not found:
        return None
    written = load(hold_file(found, step), GROUP)["groups"]
    return (tuple(found), step) if written == [group] else None


_READ = {
    "signalbox:fresh": r"count by \(alertname, (?P<service_label>\w+)\)[\s\S]* offset "
    r"(?P<fresh_seconds>\w+)\n\)",
    "signalbox:several": r"[\s\S]*\) >= (?P<names>\d+)\)\)\n.*>= (?P<instances>\d+)\)\)\n[\s\S]*"
    r"offset (?P<storm_seconds>\w+)\)\n    >= (?P<services>\d+)\n  \)\n\)",
    "signalbox:due": r"[\s\S]*since\) >= (?P<wait_seconds>-?\d+)\)\n.*started\["
    r"(?P<again_seconds>\w+)\]\) >= 2\)\nor \(\n  signalbox:held\n.*?started\["
    r"(?P<rate_seconds>\w+)\]\) \* (?P<usual_rates>\d+) >= (?P<rise>\d+) \* [\s\S]*",
    "signalbox:onset": r"[\s\S]*?\) < (?P<window_seconds>\d+)\)[\s\S]*",
}
"""Where each setting stands; numbers as they are written there."""


def _settings(text: Mapping[str, str], step: int) -> dict[str, Any] | None:
    """Read the settings of a group of rules; None if one isn't where it should be."""
    found: dict[str, str] = {}
    for name, pattern in _READ.items():
        read = re.fullmatch(pattern, text.get(name, ""))
        if read is None:
            return None
        found |= read.groupdict()
    whole = {name: seconds_of(found[name]) for name in ("fresh_seconds", "storm_seconds")}
    ranges = {name: millis_of(found[name]) for name in ("again_seconds", "rate_seconds")}
    if None in (*whole.values(), *ranges.values()):
        return None
    numbers = ("names", "instances", "services", "usual_rates", "rise", "window_seconds")
    return {
        "service_label": found["service_label"],
        "wait_seconds": int(found["wait_seconds"]) + step,
        **{name: ((millis or 0) + 500 * step) // 1000 for name, millis in ranges.items()},
        **whole,
        **{name: int(found[name]) for name in numbers},
    }


def _like(
    rules: Sequence[HoldRule],
    label: str,
    matchers: tuple[Matcher, ...],
    server: PrometheusServer,
) -> HoldRule | None:
    """Return the rule that alerts are held for: to this pager, of this name, best of all equal."""
    mine = [rule for rule in rules if page_label(rule) == label]
    same = [rule for rule in mine if _seen(rule, server) == matchers]
    named = [m for m in matchers if m.label == "alertname"]
    close = [rule for rule in mine if [m for m in rule.matchers if m.label == "alertname"] == named]
    return next(iter([*same, *close]), None)


def _seen(rule: HoldRule, server: PrometheusServer) -> tuple[Matcher, ...] | None:
    seen = for_server(rule, server)
    return seen.matchers if isinstance(seen, HoldRule) else None
