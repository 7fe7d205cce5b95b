"""Chapters "What changes" and "Incidents"."""

from datetime import date

from pipelines.aiops.alerting.evidence import Certificate, IncidentOutcome
from pipelines.aiops.params.artifacts import PAGES_PER_DAY, TRADE_OFF
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs
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
    Table,
    Text,
    Tone,
    code,
    icon,
    join,
    name,
)
from pipelines.reporting.charts.axes import covering
from pipelines.reporting.charts.bars import Bar, bars
from pipelines.reporting.charts.curves import Axis, Curve, Steps, curves, steps
from pipelines.reporting.numbers import NONE
from pipelines.reporting.provenance import as_number

SERIES = ("baseline", "candidate")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_STAGES = (
    ("events", "Events that monitoring saw"),
    ("alerts", "Alerts"),
    ("notifications", "Notifications of any kind"),
    ("pages", "Pages that wake somebody"),
)


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
    span = inputs.replayed.window
    drawn = [_per_day(inputs), _trade_off(inputs), _funnel(inputs), _families(inputs)]
    blocks: list[Block] = [
        Prose(
            f"The last {span.days:g} days of the history, {wording.day(span.start)} to "
            f"{wording.day(span.end)} (UTC), were replayed twice: through today’s Alertmanager "
            "configuration (baseline) and through the exported files (candidate). It is the test "
            "window: nothing was mined or selected on these days."
        ),
        Charts([chart for chart in drawn if chart is not None]),
    ]
    if inputs.replayed.receivers:
        blocks.append(_receivers(inputs))
    if inputs.replayed.heartbeats:
        names = ", ".join(wording.short(each, 80) for each in inputs.replayed.heartbeats)
        blocks.append(
            Prose(
                f"Heartbeats: {names}. They always fire and are repeated every few minutes, so "
                "that something outside takes alarm when they stay away. No rule may change what "
                "is sent of them; it counts neither as pages nor as saving."
            )
        )
    if inputs.replayed.certificate is not None:
        blocks[1:1] = _certificate(inputs, inputs.replayed.certificate)
    if not inputs.replayed.rules:
        blocks.insert(0, Prose(_why_empty(inputs)))
    return Chapter("outcome", "What changes", blocks)


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
    tone: Tone = "good" if found.notified_with_files == found.notified_today else "bad"
    return [
        Callout(tone if found.notified_today else "open", "Certificate", found.sentence),
        Fold(f"{wording.number_of(len(rows), 'file')}, by SHA-256", [table, again]),
    ]


def _why_empty(inputs: Inputs) -> str:
    """Say why there is no rule: nothing could be tried, nothing was proven, or all was dropped."""
    families = inputs.mined.families.values()
    if not sum(family.tried for family in families):
        return (
            "The rule set is empty: the history was too short or too thin to try any candidate. "
            "What each family needs stands in the chapter about the data."
        )
    if not sum(family.found for family in families):
        return "The rule set is empty: no candidate that was tried had enough evidence."
    return "The rule set is empty: no candidate was worth its risk."


def _per_day(inputs: Inputs) -> Chart | None:
    rows = inputs.curves["pages_per_day"]
    counts = [(as_number(row.get("baseline")), as_number(row.get("candidate"))) for row in rows]
    if not rows:
        return None
    svg = steps(
        "Pages on each day, baseline and candidate",
        [_short_day(row.get("day", "")) for row in rows],
        [
            Steps(SERIES[0], [before or 0.0 for before, _ in counts]),
            Steps(SERIES[1], [after or 0.0 for _, after in counts]),
        ],
        "pages a day",
        "Two step lines over the days of the last window.",
    )
    return Chart(svg, "Pages on each day (UTC)", inputs.sources.mark(PAGES_PER_DAY))


def _short_day(text: str) -> str:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return wording.short(text, 12)
    return f"{found.day} {_MONTHS[found.month - 1]}"


def _funnel(inputs: Inputs) -> Chart:
    stages = inputs.replayed.stages
    rows = []
    for key, label in _STAGES:
        pair = [getattr(stages.baseline, key), getattr(stages.candidate, key)]
        rows.append(Bar(label, pair, [numbers.count(value) for value in pair]))
    svg = bars("From events to pages, baseline and candidate", rows, SERIES)
    return Chart(
        svg,
        "From events to pages, counts; the day before the window, which the replay needs to get "
        "under way, is in these bars and in no other figure",
        inputs.sources.mark(evidence_of("replay_rules")),
    )


def _receivers(inputs: Inputs) -> Fold:
    """Pagers and all other receivers apart: what wakes nobody is no page."""
    found = inputs.replayed.receivers
    rows = [
        Row(
            [
                name(wording.short(each.receiver, 80)),
                "pager" if each.pager else "wakes nobody",
                numbers.count(each.baseline),
                numbers.count(each.candidate),
            ]
        )
        for each in found
    ]
    caption = "Notifications in the test window by receiver; pagers first"
    table = Table(
        caption=caption,
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Receiver"),
            Column("Kind (aiops.export_rules.paging_receivers)"),
            Column("Baseline", numeric=True),
            Column("Candidate", numeric=True),
        ],
        rows=rows,
    )
    pagers = sum(each.pager for each in found)
    return Fold(f"{wording.number_of(len(found), 'receiver')}, {pagers} of them pagers", [table])


