"""Chapters "Fix at the source" and "By team": what people can do themselves."""

from collections.abc import Sequence

from markupsafe import Markup

from pipelines.base.artifacts import evidence_of
from pipelines.reports import numbers
from pipelines.reports.alert_rules import words
from pipelines.reports.alert_rules.advice import advice
from pipelines.reports.alert_rules.inputs import Inputs
from pipelines.reports.alert_rules.shapes import Noisy, Rule, Share
from pipelines.reports.blocks import (
    Chapter,
    Column,
    Prose,
    Row,
    Table,
    Text,
    identifier,
    join,
    name,
)
from pipelines.reports.charts.bars import pair

PAIR = "Upper bar: today; lower: with the rules"


def source(inputs: Inputs) -> Chapter:
    """Build the chapter about alert names."""
    found = inputs.replayed.noisiest
    rules = {done.rule.id: done.rule for done in inputs.replayed.rules}
    most = max((one.paged_today for one in found), default=0)
    if not found:
        return Chapter("source", "What to fix at the source", [Prose("No alert pages today.")])
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
                    Column("Alerts that page today", numeric=True),
                    Column("with the rules", numeric=True),
                    Column("Alerts", numeric=True),
                    Column("Acted on", numeric=True),
                    Column("Median length", numeric=True),
                ],
                rows=[_noisy_row(one, rules, most) for one in found],
            ),
        ],
        "Fix at the source",
    )


def _noisy_row(one: Noisy, rules: dict[str, Rule], most: int) -> Row:
    hit = [rules[rule] for rule in one.rules if rule in rules]
    told = advice(one, hit)
    return Row(
        [
            identifier(words.short(one.value, 120)),
            join(*_lines(told)),
            _pair(one, most),
            numbers.count(one.paged_today),
            numbers.count(one.paged_with_rules),
            numbers.count(one.alerts),
            numbers.count(one.acted),
            words.duration(one.median_seconds),
        ]
    )


def _lines(told: Sequence[Text]) -> list[Text]:
    parts: list[Text] = []
    for one in told:
        parts += [Markup("<br>"), _capital(one)] if parts else [_capital(one)]
    return parts


def _capital(text: Text) -> Text:
    """Make the first letter a capital; it is a letter of ours, never a tag or data."""
    return text[:1].upper() + text[1:]


def _pair(one: Share, most: int) -> Markup:
    title = f"{one.paged_today:,} alerts page today, {one.paged_with_rules:,} with the rules"
    return pair(one.paged_today, one.paged_with_rules, most, title)


def teams(inputs: Inputs) -> Chapter:
    """Build the chapter about teams."""
    found = inputs.replayed.teams
    most = max((one.paged_today for one in found), default=0)
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
                    Column("Alerts that page today", numeric=True),
                    Column("with the rules", numeric=True),
                    Column("Fewer", numeric=True),
                    Column("Alerts", numeric=True),
                    Column("Acted on", numeric=True),
                ],
                rows=[_team_row(one, most) for one in found],
                note="An alert counts once however often it pages, so these are fewer than pages "
                "where alerts repeat and more where one page tells of several.",
            )
        ],
    )


def _team_row(one: Share, most: int) -> Row:
    fewer = 1 - one.paged_with_rules / one.paged_today if one.paged_today else None
    return Row(
        [
            name(words.short(one.value, 120)),
            _pair(one, most),
            numbers.count(one.paged_today),
            numbers.count(one.paged_with_rules),
            numbers.percent(fewer),
            numbers.count(one.alerts),
            numbers.count(one.acted),
        ]
    )
