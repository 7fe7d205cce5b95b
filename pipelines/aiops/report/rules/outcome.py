"""Chapter "What would be different next week": pages, nights, receivers, teams; the wait; proof."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from pipelines.aiops.alerting.evidence import EXPORT_SUMMARY, Certificate, CurvePoint, Outcome
from pipelines.aiops.params.artifacts import PAGES_PER_DAY, TRADE_OFF
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs, told_at_once
from pipelines.core.artifacts import evidence_of
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Chart,
    Charts,
    Column,
    Fold,
    Prose,
    Row,
    Section,
    Table,
    Text,
    Tone,
    code,
    join,
    link,
    name,
)
from pipelines.reporting.charts.axes import covering
from pipelines.reporting.charts.bars import pair
from pipelines.reporting.charts.curves import Axis, Curve, Steps, curves, steps
from pipelines.reporting.provenance import as_number

SERIES = ("today", "with rules")
PAIR = "Upper bar: today; lower: with the rules"
FEW = 12
"""Rows that are shown without folding them away."""
ROOM = 5.0
"""Per cent that the curve's axis leaves below and above its points."""
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about what the rules change.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    blocks: list[Block] = [Prose(_how(inputs))]
    if not inputs.replayed.rules:
        blocks.insert(0, Prose(_why_empty(inputs)))
    blocks += [*_nothing_held(inputs), _week(inputs)]
    chart = _per_day(inputs)
    if chart is not None:
        blocks.append(Charts([chart]))
    blocks += [*_receivers(inputs), *_teams(inputs), *_heartbeats(inputs)]
    return Chapter("outcome", "What would be different next week", blocks, "Next week")


def _how(inputs: Inputs) -> str:
    span = inputs.replayed.window
    days = f"{wording.day(span.start)} to {wording.day(span.end)} (UTC, {span.days:g} days)"
    parts = len(inputs.replayed.windows)
    if not parts:
        return f"A week as the days from {days} would have been, replayed without and with rules."
    return (
        f"A week as the days from {days} would have been: today’s configuration and the one with "
        f"the rules were replayed over them. The history is judged in {parts} parts; the rules "
        "that judge a part were mined on the others alone and read back from exported files, so "
        "no figure here rests on days that the rules had seen."
    )


def _why_empty(inputs: Inputs) -> str:
    """Say why there is no rule: nothing could be tried, nothing was proven, or all was dropped."""
    families = inputs.mined.families.values()
    if not sum(family.tried for family in families):
        return (
            "The rule set is empty: the history was too short or too thin to try any candidate, no "
            "alert name paged often enough to be called noisy."
        )
    if not sum(family.found for family in families):
        return "The rule set is empty: no candidate that was tried had enough evidence."
    return "The rule set is empty: every candidate was left out, for the reasons below."


def _nothing_held(inputs: Inputs) -> list[Block]:
    """Say why no rule holds anything, where names do page often."""
    reasons = inputs.mined.not_held
    if inputs.holding or not inputs.mined.noisy or not any(reasons.values()):
        return []
    why = max(reasons, key=lambda reason: reasons[reason])
    return [
        Callout(
            "open",
            "No rule holds an alert",
            join(
                f"Of {numbers.count(inputs.mined.pages)} alerts that page, "
                f"{numbers.count(reasons[why])} for one reason: {wording.short(why, 160)}. ",
                link("dropped", "All reasons"),
                ".",
            ),
        )
    ]


def _week(inputs: Inputs) -> Table:
    """Pagers, those at night, and everybody else: what a week brings each."""
    replayed, days = inputs.replayed, inputs.days
    today, rules = (
        inputs.value(f"replay_rules.{which}_pages") for which in ("baseline", "candidate")
    )
    counted: list[tuple[str, float | None, float | None]] = [("Pager pages", today, rules)]
    if inputs.nights:
        counted.append((f"of these at night, {wording.NIGHT} (UTC)", *inputs.nights))
    others = [each for each in replayed.receivers if not each.pager]
    if others:
        label = "Notifications of chat and all else that wakes nobody"
        sent = sum(each.baseline for each in others), sum(each.candidate for each in others)
        counted.append((label, *sent))
    return Table(
        caption="What a week brings",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("What", wide=True),
            Column("Today, a week", numeric=True),
            Column("With the rules, a week", numeric=True),
            Column("Change", numeric=True),
        ],
        rows=[
            Row(
                [
                    label,
                    wording.per_week(before, days),
                    wording.per_week(after, days),
                    wording.change(before, after),
                ],
                strong=position == 0,
            )
            for position, (label, before, after) in enumerate(counted)
        ],
        note=told_at_once(inputs.holding) + " The pager is told only for a reason.",
    )


