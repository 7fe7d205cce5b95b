"""What a lead reads in the morning: in production, waiting for a person, wrong and since when."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from pipelines.reporting.blocks import Prose
from signalbox_airflow.pages.access import Project, Sees, respond
from signalbox_airflow.pages.layout import draw, page

router = APIRouter()


@router.get("/")
def show(project: Project, sees: Sees) -> HTMLResponse:
    """Answer with the overview."""
    return respond(page("Overview", "overview", draw(Prose(f"Project {project.name}"))))
