"""What to change in an alert's own expression, in words, from the rules that hit it."""

from collections.abc import Sequence

from pipelines.reports.alert_rules import words
from pipelines.reports.alert_rules.shapes import Noisy, Rule
from pipelines.reports.blocks import Text, code, join

BRIEF = 300.0
"""Seconds below which an alert that no rule hits is called brief."""
RARELY = 0.01
FAMILIES = (
    "transient", "flapping", "quiet", "recurring", "implied", "known_fix", "duplicate",
)  # fmt: skip
"""In the order of what a person should weigh first; that alerts could be told together is said
only where there is nothing else, since one rule may group everything."""


def advice(alert: Noisy, rules: Sequence[Rule]) -> list[Text]:
    """Suggest changes, one for each family of `rules`; without rules from the figures alone.

    Parameters
    ----------
    alert
        The alert and its figures in the last window.
    rules
        Rules of the set that hit it.
    """
    by_family: dict[str, list[Rule]] = {}
    for rule in rules:
        by_family.setdefault(rule.family, []).append(rule)
    hit = [family for family in FAMILIES if family in by_family]
    if len(hit) > 1 and hit[-1] == "duplicate":
        del hit[-1]
    told = [_of_family(family, alert, by_family[family]) for family in hit]
    return told or [_without_rule(alert)]


def _of_family(family: str, alert: Noisy, rules: list[Rule]) -> Text:
    if family == "transient":
        wait = max(rule.wait or 0 for rule in rules)
        return join(
            "add ",
            code(f"for: {words.setting(wait)}"),
            f" to what its rules match: {_median(alert)}",
        )
    if family == "flapping":
        keep = max(rule.keep_firing or 0 for rule in rules)
        return join(
            "add ",
            code(f"keep_firing_for: {words.setting(keep)}"),
            ": it comes back before people have looked",
        )
    if family == "quiet":
        return _quiet(alert)
    if family == "recurring":
        return f"teach it its hours ({_hours(rules)}), or move the work that sets it off"
    fixed: dict[str, Text] = {
        "duplicate": join("fire once for the group: aggregate with ", code("sum by"), " or ",
                          code("count by"), " instead of one alert for each member"),
        "implied": join("leave it to the alert that already tells it: add ", code("unless on (…)"),
                        " with that alert’s expression"),
        "known_fix": f"let the fix run by itself: {words.short(rules[0].fix, 80)}",
    }  # fmt: skip
    return fixed[family]


def _quiet(alert: Noisy) -> Text:
    if alert.acted == 0:
        return (
            f"lower its severity or delete it: people acted on 0 of {alert.alerts:,} in these days"
        )
    return (
        "split it: a lower severity for what the rules match; of all its alerts people acted on "
        f"{alert.acted:,} of {alert.alerts:,}"
    )


def _median(alert: Noisy) -> str:
    return f"half of all are over within {words.duration(alert.median_seconds)}"


def _hours(rules: list[Rule]) -> str:
    found = [rule for rule in rules if rule.start_minute is not None]
    spans = sorted({(r.start_minute or 0, r.end_minute or 0, r.timezone) for r in found})
    shown = [f"{words.clock(a)} to {words.clock(b)} {zone}" for a, b, zone in spans]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more


def _without_rule(alert: Noisy) -> Text:
    acted = f"people acted on {alert.acted:,} of {alert.alerts:,}"
    if alert.acted == 0:
        return f"ask whether it is needed: {acted}; no rule was chosen for it"
    if alert.acted <= RARELY * alert.alerts and alert.median_seconds < BRIEF:
        return f"try a longer wait: {acted}, and {_median(alert)}"
    return f"look at it: {acted}; no rule was chosen for it"
