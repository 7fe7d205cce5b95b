"""One incident: how far it reaches, likely causes, what happened when, what helped before."""

from collections import Counter
from collections.abc import Sequence

from pipelines.reports import numbers
from pipelines.reports.blocks import (
    Block,
    Chart,
    Charts,
    Column,
    Facts,
    Fold,
    Prose,
    Ranked,
    Row,
    Section,
    Table,
    Text,
    join,
)
from pipelines.reports.charts.strip import Mark, strip
from pipelines.reports.incidents import words
from pipelines.reports.incidents.inputs import Inputs
from pipelines.reports.incidents.places import Places, anchor
from pipelines.reports.incidents.shapes import Cause, Finding, Incident, Similar

MOST_CAUSES, MOST_REASONS, MOST_FINDINGS, MOST_ENTRIES, MOST_SIMILAR = 5, 6, 12, 40, 5
_ROWS = {
    "change": "changes",
    "alert": "alerts",
    "metric": "metrics",
    "log": "logs",
    "service_map": "map",
}


def section(one: Incident, number: int, inputs: Inputs, places: Places) -> Section:
    """Build the section of an incident."""
    known = [found for found in map(inputs.finding, one.findings) if found]
    blocks: list[Block] = [
        Prose(_when(one, known), quiet=True),
        Facts(_reach(one, inputs, places)),
        Section(
            anchor("causes", one.id),
            "Likely causes",
            [_causes(one.causes, places), *_left_out(len(one.causes) - MOST_CAUSES, "suspect")],
        ),
        Section(anchor("timeline", one.id), "What happened when", _timeline(one, known, places)),
        Section(anchor("findings", one.id), "What was found", _findings(one, known, places)),
        Section(anchor("before", one.id), "What helped before", _before(one.similar)),
    ]
    title = join(f"{number}. ", words.shown(one.title, 140))
    return Section(anchor("incident", one.id), title, blocks)


def _when(one: Incident, known: Sequence[Finding]) -> Text:
    counts = Counter(found.signal for found in known)
    order = sorted(counts, key=lambda key: (list(_ROWS).index(key) if key in _ROWS else 9, key))
    what = ", ".join(words.counted(key, counts[key]) for key in order)
    what = what or words.number_of(len(one.findings), "finding")
    length = words.lasted(one.start_us, one.end_us)
    return join(words.span(one.start_us, one.end_us), f" UTC · {length} · {what}")


def _left_out(n: int, noun: str) -> list[Block]:
    return [Prose(f"{words.number_of(n, noun)} more left out.", quiet=True)] if n > 0 else []


def _reach(one: Incident, inputs: Inputs, places: Places) -> list[tuple[str, Text]]:
    """Affected services, those that call them, and those further up."""
    affected = set(one.affected)
    calling = {a for a, b in inputs.incidents.graph.calls if b in affected}
    direct = [service for service in one.exposed if service in calling]
    others = [service for service in one.exposed if service not in calling]

    def links(services: Sequence[str]) -> Text:
        return words.listed([places.node(service) for service in services])

    return [
        (f"Affected: {words.number_of(len(one.affected), 'service')}", links(one.affected)),
        (f"Exposed, they call these: {len(direct):,}", links(direct)),
        (f"Exposed through others: {len(others):,}", links(others)),
    ]


def _causes(causes: Sequence[Cause], places: Places) -> Block:
    if not causes:
        return Prose("No service can be suspected: the findings name none.")
    return Ranked(
        [
            (
                places.node(cause.service),
                f"{numbers.decimal(cause.score, 1)} points",
                [
                    *(words.shown(reason, 500) for reason in cause.evidence[:MOST_REASONS]),
                    *_more(len(cause.evidence) - MOST_REASONS),
                ],
            )
            for cause in causes[:MOST_CAUSES]
        ]
    )


def _more(n: int) -> list[Text]:
    return [f"and {n:,} more"] if n > 0 else []


def _timeline(one: Incident, known: Sequence[Finding], places: Places) -> list[Block]:
    marks = [Mark(found.signal, found.start_us, found.end_us) for found in known]
    marks += [Mark("change", e.at_us, e.at_us) for e in one.timeline if e.what == "change"]
    present = {mark.row for mark in marks}
    rows = [(key, label) for key, label in _ROWS.items() if key in present]
    rows += [(key, words.plain(key, 10)) for key in sorted(present - _ROWS.keys())][:3]
    entries = sorted(one.timeline, key=lambda entry: entry.at_us)
    blocks: list[Block] = []
    if rows:
        told = ", ".join(words.counted(key, sum(m.row == key for m in marks)) for key, _ in rows)
        title = f"When things happened in the incident: {told}"
        drawn = strip(title, rows, marks, (one.start_us, one.end_us))
        caption = "A mark is where a thing began, a bar how long it lasted."
        blocks.append(Charts([Chart(drawn, caption)]))
    if entries:
        label = f"Timeline in words: {words.number_of(len(entries), 'thing')}"
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
                        words.moment_to_second(entry.at_us),
                        words.signal(entry.what),
                        places.node(entry.service) if entry.service else numbers.NONE,
                        words.shown(entry.sentence, 220),
                    ]
                )
                for entry in entries[:MOST_ENTRIES]
            ],
        )
        left = _left_out(len(entries) - MOST_ENTRIES, "thing")
        blocks.append(Fold(label, [table, *left]))
    return blocks or [Prose("No time is known of anything in it.")]


def _findings(one: Incident, known: Sequence[Finding], places: Places) -> list[Block]:
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
        [_finding(found, places) for found in ordered[:MOST_FINDINGS]],
    )
    return [table, *_left_out(len(one.findings) - min(len(ordered), MOST_FINDINGS), "finding")]


def _finding(found: Finding, places: Places) -> Row:
    rare: Text = numbers.NONE
    if found.signal != "alert":
        rare = words.one_line(words.rareness(found.score))
    return Row(
        [
            words.sentence(found.sentence, found.kind, 220),
            _see(found, places),
            places.service(found.service) if found.service else numbers.NONE,
            words.moment(found.start_us),
            rare,
        ]
    )


def _see(found: Finding, places: Places) -> Text:
    """Lead to the plot, the lines, or the map; without them, say what it is."""
    if found.signal == "service_map" and found.service in places.nodes:
        return places.node(found.service, "map")
    if found.id not in places.shown:
        return words.signal(found.signal)
    return places.finding(found.id, "log lines" if found.signal == "log" else "plot")


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
                words.shown(past.id, 60),
                words.shown(past.fix, 300) if past.fix else "no fix was noted",
                words.shown(past.resolution, 80) if past.resolution else numbers.NONE,
                numbers.decimal(past.score, 2),
                words.listed([words.shown(_trait(trait), 40) for trait in past.shared], 5),
            ]
        )
        for past in similar[:MOST_SIMILAR]
    ]
    return [Table("The most alike first", columns, rows)]


def _trait(trait: str) -> str:
    """Say what two incidents share; words of titles stand in quotation marks."""
    key, _, value = trait.partition(" ")
    return f"“{value}”" if key == "word" else value or key
