"""The page about incidents: what a person on call needs first, then what it rests on."""

from pathlib import Path

from pipelines.reports import index, numbers
from pipelines.reports.blocks import (
    Block,
    Chapter,
    Column,
    Fold,
    Headline,
    Prose,
    Row,
    Table,
    Text,
    Tone,
    join,
    strong,
)
from pipelines.reports.incidents import frame, looked_at, words
from pipelines.reports.incidents.detail import section
from pipelines.reports.incidents.inputs import INCIDENTS, LOGS, MAP, METRICS, Inputs
from pipelines.reports.incidents.places import Places, anchor
from pipelines.reports.incidents.shapes import Incident
from pipelines.reports.page import Banner, Page
from pipelines.reports.provenance import Sources

KIND = "incidents"
TABLES = (INCIDENTS, METRICS, LOGS, MAP)
MOST_DETAILS, OPEN_DETAILS = 40, 10
"""Incidents that are told in full, the others stand in the list; and those that stand open."""
OPEN_ROWS = 20


def make_page(inputs: Inputs, places: Places, sources: Sources) -> Page:
    """Put the worst incident first, and what everything rests on last."""
    return Page(
        kind="Incidents" + frame.synthetic(inputs),
        title=inputs.about.title,
        banner=_banner(inputs, places),
        headline=_headline(inputs, sources),
        facts=frame.facts(inputs),
        notice_label=frame.notice_label(inputs),
        notice=frame.notice(inputs),
        chapters=[
            _list(inputs, places, sources),
            *_details(inputs, places, sources),
            looked_at.of_incidents(inputs, sources),
            index.chapter(sources),
        ],
        foot=index.foot(Path(f"reports/{KIND}.json")),
        styles=("folds.css", "incidents.css"),
    )


def says(inputs: Inputs) -> str:
    """Say what the page comes to, in a few words."""
    n = len(inputs.incidents.incidents)
    return words.number_of(n, "incident") if n else "No incidents"


def _banner(inputs: Inputs, places: Places) -> Banner:
    found = inputs.incidents.incidents
    sentences: list[Text] = []
    tone: Tone = "good"
    if found:
        worst, tone = places.incidents[0], "open"
        sentences.append(
            join(
                "The worst: " if len(found) > 1 else "",
                strong(places.incident(worst, page="")),
                ", ",
                words.span(worst.start_us, worst.end_us),
                " UTC.",
            )
        )
        if worst.causes:
            sentences.append(
                join("Its likeliest cause is ", strong(words.shown(worst.causes[0].service)), ".")
            )
    elif looked_at.nothing_seen(inputs):
        tone = "open"
        sentences.append("But there was nothing to look at: no metrics, logs, alerts or spans.")
    else:
        sentences.append(
            "Nothing that was found in this time makes an incident; below stands what was "
            "looked at."
        )
    missing = inputs.incidents.counts.get("missing_windows") or []
    if missing:
        shown = words.listed([words.shown(str(one), 40) for one in missing], 3)
        sentences.append(
            join("Earlier windows are missing, so incidents may have begun before: ", shown, ".")
        )
    return Banner(says(inputs), tone, sentences)


def _headline(inputs: Inputs, sources: Sources) -> Headline:
    found = inputs.incidents.incidents
    mark = sources.mark(INCIDENTS)
    affected = {service for one in found for service in one.affected}
    exposed = {service for one in found for service in one.exposed} - affected
    services = [node for node in inputs.service_map["nodes"] if node.get("kind") == "service"]
    longest = max((one.end_us - one.start_us for one in found), default=0)
    grouped = sum(len(one.findings) for one in found)
    return Headline(
        [
            ("Incidents", numbers.count(len(found)), join(_of_signals(inputs), mark)),
            (
                "Services affected",
                numbers.count(len(affected)),
                f"{words.number_of(len(services), 'service')} on the map",
            ),
            (
                "Exposed besides",
                numbers.count(len(exposed)),
                "services that call them and show nothing yet",
            ),
            (
                "Longest",
                words.duration(longest / 1e6) if found else numbers.NONE,
                f"{words.number_of(grouped, 'finding')} in all incidents",
            ),
        ]
    )


def _of_signals(inputs: Inputs) -> str:
    counts = inputs.incidents.counts.get("findings") or {}
    known = [words.counted(str(key), n) for key, n in counts.items() if isinstance(n, int) and n]
    return f"from {', '.join(known)}" if known else "nothing was found"


def _list(inputs: Inputs, places: Places, sources: Sources) -> Chapter:
    found = inputs.incidents.incidents
    if not found:
        return Chapter("list", "Incidents", [Prose("There are none in this time.")])
    blocks: list[Block] = [
        Prose(
            "The worst first: those for which the strongest evidence was found (rareness, added "
            "up over kinds of findings and services), then those that affect most services."
        ),
        _table("The worst", places.incidents[:OPEN_ROWS], inputs, places, sources.mark(INCIDENTS)),
    ]
    rest = places.incidents[OPEN_ROWS:]
    if rest:
        label = f"The next {len(rest):,}"
        blocks.append(Fold(label, [_table(label, rest, inputs, places)]))
    left_out = len(found) - len(places.incidents)
    if left_out > 0:
        blocks.append(frame.left_out_of(left_out, "incident", INCIDENTS.as_posix()))
    return Chapter("list", "Incidents, the worst first", blocks, "List")


def _table(
    caption: str, found: list[Incident], inputs: Inputs, places: Places, mark: Text = ""
) -> Table:
    told = {one.id for one in places.incidents[:MOST_DETAILS]}
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
        rows=[_row(one, inputs, places, one.id in told) for one in found],
    )


def _row(one: Incident, inputs: Inputs, places: Places, told: bool) -> Row:
    title = words.shown(one.title, 90)
    alerts = [f for f in map(inputs.finding, one.findings) if f and f.signal == "alert"]
    return Row(
        [
            places.incident(one, page="") if told else title,
            join(words.moment(one.start_us), ", ", words.lasted(one.start_us, one.end_us)),
            numbers.count(len(one.affected)),
            numbers.count(len(one.exposed)),
            words.shown(one.causes[0].service, 50) if one.causes else numbers.NONE,
            numbers.count(len(one.findings)),
            numbers.count(len(alerts)),
        ],
        anchor="" if told else anchor("incident", one.id),
    )


def _details(inputs: Inputs, places: Places, sources: Sources) -> list[Chapter]:
    told = places.incidents[:MOST_DETAILS]
    if not told:
        return []
    sections: list[Block] = [section(one, n, inputs, places) for n, one in enumerate(told, 1)]
    blocks = sections[:OPEN_DETAILS]
    if sections[OPEN_DETAILS:]:
        label = f"The next {words.number_of(len(sections) - OPEN_DETAILS, 'incident')} in full"
        blocks.append(Fold(label, sections[OPEN_DETAILS:]))
    rest = len(inputs.incidents.incidents) - len(told)
    if rest > 0:
        blocks.append(frame.left_out_of(rest, "incident", INCIDENTS.as_posix()))
    mark = sources.mark(INCIDENTS, METRICS, LOGS)
    intro = join(
        "Causes are ranked by evidence: rare findings, being first, being called by others that "
        "are affected, a change shortly before. It is added up in points; a service that could "
        "have caught it from one below it loses some. The ranking suggests where to look first; it "
        "proves nothing.",
        mark,
    )
    return [Chapter("details", "Each incident", [Prose(intro), *blocks])]
