"""Chapters "Services" and "Findings": who has how many, and each finding in its service."""

from collections.abc import Sequence

from pipelines.reports import numbers
from pipelines.reports.anomalies.cards import card, row_table
from pipelines.reports.blocks import (
    Block,
    Chapter,
    Column,
    Fold,
    Prose,
    Row,
    Section,
    Table,
    Text,
    join,
    link,
)
from pipelines.reports.incidents import frame, words
from pipelines.reports.incidents.inputs import LOGS, METRICS, Inputs
from pipelines.reports.incidents.places import Places, anchor
from pipelines.reports.incidents.shapes import Finding
from pipelines.reports.provenance import Sources

OPEN_ROWS = 30
OPEN_CARDS = 4
"""Findings of a service that stand open; the others fold."""


def chapters(inputs: Inputs, places: Places, sources: Sources) -> list[Chapter]:
    """Build both chapters."""
    if not places.findings:
        nothing = Prose("Nothing unusual was found in this time.")
        return [Chapter("services", "Findings by service", [nothing], "Findings")]
    mark = sources.mark(METRICS, LOGS)
    how = Prose(
        "“Once in 1,000 runs” means: data without anomalies would show at least this in one of "
        "1,000 such runs, with everything else that was looked at taken into account. Blue is what "
        "was seen, orange-red the unusual time, green the band that was expected at its most "
        "unusual value."
    )
    sections: list[Block] = [
        _section(service, found, inputs, places) for service, found in places.findings.items()
    ]
    left_out = len(inputs.found) - sum(map(len, places.findings.values()))
    if left_out > 0:
        both = f"{METRICS.as_posix()} and {LOGS.as_posix()}"
        sections.append(frame.left_out_of(left_out, "finding", both))
    return [
        Chapter(
            "services", "Services, the rarest finding first", _overview(places, mark), "Services"
        ),
        Chapter("findings", "Findings by service", [how, *sections], "Findings"),
    ]


def _overview(places: Places, mark: Text) -> list[Block]:
    rows = [_row(service, found, places) for service, found in places.findings.items()]
    columns = [
        Column("Service"),
        Column("Metric findings", numeric=True),
        Column("Log findings", numeric=True),
        Column("Rarest"),
        Column("Incidents"),
        Column("On the map"),
    ]
    blocks: list[Block] = [Table("Services with findings", columns, rows[:OPEN_ROWS], mark)]
    if len(rows) > OPEN_ROWS:
        label = f"The other {len(rows) - OPEN_ROWS:,} services"
        blocks.append(Fold(label, [Table(label, columns, rows[OPEN_ROWS:])]))
    return blocks


def _row(service: str, found: Sequence[Finding], places: Places) -> Row:
    own = places.of_service.get(service, [])
    return Row(
        [
            link(anchor("service", service), words.shown(service, 60)),
            numbers.count(sum(one.signal == "metric" for one in found)),
            numbers.count(sum(one.signal == "log" for one in found)),
            words.one_line(words.rareness(found[0].score)),
            places.incidents_of(own) if own else numbers.NONE,
            places.node(service, "map") if service in places.nodes else numbers.NONE,
        ]
    )


def _section(service: str, found: Sequence[Finding], inputs: Inputs, places: Places) -> Section:
    """Show findings with a plot or lines as cards, the others in a table."""
    told = [one for one in found if _pictured(one, inputs)]
    rest = [one for one in found if not _pictured(one, inputs)]
    cards: list[Block] = [card(one, inputs, places) for one in told]
    blocks: list[Block] = [Prose(_about(service, found, places), quiet=True), *cards[:OPEN_CARDS]]
    if len(cards) > OPEN_CARDS:
        label = f"{words.number_of(len(cards) - OPEN_CARDS, 'more finding')} with plots"
        blocks.append(Fold(label, cards[OPEN_CARDS:]))
    if rest:
        blocks += row_table(rest, places, fold=bool(cards))
    return Section(anchor("service", service), words.shown(service), blocks)


def _pictured(one: Finding, inputs: Inputs) -> bool:
    return any(
        one.id in part for part in (inputs.metrics.plots, inputs.logs.plots, inputs.logs.lines)
    )


def _about(service: str, found: Sequence[Finding], places: Places) -> Text:
    own = places.of_service.get(service, [])
    parts: list[Text] = [words.number_of(len(found), "finding")]
    if own:
        parts.append(join("incidents: ", places.incidents_of(own)))
    if service in places.nodes:
        parts.append(places.node(service, "on the map"))
    return words.dotted(parts)
