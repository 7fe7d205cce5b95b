"""Incidents: all windows, the latest first; a window's incidents; one of them, to be judged."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from pipelines.core.errors import SignalboxError
from pipelines.reporting.blocks import (
    Column,
    Facts,
    Prose,
    Ranked,
    Row,
    Section,
    Table,
    Text,
    paged,
)
from signalbox_airflow.analysis_pages import DAG, frame_address, list_windows
from signalbox_airflow.pages.access import Project, Sees, require, respond
from signalbox_airflow.pages.feedback import Judge
from signalbox_airflow.pages.layout import draw, draw_page, link, page
from signalbox_airflow.pages.stored import stored_body, title_of
from signalbox_airflow.pages.subjects import (
    address_of,
    incidents_of,
    of_finding,
    of_incident,
)

router = APIRouter()
Judging = Annotated[Judge, Depends()]
MOST_FINDINGS, MOST_REASONS = 12, 4


@router.get("/incidents")
def show(project: Project, sees: Sees) -> HTMLResponse:
    """Answer with the list of windows."""
    require(sees, DAG)
    listed = list_windows(project)
    return respond(page(listed.title, "incidents", draw_page(listed), kind=listed.kind))


@router.get("/incidents/{window}")
def show_window(window: str, project: Project, sees: Sees, judge: Judging) -> HTMLResponse:
    """Answer with a window's incidents: what people say of them, then the window's own page."""
    require(sees, DAG)
    title = _title(window)
    body = _judged(window, project, judge) + _stored(project, window, "incidents.html")
    return respond(page(f"Incidents, {title}", "incidents", body))


@router.get("/incidents/{window}/anomalies")
def show_anomalies(window: str, project: Project, sees: Sees) -> HTMLResponse:
    """Answer with a window's anomalies."""
    require(sees, DAG)
    title = _title(window)
    body = _stored(project, window, "anomalies.html")
    return respond(page(f"Anomalies, {title}", "incidents", body))


@router.get("/incidents/{window}/{incident}")
def show_incident(
    window: str, incident: str, project: Project, sees: Sees, judge: Judging
) -> HTMLResponse:
    """Answer with an incident: what it is, its suspects and findings, and what people say."""
    from pipelines.aiops.report.incidents import wording

    require(sees, DAG)
    _title(window)
    file = incidents_of(project, window)
    found = [one for one in (file.incidents if file else ()) if one.id == incident]
    if file is None or not found:
        raise HTTPException(404, "This window has no such incident.")
    one = found[0]
    known = [file.findings[id_] for id_ in one.findings if id_ in file.findings]
    known.sort(key=lambda finding: (-finding.score, finding.start_us, finding.id))
    whole = link(frame_address(window, "incidents.html"), "All incidents of the window")
    causes = [
        (
            wording.shown(cause.service),
            f"{cause.score:.1f} points",
            [wording.shown(reason, 500) for reason in cause.evidence[:MOST_REASONS]],
        )
        for cause in one.causes[:5]
    ]
    facts = Facts(
        [
            ("When (UTC)", wording.span(one.start_us, one.end_us)),
            ("Affected", wording.listed([wording.shown(name) for name in one.affected])),
            ("Found", wording.number_of(len(one.findings), "finding")),
            ("Window", whole),
        ]
    )
    body = Markup("\n").join(
        [
            draw(facts),
            _block(f"judge-incident-{one.id}", "What do people say?",
                   judge.section(of_incident(one, file, window))),
            draw(Section("causes", "Likely causes", [
                Ranked(causes) if causes else Prose("No service can be suspected.")
            ])),
            _block("findings", "What was found, the rarest first", Markup("").join(
                Markup(
                    '<details class="finding" id="judge-finding-{}"><summary>{} '
                    '<span class="when">{} · {}</span></summary>{}</details>'
                ).format(
                    finding.id,
                    wording.shown(finding.sentence, 220),
                    wording.shown(finding.service) or "no service",
                    wording.moment_to_second(finding.start_us),
                    judge.section(of_finding(finding, one, window)),
                )
                for finding in known[:MOST_FINDINGS]
            )),
        ]
    )  # fmt: skip
    kind = "Incident" + (" · synthetic data" if file.synthetic else "")
    return respond(page(wording.plain(one.title, 200), "incidents", body, kind=kind))


def _block(anchor: str, title: str, body: Markup) -> Markup:
    return Markup('<section id="{}"><h2>{}</h2>{}</section>').format(anchor, title, body)


def _title(window: str) -> str:
    try:
        return title_of(window)
    except SignalboxError as error:
        raise HTTPException(404, str(error)) from None


def _stored(project: Project, window: str, name: str) -> Markup:
    try:
        return stored_body(project, window, name)
    except SignalboxError as error:
        raise HTTPException(404, str(error)) from None


def _judged(window: str, project: Project, judge: Judge) -> Markup:
    """Say what people say of each incident, and lead to where one can say more."""
    from pipelines.aiops.report.incidents import wording
    from pipelines.aiops.report.incidents.links import worst_first

    file = incidents_of(project, window)
    if file is None or not file.incidents:
        return Markup("")
    rows = []
    for one in worst_first(file.incidents, file.findings.get)[:50]:
        to = link(address_of(window, one.id), wording.shown(one.title, 140))
        said: Text = "nobody has judged it yet"
        answers = judge.answers("incident", one.id)
        if answers:
            counts = {answer.verdict: 0 for answer in answers}
            for answer in answers:
                counts[answer.verdict] += 1
            said = ", ".join(f"{v.replace('_', ' ')} {n}" for v, n in sorted(counts.items()))
        rows.append(Row([to, said]))
    table = Table(
        "Open an incident to say whether it is right, has another cause, or is noise",
        [Column("Incident", wide=True), Column("What people say")],
        rows,
    )
    return draw(*paged(table))
