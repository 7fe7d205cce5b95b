"""The page about anomalies: findings by service, each with its plot or its lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from pipelines.aiops.lake.findings import Finding, LogLine, Plot
from pipelines.aiops.params.artifacts import INCIDENTS
from pipelines.aiops.report.incidents import coverage, links, wording
from pipelines.aiops.report.incidents.evidence import LOGS, METRICS, Inputs
from pipelines.aiops.report.incidents.links import LinkTargets, anchor, by_service
from pipelines.reporting import index, numbers
from pipelines.reporting.blocks import (
    Block,
    Chapter,
    Chart,
    Charts,
    Code,
    Column,
    Facts,
    Fold,
    Headline,
    Prose,
    Row,
    Section,
    Table,
    Text,
    Tone,
    folded,
    join,
    paged,
    strong,
)
from pipelines.reporting.charts.axes import short_number
from pipelines.reporting.charts.band import Watched, band
from pipelines.reporting.page import Banner, Page
from pipelines.reporting.provenance import Sources

MOST_LINES, MOST_LABELS, OPEN_FINDINGS = 5, 6, 20


def card(finding: Finding, inputs: Inputs, targets: LinkTargets) -> Section:
    """Build the section of a finding that has a plot or lines.

    Parameters
    ----------
    finding : Finding
        A finding with a plot or lines.
    inputs : Inputs
        Everything the pages are made from.
    targets : LinkTargets
        What the pages show, and where.

    Returns
    -------
    Section
        The section, with links to its incidents and its node.
    """
    plot = inputs.metrics.plots.get(finding.id) or inputs.logs.plots.get(finding.id)
    blocks: list[Block] = [Prose(wording.sentence(finding.sentence, finding.kind, 400))]
    if plot:
        blocks.append(_plot(finding, plot))
    blocks.append(Facts(_facts(finding, plot)))
    blocks += _ways(finding, targets)
    lines = inputs.lines.get(finding.id, [])
    if lines:
        blocks.append(_lines(lines))
    return Section(anchor("finding", finding.id), _title(finding), blocks)


def _title(finding: Finding) -> Text:
    what = wording.kind(finding.kind).capitalize()
    subject = _subject(finding)
    return join(f"{what}: ", wording.shown(subject, 80)) if subject else what


def _subject(finding: Finding) -> str:
    if finding.signal == "log":
        return str(finding.evidence.get("text") or finding.evidence.get("first_line") or "")
    return finding.labels.get("__name__", "")


def _facts(finding: Finding, plot: Plot | None) -> list[tuple[str, Text]]:
    unit = _unit(finding, plot)
    facts: list[tuple[str, Text]] = [
        ("How rare", wording.rareness(finding.score)),
        ("When (UTC)", wording.span(finding.start_us, finding.end_us)),
        ("Lasted", wording.lasted(finding.start_us, finding.end_us)),
    ]
    if finding.observed is not None:
        facts.append(("Seen", _quantity(finding.observed, unit)))
    expected = _expected(finding, unit)
    if expected:
        facts.append(("Expected", expected))
    if finding.instance:
        facts.append(("Instance", wording.shown(finding.instance, 80)))
    labels = [(k, v) for k, v in sorted(finding.labels.items()) if k not in ("__name__", "service")]
    if labels:
        texts = [wording.shown(f"{key}={value}", 60) for key, value in labels]
        facts.append(("Labels", wording.listed(texts, MOST_LABELS)))
    return facts


def _ways(finding: Finding, targets: LinkTargets) -> list[Block]:
    """Lead to the incident, to what else it is made of, and to the map."""
    parts: list[Text] = []
    incidents = targets.of_finding.get(finding.id)
    if incidents:
        parts.append(join("Incident: ", targets.incidents_of(incidents)))
        parts += _beside(finding, targets)
    if finding.service in targets.nodes:
        parts.append(join("On the map: ", targets.node(finding.service)))
    return [Prose(wording.dotted(parts))] if parts else []


def _beside(finding: Finding, targets: LinkTargets) -> list[Text]:
    """Lead from a plot to log lines of the same incident, and from lines to plots."""
    wanted, label = ("log", "log lines") if finding.signal == "metric" else ("metric", "plots")
    mine = {incident.id for incident in targets.of_finding[finding.id]}
    near = [
        other
        for found in targets.findings.values()
        for other in found
        if other.signal == wanted and mine & {i.id for i in targets.of_finding.get(other.id, [])}
    ]
    if not near:
        return []
    near.sort(key=lambda other: (other.service != finding.service, -other.score, other.id))
    links = [targets.finding(other.id, _where(other), page="") for other in near[:3]]
    more = len(near) - len(links)
    return [join(f"its {label}: ", wording.listed(links), f" and {more:,} more" if more else "")]


def _where(finding: Finding) -> Text:
    return join(wording.kind(finding.kind), " of ", wording.shown(finding.service, 40))


def _unit(finding: Finding, plot: Plot | None) -> str:
    """Say in what it was measured: logs in lines, shares of messages or seconds of silence."""
    own = {"silence": "seconds", "changed_mix": "distance of shares, 0 to 1"}
    if finding.signal == "log":
        return own.get(finding.kind, "lines")
    unit = plot.unit if plot else str(finding.evidence.get("unit") or "")
    rate = plot.per_second if plot else bool(finding.evidence.get("rate_per_second"))
    unit = "" if unit == "1" else wording.plain(unit, 24)
    return f"{unit} per second".strip() if rate else unit


def _quantity(value: float, unit: str) -> Text:
    shown = short_number(value)
    return wording.shown(f"{shown} {unit}".strip(), 60)


def _expected(finding: Finding, unit: str) -> Text:
    low, high = finding.expected_low, finding.expected_high
    if low is None and high is None:
        return ""
    if low is None or high is None:
        bound, word = (high, "at most") if high is not None else (low, "at least")
        return join(f"{word} ", _quantity(bound or 0.0, unit))
    if low == high:
        return _quantity(low, unit)
    return join(f"{short_number(low)} to ", _quantity(high, unit))


def _plot(finding: Finding, plot: Plot) -> Charts:
    counts = finding.signal == "log"
    unit = f"lines in {wording.duration(plot.step_us / 1e6)}" if counts else _unit(finding, plot)
    watched = Watched(
        plot.start_us,
        plot.step_us,
        plot.values,
        finding.start_us,
        finding.end_us,
        plot.low,
        plot.high,
        unit,
        counts,
    )
    subject = wording.plain(_subject(finding), 60)
    title = f"{wording.kind(finding.kind)}, {subject}: {wording.rareness(finding.score)}"
    drawn = band(title, watched, describe=wording.plain(finding.sentence, 300))
    caption = join(wording.span(plot.start_us, watched.end_us), " UTC")
    return Charts([Chart(drawn, caption)])


def _lines(lines: Sequence[LogLine]) -> Code:
    """First lines; each is set apart, so that one can't turn the next around."""
    shown = [
        Markup("{} {} <bdi>{}</bdi>").format(
            wording.moment_to_second(line.at_us), wording.plain(line.severity, 10),
            wording.plain(line.body, 400),
        )
        for line in lines[:MOST_LINES]
    ]  # fmt: skip
    return Code(shown, "First log lines, UTC, masked")


