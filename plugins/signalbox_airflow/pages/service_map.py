"""The service map of each window, the latest first."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from pipelines.core.errors import SignalboxError
from pipelines.reporting.blocks import Callout, Column, Prose, Row, Table, paged
from signalbox_airflow.analysis_pages import DAG, frame_address, results_of
from signalbox_airflow.pages.access import Project, Sees, require, respond
from signalbox_airflow.pages.layout import draw, link, page
from signalbox_airflow.pages.stored import stored_body, title_of

router = APIRouter()
MAP = "service_map.html"
LISTED = 100


@router.get("/service-map")
def show(
    project: Project, sees: Sees, most: Annotated[int, Query(ge=1, le=1000)] = LISTED
) -> HTMLResponse:
    """Answer with the latest window's map and a list of all."""
    from pipelines.aiops.lake.window import result_dir, windows_in
    from pipelines.aiops.params.artifacts import INCIDENTS_HTML, SERVICE_MAP_HTML

    require(sees, DAG)
    results = results_of(project)
    windows = [
        window.name
        for window in reversed(windows_in(results))
        if (result_dir(results, window) / SERVICE_MAP_HTML).is_file()
    ]
    if not windows:
        words = "Unpause the DAGs service_map and incidents, or trigger them."
        return respond(
            page("Service map", "service-map", draw(Callout("quiet", "No map yet", words)))
        )
    table = Table(
        "Windows with a map, the latest first",
        [Column("Window (UTC)"), Column("Incidents")],
        [
            Row(
                [
                    link(frame_address(name, MAP), title_of(name)),
                    link(frame_address(name, "incidents.html"), "its incidents")
                    if (results / name / INCIDENTS_HTML).is_file()
                    else "–",
                ]
            )
            for name in windows[:most]
        ],
    )
    older = len(windows) - most
    more = [Prose(f"{older:,} older windows more.", quiet=True)] if older > 0 else []
    body = stored_body(project, windows[0], MAP) + draw(*paged(table), *more)
    title = f"Service map, {title_of(windows[0])}"
    return respond(page(title, "service-map", body, script=_script()), script=_script())


@router.get("/service-map/{window}")
def show_window(window: str, project: Project, sees: Sees) -> HTMLResponse:
    """Answer with a window's map."""
    require(sees, DAG)
    try:
        title = f"Service map, {title_of(window)}"
        body = stored_body(project, window, MAP)
    except SignalboxError as error:
        raise HTTPException(404, str(error)) from None
    return respond(page(title, "service-map", body, script=_script()), script=_script())


def _script() -> str:
    from pipelines.aiops.report.service_map.page import SCRIPT

    return SCRIPT
