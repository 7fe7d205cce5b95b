"""Guards as Prometheus rules: what a rule hides is heard again when it is more than ever before.

The count of starts is taken from ``ALERTS``, the series that Prometheus writes of its own alerts: a
start is a step at which an alert fires and did not fire one step before. An alert that comes, goes
and comes within one step is counted once; the step should be the evaluation interval.
"""

from typing import cast

from pipelines.aiops.noise.export.marks import one_line
from pipelines.aiops.noise.export.scalars import duration, quoted, selector, yaml_scalar
from pipelines.aiops.noise.replay.prometheus import guard_labels
from pipelines.aiops.noise.rules import Guard, Matcher, QuietRule, RecurringRule, Rule

GROUP = "signalbox-guards"
_FIRING = Matcher(label="alertstate", op="=", value="firing")


def guarded(rule: Rule) -> Guard | None:
    """Return the guard of a rule that hides alerts, if it has one."""
    return rule.guard if isinstance(rule, QuietRule | RecurringRule) else None


def guard_expression(rule: Rule, guard: Guard, step: int) -> str:
    """PromQL that has a result where the guard trips.

    Parameters
    ----------
    step
        Seconds between two looks at ``ALERTS``.
    """
    tripped = f"{starts_expression(rule, guard, step)} > {guard.max_count}"
    if guard.max_seconds is None:
        return tripped
    alerts = selector("ALERTS", (*rule.matchers, _FIRING))
    limit = duration(guard.max_seconds)
    # It fires, it fired so long ago, and it did not start anew in between.
    lasting = f"{alerts} and {alerts} offset {limit} unless {_starts(alerts, limit, step)}"
    return f"({tripped}) or max by ({_by(guard)}) ({lasting})"


def starts_expression(rule: Rule, guard: Guard, step: int) -> str:
    """PromQL for the number of the rule's alerts that started within the guard's window."""
    alerts = selector("ALERTS", (*rule.matchers, _FIRING))
    return f"sum by ({_by(guard)}) ({_starts(alerts, duration(guard.window_seconds), step)})"


def _starts(alerts: str, window: str, step: int) -> str:
    pace = duration(step)
    return f"count_over_time(({alerts} unless {alerts} offset {pace})[{window}:{pace}])"


def _by(guard: Guard) -> str:
    return ", ".join(guard.by)


def untemplated(text: str) -> str:
    """Text that Prometheus's templates leave as it is."""
    return text.replace("{{", '{{ "{{" }}')


def guard_rule(rule: QuietRule | RecurringRule, guard: Guard, step: int) -> list[str]:
    """Lines of one alerting rule; the first without its dash."""
    # It reads id and matchers only, which every rule has.
    labels = guard_labels(cast(QuietRule, rule))
    lines = [
        f"alert: {yaml_scalar(labels.pop('alertname'))}",
        f"expr: {yaml_scalar(guard_expression(rule, guard, step))}",
        "labels:",
        *(f"  {name}: {yaml_scalar(untemplated(labels[name]))}" for name in sorted(labels)),
    ]
    said = f"More of what rule {rule.id} hides than its history ever had"
    lines += [
        "annotations:",
        f"  summary: {yaml_scalar(said)}",
        f"  description: {yaml_scalar(untemplated(one_line(rule.sentence)))}",
    ]
    return lines


def guards_file(rules: tuple[Rule, ...], step: int, notes: list[str]) -> str:
    """Rule file with the guards; `notes` become comments at its head."""
    head = ["# Written by Signalbox; replaced at every publication.", *(f"# {n}" for n in notes)]
    guards = [
        (rule, rule.guard)
        for rule in rules
        if isinstance(rule, QuietRule | RecurringRule) and rule.guard is not None
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
        first, *rest = guard_rule(rule, guard, step)
        lines.append(f"      # {rule.id}, expires {rule.expires}: {one_line(rule.sentence)}")
        lines += [f"      - {first}", *(f"        {line}" for line in rest)]
    return "\n".join([*lines, ""])


def promql_problem(rule: Rule) -> str:
    """Why Prometheus can't evaluate the rule's matchers; empty if it can."""
    import re

    names = [m.label for m in rule.matchers] + list(
        (guarded(rule) or Guard(window_seconds=1, max_count=0)).by
    )
    odd = [name for name in names if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name)]
    return f"label name {quoted(odd[0])} isn't one of Prometheus" if odd else ""