def row_table(found: Sequence[Finding], targets: LinkTargets, *, fold: bool) -> list[Block]:
    """Build the table of findings without a plot.

    Parameters
    ----------
    found : sequence of Finding
        Findings, in the order of the rows.
    targets : LinkTargets
        What the pages show, and where.
    fold : bool
        Whether the table folds.

    Returns
    -------
    list of Block
        The table; none without findings.
    """
    columns = [
        Column("Finding", wide=True),
        Column("Kind"),
        Column("When (UTC)"),
        Column("How rare"),
        Column("Incident"),
    ]
    rows = [_finding_row(finding, targets) for finding in found]
    label = f"{wording.number_of(len(rows), 'finding')} without a plot"
    table = Table(label, columns, rows)
    return [Fold(label, [table])] if fold or len(rows) > OPEN_FINDINGS else [table]


def _finding_row(finding: Finding, targets: LinkTargets) -> Row:
    incidents = targets.of_finding.get(finding.id)
    return Row(
        [
            wording.sentence(finding.sentence, finding.kind, 220),
            wording.kind(finding.kind),
            wording.span(finding.start_us, finding.end_us),
            wording.one_line(wording.rareness(finding.score)),
            targets.incidents_of(incidents) if incidents else numbers.NONE,
        ],
        anchor("finding", finding.id),
    )


