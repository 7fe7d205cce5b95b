"""The page about incidents: what a person on call needs first, then what it rests on."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipelines.aiops.incidents.model import Cause, Incident, Similar, enough_to_tell
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.params.artifacts import INCIDENTS
from pipelines.aiops.report.incidents import coverage, links, wording
from pipelines.aiops.report.incidents.evidence import LOGS, MAP, METRICS, Inputs
from pipelines.aiops.report.incidents.links import LinkTargets, anchor
from pipelines.reporting import index, numbers
from pipelines.reporting.blocks import (
    Block,
    Chapter,
    Chart,
    Charts,
    Column,
    Facts,
    Fold,
    Headline,
    Prose,
    Ranked,
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
from pipelines.reporting.charts.strip import Mark, strip
from pipelines.reporting.page import Banner, Page
from pipelines.reporting.provenance import Sources

MOST_CAUSES, MOST_REASONS, MOST_FINDINGS, MOST_ENTRIES, MOST_SIMILAR = 5, 6, 12, 40, 5
_ROWS = {
    "change": "changes",
    "alert": "alerts",
    "metric": "metrics",
    "log": "logs",
    "service_map": "map",
}


def section(incident: Incident, number: int, inputs: Inputs, targets: LinkTargets) -> Section:
    """Build the section of an incident.

    Parameters
    ----------
    incident : Incident
        The incident.
    number : int
        Its rank, from 1.
    inputs : Inputs
        Everything the pages are made from.
    targets : LinkTargets
        What the pages show, and where.

    Returns
    -------
    Section
        The section, folded behind the first ones.
    """
    known = [found for found in map(inputs.finding, incident.findings) if found]
    blocks: list[Block] = [
        Prose(_when(incident, known), quiet=True),
        Facts(_reach(incident, inputs, targets)),
        Section(anchor("causes", incident.id), "Likely causes", _causes(incident.causes, targets)),
        Fold(
            "What happened when, what was found, what helped before",
            [
                Section(
                    anchor("timeline", incident.id),
                    "What happened when",
                    _timeline(incident, known, targets),
                ),
                Section(
                    anchor("findings", incident.id),
                    "What was found",
                    _findings(incident, known, targets),
                ),
                Section(
                    anchor("before", incident.id), "What helped before", _before(incident.similar)
                ),
            ],
        ),
    ]
    title = join(f"{number}. ", wording.shown(incident.title, 140))
    return Section(anchor("incident", incident.id), title, blocks)


def _when(incident: Incident, known: Sequence[Finding]) -> Text:
    counts = Counter(found.signal for found in known)
    order = sorted(counts, key=lambda key: (list(_ROWS).index(key) if key in _ROWS else 9, key))
    what = ", ".join(wording.counted(key, counts[key]) for key in order)
    what = what or wording.number_of(len(incident.findings), "finding")
    length = wording.lasted(incident.start_us, incident.end_us)
    return join(wording.span(incident.start_us, incident.end_us), f" UTC · {length} · {what}")


def _left_out(n: int, noun: str) -> list[Block]:
    return [Prose(f"{wording.number_of(n, noun)} more left out.", quiet=True)] if n > 0 else []


def _reach(incident: Incident, inputs: Inputs, targets: LinkTargets) -> list[tuple[str, Text]]:
    """Affected services, those that call them, and those further up."""
    affected = set(incident.affected)
    calling = {a for a, b in inputs.incidents.graph.calls if b in affected}
    direct = [service for service in incident.exposed if service in calling]
    others = [service for service in incident.exposed if service not in calling]

    def links(services: Sequence[str]) -> Text:
        return wording.listed([targets.node(service) for service in services])

    return [
        (
            f"Affected: {wording.number_of(len(incident.affected), 'service')}",
            links(incident.affected),
        ),
        (f"Exposed, they call these: {len(direct):,}", links(direct)),
        (f"Exposed through others: {len(others):,}", links(others)),
    ]


def _causes(causes: Sequence[Cause], targets: LinkTargets) -> list[Block]:
    """Show the likeliest cause; the other suspects fold."""
    if not causes:
        return [Prose("No service can be suspected: the findings name none.")]
    ranked = [
        (
            targets.node(cause.service),
            f"{numbers.decimal(cause.score, 1)} nats",
            [
                *_standing(cause),
                *(wording.shown(reason, 500) for reason in cause.evidence[:MOST_REASONS]),
                *_more(len(cause.evidence) - MOST_REASONS),
            ],
        )
        for cause in causes[:MOST_CAUSES]
    ]
    blocks: list[Block] = [*_doubt(causes), Ranked(ranked[:1])]
    if ranked[1:]:
        left = _left_out(len(causes) - MOST_CAUSES, "suspect")
        label = f"{wording.number_of(len(ranked) - 1, 'other suspect')}, the likeliest first"
        blocks.append(Fold(label, [Ranked(ranked[1:]), *left]))
    return blocks


def _doubt(causes: Sequence[Cause]) -> list[Block]:
    if not causes or enough_to_tell(causes):
        return []
    return [Prose("Not enough to tell: the second suspect is nearly as likely as the first.")]


def _standing(cause: Cause) -> list[Text]:
    """Say how a suspect reached the symptoms, what speaks against it, what was not looked at."""
    said: list[Text] = []
    if cause.path:
        said.append(join("Path to the symptoms: ", wording.shown(" → ".join(cause.path), 200)))
    if cause.against:
        said.append(join("Against it: ", wording.shown("; ".join(cause.against), 300)))
    if cause.unseen:
        said.append(f"Nothing was seen of it in: {', '.join(cause.unseen)}")
    return said


def _more(n: int) -> list[Text]:
    return [f"and {n:,} more"] if n > 0 else []


def _timeline(incident: Incident, known: Sequence[Finding], targets: LinkTargets) -> list[Block]:
    marks = [Mark(found.signal, found.start_us, found.end_us) for found in known]
    marks += [Mark("change", e.at_us, e.at_us) for e in incident.timeline if e.what == "change"]
    present = {mark.row for mark in marks}
    rows = [(key, label) for key, label in _ROWS.items() if key in present]
    rows += [(key, wording.plain(key, 10)) for key in sorted(present - _ROWS.keys())][:3]
    entries = sorted(incident.timeline, key=lambda entry: entry.at_us)
    blocks: list[Block] = []
    if rows:
        detailed = ", ".join(
            wording.counted(key, sum(m.row == key for m in marks)) for key, _ in rows
        )
        title = f"When things happened in the incident: {detailed}"
        drawn = strip(title, rows, marks, (incident.start_us, incident.end_us))
        caption = "A mark is where a thing began, a bar how long it lasted."
        blocks.append(Charts([Chart(drawn, caption)]))
    if entries:
        label = f"Timeline in words: {wording.number_of(len(entries), 'thing')}"
        table = Table(
            "Changes shortly before, then what was found, by time",
            [
                Column("Time (UTC)"),
                Column("What"),
                Column("Service"),
                Column("In words", wide=True),
            ],
            [
                Row(
                    [
                        wording.moment_to_second(entry.at_us),
                        wording.signal(entry.what),
                        targets.node(entry.service) if entry.service else numbers.NONE,
                        wording.shown(entry.sentence, 220),
                    ]
                )
                for entry in entries[:MOST_ENTRIES]
            ],
        )
        left = _left_out(len(entries) - MOST_ENTRIES, "thing")
        blocks.append(Fold(label, [table, *left]))
    return blocks or [Prose("No time is known of anything in it.")]


def _findings(incident: Incident, known: Sequence[Finding], targets: LinkTargets) -> list[Block]:
    """List the rarest findings, each with the way to its plot or its lines."""
    if not known:
        return [Prose("No file tells of its findings.")]
    ordered = sorted(known, key=lambda f: (-f.score, f.start_us, f.id))
    table = Table(
        "The rarest first",
        [
            Column("What was found", wide=True),
            Column("See"),
            Column("Service"),
            Column("Began (UTC)"),
            Column("How rare"),
        ],
        [_finding(found, targets) for found in ordered[:MOST_FINDINGS]],
    )
    return [table, *_left_out(len(incident.findings) - min(len(ordered), MOST_FINDINGS), "finding")]


def _finding(found: Finding, targets: LinkTargets) -> Row:
    rare: Text = numbers.NONE
    if found.signal != "alert":
        rare = wording.one_line(wording.rareness(found))
    return Row(
        [
            wording.sentence(found.sentence, found.kind, 220),
            _see(found, targets),
            targets.service(found.service) if found.service else numbers.NONE,
            wording.moment(found.start_us),
            rare,
        ]
    )


def _see(found: Finding, targets: LinkTargets) -> Text:
    """Lead to the plot, the lines, or the map; without them, say what it is."""
    if found.signal == "service_map" and found.service in targets.nodes:
        return targets.node(found.service, "map")
    if found.id not in targets.shown:
        return wording.signal(found.signal)
    return targets.finding(found.id, "log lines" if found.signal == "log" else "plot")


def _before(similar: Sequence[Similar]) -> list[Block]:
    if not similar:
        return [Prose("No past incident resembles it.")]
    columns = [
        Column("Past incident"),
        Column("What helped", wide=True),
        Column("How it ended"),
        Column("Likeness (of 1)", numeric=True),
        Column("In common"),
    ]
    rows = [
        Row(
            [
                wording.shown(past.id, 60),
                wording.shown(past.fix, 300) if past.fix else "no fix was noted",
                wording.shown(past.resolution, 80) if past.resolution else numbers.NONE,
                numbers.decimal(past.score, 2),
                wording.listed([wording.shown(_trait(trait), 40) for trait in past.shared], 5),
            ]
        )
        for past in similar[:MOST_SIMILAR]
    ]
    return [Table("The most alike first", columns, rows)]


def _trait(trait: str) -> str:
    """Say what two incidents share; words of titles stand in quotation marks."""
    key, _, value = trait.partition(" ")
    return f"“{value}”" if key == "word" else value or key


KIND = "incidents"
TABLES = (INCIDENTS, METRICS, LOGS, MAP)
MOST_DETAILS, OPEN_DETAILS = 40, 3
"""Incidents that are told in full, the others stand in the list; and those that stand open."""


def make_page(inputs: Inputs, targets: LinkTargets, sources: Sources) -> Page:
    """Build the page: the worst incident first, and what everything rests on last.

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
        kind="Incidents" + links.synthetic(inputs),
        title=inputs.about.title,
        banner=_banner(inputs, targets),
        headline=_headline(inputs, sources),
        facts=links.facts(inputs),
        notice_label=links.notice_label(inputs),
        notice=links.notice(inputs),
        chapters=[
            _list(inputs, targets, sources),
            *_details(inputs, targets, sources),
            folded(coverage.of_incidents(inputs, sources)),
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
        Number of incidents.
    """
    n = len(inputs.incidents.incidents)
    return wording.number_of(n, "incident") if n else "No incidents"


def _banner(inputs: Inputs, targets: LinkTargets) -> Banner:
    found = inputs.incidents.incidents
    sentences: list[Text] = []
    tone: Tone = "good"
    if found:
        worst, tone = targets.incidents[0], "open"
        sentences.append(
            join(
                "The worst: " if len(found) > 1 else "",
                strong(targets.incident(worst, page="")),
                ", ",
                wording.span(worst.start_us, worst.end_us),
                " UTC.",
            )
        )
        if worst.causes:
            sentences.append(
                join("Its likeliest cause is ", strong(wording.shown(worst.causes[0].service)), ".")
            )
    elif coverage.nothing_seen(inputs):
        tone = "open"
        sentences.append("But there was nothing to look at: no metrics, logs, alerts or spans.")
    else:
        sentences.append(
            "Nothing that was found in this time makes an incident; below stands what was "
            "looked at."
        )
    missing = inputs.incidents.counts.get("missing_windows") or []
    if missing:
        shown = wording.listed([wording.shown(str(name), 40) for name in missing], 3)
        sentences.append(
            join("Earlier windows are missing, so incidents may have begun before: ", shown, ".")
        )
    return Banner(says(inputs), tone, sentences)


def _headline(inputs: Inputs, sources: Sources) -> Headline:
    found = inputs.incidents.incidents
    mark = sources.mark(INCIDENTS)
    affected = {service for incident in found for service in incident.affected}
    exposed = {service for incident in found for service in incident.exposed} - affected
    services = [node for node in inputs.service_map["nodes"] if node.get("kind") == "service"]
    longest = max((incident.end_us - incident.start_us for incident in found), default=0)
    grouped = sum(len(incident.findings) for incident in found)
    return Headline(
        [
            ("Incidents", numbers.count(len(found)), join(_of_signals(inputs), mark)),
            (
                "Services affected",
                numbers.count(len(affected)),
                f"{wording.number_of(len(services), 'service')} on the map",
            ),
            (
                "Exposed besides",
                numbers.count(len(exposed)),
                "services that call them and show nothing yet",
            ),
            (
                "Longest",
                wording.duration(longest / 1e6) if found else numbers.NONE,
                f"{wording.number_of(grouped, 'finding')} in all incidents",
            ),
        ]
    )


def _of_signals(inputs: Inputs) -> str:
    counts = inputs.incidents.counts.get("findings") or {}
    known = [wording.counted(str(key), n) for key, n in counts.items() if isinstance(n, int) and n]
    return f"from {', '.join(known)}" if known else "nothing was found"


def _list(inputs: Inputs, targets: LinkTargets, sources: Sources) -> Chapter:
    found = inputs.incidents.incidents
    if not found:
        return Chapter("list", "Incidents", [Prose("There are none in this time.")])
    blocks: list[Block] = [
        Prose(
            "The worst first: those for which the strongest evidence was found (rareness, added "
            "up over kinds of findings and services), then those that affect most services."
        ),
        *paged(_table("The worst", inputs, targets, sources.mark(INCIDENTS))),
    ]
    left_out = len(found) - len(targets.incidents)
    if left_out > 0:
        blocks.append(links.left_out_of(left_out, "incident", INCIDENTS.as_posix()))
    return Chapter("list", "Incidents, the worst first", blocks, "List")


def _table(caption: str, inputs: Inputs, targets: LinkTargets, mark: Text) -> Table:
    detailed = {incident.id for incident in targets.incidents[:MOST_DETAILS]}
    return Table(
        caption=caption,
        mark=mark,
        columns=[
            Column("Incident", wide=True),
            Column("Began (UTC), lasted"),
            Column("Affected services", numeric=True),
            Column("Exposed services", numeric=True),
            Column("Likeliest cause"),
            Column("Findings", numeric=True),
            Column("Alerts among them", numeric=True),
        ],
        rows=[
            _row(incident, inputs, targets, incident.id in detailed)
            for incident in targets.incidents
        ],
    )


def _row(incident: Incident, inputs: Inputs, targets: LinkTargets, has_section: bool) -> Row:
    title = wording.shown(incident.title, 90)
    alerts = [f for f in map(inputs.finding, incident.findings) if f and f.signal == "alert"]
    return Row(
        [
            targets.incident(incident, page="") if has_section else title,
            join(
                wording.moment(incident.start_us),
                ", ",
                wording.lasted(incident.start_us, incident.end_us),
            ),
            numbers.count(len(incident.affected)),
            numbers.count(len(incident.exposed)),
            wording.shown(incident.causes[0].service, 50) if incident.causes else numbers.NONE,
            numbers.count(len(incident.findings)),
            numbers.count(len(alerts)),
        ],
        anchor="" if has_section else anchor("incident", incident.id),
    )


def _details(inputs: Inputs, targets: LinkTargets, sources: Sources) -> list[Chapter]:
    detailed = targets.incidents[:MOST_DETAILS]
    if not detailed:
        return []
    sections: list[Block] = [
        section(incident, n, inputs, targets) for n, incident in enumerate(detailed, 1)
    ]
    blocks = sections[:OPEN_DETAILS]
    if sections[OPEN_DETAILS:]:
        label = f"The next {wording.number_of(len(sections) - OPEN_DETAILS, 'incident')} in full"
        blocks.append(Fold(label, sections[OPEN_DETAILS:]))
    rest = len(inputs.incidents.incidents) - len(detailed)
    if rest > 0:
        blocks.append(links.left_out_of(rest, "incident", INCIDENTS.as_posix()))
    mark = sources.mark(INCIDENTS, METRICS, LOGS)
    intro = join(
        "Causes are ranked by evidence: rare findings, being first, being called by others that "
        "are affected, a change shortly before. It is added up in points; a service that could "
        "have caught it from one below it loses some. The ranking suggests where to look first; it "
        "proves nothing.",
        mark,
    )
    return [Chapter("details", "Each incident", [Prose(intro), *blocks])]
