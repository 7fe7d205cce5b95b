"""Where everything stands on the three pages, links to it, and what the pages have in common.

What a page leaves out for want of room has no anchor; a link to it is only its words.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from markupsafe import Markup

from pipelines.aiops.incidents.model import Incident
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.report.incidents import wording
from pipelines.aiops.report.incidents.evidence import Inputs
from pipelines.aiops.report.service_map.wording import anchor_of
from pipelines.reporting.blocks import Callout, Facts, Text, code, join

INCIDENTS, ANOMALIES, MAP = "incidents.html", "anomalies.html", "service_map.html"
MOST_FINDINGS = 1000
"""Findings on the page about anomalies: with plots or lines, then of incidents, then the rarest."""
ENOUGH = 6.0
"""Score beyond which a finding is no stronger evidence: once in a million runs."""
MOST_INCIDENTS = 300
"""Incidents that the list names."""


def anchor(kind: str, text: str) -> str:
    """Make the anchor of a thing on its page; any text gives a valid one.

    Parameters
    ----------
    kind : str
        Prefix of the anchor.
    text : str
        Id or name.

    Returns
    -------
    str
        The prefix and 16 hex digits.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        text = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{kind}-{text}"


def worst_first(
    incidents: Iterable[Incident], finding: Callable[[str], Finding | None]
) -> list[Incident]:
    """Sort: strongest evidence, then most affected services, then most exposed, then by time.

    Parameters
    ----------
    incidents : iterable of Incident
        Incidents, any order.
    finding : callable
        Gives the finding of an id.

    Returns
    -------
    list of Incident
        The same incidents, the worst first.
    """

    def key(incident: Incident) -> tuple[float, int, int, int, str]:
        known = [f for f in map(finding, incident.findings) if f]
        return (
            -evidence(known),
            -len(incident.affected),
            -len(incident.exposed),
            incident.start_us,
            incident.id,
        )

    return sorted(incidents, key=key)


def evidence(findings: Iterable[Finding]) -> float:
    """Add up scores; of the same kind at the same service the rarest counts, `ENOUGH` at most.

    Parameters
    ----------
    findings : iterable of Finding
        Findings of one incident.

    Returns
    -------
    float
        Sum of -log10 of chances.
    """
    best: dict[tuple[str, str, str], float] = {}
    for finding in findings:
        what = (finding.signal, finding.kind, finding.service)
        best[what] = max(best.get(what, 0.0), min(finding.score, ENOUGH))
    return round(sum(best[what] for what in sorted(best)), 6)


@dataclass(frozen=True)
class LinkTargets:
    """What the pages show, and where links to it lead.

    Attributes
    ----------
    incidents : list of Incident
        Incidents that are listed, the worst first.
    findings : dict of str to list of Finding
        Findings of metrics and logs that are shown, by service, in the order of the page.
    of_finding : dict of str to list of Incident
        Finding → listed incidents that it belongs to.
    of_service : dict of str to list of Incident
        Service → listed incidents that affect it.
    nodes : frozenset of str
        Nodes of the map.
    shown : frozenset of str
        Ids of findings with a plot or lines.
    """

    incidents: list[Incident]
    findings: dict[str, list[Finding]]
    of_finding: dict[str, list[Incident]] = field(default_factory=dict)
    of_service: dict[str, list[Incident]] = field(default_factory=dict)
    nodes: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()

    def incident(self, entry: Incident, text: Text = "", page: str = INCIDENTS) -> Markup:
        """Link to an incident.

        Parameters
        ----------
        entry : Incident
            The incident.
        text : Text, default ''
            Text of the link; "" is the incident's title.
        page : str
            File name of the page that is linked to; "" is the page itself.

        Returns
        -------
        Markup
            The link.
        """
        return link(page, anchor("incident", entry.id), text or wording.shown(entry.title, 90))

    def incidents_of(self, found: Iterable[Incident], page: str = INCIDENTS) -> Text:
        """Link to several incidents, the worst first.

        Parameters
        ----------
        found : iterable of Incident
            Incidents.
        page : str
            File name of the page that is linked to; "" is the page itself.

        Returns
        -------
        Text
            At most three links, and how many there are besides.
        """
        return wording.listed([self.incident(incident, page=page) for incident in found], 3)

    def finding(self, id_: str, text: Text, page: str = ANOMALIES) -> Text:
        """Link to a finding's plot or lines.

        Parameters
        ----------
        id_ : str
            Id of a finding.
        text : Text
            Text of the link.
        page : str
            File name of the page that is linked to; "" is the page itself.

        Returns
        -------
        Text
            The link; the text alone if the finding isn't shown.
        """
        return link(page, anchor("finding", id_), text) if id_ in self.shown else text

    def service(self, service: str, page: str = ANOMALIES) -> Text:
        """Link to a service's findings.

        Parameters
        ----------
        service : str
            Name of the service.
        page : str
            File name of the page that is linked to; "" is the page itself.

        Returns
        -------
        Text
            The link; the name alone if the service has none.
        """
        text = wording.shown(service, 60)
        return link(page, anchor("service", service), text) if service in self.findings else text

    def node(self, node: str, text: Text = "", page: str = MAP) -> Text:
        """Link to a node on the map.

        Parameters
        ----------
        node : str
            Name of the node.
        text : Text, default ''
            Text of the link; "" is the node's name.
        page : str
            File name of the page that is linked to; "" is the page itself.

        Returns
        -------
        Text
            The link; the text alone if the map has no such node.
        """
        text = text or wording.shown(node, 60)
        return link(page, anchor_of(node), text) if node in self.nodes else text


