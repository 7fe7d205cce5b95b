"""Pages about a saved run, for whoever may see its DAG in Airflow.

``/signalbox/reports/<dag>/<run>``
    Its report, as the stage made it.
``/signalbox/evidence/<dag>/<run>/<stage>``
    The evidence of a stage: figures with intervals, inputs with hashes, details.
``/signalbox/commits/<dag>/<run>``
    What was changed for the run, the gate's word, and everything it made.

The approvers' question and the tasks' links (`links`) lead here. All comes from the saved run's
commit, not from a workspace: workspaces are removed after some runs, and what is decided on is the
commit. Only names that exist are found: a run among git's refs, a stage in its ``dvc.lock``.
"""

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pipelines.core.project import (
    airflow_projects,
    dag_name,
    find_project,
    project_name,
    project_of_dag,
)
from signalbox_airflow.saved_runs import PREFIX, address, commit_of

COOKIE = "signalbox_project"
"""Which of several projects the pages of the menu are about; it grants nothing."""
CHOOSE = "/projects/"
CURRENT: ContextVar[str] = ContextVar("signalbox_project", default="")
"""Name of the project that the request is about."""

__all__ = ["PREFIX", "Lazy", "add_routes", "address", "headers"]


def headers(sandbox: str = "allow-scripts", scripts: str = "'unsafe-inline'") -> dict[str, str]:
    """Headers of a page that is made from data.

    In a sandbox of its own origin nothing in it can act in the reader's name, even if some value
    got past the escaping; a page that needs Airflow's origin names the only `scripts` that may run.
    """
    return {
        "Content-Security-Policy": f"sandbox {sandbox}; script-src {scripts}; default-src 'none'; "
        "img-src data:; font-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }


class Lazy:
    """A web application a project, made at its first request.

    Every component of Airflow imports plugins, and only the API server answers requests. Where the
    Airflow is that of several projects, ``/projects/<name>`` chooses one for this browser.
    """

    def __init__(self, make: Callable[[Path], Any]) -> None:
        self._make = make
        self._apps: dict[Path, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        known = {project_name(project): project for project in airflow_projects()}
        path = str(scope.get("path", "")).removeprefix(scope.get("root_path", ""))
        name = path.removeprefix(CHOOSE)
        if path.startswith(CHOOSE) and name in known:
            await _choose(name, send)
            return
        project = known.get(_chosen(scope)) or find_project(__file__)
        if project not in self._apps:
            self._apps[project] = self._make(project)
        CURRENT.set(project_name(project))
        await self._apps[project](scope, receive, send)


def _chosen(scope: Any) -> str:
    """Return the name in the browser's cookie; it is only looked up among the projects' names."""
    from http.cookies import CookieError, SimpleCookie

    sent = dict(scope.get("headers", ())).get(b"cookie", b"").decode("latin-1")
    try:
        found = SimpleCookie(sent).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


async def _choose(name: str, send: Any) -> None:
    cookie = f"{COOKIE}={name}; Path=/; HttpOnly; SameSite=Lax"
    sent = [(b"location", f"{PREFIX}/".encode()), (b"set-cookie", cookie.encode())]
    await send({"type": "http.response.start", "status": 303, "headers": sent})
    await send({"type": "http.response.body", "body": b""})


def add_routes(app: Any, project: Path) -> None:
    """Add the pages to a web application."""
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends
    from fastapi.responses import HTMLResponse, PlainTextResponse, Response

    allowed = [Depends(requires_access_dag(method="GET"))]

    def answer(read: Callable[[], bytes | str], sent: dict[str, str]) -> Response:
        from pipelines.core.errors import SignalboxError

        try:
            return HTMLResponse(read(), headers=sent)
        except SignalboxError as error:
            return PlainTextResponse(str(error), status_code=404, headers=sent)

    def of(dag_id: str) -> Path:
        return project_of_dag(dag_id, __file__, project)

    @app.get("/reports/{dag_id}/{run}", dependencies=allowed)
    def report(dag_id: str, run: str) -> Response:
        return answer(lambda: read_report(of(dag_id), dag_id, run), headers())

    @app.get("/evidence/{dag_id}/{run}/{stage}", dependencies=allowed)
    def evidence(dag_id: str, run: str, stage: str) -> Response:
        from signalbox_airflow.run_pages import evidence_page

        return answer(lambda: evidence_page(of(dag_id), dag_id, run, stage), _led_on())

    @app.get("/commits/{dag_id}/{run}", dependencies=allowed)
    def commit(dag_id: str, run: str) -> Response:
        from signalbox_airflow.run_pages import run_page

        return answer(lambda: run_page(of(dag_id), dag_id, run), _led_on())


def _led_on() -> dict[str, str]:
    """Headers of pages that link to others behind the login; they have no script at all.

    A browser sends the login along only from a page of Airflow's own origin.
    """
    return headers("allow-same-origin", "'none'")


def read_report(project: Path, dag_id: str, run: str) -> bytes:
    """Read the report of a saved run, which is the one that ``dvc.lock`` of its commit names.

    Raises
    ------
    SignalboxError
        If there is no such run, or its report cannot be read.
    """
    from pipelines.release.lifecycle.files import CommitFiles
    from pipelines.release.registry.read import load_product

    commit = commit_of(project, dag_id, run)
    return CommitFiles(project, commit).read(load_product(project, dag_name(dag_id)).report or "")
