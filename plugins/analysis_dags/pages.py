"""Windows' pages at ``/signalbox-results/``, for whoever may see the DAG incidents in Airflow.

Only names are taken from the address that a window or a page of ours has, so nothing else in the
project can be asked for.
"""

from pathlib import Path
from typing import Any

from release_path.report_page import HEADERS

PREFIX = "/signalbox-results"
DAG = "incidents"
PROJECT = Path(__file__).resolve().parents[2]
_LISTED = 500


def address(window: str, page: str = "incidents.html") -> str:
    """Address of a window's page on Airflow's own server."""
    return f"{PREFIX}/{window}/{page}"


def make_app(project: Path) -> Any:
    """Return the web application."""
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse, PlainTextResponse, Response

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    allowed = [Depends(requires_access_dag(method="GET", param_dag_id=DAG))]

    @app.get("/", dependencies=allowed)
    def listed() -> Response:
        return HTMLResponse(list_windows(project), headers=HEADERS)

    @app.get("/{window}/{page}", dependencies=allowed)
    def page(window: str, page: str) -> Response:
        from pipelines.base.errors import SignalboxError

        try:
            return HTMLResponse(read_page(project, window, page), headers=HEADERS)
        except SignalboxError as error:
            return PlainTextResponse(str(error), status_code=404)

    return app


def _results(project: Path) -> Path:
    from pipelines.aiops.params import AiopsParams
    from pipelines.base.params import load_section

    params = load_section("aiops", AiopsParams, project / "params.yaml")
    return project / params.analysis.results


def read_page(project: Path, window: str, page: str) -> bytes:
    """Read a page of a window.

    Raises
    ------
    SignalboxError
        If there is no such window or page.
    """
    from pipelines.aiops.analysis.results import place_of
    from pipelines.aiops.analysis.window import Window
    from pipelines.aiops.artifacts import ANOMALIES_HTML, INCIDENTS_HTML, SERVICE_MAP_HTML
    from pipelines.base.errors import SignalboxError

    pages = {path.name: path for path in (INCIDENTS_HTML, ANOMALIES_HTML, SERVICE_MAP_HTML)}
    if page not in pages:
        raise SignalboxError(f"no such page; there are {', '.join(pages)}")
    path = place_of(_results(project), Window.parse(window)) / pages[page]
    try:
        return path.read_bytes()
    except OSError:
        raise SignalboxError(f"{window} has no {page} yet; run the DAG {DAG}") from None


def list_windows(project: Path) -> str:
    """Make a page that links to the latest windows' incidents."""
    from pipelines.aiops.analysis.results import place_of, windows_in
    from pipelines.aiops.artifacts import INCIDENTS_HTML

    results = _results(project)
    windows = [one for one in windows_in(results)
               if (place_of(results, one) / INCIDENTS_HTML).is_file()]  # fmt: skip
    shown = [
        f'<li><a href="{address(one.name)}">{one.start:%Y-%m-%d %H:%M} to '
        f"{one.end:%Y-%m-%d %H:%M} UTC</a></li>"
        for one in reversed(windows[-_LISTED:])
    ]
    items = "\n".join(shown) or "<li>none yet: unpause telemetry_anomalies and service_map</li>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Incidents by window</title>'
        "<style>body{font:16px/1.5 sans-serif;margin:2rem}</style>"
        f"<h1>Incidents by window</h1><ul>\n{items}\n</ul></html>\n"
    )
