"""Windows' pages at ``/signalbox-results/``, for whoever may see the DAG incidents in Airflow.

Only names are taken from the address that a window or a page of ours has, so nothing else in the
project can be asked for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.project import dag_id
from signalbox_airflow.report_page import PREFIX as PAGES
from signalbox_airflow.report_page import headers

if TYPE_CHECKING:
    from pipelines.aiops.incidents.model import IncidentsFile
    from pipelines.aiops.report.incidents.windows_page import Known
    from pipelines.reporting.page import Page

PREFIX = "/signalbox-results"
DAG = "incidents"
_LISTED = 200


def address(window: str, page: str = "incidents.html") -> str:
    """Address of a window's page on Airflow's own server."""
    return f"{PREFIX}/{window}/{page}"


def frame_address(window: str, page: str) -> str:
    """Return where a window's page stands in the frame.

    Parameters
    ----------
    window : str
        Name of the window.
    page : str
        ``incidents.html``, ``anomalies.html`` or ``service_map.html``.
    """
    paths = {
        "incidents.html": f"/incidents/{window}",
        "anomalies.html": f"/incidents/{window}/anomalies",
        "service_map.html": f"/service-map/{window}",
    }
    return PAGES + paths[page]


def make_app(project: Path, report: Callable[[Path, str, bytes], bytes] | None = None) -> Any:
    """Return the web application.

    Parameters
    ----------
    project : Path
        The project's folder.
    report : callable, optional
        Takes the project, a window and its report of incidents; gives what is shown.
    """
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

    safe = _headers()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    allowed = [Depends(requires_access_dag(method="GET", param_dag_id=dag_id(project, DAG)))]

    @app.get("/", dependencies=allowed)
    def listed() -> Response:
        return RedirectResponse(f"{PAGES}/incidents")  # where the list was, before it had a frame

    @app.get("/{window}/{page}", dependencies=allowed)
    def page(window: str, page: str) -> Response:
        from pipelines.core.errors import SignalboxError

        try:
            html = read_page(project, window, page)
            if report is not None and page == "incidents.html":
                html = report(project, window, html)
            return HTMLResponse(html, headers=safe)
        except SignalboxError as error:
            return PlainTextResponse(str(error), status_code=404)

    return app


def _headers() -> dict[str, str]:
    """Headers with which the pages lead to one another inside Airflow's own frame.

    There a browser sends the login only to the origin that a page is from, so it must be
    Airflow's; and then only the map's own script may run, whatever a page says.
    """
    from pipelines.aiops.report.service_map.page import SCRIPT
    from pipelines.reporting.page import script_source

    return headers("allow-scripts allow-same-origin", script_source(SCRIPT))


def results_of(project: Path) -> Path:
    """Return the folder of all windows' results."""
    from pipelines.aiops.params import AiopsParams
    from pipelines.core.params import load_section

    params = load_section("aiops", AiopsParams, project / "params.yaml")
    return project / params.analysis.results


def read_page(project: Path, window: str, page: str) -> bytes:
    """Read a page of a window.

    Raises
    ------
    SignalboxError
        If there is no such window or page.
    """
    from pipelines.aiops.lake.window import Window, result_dir
    from pipelines.aiops.params.artifacts import ANOMALIES_HTML, INCIDENTS_HTML, SERVICE_MAP_HTML
    from pipelines.core.errors import SignalboxError

    pages = {path.name: path for path in (INCIDENTS_HTML, ANOMALIES_HTML, SERVICE_MAP_HTML)}
    if page not in pages:
        raise SignalboxError(f"no such page; there are {', '.join(pages)}")
    path = result_dir(results_of(project), Window.parse(window)) / pages[page]
    try:
        return path.read_bytes()
    except OSError:
        raise SignalboxError(f"{window} has no {page} yet; run the DAG {DAG}") from None


def has_page(project: Path, window: str, page: str) -> bool:
    """Whether a window has a page of that name."""
    from pipelines.core.errors import SignalboxError

    try:
        return bool(read_page(project, window, page))
    except SignalboxError:
        return False


def list_windows(project: Path) -> "Page":
    """Make the content of a page that leads to the latest windows' incidents."""
    from pipelines.aiops.report.incidents.windows_page import windows_page

    shown, windows = known_windows(project, _LISTED)
    return windows_page(shown, left_out=windows - len(shown))


def known_windows(project: Path, limit: int) -> tuple[list["Known"], int]:
    """Return the latest windows that have a page, the newest first, and how many there are."""
    from pipelines.aiops.lake.window import result_dir, windows_in
    from pipelines.aiops.params.artifacts import INCIDENTS_HTML
    from pipelines.aiops.report.incidents.windows_page import Known

    results = results_of(project)
    windows = [window for window in windows_in(results)
               if (result_dir(results, window) / INCIDENTS_HTML).is_file()]  # fmt: skip
    shown = [
        Known(
            window.start,
            window.end,
            frame_address(window.name, "incidents.html"),
            _read_incidents(result_dir(results, window)),
        )
        for window in reversed(windows[-limit:])
    ]
    return shown, len(windows)


def _read_incidents(directory: Path) -> "IncidentsFile | None":
    from pipelines.aiops.incidents.model import read_incidents
    from pipelines.aiops.params.artifacts import INCIDENTS
    from pipelines.core.errors import SignalboxError

    try:
        return read_incidents(directory / INCIDENTS)
    except SignalboxError:
        return None