def _per_day(inputs: Inputs) -> Chart | None:
    rows = inputs.curves["pages_per_day"]
    counts = [(as_number(row.get("baseline")), as_number(row.get("candidate"))) for row in rows]
    if not rows:
        return None
    svg = steps(
        "Pager pages on each day, today and with the rules",
        [_short_day(row.get("day", "")) for row in rows],
        [
            Steps(SERIES[0], [before or 0.0 for before, _ in counts]),
            Steps(SERIES[1], [after or 0.0 for _, after in counts]),
        ],
        "pages a day",
        "Two step lines over the days that judge.",
    )
    return Chart(svg, "Pager pages on each day (UTC)", inputs.sources.mark(PAGES_PER_DAY))


def _short_day(text: str) -> str:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return wording.short(text, 12)
    return f"{found.day} {_MONTHS[found.month - 1]}"


def _compared(
    inputs: Inputs, before: float, after: float, nights: Sequence[float | None]
) -> list[Text]:
    """Cells of a week: today, with the rules, less by; the same at night."""
    days = inputs.days
    return [
        wording.per_week(before, days),
        wording.per_week(after, days),
        wording.change(before, after),
        *(wording.per_week(night, days) for night in nights),
    ]


def _week_columns(what: str) -> list[Column]:
    return [
        Column(f"{what} a week, today", numeric=True),
        Column("a week with the rules", numeric=True),
        Column("Change", numeric=True),
        Column("At night a week, today", numeric=True),
        Column("at night with the rules", numeric=True),
    ]


def _receivers(inputs: Inputs) -> list[Block]:
    """Pagers and all other receivers apart: what wakes nobody is no page."""
    found = inputs.replayed.receivers
    if not found:
        return []
    rows = [
        Row(
            [
                name(wording.short(each.receiver, 80)),
                "pager" if each.pager else "wakes nobody",
                *_compared(
                    inputs,
                    each.baseline,
                    each.candidate,
                    (each.baseline_night, each.candidate_night),
                ),
            ]
        )
        for each in sorted(found, key=lambda each: not each.pager)
    ]
    table = Table(
        caption="Notifications by receiver; pagers first",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Receiver"),
            Column("Kind"),
            *_week_columns("Notifications"),
        ],
        rows=rows,
        note="Which receivers are pagers: aiops.export_rules.paging_receivers. Of them pages are "
        "counted, of others notifications. Nights are 22:00 to 07:00, UTC; they are counted for "
        "pagers alone.",
    )
    pagers = sum(each.pager for each in found)
    label = f"{wording.number_of(len(found), 'receiver')}, {pagers} of them pagers"
    return [Section("receivers", "By receiver", [_long(label, table)])]


def _long(label: str, table: Table) -> Block:
    """Fold a long table away; a short one stays."""
    return Fold(label, [table]) if len(table.rows) > FEW else table


def _teams(inputs: Inputs) -> list[Block]:
    found = inputs.replayed.teams
    if not found:
        return []
    most = max(team.baseline for team in found)
    rows = [
        Row(
            [
                name(wording.short(team.value, 120)),
                pair(
                    team.baseline,
                    team.candidate,
                    most,
                    f"{numbers.count(team.baseline)} pages today; "
                    f"{numbers.count(team.candidate)} with the rules",
                ),
                *_compared(
                    inputs,
                    team.baseline,
                    team.candidate,
                    (team.baseline_night, team.candidate_night),
                ),
            ]
        )
        for team in found
    ]
    table = Table(
        caption="Pager pages by team: the label team of the alerts that a page is about",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[Column("Team"), Column(PAIR, chart=True), *_week_columns("Pager pages")],
        rows=rows,
        note="A page about alerts of several teams is shared out among them. Nights are 22:00 to "
        "07:00, UTC.",
    )
    label = f"{wording.number_of(len(found), 'team')}"
    return [Section("teams", "By team", [_long(label, table)])]


