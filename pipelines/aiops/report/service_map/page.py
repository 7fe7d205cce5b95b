"""The page: map first, then services, calls, what moved, and what spans could not tell."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.aiops.report.service_map import wording
from pipelines.aiops.report.service_map.drawing import drawing
from pipelines.reporting.blocks import (
    Block,
    Chapter,
    Chart,
    Charts,
    Column,
    Facts,
    Headline,
    Items,
    Prose,
    Row,
    Section,
    Table,
    Text,
    folded,
    join,
    name,
    paged,
)
from pipelines.reporting.numbers import NONE, count, percent
from pipelines.reporting.page import Banner, Page

MOST_CHANGE_ROWS, MOST_CHANGES, MOST_LISTED = 200, 20, 100
_LONG = 300
ChangeRecord = Mapping[str, Any]


def chapter(moved: Sequence[ChangeRecord], compared_with: str) -> Chapter:
    """Build the chapter about what moved between two maps.

    Parameters
    ----------
    moved : sequence of ChangeRecord
        Key ``moved`` of a diff's JSON.
    compared_with : str
        What it was compared with, for example "the day before"; "" says nothing.

    Returns
    -------
    Chapter
        The chapter.
    """
    since = f"Compared with {compared_with}. " if compared_with else ""
    introduction = Prose(
        f"{since}Windows of time are what is compared, so that one bad minute does not count as "
        "many; chances are corrected for the number of comparisons (Benjamini–Hochberg), "
        "intervals hold with 95%."
    )
    if not moved:
        return Chapter(
            "moved", "What changed", [introduction, Prose("Nothing changed beyond chance.")]
        )
    return Chapter("moved", "What changed", [introduction, *_tables("Moved", moved)])


def changes(found: Sequence[ChangeRecord], mark: Text = "", left_out: int = 0) -> Chapter:
    """Build the chapter about what moved after changes.

    Parameters
    ----------
    found : sequence of ChangeRecord
        Changes, each with ``title``, ``service``, ``at_us``, ``moved``, ``note``, the number of
        windows before and after, and ``node``: its service with a link.
    mark : Text, default ''
        Mark of the source.
    left_out : int, default 0
        Changes that were not looked at.

    Returns
    -------
    Chapter
        The chapter.
    """
    if not found:
        nothing = Prose("No change is known of this time.")
        return Chapter("changes", "After changes", [nothing])
    ordered = sorted(
        found, key=lambda change: (-len(change["moved"]), change["at_us"], change["title"])
    )
    full = [change for change in ordered if change["moved"]][:MOST_CHANGES]
    rest = ordered[len(full) :]
    blocks: list[Block] = [
        Prose(
            join(
                "Windows right before a change are compared with those right after it. What moves "
                "elsewhere shows how much moves anyway.",
                mark,
            )
        )
    ]
    blocks += [_change(change, n) for n, change in enumerate(full, 1)]
    if rest:
        blocks += _others(rest)
    if left_out:
        blocks.append(Prose(f"{wording.plural(left_out, 'change')} more were not looked at."))
    return Chapter("changes", "After changes: what changed beyond chance", blocks, "After changes")


def _change(change: ChangeRecord, number: int) -> Section:
    about = join(
        change["node"],
        f", {wording.when(change['at_us'])} UTC; compared ",
        wording.plural(change["windows_before"], "window"),
        f" before with {change['windows_after']:,} after.",
    )
    return Section(
        f"change-{number}",
        name(wording.short(change["title"], 140)),
        [Prose(about), *_tables("What changed after it", change["moved"])],
    )


def _others(rest: Sequence[ChangeRecord]) -> list[Block]:
    columns = [
        Column("Change"),
        Column("Service"),
        Column("When (UTC)"),
        Column("Things that moved", numeric=True),
        Column("Note"),
    ]
    rows = [
        Row(
            [
                name(wording.short(change["title"], 140)),
                change["node"],
                wording.when(change["at_us"]),
                count(len(change["moved"])),
                wording.short(change["note"], 160) or NONE,
            ]
        )
        for change in rest[:MOST_LISTED]
    ]
    table = Table("Other changes", columns, rows)
    blocks = paged(table)
    if len(rest) > MOST_LISTED:
        blocks.append(Prose(f"{wording.plural(len(rest) - MOST_LISTED, 'change')} more left out."))
    return blocks


def _tables(caption: str, moved: Sequence[ChangeRecord]) -> list[Block]:
    """Give one table; what is too much of it folds, and what is far too much is counted."""
    placed = any(edge.get("where") for edge in moved)
    columns = [Column("What", wide=True), *([Column("Where")] if placed else []),
               Column("Chance", numeric=True)]  # fmt: skip
    rows = [_change_row(edge, placed=placed) for edge in moved]
    blocks = paged(Table(caption, columns, rows[:MOST_CHANGE_ROWS]))
    if len(rows) > MOST_CHANGE_ROWS:
        blocks.append(
            Prose(f"{wording.plural(len(rows) - MOST_CHANGE_ROWS, 'row')} more left out.")
        )
    return blocks


def _change_row(edge: ChangeRecord, *, placed: bool) -> Row:
    where = [wording.short(edge.get("where") or NONE, 20)] if placed else []
    chance = "< 0.0001" if edge["p"] < 1e-4 else f"{edge['p']:.4f}"
    return Row([name(wording.short(edge["sentence"], _LONG)), *where, chance])


MOST_ROWS = 2000
"""Calls that tables name."""
MOST_LETTERS = 120

SCRIPT = "service_map.js"


def make_page(
    data: Mapping[str, Any],
    *,
    title: str = "Service map",
    notice: Text = "",
    moved: Sequence[Mapping[str, Any]] | None = None,
    compared_with: str = "",
    more: Sequence[Chapter] = (),
    found: Mapping[str, Text] | None = None,
    kind: str = "Service map",
    facts: Sequence[tuple[str, Text]] = (),
    notice_label: str = "About the data",
    foot: Text = "Made by Signalbox from spans.",
) -> Page:
    """Build the page of a map; `pipelines.reporting.page.render` draws it.

    Parameters
    ----------
    data : mapping of str to object
        Content of ``service_map.json``.
    title : str, default 'Service map'
        Title of the page.
    notice : Text, default ''
        What a reader must know about the data; "" for nothing.
    moved : sequence of mapping of str to object or None
        Key ``moved`` of a diff's or a change's JSON; None: nothing was compared.
    compared_with : str, default ''
        What it was compared with, for example "the day before".
    more : sequence of Chapter
        Chapters that stand behind what moved.
    found : mapping of str to Text or None
        Node → what other pages found there, with links; None: there are no other pages.
    kind : str, default 'Service map'
        Kind of page, above the title.
    facts : sequence of (str, Text)
        Facts besides the map's own.
    notice_label : str, default 'About the data'
        Label of `notice`.
    foot : Text, default 'Made by Signalbox from spans.'
        Text at the foot of the page.

    Returns
    -------
    Page
        The page, not rendered yet.
    """
    services = [node for node in data["nodes"] if node["kind"] == "service"]
    virtual = [node for node in data["nodes"] if node["kind"] not in ("service", "user")]
    changed = [] if moved is None else [chapter(moved, compared_with)]
    chapters = [_map(data), *changed, *more, _services(services, data, found), _calls(data)]
    if virtual:
        chapters.append(folded(_virtual(virtual, data)))
    chapters.append(folded(_missing(data)))
    return Page(
        kind=kind,
        title=title,
        banner=Banner(_verdict(services, data), "info", _sentences(moved, compared_with)),
        facts=Facts([*_facts(data), *facts]),
        headline=_headline(data, services),
        chapters=chapters,
        foot=foot,
        notice_label=notice_label,
        notice=notice,
        styles=("folds.css", "service_map.css"),
        script=SCRIPT,
    )


def _verdict(services: list[Any], data: Mapping[str, Any]) -> str:
    return (
        f"{wording.plural(len(services), 'service')}, {wording.plural(len(data['edges']), 'edge')}"
    )


def _sentences(moved: Sequence[Mapping[str, Any]] | None, compared_with: str) -> list[Text]:
    if moved is None:
        return ["Who calls whom, how often, how fast, and how much of it fails."]
    sure = [edge for edge in moved if edge["certain"]]
    since = f", compared with {compared_with}" if compared_with else ""
    if not sure:
        return [f"Nothing changed beyond chance{since}."]
    verb = "thing" if len(sure) == 1 else "things"
    return [
        f"{len(sure)} {verb} changed beyond chance{since}. "
        f"{wording.short(sure[0]['sentence'], 300)}"
    ]


def _headline(data: Mapping[str, Any], services: list[Any]) -> Headline:
    seconds = _seconds(data)
    entered = [edge for edge in data["edges"] if edge["source"] == "user:"]
    n, errors = (sum(edge[key] for edge in entered) for key in ("n", "errors"))
    calls = sum(edge["n"] for edge in data["edges"])
    worst = max(services, key=lambda s: (_share(s["received"]), s["id"]), default=None)
    items: list[tuple[Text, Text, Text]] = [
        ("Requests of users", wording.rate(n, seconds), f"{count(n)} in all"),
        ("Of them failed", percent(errors / n if n else None), f"{count(errors)} requests"),
        ("Calls and messages", wording.rate(calls, seconds), f"{count(calls)} in all"),
    ]
    if worst and _share(worst["received"]):
        items.append(
            ("Fails most", percent(_share(worst["received"])), join("of calls of ",
             _name(worst)))
        )  # fmt: skip
    return Headline(items)


def _facts(data: Mapping[str, Any]) -> list[tuple[str, Text]]:
    counts = data["counts"]
    return [
        ("From", f"{wording.when(data['start_us'])} UTC"),
        ("To", f"{wording.when(data['end_us'])} UTC"),
        ("Windows of", wording.duration(data["window_us"])),
        ("Spans, traces", f"{count(counts.get('spans'))}, {count(counts.get('traces'))}"),
    ]


def _map(data: Mapping[str, Any]) -> Chapter:
    if not data["nodes"]:
        return Chapter("map", "Map", [Prose("There are no spans in this time.")])
    return Chapter("map", "Map", [
        Prose("Callers stand left of what they call. Point at a node to see what it is joined "
              "with, choose it for its figures; arrow keys move, Escape clears. The same figures "
              "stand in the tables below."),
        Charts([Chart(drawing(data), "Durations are as the caller waits, where it sent a span.")]),
    ])  # fmt: skip


def _name(node: Mapping[str, Any]) -> Text:
    return _short(node["name"])


def _short(text: str) -> Text:
    return name(wording.short(text, MOST_LETTERS))


_TRAFFIC = [
    Column("Calls", numeric=True), Column("Rate", numeric=True), Column("Failed", numeric=True),
    Column("Median", numeric=True), Column("95% within", numeric=True),
    Column("99% within", numeric=True),
]  # fmt: skip


def _traffic(traffic: Mapping[str, Any], seconds: float) -> list[Text]:
    durations = (wording.duration(traffic[key]) for key in ("p50_us", "p95_us", "p99_us"))
    share = _share(traffic) if traffic["n"] else None
    return [count(traffic["n"]), wording.rate(traffic["n"], seconds), percent(share), *durations]


def _share(traffic: Mapping[str, Any]) -> float:
    return float(traffic["errors"] / traffic["n"]) if traffic["n"] else 0.0


def _seconds(data: Mapping[str, Any]) -> float:
    return float(data["end_us"] - data["start_us"]) / 1e6


def _services(
    services: list[Any], data: Mapping[str, Any], found: Mapping[str, Text] | None
) -> Chapter:
    ordered = sorted(services, key=lambda node: (-node["received"]["n"], node["id"]))
    callers: dict[str, set[str]] = {}
    callees: dict[str, set[str]] = {}
    for edge in data["edges"]:
        callers.setdefault(edge["target"], set()).add(edge["source"])
        callees.setdefault(edge["source"], set()).add(edge["target"])
    rows = [
        Row([_name(node), *([] if found is None else [found.get(node["id"], NONE)]),
             *_traffic(node["received"], _seconds(data)),
             count(len(callers.get(node["id"], ()))), count(len(callees.get(node["id"], ())))],
            wording.anchor_of(node["id"]))
        for node in ordered
    ]  # fmt: skip
    columns = [Column("Service"), *([] if found is None else [Column("Found here")]), *_TRAFFIC,
               Column("Called by", numeric=True), Column("Calls to", numeric=True)]  # fmt: skip
    table = Table("What each service received, the busiest first", columns, rows)
    blocks = paged(table) if rows else [Prose("None sent spans.")]
    return Chapter("services", "Services", blocks)


def _calls(data: Mapping[str, Any]) -> Chapter:
    ordered = sorted(data["edges"], key=lambda edge: (-edge["n"], edge["source"], edge["target"]))
    names = {node["id"]: node["name"] for node in data["nodes"]}
    rows = [
        Row([join(_short(names[edge["source"]]), " → ", _short(names[edge["target"]])),
             *_traffic(edge, _seconds(data))])
        for edge in ordered
    ]  # fmt: skip
    columns = [Column("From → to", wide=True), *_TRAFFIC]
    blocks = paged(Table("The busiest first", columns, rows[:MOST_ROWS]))
    if len(rows) > MOST_ROWS:
        blocks.append(Prose(f"{wording.plural(len(rows) - MOST_ROWS, 'edge')} more left out."))
    return Chapter("calls", "Calls and messages", blocks if rows else [Prose("There are none.")])


def _virtual(nodes: list[Any], data: Mapping[str, Any]) -> Chapter:
    ordered = sorted(nodes, key=lambda node: (-node["received"]["n"], node["id"]))
    rows = [
        Row(
            [_name(node), node["kind"], *_traffic(node["received"], _seconds(data))],
            wording.anchor_of(node["id"]),
        )
        for node in ordered
    ]
    columns = [Column("Name"), Column("Kind"), *_TRAFFIC]
    table = Table("Named by attributes of the spans that call them", columns, rows)
    return Chapter("others", "Databases, queues, external services", [table],
                   short="Databases, queues, external")  # fmt: skip


def _missing(data: Mapping[str, Any]) -> Chapter:
    counts = data["counts"]
    reasons = (
        ("missing_parents", "whose parent no span is: their callers are not known, they count as "
         "calls of the service alone"),
        ("unpaired_clients", "that call something which sent no span and which no attribute names"),
        ("duplicates", "delivered more than once, counted once"),
        ("loops", "that name themselves or their own child as parent; the parent was dropped"),
        ("negative", "that end before they begin: counted, without a duration"),
    )  # fmt: skip
    items = [
        f"{wording.plural(counts[key], 'span')} {text}." for key, text in reasons if counts.get(key)
    ]
    worst = sorted(
        (node for node in data["nodes"] if node["missing_parents"]),
        key=lambda node: (-node["missing_parents"], node["id"]),
    )
    blocks: list[Block] = [Items(items) if items else Prose("Every span found its place.")]
    if worst:
        rows = [Row([_name(node), count(node["missing_parents"])]) for node in worst[:10]]
        columns = [Column("Service"), Column("Spans", numeric=True)]
        blocks.append(Table("Services with spans whose parent is missing", columns, rows))
    return Chapter("missing", "What spans could not tell", blocks, short="What is missing")
