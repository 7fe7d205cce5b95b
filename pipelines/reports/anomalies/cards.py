"""One finding: its sentence, its plot, its lines, and the ways to incident and map."""

from collections.abc import Sequence

from markupsafe import Markup

from pipelines.reports import numbers
from pipelines.reports.blocks import (
    Block,
    Chart,
    Charts,
    Code,
    Column,
    Facts,
    Fold,
    Prose,
    Row,
    Section,
    Table,
    Text,
    join,
)
from pipelines.reports.charts.band import Watched, band
from pipelines.reports.charts.times import short_number
from pipelines.reports.incidents import words
from pipelines.reports.incidents.inputs import Inputs
from pipelines.reports.incidents.places import Places, anchor
from pipelines.reports.incidents.shapes import Finding, Line, Plot

MOST_LINES, MOST_LABELS, OPEN_ROWS = 5, 6, 20


def card(one: Finding, inputs: Inputs, places: Places) -> Section:
    """Build the section of a finding that has a plot or lines."""
    plot = inputs.metrics.plots.get(one.id) or inputs.logs.plots.get(one.id)
    blocks: list[Block] = [Prose(words.sentence(one.sentence, one.kind, 400))]
    if plot:
        blocks.append(_plot(one, plot))
    blocks.append(Facts(_facts(one, plot)))
    blocks += _ways(one, places)
    lines = inputs.logs.lines.get(one.id, [])
    if lines:
        blocks.append(_lines(lines))
    return Section(anchor("finding", one.id), _title(one), blocks)


def _title(one: Finding) -> Text:
    what = words.kind(one.kind).capitalize()
    subject = _subject(one)
    return join(f"{what}: ", words.shown(subject, 80)) if subject else what


def _subject(one: Finding) -> str:
    if one.signal == "log":
        return str(one.evidence.get("text") or one.evidence.get("first_line") or "")
    return one.labels.get("__name__", "")


def _facts(one: Finding, plot: Plot | None) -> list[tuple[str, Text]]:
    unit = _unit(one, plot)
    facts: list[tuple[str, Text]] = [
        ("How rare", words.rareness(one.score)),
        ("When (UTC)", words.span(one.start_us, one.end_us)),
        ("Lasted", words.lasted(one.start_us, one.end_us)),
    ]
    if one.observed is not None:
        facts.append(("Seen", _quantity(one.observed, unit)))
    expected = _expected(one, unit)
    if expected:
        facts.append(("Expected", expected))
    if one.instance:
        facts.append(("Instance", words.shown(one.instance, 80)))
    labels = [(k, v) for k, v in sorted(one.labels.items()) if k not in ("__name__", "service")]
    if labels:
        told = [words.shown(f"{key}={value}", 60) for key, value in labels]
        facts.append(("Labels", words.listed(told, MOST_LABELS)))
    return facts


def _ways(one: Finding, places: Places) -> list[Block]:
    """Lead to the incident, to what else it is made of, and to the map."""
    parts: list[Text] = []
    incidents = places.of_finding.get(one.id)
    if incidents:
        parts.append(join("Incident: ", places.incidents_of(incidents)))
        parts += _beside(one, places)
    if one.service in places.nodes:
        parts.append(join("On the map: ", places.node(one.service)))
    return [Prose(words.dotted(parts))] if parts else []


def _beside(one: Finding, places: Places) -> list[Text]:
    """Lead from a plot to log lines of the same incident, and from lines to plots."""
    wanted, label = ("log", "log lines") if one.signal == "metric" else ("metric", "plots")
    mine = {incident.id for incident in places.of_finding[one.id]}
    near = [
        other
        for found in places.findings.values()
        for other in found
        if other.signal == wanted and mine & {i.id for i in places.of_finding.get(other.id, [])}
    ]
    if not near:
        return []
    near.sort(key=lambda other: (other.service != one.service, -other.score, other.id))
    links = [places.finding(other.id, _where(other), page="") for other in near[:3]]
    more = len(near) - len(links)
    return [join(f"its {label}: ", words.listed(links), f" and {more:,} more" if more else "")]


def _where(one: Finding) -> Text:
    return join(words.kind(one.kind), " of ", words.shown(one.service, 40))


def _unit(one: Finding, plot: Plot | None) -> str:
    """Say in what it was measured: logs in lines, shares of messages or seconds of silence."""
    own = {"silence": "seconds", "changed_mix": "distance of shares, 0 to 1"}
    if one.signal == "log":
        return own.get(one.kind, "lines")
    unit = plot.unit if plot else str(one.evidence.get("unit") or "")
    rate = plot.per_second if plot else bool(one.evidence.get("rate_per_second"))
    unit = "" if unit == "1" else words.plain(unit, 24)
    return f"{unit} per second".strip() if rate else unit


def _quantity(value: float, unit: str) -> Text:
    shown = short_number(value)
    return words.shown(f"{shown} {unit}".strip(), 60)


def _expected(one: Finding, unit: str) -> Text:
    low, high = one.expected_low, one.expected_high
    if low is None and high is None:
        return ""
    if low is None or high is None:
        bound, word = (high, "at most") if high is not None else (low, "at least")
        return join(f"{word} ", _quantity(bound or 0.0, unit))
    if low == high:
        return _quantity(low, unit)
    return join(f"{short_number(low)} to ", _quantity(high, unit))


def _plot(one: Finding, plot: Plot) -> Charts:
    counts = one.signal == "log"
    unit = f"lines in {words.duration(plot.step_us / 1e6)}" if counts else _unit(one, plot)
    watched = Watched(
        plot.start_us,
        plot.step_us,
        plot.values,
        one.start_us,
        one.end_us,
        plot.low,
        plot.high,
        unit,
        counts,
    )
    title = f"{words.kind(one.kind)}, {words.plain(_subject(one), 60)}: {words.rareness(one.score)}"
    drawn = band(title, watched, describe=words.plain(one.sentence, 300))
    caption = join(words.span(plot.start_us, watched.end_us), " UTC")
    return Charts([Chart(drawn, caption)])


def _lines(lines: Sequence[Line]) -> Code:
    """First lines; each is set apart, so that one can't turn the next around."""
    shown = [
        Markup("{} {} <bdi>{}</bdi>").format(
            words.moment_to_second(line.at_us), words.plain(line.severity or "", 10),
            words.plain(line.body, 400),
        )
        for line in lines[:MOST_LINES]
    ]  # fmt: skip
    return Code(shown, "First log lines, UTC, masked")


def row_table(found: Sequence[Finding], places: Places, *, fold: bool) -> list[Block]:
    """Table of findings without a plot; it folds behind cards or where it is long."""
    columns = [
        Column("Finding", wide=True),
        Column("Kind"),
        Column("When (UTC)"),
        Column("How rare"),
        Column("Incident"),
    ]
    rows = [_row(one, places) for one in found]
    label = f"{words.number_of(len(rows), 'finding')} without a plot"
    table = Table(label, columns, rows)
    return [Fold(label, [table])] if fold or len(rows) > OPEN_ROWS else [table]


def _row(one: Finding, places: Places) -> Row:
    incidents = places.of_finding.get(one.id)
    return Row(
        [
            words.sentence(one.sentence, one.kind, 220),
            words.kind(one.kind),
            words.span(one.start_us, one.end_us),
            words.one_line(words.rareness(one.score)),
            places.incidents_of(incidents) if incidents else numbers.NONE,
        ],
        anchor("finding", one.id),
    )