def _heartbeats(inputs: Inputs) -> list[Block]:
    if not inputs.replayed.heartbeats:
        return []
    names = ", ".join(wording.short(each, 80) for each in inputs.replayed.heartbeats)
    return [
        Prose(
            f"Heartbeats: {names}. They always fire and are repeated every few minutes, so "
            "that something outside takes alarm when they stay away. No rule may change what "
            "is sent of them; it counts neither as pages nor as saving.",
            quiet=True,
        )
    ]


def wait_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter by which a person chooses: saving against delay, and other ways to save.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    points = sorted(inputs.selected.curve, key=lambda point: point.wait_seconds)
    blocks: list[Block] = []
    if points:
        blocks += [
            Prose(
                "How long a lone alert of a noisy name is held is for people to choose: the "
                "longer, the fewer pages and the later some are. The setting is "
                "aiops.mine_rules.hold.wait_seconds."
            ),
            *_curve(inputs, points),
            _waits(inputs, points),
        ]
    if inputs.replayed.baselines:
        blocks.append(_baselines(inputs))
    if not blocks:
        blocks.append(Prose("No rule holds an alert, so there is no wait to choose."))
    if inputs.holding:
        blocks.append(_pagerduty(inputs))
    return Chapter("wait", "Saving against delay", blocks)


def _curve(inputs: Inputs, points: Sequence[CurvePoint]) -> list[Block]:
    drawn = {
        label: [
            (100 * late, 100 * point.saved_share)
            for point in points
            if (late := getattr(point, key)) is not None and point.saved_share is not None
        ]
        for key, label in (
            ("late_1m_share", "later than 1 minute"),
            ("late_5m_share", "later than 5 minutes"),
            ("late_15m_share", "later than 15 minutes"),
        )
    }
    lines = [Curve(line, label, dots=True) for label, line in drawn.items() if len(line) > 1]
    if not lines:
        return []
    every = [at for curve in lines for at in curve.points]
    svg = curves(
        "Pages saved against incidents that are notified late",
        Axis("incidents notified late, %", 0, covering([x for x, _ in every], include=(0.0,))[1]),
        Axis("pager pages saved, %", *_around([y for _, y in every])),
        lines,
        describe="On each line a point for each wait, the shortest at the lower end; their numbers "
        "stand in the table.",
    )
    waits = ", ".join(wording.duration(point.wait_seconds) for point in points)
    caption = f"Saving against delay; the points of a line from below: a wait of {waits}"
    return [Charts([Chart(svg, caption, inputs.sources.mark(TRADE_OFF))])]


def _around(saved: list[float]) -> tuple[float, float]:
    """Return the range of an axis in per cent that shows differences of a few points."""
    return covering(saved, include=(max(min(saved) - ROOM, 0.0), min(max(saved) + ROOM, 100.0)))


_LATE = [
    Column("Pager pages a week", numeric=True),
    Column("Pages saved", numeric=True),
    Column("Incidents missed", numeric=True),
    Column("Later than 1 min", numeric=True),
    Column("Later than 5 min", numeric=True),
    Column("Later than 15 min", numeric=True),
]


def _judged(inputs: Inputs, found: Outcome) -> list[Text]:
    late = (found.late_1m_share, found.late_5m_share, found.late_15m_share)
    return [
        wording.per_week(found.pages, inputs.days),
        numbers.percent(found.saved_share),
        f"{numbers.count(found.missed)} of {numbers.count(found.incidents)}",
        *(numbers.percent(share) for share in late),
    ]


def _waits(inputs: Inputs, points: Sequence[CurvePoint]) -> Table:
    chosen = inputs.selected.wait_seconds
    rows = []
    for point in points:
        this = point.wait_seconds == chosen
        wait = wording.duration(point.wait_seconds) + (" (this set)" if this else "")
        rows.append(Row([wait, *_judged(inputs, point)], strong=this))
    return Table(
        caption="What each wait would do, on the same days by the same judge",
        mark=inputs.sources.mark(evidence_of("select_rules")),
        columns=[Column("Wait"), *_LATE],
        rows=rows,
        note="Later: share of the credible incidents that page today of which a pager hears later "
        "than today by more than that.",
    )


def _baselines(inputs: Inputs) -> Table:
    """Other ways to have fewer pages, judged as this set was."""
    return Table(
        caption="Simpler ways to have fewer pages, on the same days by the same judge",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[Column("Way", wide=True), *_LATE],
        rows=[
            Row(["These rules", *_judged(inputs, inputs.replayed.outcome)], strong=True),
            *(
                Row([name(wording.short(each.label, 120)), *_judged(inputs, each)])
                for each in inputs.replayed.baselines
            ),
        ],
    )