def link(page: str, to: str, text: Text) -> Markup:
    """Link to an anchor on one of the pages.

    Parameters
    ----------
    page : str
        File name of the page that is linked to; "" is the page itself.
    to : str
        Anchor.
    text : Text
        Text of the link.

    Returns
    -------
    Markup
        The link.
    """
    return Markup('<a href="{}#{}">{}</a>').format(page, to, text)


def link_targets_of(inputs: Inputs) -> LinkTargets:
    """Decide what the pages show, and where.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    LinkTargets
        Incidents, findings and nodes that links can lead to.
    """
    listed = worst_first(inputs.incidents.incidents, inputs.finding)[:MOST_INCIDENTS]
    of_finding: dict[str, list[Incident]] = {}
    of_service: dict[str, list[Incident]] = {}
    for incident in listed:
        for id_ in inputs.members(incident):
            of_finding.setdefault(id_, []).append(incident)
        for service in dict.fromkeys(incident.affected):
            of_service.setdefault(service, []).append(incident)
    pictured = {*inputs.metrics.plots, *inputs.logs.plots, *inputs.lines}
    kept = sorted(
        inputs.found.values(),
        key=lambda f: (f.id not in pictured, f.id not in of_finding, -f.score, f.start_us, f.id),
    )[:MOST_FINDINGS]
    return LinkTargets(
        listed,
        by_service(kept),
        of_finding,
        of_service,
        frozenset(str(node["id"]) for node in inputs.service_map["nodes"]),
        frozenset(finding.id for finding in kept),
    )


def by_service(found: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Sort services by their rarest finding, and findings of a service, the rarest first.

    Parameters
    ----------
    found : iterable of Finding
        Findings, any order.

    Returns
    -------
    dict of str to list of Finding
        Service to its findings.
    """
    ordered = sorted(found, key=lambda f: (-f.score, f.start_us, f.id))
    sorted_in: dict[str, list[Finding]] = {}
    for finding in ordered:
        sorted_in.setdefault(finding.service, []).append(finding)
    return sorted_in


SYNTHETIC = (
    "The telemetry of this report is simulated: Signalbox made it up so that the pipeline can be "
    "seen at work. Nothing here says anything about a real system."
)
_PAGES = ((INCIDENTS, "incidents"), (ANOMALIES, "anomalies"), (MAP, "service map"))


def left_out_of(n: int, noun: str, path: str) -> Callout:
    """Say how many are left out, and where they stand.

    Parameters
    ----------
    n : int
        How many.
    noun : str
        What, in the singular.
    path : str
        File that holds all of them.

    Returns
    -------
    Callout
        A note.
    """
    return Callout(
        "info",
        "Left out",
        join(f"{wording.number_of(n, noun)} more; all of them stand in ", code(path), "."),
    )


def synthetic(inputs: Inputs) -> str:
    """Return the suffix of a page's kind that says its data is simulated.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    str
        "" for other data.
    """
    return " · synthetic data" if inputs.incidents.synthetic else ""


def notice_label(inputs: Inputs) -> str:
    """Return the label of `notice`.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    str
        Label.
    """
    return "Synthetic data" if inputs.incidents.synthetic else "About the data"


def notice(inputs: Inputs) -> str:
    """Return what a reader must know about the data.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    str
        Text; "" for nothing.
    """
    said = [SYNTHETIC if inputs.incidents.synthetic else "", inputs.about.notice]
    return " ".join(part for part in said if part)


def facts(inputs: Inputs) -> Facts:
    """List the window, the owner and links to the other pages.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Facts
        Facts above the chapters.
    """
    pages = Markup(" · ").join(
        Markup('<a href="{}">{}</a>').format(page, name) for page, name in _PAGES
    )
    window = inputs.window
    return Facts(
        [
            ("From", f"{window.start:%Y-%m-%d %H:%M} UTC"),
            ("To", f"{window.end:%Y-%m-%d %H:%M} UTC"),
            ("Owner", wording.shown(inputs.about.owner)),
            ("Pages of this window", pages),
        ]
    )
