"""Chapters "Fix at the source" and "By team": what people can do themselves."""

from collections.abc import Sequence

from markupsafe import Markup

from pipelines.aiops.alerting.evidence import LabelOutcome, NoisyAlert
from pipelines.aiops.alerting.rules import (
    KeepFiringRule,
    KnownFixRule,
    MuteTimeRule,
    Rule,
    WaitRule,
)
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs
from pipelines.core.artifacts import evidence_of
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Chapter,
    Column,
    Prose,
    Row,
    Table,
    Text,
    code,
    identifier,
    join,
    name,
)
from pipelines.reporting.charts.bars import pair

BRIEF = 300.0
"""Seconds below which an alert that no rule hits is called brief."""
RARELY = 0.01
FAMILIES = (
    "wait", "keep_firing", "demotion", "mute_time", "inhibition", "known_fix", "grouping",
)  # fmt: skip
"""In the order of what a person should weigh first; that alerts could be grouped is said
only where there is nothing else, since one rule may group everything."""


def advice(alert: NoisyAlert, rules: Sequence[Rule]) -> list[Text]:
    """Suggest changes, one for each family of `rules`; without rules from the figures alone.

    Parameters
    ----------
    alert : NoisyAlert
        The alert and its figures in the last window.
    rules : sequence of Rule
        Rules of the set that hit it.

    Returns
    -------
    list of Text
        Sentences.
    """
    by_family: dict[str, list[Rule]] = {}
    for rule in rules:
        by_family.setdefault(rule.family, []).append(rule)
    hit = [family for family in FAMILIES if family in by_family]
    if len(hit) > 1 and hit[-1] == "grouping":
        del hit[-1]
    suggestions = [_of_family(family, alert, by_family[family]) for family in hit]
    return suggestions or [_without_rule(alert)]


def _of_family(family: str, alert: NoisyAlert, rules: list[Rule]) -> Text:
    if family == "wait":
        wait = max(rule.for_seconds for rule in rules if isinstance(rule, WaitRule))
        return join(
            "add ",
            code(f"for: {wording.setting(wait)}"),
            f" to what its rules match: {_median(alert)}",
        )
    if family == "keep_firing":
        keep = max(
            rule.keep_firing_for_seconds for rule in rules if isinstance(rule, KeepFiringRule)
        )
        return join(
            "add ",
            code(f"keep_firing_for: {wording.setting(keep)}"),
            ": it comes back before people have looked",
        )
    if family == "demotion":
        return _quiet(alert)
    if family == "mute_time":
        return f"teach it its hours ({_hours(rules)}), or move the work that sets it off"
    fixes = [rule.fix for rule in rules if isinstance(rule, KnownFixRule)]
    fixed: dict[str, Text] = {
        "grouping": join("fire once for the group: aggregate with ", code("sum by"), " or ",
                          code("count by"), " instead of one alert for each member"),
        "inhibition": join("leave it to the alert that implies it: add ", code("unless on (…)"),
                        " with that alert’s expression"),
        "known_fix": f"let the fix run by itself: {wording.short(fixes[0] if fixes else '', 80)}",
    }  # fmt: skip
    return fixed[family]


def _quiet(alert: NoisyAlert) -> Text:
    if alert.acted == 0:
        return (
            f"lower its severity or delete it: people acted on 0 of {alert.alerts:,} in these days"
        )
    return (
        "split it: a lower severity for what the rules match; of all its alerts people acted on "
        f"{alert.acted:,} of {alert.alerts:,}"
    )


def _median(alert: NoisyAlert) -> str:
    return f"half of all are over within {wording.duration(alert.median_seconds)}"


def _hours(rules: list[Rule]) -> str:
    found = [rule for rule in rules if isinstance(rule, MuteTimeRule)]
    spans = sorted({(r.start_minute, r.end_minute, r.timezone) for r in found})
    shown = [f"{wording.clock(a)} to {wording.clock(b)} {zone}" for a, b, zone in spans]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more


def _without_rule(alert: NoisyAlert) -> Text:
    acted = f"people acted on {alert.acted:,} of {alert.alerts:,}"
    if alert.acted == 0:
        return f"ask whether it is needed: {acted}; no rule was chosen for it"
    if alert.acted <= RARELY * alert.alerts and alert.median_seconds < BRIEF:
        return f"try a longer wait: {acted}, and {_median(alert)}"
    return f"look at it: {acted}; no rule was chosen for it"