def _pagerduty(inputs: Inputs) -> Section:
    """Show PagerDuty's form of the rules beside the other files, and what it can't express."""
    said, judged = inputs.summary.pagerduty, inputs.replayed.pagerduty
    blocks: list[Block] = [
        Prose(
            "Instead of these files PagerDuty itself can pause alerts: its form of the rules is "
            "rules/export/pagerduty.json. Of "
            f"{wording.number_of(len(inputs.holding), 'rule')} that hold alerts it expresses "
            f"{said.rules:,}."
        )
    ]
    if judged is not None:
        blocks.append(
            Table(
                caption="Two targets, each judged by itself on the same days",
                mark=inputs.sources.mark(evidence_of("replay_rules")),
                columns=[
                    Column("Target", wide=True),
                    Column("Today, a week", numeric=True),
                    *_LATE,
                ],
                rows=[
                    Row(
                        [
                            "Alertmanager and Prometheus, all pagers",
                            wording.per_week(
                                inputs.value("replay_rules.baseline_pages"), inputs.days
                            ),
                            *_judged(inputs, inputs.replayed.outcome),
                        ]
                    ),
                    Row(
                        [
                            "PagerDuty, notifications of its incidents",
                            wording.per_week(judged.baseline_pages, inputs.days),
                            *_judged(inputs, judged),
                        ]
                    ),
                ],
                note="PagerDuty notifies once of an incident; what Alertmanager adds to an open "
                "one wakes nobody. So the two count different things, today as well. A paused "
                "alert that comes with others, or comes back, is paused all the same.",
            )
        )
        blocks += _missed_in_pagerduty(inputs)
    reasons = Counter(each["reason"] for each in said.not_expressed if each["family"] == "hold")
    if reasons:
        blocks.append(
            Table(
                caption="What isn’t exported to PagerDuty",
                mark=inputs.sources.mark(EXPORT_SUMMARY),
                columns=[Column("Reason", wide=True), Column("Rules", numeric=True)],
                rows=[
                    Row([name(wording.short(reason, 300)), numbers.count(count)])
                    for reason, count in reasons.most_common(FEW)
                ],
            )
        )
    return Section("pagerduty", "In PagerDuty instead", blocks)


def _missed_in_pagerduty(inputs: Inputs) -> list[Block]:
    judged = inputs.replayed.pagerduty
    if judged is None or not judged.missed_incidents:
        return []
    table = Table(
        caption="Credible incidents that PagerDuty’s form hides",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[Column("Incident"), Column("Title", wide=True), Column("Service")],
        rows=[
            Row(
                [name(wording.short(text, 120)) for text in (each.ticket, each.title, each.service)]
            )
            for each in judged.missed_incidents
        ],
    )
    return [_long(wording.number_of(len(judged.missed_incidents), "incident"), table)]


def proof_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter with the certificate of the files.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    blocks: list[Block] = []
    if inputs.replayed.certificate is not None:
        blocks += _certificate(inputs, inputs.replayed.certificate)
    files = inputs.replayed.deployed
    blocks.append(
        Prose(
            join(
                "The exported files themselves, on the days that they were mined from (in sample, "
                f"so a little too good): {numbers.percent(files.saved_share)} of the pager pages "
                f"saved, {numbers.count(files.missed)} of "
                f"{wording.number_of(files.incidents, 'credible incident')} missed.",
                inputs.sources.mark(evidence_of("replay_rules")),
            )
        )
    )
    return Chapter("certificate", "The certificate", blocks, "Certificate")


def _certificate(inputs: Inputs, found: Certificate) -> list[Block]:
    """Say what the files do, and name them by their hashes: anyone can compute it again."""
    rows = [Row([code(path), code(sha256)]) for path, sha256 in sorted(found.files.items())]
    table = Table(
        caption="Files that were read back and judged",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[Column("File"), Column("SHA-256")],
        rows=rows,
    )
    again = Prose("signalbox verify computes this paragraph again from these files.")
    tone: Tone = "good" if found.told_with_files == found.incidents else "open"
    return [
        Callout(tone if found.incidents else "open", "Certificate", found.sentence),
        Fold(f"{wording.number_of(len(rows), 'file')}, by SHA-256", [table, again]),
    ]