def _families(inputs: Inputs) -> Chart | None:
    families = inputs.replayed.families
    if not families:
        return None
    ordered = sorted(families, key=lambda family: -family.pages_saved)
    rows = [
        Bar(
            wording.short(
                f"{wording.family(family.family)} ({wording.number_of(family.rules, 'rule')})", 50
            ),
            [family.pages_saved],
            [numbers.count(family.pages_saved)],
        )
        for family in ordered
    ]
    svg = bars("Pages saved by family of rules", rows, ["pages saved"])
    return Chart(
        svg,
        "Pages saved by family; shares of one saving, estimated, since rules work together",
        inputs.sources.mark(evidence_of("replay_rules")),
    )


def _trade_off(inputs: Inputs) -> Chart | None:
    found = inputs.selected
    days = found.window.length()
    line = sorted((float(point.rules), point.pages / days) for point in found.curve)
    if len(line) < 2 or days <= 0:
        return None
    chosen = inputs.value("select_rules.rules")
    at = next((point for point in line if point[0] == chosen), None)
    most = covering([pages for _, pages in line], include=(0.0,))[1]
    svg = curves(
        "Pages a day against the number of rules",
        Axis("rules", 0, max(covering([rules for rules, _ in line], include=(0.0,))[1], 1.0)),
        Axis("pages a day", 0, most),
        [Curve(line, dots=len(line) <= 30)],
        point=(at, f"selected: {wording.number_of(int(at[0]), 'rule')}") if at else None,
        describe="Every further rule saves less; the marked point is the set of this report.",
    )
    return Chart(
        svg,
        f"Trade-off on the {days:g} days of the validation window: pages left against the "
        "number of rules",
        inputs.sources.mark(TRADE_OFF),
    )


def incidents_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about incidents that are missed or delayed.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    found = inputs.replayed.incidents
    missed = [incident for incident in found if incident.missed]
    notified = [
        incident
        for incident in found
        if incident.baseline_first_page is not None and not incident.missed
    ]
    later = [incident for incident in notified if (incident.delay_seconds or 0) > 0]
    same = [incident for incident in notified if (incident.delay_seconds or 0) <= 0]
    silent = [incident for incident in found if incident.baseline_first_page is None]
    blocks: list[Block] = [_verdict(missed, later, notified)]
    vanished = [incident for incident in found if incident.vanished]
    if vanished:
        names = ", ".join(wording.short(incident.ticket, 80) for incident in vanished[:5])
        more = f" and {len(vanished) - 5} more" if len(vanished) > 5 else ""
        blocks.append(
            Callout("bad", "Vanished", f"No receiver at all would be told of {names}{more}.")
        )
    if missed or later:
        caption = "Incidents missed or notified later, the worst first"
        blocks.append(_table(inputs, caption, [*missed, *later]))
    if same:
        label = f"{wording.number_of(len(same), 'incident')} notified as early as today, or earlier"
        blocks.append(Fold(label, [_table(inputs, "Notified as early as today, or earlier", same)]))
    if silent:
        label = (
            f"{wording.number_of(len(silent), 'incident')} that today’s configuration misses too"
        )
        blocks.append(Fold(label, [_table(inputs, "Not paged today", silent)]))
    blocks.append(_watched(inputs))
    return Chapter("incidents", "Incidents: missed and delayed", blocks, "Incidents")


def _verdict(
    missed: list[IncidentOutcome], later: list[IncidentOutcome], notified: list[IncidentOutcome]
) -> Block:
    known = len(missed) + len(notified)
    if not known:
        return Callout(
            "open",
            "No evidence",
            "Today’s configuration pages about no ticketed incident of this window, so none could "
            "be missed.",
        )
    of = f"of {wording.number_of(known, 'ticketed incident')} that page today"
    if missed:
        return Callout("bad", "Missed", f"Nobody would be notified of {len(missed)} {of}.")
    if not later:
        return Callout("good", "None missed", f"None {of} is missed, and none is notified later.")
    verb = "is" if len(later) == 1 else "are"
    return Callout(
        "good", "None missed", f"None {of} is missed; {len(later)} {verb} notified later."
    )


def _watched(inputs: Inputs) -> Prose:
    """Say what became of the rules that are in production already."""
    watched = inputs.watched
    mark = inputs.sources.mark(evidence_of("watch_rules"))
    if watched.released is None:
        text = "No rule set is released yet, so there was none to watch in production."
    elif watched.harmful_rules:
        text = "Rules of the released set hid incidents of late: see the first chapter."
    else:
        text = "The released rule set hid no incident of the test window."
    return Prose(join(text, mark))


def _table(inputs: Inputs, caption: str, found: list[IncidentOutcome]) -> Table:
    return Table(
        caption=caption,
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Incident"),
            Column("Detection delay", numeric=True),
            Column("First page, baseline (UTC)"),
            Column("First page, candidate"),
            Column("By rule"),
        ],
        rows=[_row(inputs, incident) for incident in found],
    )


def _row(inputs: Inputs, incident: IncidentOutcome) -> Row:
    return Row(
        [
            join(
                name(wording.short(incident.ticket, 80)),
                " (linked by service and time)" if incident.assumed_link else "",
            ),
            _delay(incident),
            wording.moment(incident.baseline_first_page),
            wording.moment(incident.candidate_first_page),
            _rules(inputs, incident.rules),
        ],
        strong=incident.missed,
    )


def _delay(incident: IncidentOutcome) -> Text:
    if incident.missed:
        return join(icon("bad"), "missed")
    return NONE if incident.baseline_first_page is None else wording.delay(incident.delay_seconds)


def _rules(inputs: Inputs, ids: list[str]) -> Text:
    shown: list[Text] = []
    for rule in ids:
        shown += [", ", inputs.rule_link(rule)] if shown else [inputs.rule_link(rule)]
    return join(*shown) if shown else NONE
