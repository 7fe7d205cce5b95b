"""Chapters about what no rule holds: the pages that remain, and the candidates left out."""

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from pipelines.aiops.alerting.evidence import DroppedRule, LeftOut, RemainingAlerts
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
    code,
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


def dropped_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about candidates that are in no rule set.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    dropped: list[DroppedRule | LeftOut] = [*inputs.mined.left_out, *inputs.selected.dropped]
    blocks: list[Block] = [_counted(inputs), *_not_held(inputs)]
    if dropped:
        blocks += [_why(inputs, dropped), _list(inputs, dropped)]
    else:
        blocks.append(Prose("Every candidate was selected, and params exclude none."))
    blocks += _noisy(inputs)
    return Chapter("dropped", "What was left out", blocks, "Left out")


def _counted(inputs: Inputs) -> Table:
    chosen: Counter[str] = Counter(done.rule.family for done in inputs.replayed.rules)
    dropped = Counter(each.family for each in inputs.selected.dropped)
    known = inputs.mined.families
    rows = [
        Row(
            [
                wording.family(family),
                numbers.count(known[family].tried),
                numbers.count(known[family].found),
                numbers.count(dropped[family]),
                numbers.count(chosen[family]),
            ]
        )
        for family in wording.FAMILIES
        if family in known
    ]
    return Table(
        caption="From candidates to rules, counts of rules",
        mark=inputs.sources.mark(evidence_of("mine_rules"), evidence_of("select_rules")),
        columns=[
            Column("Family"),
            Column("Tried", numeric=True),
            Column("Found", numeric=True),
            Column("Left out", numeric=True),
            Column("Selected", numeric=True),
        ],
        rows=rows,
    )


def _not_held(inputs: Inputs) -> list[Block]:
    """Say how much of what pages today no rule holds, and why."""
    mined = inputs.mined
    found = sorted(
        ((why, n) for why, n in mined.not_held.items() if n), key=lambda item: (-item[1], item[0])
    )
    if not found or not mined.pages:
        return []
    table = Table(
        caption=f"Alerts that page today and aren’t held, of {numbers.count(mined.pages)}",
        mark=inputs.sources.mark(evidence_of("mine_rules")),
        columns=[
            Column("Why", wide=True),
            Column("Alerts", numeric=True),
            Column("Share of all that page", numeric=True),
        ],
        rows=[
            Row([name(wording.short(why, 160)), numbers.count(n), numbers.percent(n / mined.pages)])
            for why, n in found
        ],
    )
    return [table]


def _noisy(inputs: Inputs) -> list[Block]:
    """List alert names that page often, and how much of each is held."""
    found = inputs.mined.noisy
    if not found:
        return []
    table = Table(
        caption="Alert names that page often, counts of the whole history",
        mark=inputs.sources.mark(evidence_of("mine_rules")),
        columns=[
            Column("Alert name"),
            Column("Alerts that paged", numeric=True),
            Column("of these held", numeric=True),
            Column("Services", numeric=True),
            Column("of these held", numeric=True),
        ],
        rows=[
            Row(
                [
                    identifier(wording.short(each.alertname, 120)),
                    numbers.count(each.pages),
                    numbers.count(each.held_pages),
                    numbers.count(each.services),
                    numbers.count(each.held_services),
                ]
            )
            for each in found
        ],
    )
    return [Fold(f"{wording.number_of(len(found), 'alert name')} that page often", [table])]


MOST_KINDS = 12
"""Reasons that are counted; the rest stands in the list."""


def _why(inputs: Inputs, dropped: Sequence[DroppedRule | LeftOut]) -> Table:
    counted = Counter((each.family, each.reason) for each in dropped)
    order = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        Row([name(wording.short(why, 160)), wording.family(family), numbers.count(n)])
        for (family, why), n in order[:MOST_KINDS]
    ]
    rest = sum(n for _, n in order[MOST_KINDS:])
    if rest:
        rows.append(Row(["other reasons, in the list below", "", numbers.count(rest)]))
    return Table(
        caption="Why candidates were left out",
        mark=inputs.sources.mark(evidence_of("mine_rules"), evidence_of("select_rules")),
        columns=[Column("Reason", wide=True), Column("Family"), Column("Candidates", numeric=True)],
        rows=rows,
    )


def _list(inputs: Inputs, dropped: Sequence[DroppedRule | LeftOut]) -> Fold:
    """List every candidate that was left out, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for each in sorted(dropped, key=lambda one: (one.reason, one.rule)):
        reasons.setdefault(each.reason, []).append(each.rule)
    table = Table(
        caption="Everything that was left out",
        mark=inputs.sources.mark(evidence_of("mine_rules"), evidence_of("select_rules")),
        small=True,
        columns=[Column("Why"), Column("Rules and alert names", wide=True)],
        rows=[Row([name(wording.short(why, 200)), _ids(ids)]) for why, ids in reasons.items()],
    )
    return Fold(f"All {wording.number_of(len(dropped), 'candidate')} that were left out", [table])


def _ids(ids: list[str]) -> Text:
    return Markup(", ").join(wording.one_line(code(wording.short(rule_id, 60))) for rule_id in ids)
