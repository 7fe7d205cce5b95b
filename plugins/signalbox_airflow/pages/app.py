"""The web application at ``/signalbox/``: every page of the frame, and reports of saved runs."""

from pathlib import Path

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from pipelines.core.errors import SignalboxError
from pipelines.reporting.blocks import Callout
from signalbox_airflow import report_page
from signalbox_airflow.pages import (
    comparison,
    feedback,
    incidents,
    kpis,
    ledger,
    overview,
    releases,
    reports,
    rules,
    service_map,
)
from signalbox_airflow.pages.access import respond
from signalbox_airflow.pages.layout import draw, page

ROUTERS = (
    overview.router,
    releases.router,
    comparison.router,
    rules.router,
    incidents.router,
    service_map.router,
    kpis.router,
    ledger.router,
    reports.router,
    feedback.router,
)
"""One a page; a new page adds its own."""


def make_app(project: Path) -> FastAPI:
    """Return the web application; nobody sees anything of it without a login."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)])
    app.state.project = project
    for router in ROUTERS:
        app.include_router(router)
    report_page.add_routes(app, project)
    app.add_exception_handler(HTTPException, _refused)  # type: ignore[arg-type]
    app.add_exception_handler(SignalboxError, _failed)
    return app


def _refused(_: Request, error: HTTPException) -> HTMLResponse:
    titles = {401: "Log in to Airflow first", 403: "Not yours to see", 404: "Not found"}
    title = titles.get(error.status_code, "That did not work")
    body = draw(Callout("bad", title, str(error.detail)))
    return respond(page(title, "", body), status=error.status_code)


def _failed(_: Request, error: Exception) -> HTMLResponse:
    body = draw(Callout("bad", "This page cannot be made", str(error)))
    return respond(page("Something is wrong in the project", "", body), status=500)
