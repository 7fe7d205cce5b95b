"""Chapter "The data": the history that everything rests on."""

from pipelines.base.artifacts import evidence_of
from pipelines.reports import numbers
from pipelines.reports.alert_rules import words
from pipelines.reports.alert_rules.inputs import Inputs
from pipelines.reports.blocks import (
    Block,
    Callout,
    Chapter,
    Column,
    Facts,
    Prose,
    Row,
    Table,
    Text,
    join,
    name,
)

_FIGURES = (
    ("days_covered", "Days with alerts"),
    ("alerts", "Alerts"),
    ("series", "Series of alerts"),
    ("acted_known_share", "Alerts known to be acted on or not"),
    ("quarantined_share", "Records in quarantine"),
    ("incidents", "Ticketed incidents"),
    ("incidents_linked_share", "Incidents linked to alerts"),
)
_PARTS = (
    ("learn", "Learn", "candidates come from here"),
    ("choose", "Choose", "the set was chosen here"),
    ("judge", "Judge", "every figure of effect is from here, looked at once"),
)
RENEWED = ", then rules were mined again with these days"
_TABLES = ("alerts", "tickets", "changes")


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    return Chapter(
        "data",
        "The data it rests on",
        [_facts(inputs), *_missing(inputs), _parts(inputs), _sources(inputs), _quality(inputs)],
        "The data",
    )


def _facts(inputs: Inputs) -> Facts:
    items: list[tuple[str, Text]] = []
    for key, label in _FIGURES:
        figure_id = f"alert_history.{key}"
        figure = inputs.figure(figure_id)
        if figure is None:
            continue
        value = numbers.figure_value(figure).partition(words.SPACE)[0]
        items.append((label, join(value, inputs.sources.figure_mark(figure_id))))
    window = inputs.frozen.window
    first, last = (words.one_line(str(window[end])) for end in ("first", "last"))
    items.insert(0, ("Window", join(first, " to ", last)))
    return Facts(items)


def _missing(inputs: Inputs) -> list[Block]:
    missing = inputs.frozen.days_missing
    if not missing:
        return [Prose("No day of the window is without alerts.")]
    shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if missing[10:] else "")
    label = f"{words.number_of(len(missing), 'day')} without alerts"
    return [Callout("open", label, join(name(shown), ": none fired, or none was recorded."))]


def _parts(inputs: Inputs) -> Table:
    spans = inputs.mined.windows
    rows = [
        Row([label, words.day(spans[key].start), words.day(spans[key].end),
             f"{spans[key].days:g}", join(what, _more(inputs, key))])
        for key, label, what in _PARTS
        if key in spans
    ]  # fmt: skip
    return Table(
        caption="The three windows (UTC; the end is not part of it)",
        mark=inputs.sources.mark(evidence_of("mine_rules")),
        columns=[
            Column("Window"),
            Column("From"),
            Column("To"),
            Column("Days", numeric=True),
            Column("What for", wide=True),
        ],
        rows=rows,
    )


def _more(inputs: Inputs, part: str) -> str:
    return RENEWED if part == "choose" and inputs.renewed else ""


def _sources(inputs: Inputs) -> Table:
    found = sorted(inputs.frozen.sources.items(), key=lambda item: (-item[1], item[0]))
    return Table(
        caption="Where the alerts come from",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[Column("Source"), Column("Alerts", numeric=True)],
        rows=[Row([name(words.short(source, 80)), numbers.count(n)]) for source, n in found],
    )


def _quality(inputs: Inputs) -> Table:
    frozen = inputs.frozen
    rows = []
    for table in _TABLES:
        rules = frozen.rules.get(table, [])
        broken = [f"{rule.rule} ({rule.broken_rows:,})" for rule in rules if rule.broken_rows]
        count = numbers.count(frozen.counts.get(table))
        rows.append(Row([table, count, str(len(rules)), name("; ".join(broken) or "none")]))
    rows.append(Row(["quarantine", numbers.count(frozen.counts.get("quarantined")), "", ""]))
    return Table(
        caption="Records and the rules they were held against",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[
            Column("Table"),
            Column("Records", numeric=True),
            Column("Rules", numeric=True),
            Column("Broken rules (records)", wide=True),
        ],
        rows=rows,
    )