MOST_ROWS, OPEN_SERVICES = 500, 8
OPEN_CARDS = 1
"""Findings of the first service that stand open; the others, and those of other services, fold."""


def chapters(inputs: Inputs, targets: LinkTargets, sources: Sources) -> list[Chapter]:
    """Build the chapters about findings, by service.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.
    targets : LinkTargets
        What the pages show, and where.
    sources : Sources
        Numbers of the artifacts that the page rests on.

    Returns
    -------
    list of Chapter
        Chapters in the order of the page.
    """
    if not targets.findings:
        nothing = Prose("Nothing unusual was found in this time.")
        return [Chapter("services", "Findings by service", [nothing], "Findings")]
    mark = sources.mark(METRICS, LOGS)
    how = Prose(
        "“Once in 1,000 runs” means: data without anomalies would show at least this in one of "
        "1,000 such runs, with everything else that was examined taken into account. Blue is what "
        "was seen, orange-red the unusual time, green the band that was expected at its most "
        "unusual value."
    )
    all_found = by_service(inputs.found.values())
    sections: list[Block] = [
        _section(service, len(all_found[service]), inputs, targets, OPEN_CARDS if n == 0 else 0)
        for n, service in enumerate(targets.findings)
    ]
    blocks = [how, *sections[:OPEN_SERVICES]]
    rest = sections[OPEN_SERVICES:]
    if rest:
        blocks.append(Fold(f"Findings of {wording.number_of(len(rest), 'more service')}", rest))
    left_out = len(inputs.found) - len(targets.shown)
    if left_out > 0:
        both = f"{METRICS.as_posix()} and {LOGS.as_posix()}"
        blocks.append(links.left_out_of(left_out, "finding", both))
    overview = _overview(all_found, targets, mark)
    return [
        Chapter("services", "Services, the rarest finding first", overview, "Services"),
        Chapter("findings", "Findings by service", blocks, "Findings"),
    ]


def _overview(found: Mapping[str, list[Finding]], targets: LinkTargets, mark: Text) -> list[Block]:
    rows = [_service_row(service, own, targets) for service, own in list(found.items())[:MOST_ROWS]]
    columns = [
        Column("Service"),
        Column("Metric findings", numeric=True),
        Column("Log findings", numeric=True),
        Column("Rarest"),
        Column("Incidents"),
        Column("On the map"),
    ]
    blocks = paged(Table("Services with findings", columns, rows, mark))
    if len(found) > MOST_ROWS:
        blocks.append(
            Prose(f"{wording.number_of(len(found) - MOST_ROWS, 'service')} more left out.")
        )
    return blocks


def _service_row(service: str, found: Sequence[Finding], targets: LinkTargets) -> Row:
    own = targets.of_service.get(service, [])
    return Row(
        [
            targets.service(service, page=""),
            numbers.count(sum(finding.signal == "metric" for finding in found)),
            numbers.count(sum(finding.signal == "log" for finding in found)),
            wording.one_line(wording.rareness(found[0].score)),
            targets.incidents_of(own) if own else numbers.NONE,
            targets.node(service, "map") if service in targets.nodes else numbers.NONE,
        ]
    )


def _section(service: str, count: int, inputs: Inputs, targets: LinkTargets, shown: int) -> Section:
    """Show findings with a plot or lines as cards, `shown` of them open, the others in a table."""
    found = targets.findings[service]
    pictured = [finding for finding in found if _pictured(finding, inputs)]
    rest = [finding for finding in found if not _pictured(finding, inputs)]
    cards: list[Block] = [card(finding, inputs, targets) for finding in pictured]
    blocks: list[Block] = [Prose(_about(service, count, targets), quiet=True), *cards[:shown]]
    if len(cards) > shown:
        label = wording.number_of(len(cards) - shown, "more finding" if shown else "finding")
        blocks.append(Fold(f"{label} with plots", cards[shown:]))
    if rest:
        blocks += row_table(rest, targets, fold=bool(cards))
    return Section(anchor("service", service), wording.shown(service), blocks)


