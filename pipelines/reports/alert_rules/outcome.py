"""Chapter "What changes": pages before and after, as pictures."""

from datetime import date

from pipelines.base.artifacts import evidence_of
from pipelines.reports import numbers
from pipelines.reports.alert_rules import words
from pipelines.reports.alert_rules.inputs import PAGES_PER_DAY, TRADE_OFF, Inputs
from pipelines.reports.blocks import Block, Chapter, Chart, Charts, Prose
from pipelines.reports.charts.bars import Bar, bars
from pipelines.reports.charts.curves import Axis, Curve, curves
from pipelines.reports.charts.scale import covering
from pipelines.reports.charts.steps import Steps, steps
from pipelines.reports.inputs import as_number

SERIES = ("today", "with the rules")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_STAGES = (
    ("events", "Events that monitoring saw"),
    ("alerts", "Alerts"),
    ("notifications", "Notifications of any kind"),
    ("pages", "Pages that wake somebody"),
)


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    span = inputs.replayed.window
    drawn = [_per_day(inputs), _trade_off(inputs), _funnel(inputs), _families(inputs)]
    blocks: list[Block] = [
        Prose(
            f"The last {span.days:g} days of the history, {words.day(span.start)} to "
            f"{words.day(span.end)} (UTC), were replayed twice: through today’s Alertmanager "
            "configuration and with the rules added. Nothing was learned from these days and "
            "nothing was chosen on them."
        ),
        Charts([chart for chart in drawn if chart is not None]),
    ]
    if not inputs.replayed.rules:
        blocks.insert(0, Prose("The rule set is empty: no candidate was worth its risk."))
    return Chapter("outcome", "What changes", blocks)


def _per_day(inputs: Inputs) -> Chart | None:
    rows = inputs.curves["pages_per_day"]
    counts = [(as_number(row.get("today")), as_number(row.get("with_rules"))) for row in rows]
    if not rows:
        return None
    svg = steps(
        "Pages on each day, today and with the rules",
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
        return words.short(text, 12)
    return f"{found.day} {_MONTHS[found.month - 1]}"


def _funnel(inputs: Inputs) -> Chart:
    stages = inputs.replayed.stages
    rows = []
    for key, label in _STAGES:
        pair = [getattr(stages.today, key), getattr(stages.with_rules, key)]
        rows.append(Bar(label, pair, [numbers.count(one) for one in pair]))
    svg = bars("From events to pages, today and with the rules", rows, SERIES)
    return Chart(
        svg,
        "From events to pages, counts; the day before the window, which the replay needs to get "
        "under way, is in these bars and in no other figure",
        inputs.sources.mark(evidence_of("replay_rules")),
    )


def _families(inputs: Inputs) -> Chart | None:
    families = inputs.replayed.families
    if not families:
        return None
    ordered = sorted(families, key=lambda one: -one.pages_saved)
    rows = [
        Bar(
            words.short(f"{words.family(one.family)} ({words.number_of(one.rules, 'rule')})", 50),
            [one.pages_saved],
            [numbers.count(one.pages_saved)],
        )
        for one in ordered
    ]
    svg = bars("Pages saved by family of rules", rows, ["pages saved"])
    return Chart(
        svg,
        "Pages saved by family; shares of one saving, estimated, since rules work together",
        inputs.sources.mark(evidence_of("replay_rules")),
    )


def _trade_off(inputs: Inputs) -> Chart | None:
    found = inputs.selected
    days = found.window.days
    line = sorted((float(one.rules), one.pages / days) for one in found.curve)
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
        point=(at, f"chosen: {words.number_of(int(at[0]), 'rule')}") if at else None,
        describe="Every further rule saves less; the marked point is the set of this report.",
    )
    return Chart(
        svg,
        f"Trade-off on the {days:g} days on which the rules were chosen: pages left against the "
        "number of rules",
        inputs.sources.mark(TRADE_OFF),
    )