PAIR = "Upper bar: baseline; lower: candidate"


def source(inputs: Inputs) -> Chapter:
    """Build the chapter about what to fix at the source, by alert name.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    found = inputs.replayed.noisiest
    rules = {done.rule.id: done.rule for done in inputs.replayed.rules}
    most = max((share.baseline_paged for share in found), default=0)
    if not found:
        return Chapter(
            "source",
            "What to fix at the source",
            [Prose("No alert pages with today’s configuration.")],
        )
    return Chapter(
        "source",
        "What to fix at the source",
        [
            Prose(
                "A rule hides noise; whoever owns the alert can end it. These names page most "
                "today. The suggestions follow from the rules that hit them and are for a person "
                "to weigh."
            ),
            Table(
                caption="The noisiest alert names, counts of the last window",
                mark=inputs.sources.mark(evidence_of("replay_rules")),
                columns=[
                    Column("Alert"),
                    Column("What to change", wide=True),
                    Column(PAIR, chart=True),
                    Column("Alerts that page, baseline", numeric=True),
                    Column("candidate", numeric=True),
                    Column("Alerts", numeric=True),
                    Column("Acted on", numeric=True),
                    Column("Median length", numeric=True),
                ],
                rows=[_noisy_row(share, rules, most) for share in found],
            ),
        ],
        "Fix at the source",
    )


def _noisy_row(noisy_rule: NoisyAlert, rules: dict[str, Rule], most: int) -> Row:
    hit = [rules[rule] for rule in noisy_rule.rules if rule in rules]
    suggestions = advice(noisy_rule, hit)
    return Row(
        [
            identifier(wording.short(noisy_rule.value, 120)),
            join(*_lines(suggestions)),
            _pair(noisy_rule, most),
            numbers.count(noisy_rule.baseline_paged),
            numbers.count(noisy_rule.candidate_paged),
            numbers.count(noisy_rule.alerts),
            numbers.count(noisy_rule.acted),
            wording.duration(noisy_rule.median_seconds),
        ]
    )


def _lines(suggestions: Sequence[Text]) -> list[Text]:
    parts: list[Text] = []
    for text in suggestions:
        parts += [Markup("<br>"), _capital(text)] if parts else [_capital(text)]
    return parts


def _capital(text: Text) -> Text:
    """Make the first letter a capital; it is a letter of ours, never a tag or data."""
    return text[:1].upper() + text[1:]


def _pair(share: LabelOutcome, most: int) -> Markup:
    title = f"{share.baseline_paged:,} alerts page, baseline; {share.candidate_paged:,} candidate"
    return pair(share.baseline_paged, share.candidate_paged, most, title)


def teams(inputs: Inputs) -> Chapter:
    """Build the chapter about teams.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    found = inputs.replayed.teams
    most = max((share.baseline_paged for share in found), default=0)
    if not found:
        return Chapter("teams", "By team", [Prose("No alert began in the last window.")])
    return Chapter(
        "teams",
        "By team",
        [
            Table(
                caption="Teams, by the label team of the alert; counts of the last window",
                mark=inputs.sources.mark(evidence_of("replay_rules")),
                columns=[
                    Column("Team"),
                    Column(PAIR, chart=True),
                    Column("Alerts that page, baseline", numeric=True),
                    Column("candidate", numeric=True),
                    Column("Fewer", numeric=True),
                    Column("Alerts", numeric=True),
                    Column("Acted on", numeric=True),
                ],
                rows=[_team_row(share, most) for share in found],
                note="An alert counts once however often it pages, so these are fewer than pages "
                "where alerts repeat and more where one page is about several.",
            )
        ],
    )


def _team_row(share: LabelOutcome, most: int) -> Row:
    fewer = 1 - share.candidate_paged / share.baseline_paged if share.baseline_paged else None
    return Row(
        [
            name(wording.short(share.value, 120)),
            _pair(share, most),
            numbers.count(share.baseline_paged),
            numbers.count(share.candidate_paged),
            numbers.percent(fewer),
            numbers.count(share.alerts),
            numbers.count(share.acted),
        ]
    )