def _pictured(finding: Finding, inputs: Inputs) -> bool:
    return any(
        finding.id in part for part in (inputs.metrics.plots, inputs.logs.plots, inputs.lines)
    )


def _about(service: str, count: int, targets: LinkTargets) -> Text:
    own = targets.of_service.get(service, [])
    parts: list[Text] = [wording.number_of(count, "finding")]
    shown = len(targets.findings[service])
    if shown < count:
        parts.append(f"{shown:,} of them shown")
    if own:
        parts.append(join("incidents: ", targets.incidents_of(own)))
    if service in targets.nodes:
        parts.append(targets.node(service, "on the map"))
    return wording.dotted(parts)


KIND = "anomalies"
TITLE = "Anomalies in metrics and logs"
TABLES = (METRICS, LOGS, INCIDENTS)


def make_page(inputs: Inputs, targets: LinkTargets, sources: Sources) -> Page:
    """Build the page: services with the rarest findings first.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.
    targets : LinkTargets
        What the pages show, and where.
    sources : Sources
        Numbers of the artifacts that the page rests on.

    Returns
    -------
    Page
        The page, not rendered yet.
    """
    return Page(
        kind="Anomalies" + links.synthetic(inputs),
        title=TITLE,
        banner=_banner(inputs, targets),
        headline=_headline(inputs, sources),
        facts=links.facts(inputs),
        notice_label=links.notice_label(inputs),
        notice=links.notice(inputs),
        chapters=[
            *chapters(inputs, targets, sources),
            folded(coverage.of_anomalies(inputs, sources)),
            folded(index.chapter(sources)),
        ],
        foot=index.foot(Path(f"reports/{KIND}.json")),
        styles=("folds.css", "incidents.css"),
    )


def says(inputs: Inputs) -> str:
    """Summarise the page in a few words.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    str
        Number of anomalies.
    """
    n = len(inputs.found)
    return f"{n:,} anomal{'y' if n == 1 else 'ies'}" if n else "No anomalies"


def _banner(inputs: Inputs, targets: LinkTargets) -> Banner:
    tone: Tone = "open" if inputs.found or coverage.nothing_seen(inputs) else "good"
    sentences: list[Text] = []
    if inputs.found:
        rarest = max(inputs.found.values(), key=lambda f: (f.score, -f.start_us, f.id))
        services = {finding.service for finding in inputs.found.values() if finding.service}
        sentences.append(f"In {wording.number_of(len(services), 'service')}.")
        sentences.append(
            join(
                "The rarest: ",
                strong(
                    targets.finding(
                        rarest.id, wording.sentence(rarest.sentence, rarest.kind, 200), page=""
                    )
                ),
                f" – {wording.rareness(rarest.score)}.",
            )
        )
    elif tone == "open":
        sentences.append("But there was nothing to look at: no metrics and no logs.")
    else:
        sentences.append("No finding passed the false-discovery limit.")
    return Banner(says(inputs), tone, sentences)


def _headline(inputs: Inputs, sources: Sources) -> Headline:
    metrics, logs = inputs.metrics, inputs.logs
    grouped = {id_ for incident in inputs.incidents.incidents for id_ in inputs.members(incident)}
    together = sum(id_ in grouped for id_ in inputs.found)
    return Headline(
        [
            (
                "In metrics",
                numbers.count(len(metrics.findings)),
                join(_of(metrics.counts.get("series"), "series"), sources.mark(METRICS)),
            ),
            (
                "In logs",
                numbers.count(len(logs.findings)),
                join(_of(logs.counts.get("lines"), "lines"), sources.mark(LOGS)),
            ),
            (
                "Part of incidents",
                numbers.count(together),
                join("of these findings", sources.mark(INCIDENTS)),
            ),
        ]
    )


def _of(n: object, noun: str) -> str:
    return f"among {n:,} {noun}" if isinstance(n, int) else f"{noun} were not counted"
