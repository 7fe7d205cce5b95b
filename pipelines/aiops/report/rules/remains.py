"""Chapter "What remains": pages that no rule may save, by alert name, for whoever can end them."""

from collections.abc import Sequence

from markupsafe import Markup

from pipelines.aiops.alerting.evidence import RemainingAlerts
from pipelines.aiops.alerting.rules import KnownFixRule
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs, values_of
from pipelines.core.artifacts import evidence_of
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Chapter,
    Column,
    Fold,
    Prose,
    Row,
    Table,
    Text,
    identifier,
    join,
    name,
)
from pipelines.reporting.numbers import NONE

MOST = 12
"""Alert names that are shown without folding them away."""
MOSTLY = 0.5
"""Share of an alert name's pages beyond which their time is said to be the night."""


def advice(alert: RemainingAlerts, wait_seconds: int | None, fixes: Sequence[str]) -> list[Text]:
    """Suggest what its owner can change.

    Parameters
    ----------
    alert : RemainingAlerts
        The alert name and the pages that are left of it.
    wait_seconds : int or None
        How long rules hold; None if none does.
    fixes : sequence of str
        Fixes that ended it again and again.

    Returns
    -------
    list of Text
        Sentences, at least one.
    """
    found: list[Text] = []
    lasts = wording.duration(alert.median_seconds)
    if fixes:
        found.append(
            f"Let the fix run by itself: {wording.listed([wording.short(f, 80) for f in fixes], 2)}"
        )
    if alert.noisy and wait_seconds is not None and alert.median_seconds > wait_seconds:
        found.append(
            f"It lasts, half of the time for more than {lasts}: mend what it reports, or raise its "
            "threshold"
        )
    elif alert.noisy:
        found.append("It comes in company or is back soon: mend what makes it return")
    else:
        found.append("Too rare to be held, so it pages at once: ask whether it has to")
    if alert.pages > 0 and alert.night > MOSTLY * alert.pages:
        found.append("Most of it is at night: look for a job, a backup or a deploy of that hour")
    return found


def remains_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about the pages that are left, by alert name.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    title, short = "What remains: fix at the source", "Fix at the source"
    found = inputs.replayed.remaining
    if not found:
        return Chapter("source", title, [Prose("No page is left.")], short)
    blocks: list[Block] = [Prose(_summary(inputs, found)), _table(inputs, found[:MOST])]
    if found[MOST:]:
        label = f"{wording.number_of(len(found) - MOST, 'more alert name')}"
        blocks.append(Fold(label, [_table(inputs, found[MOST:])]))
    if any(alert.night for alert in found):
        blocks.append(
            Fold("Pages of each hour of the night, by alert name", [_hours(inputs, found)])
        )
    return Chapter("source", title, blocks, short)


def _summary(inputs: Inputs, found: Sequence[RemainingAlerts]) -> str:
    noisy = sum(alert.share for alert in found if alert.noisy)
    return (
        "A rule holds noise back; whoever owns the alert can end it. Of the pager pages that are "
        f"left, {numbers.percent(noisy)} are of noisy names: held alerts that last, come back or "
        "don’t come alone. Suggestions follow from these figures and are for a person to weigh."
    )


def _table(inputs: Inputs, found: Sequence[RemainingAlerts]) -> Table:
    days = inputs.days
    return Table(
        caption="Pager pages that are left, by alert name",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Alert name"),
            Column("What to change", wide=True),
            Column("Pages left, a week", numeric=True),
            Column("Share of all left", numeric=True),
            Column("At night, a week", numeric=True),
            Column("Most in the hours (UTC; pages)"),
            Column("Median length of what pages", numeric=True),
            Column("Services with most"),
        ],
        rows=[
            Row(
                [
                    identifier(wording.short(alert.name, 120)),
                    join(*_lines(_suggestions(inputs, alert))),
                    wording.per_week(alert.pages, days),
                    numbers.percent(alert.share),
                    wording.per_week(alert.night, days),
                    wording.busiest_hours(alert.night_hours),
                    wording.duration(alert.median_seconds),
                    name(wording.listed(alert.services, 2)) if alert.services else NONE,
                ]
            )
            for alert in found
        ],
        note="A page about several names is shared out among them. Night: 22:00 to 07:00, UTC.",
    )


def _suggestions(inputs: Inputs, alert: RemainingAlerts) -> list[Text]:
    rules = (done.rule for done in inputs.fixes)
    fixes = [
        rule.fix
        for rule in rules
        if isinstance(rule, KnownFixRule) and alert.name in values_of(rule, "alertname")
    ]
    return advice(alert, inputs.selected.wait_seconds, fixes)


def _lines(suggestions: Sequence[Text]) -> list[Text]:
    parts: list[Text] = []
    for text in suggestions:
        parts += [Markup("<br>"), text] if parts else [text]
    return parts


def _hours(inputs: Inputs, found: Sequence[RemainingAlerts]) -> Table:
    return Table(
        caption=f"Pager pages left in all {inputs.days:g} days, by hour of the night (UTC)",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        small=True,
        columns=[
            Column("Alert name"),
            *(Column(f"{hour} h", numeric=True) for hour in wording.NIGHT_HOURS),
        ],
        rows=[
            Row(
                [
                    identifier(wording.short(alert.name, 120)),
                    *(
                        numbers.count(alert.night_hours.get(hour, 0))
                        for hour in wording.NIGHT_HOURS
                    ),
                ]
            )
            for alert in found
            if alert.night
        ],
    )
