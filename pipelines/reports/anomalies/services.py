"""Chapters "Services" and "Findings": who has how many, and each finding in its service."""

from collections.abc import Mapping, Sequence

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
)
from pipelines.reports.incidents import frame, words
from pipelines.reports.incidents.inputs import LOGS, METRICS, Inputs
from pipelines.reports.incidents.places import Places, anchor, by_service
from pipelines.reports.incidents.shapes import Finding
from pipelines.reports.provenance import Sources

OPEN_ROWS, MOST_ROWS, OPEN_SERVICES = 30, 500, 15
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
    all_found = by_service(inputs.found.values())
    sections: list[Block] = [
        _section(service, len(all_found[service]), inputs, places) for service in places.findings
    ]
    blocks = [how, *sections[:OPEN_SERVICES]]
    rest = sections[OPEN_SERVICES:]
    if rest:
        blocks.append(Fold(f"Findings of {words.number_of(len(rest), 'more service')}", rest))
    left_out = len(inputs.found) - len(places.shown)
    if left_out > 0:
        both = f"{METRICS.as_posix()} and {LOGS.as_posix()}"
        blocks.append(frame.left_out_of(left_out, "finding", both))
    overview = _overview(all_found, places, mark)
    return [
        Chapter("services", "Services, the rarest finding first", overview, "Services"),
        Chapter("findings", "Findings by service", blocks, "Findings"),
    ]


def _overview(found: Mapping[str, list[Finding]], places: Places, mark: Text) -> list[Block]:
    rows = [_row(service, own, places) for service, own in list(found.items())[:MOST_ROWS]]
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
        label = f"The next {words.number_of(len(rows) - OPEN_ROWS, 'service')}"
        blocks.append(Fold(label, [Table(label, columns, rows[OPEN_ROWS:])]))
    if len(found) > MOST_ROWS:
        blocks.append(Prose(f"{words.number_of(len(found) - MOST_ROWS, 'service')} more left out."))
    return blocks


def _row(service: str, found: Sequence[Finding], places: Places) -> Row:
    own = places.of_service.get(service, [])
    return Row(
        [
            places.service(service, page=""),
            numbers.count(sum(one.signal == "metric" for one in found)),
            numbers.count(sum(one.signal == "log" for one in found)),
            words.one_line(words.rareness(found[0].score)),
            places.incidents_of(own) if own else numbers.NONE,
            places.node(service, "map") if service in places.nodes else numbers.NONE,
        ]
    )


def _section(service: str, count: int, inputs: Inputs, places: Places) -> Section:
    """Show findings with a plot or lines as cards, the others in a table."""
    found = places.findings[service]
    told = [one for one in found if _pictured(one, inputs)]
    rest = [one for one in found if not _pictured(one, inputs)]
    cards: list[Block] = [card(one, inputs, places) for one in told]
    blocks: list[Block] = [Prose(_about(service, count, places), quiet=True), *cards[:OPEN_CARDS]]
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


def _about(service: str, count: int, places: Places) -> Text:
    own = places.of_service.get(service, [])
    parts: list[Text] = [words.number_of(count, "finding")]
    shown = len(places.findings[service])
    if shown < count:
        parts.append(f"{shown:,} of them shown")
    if own:
        parts.append(join("incidents: ", places.incidents_of(own)))
    if service in places.nodes:
        parts.append(places.node(service, "on the map"))
    return words.dotted(parts)
