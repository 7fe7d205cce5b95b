"""The page about the service map: as `service_map.page` makes it, with ways to the other pages."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.aiops.params.artifacts import INCIDENTS, MOVED
from pipelines.aiops.report.incidents import links, wording
from pipelines.aiops.report.incidents.evidence import LOGS, MAP, METRICS, Inputs
from pipelines.aiops.report.incidents.links import ANOMALIES, LinkTargets, anchor, link
from pipelines.aiops.report.service_map.page import changes
from pipelines.aiops.report.service_map.page import make_page as map_of
from pipelines.aiops.service_map.change_impact import RecordedImpact
from pipelines.aiops.service_map.edge_changes import RecordedEdgeChange
from pipelines.reporting import index
from pipelines.reporting.blocks import Chapter, Prose, Text, folded, join
from pipelines.reporting.blocks import link as to
from pipelines.reporting.page import Page
from pipelines.reporting.provenance import Sources

KIND = "service_map"
TITLE = "Service map"
TABLES = (MAP, MOVED, INCIDENTS, METRICS, LOGS)


def make_page(inputs: Inputs, targets: LinkTargets, sources: Sources) -> Page:
    """Build the page: the map with what moved, changes, and what was found on each service.

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
    moves = inputs.moves
    moved = None if moves.diff is None else [_move(edge_change) for edge_change in moves.diff.moved]
    records = [_change(impact, targets) for impact in moves.changes]
    chapters = [changes(records, sources.mark(MOVED), moves.changes_left_out)]
    if moved is None:
        nothing = Prose("There is no map of the time before to compare with.")
        chapters.insert(0, Chapter("moved", "What changed", [nothing]))
    page = map_of(
        inputs.service_map,
        title=TITLE,
        moved=moved,
        compared_with=_compared(inputs),
        more=chapters,
        found=_found(targets),
        kind="Service map" + links.synthetic(inputs),
        facts=links.facts(inputs).items[2:],
        notice_label=links.notice_label(inputs),
        notice=links.notice(inputs),
        foot=index.foot(Path(f"reports/{KIND}.json")),
    )
    return _completed(page, moves.changes, sources)


def says(inputs: Inputs) -> str:
    """Summarise the page in a few words.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    str
        Number of services.
    """
    services = [node for node in inputs.service_map["nodes"] if node.get("kind") == "service"]
    return wording.number_of(len(services), "service")


def _completed(page: Page, changed: Sequence[RecordedImpact], sources: Sources) -> Page:
    """Add what changes did to the banner, and where everything comes from."""
    moving = sum(bool(impact.moved) for impact in changed)
    sentence = f"After {moving} of {wording.number_of(len(changed), 'change')} something moved."
    sentences = [*page.banner.sentences, to("changes", sentence)] if changed else None
    return replace(
        page,
        banner=replace(page.banner, sentences=sentences or page.banner.sentences),
        chapters=[*page.chapters, folded(index.chapter(sources))],
        styles=(*page.styles, "incidents.css"),
    )


def _compared(inputs: Inputs) -> str:
    other = inputs.moves.compared_with
    if other is None:
        return ""
    return f"{other.start:%Y-%m-%d %H:%M} to {other.end:%Y-%m-%d %H:%M} UTC"


def _move(edge_change: RecordedEdgeChange) -> dict[str, Any]:
    return {**vars(edge_change), "sentence": wording.plain(edge_change.sentence, 300)}


def _change(impact: RecordedImpact, targets: LinkTargets) -> dict[str, Any]:
    title = wording.plain(impact.title or impact.id, 140) or "A change without title"
    node: Text = targets.node(impact.service, page="") if impact.service else "service not known"
    moved = [_move(found) for found in impact.moved]
    return {**vars(impact), "title": title, "node": node, "moved": moved}


def _found(targets: LinkTargets) -> dict[str, Text]:
    """Say for each node with findings or incidents what there is, with links."""
    by_node: dict[str, Text] = {}
    for node in sorted(targets.nodes):
        own = targets.findings.get(node, [])
        incidents = targets.of_service.get(node, [])
        parts: list[Text] = []
        if own:
            count = f"{len(own):,} anomal{'y' if len(own) == 1 else 'ies'}"
            parts.append(link(ANOMALIES, anchor("service", node), count))
        if incidents:
            count = wording.number_of(len(incidents), "incident")
            parts.append(targets.incident(incidents[0], count))
        if parts:
            by_node[node] = join(*[piece for part in parts for piece in (", ", part)][1:])
    return by_node
