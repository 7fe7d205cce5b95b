"""All windows with their incidents, the latest first; what a window's own pages say is theirs."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from signalbox_airflow.analysis_pages import DAG, list_windows
from signalbox_airflow.pages.access import Project, Sees, require, respond
from signalbox_airflow.pages.layout import draw_page, page

router = APIRouter()


@router.get("/incidents")
def show(project: Project, sees: Sees) -> HTMLResponse:
    """Answer with the list of windows."""
    require(sees, DAG)
    listed = list_windows(project)
    return respond(page(listed.title, "incidents", draw_page(listed), kind=listed.kind))
