"""A run's report at ``/signalbox/reports/<dag>/<run>``, for whoever may see the DAG in Airflow.

The approvers' question links to it. The page comes from the saved run's commit, not from a
workspace: workspaces are removed after some runs, and what is decided on is the commit.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.core.project import find_project

PREFIX = "/signalbox"


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


def address(dag_id: str, run: str) -> str:
    """Address of a run's report on Airflow's own server; `run` as in ``refs/runs/<dag>/<run>``."""
    from urllib.parse import quote

    return f"{PREFIX}/reports/{quote(dag_id, safe='')}/{quote(run, safe='')}"


class Lazy:
    """A web application, made at its first request.

    Every component of Airflow imports plugins, and only the API server answers requests.
    """

    def __init__(self, make: Callable[[Path], Any]) -> None:
        self._make = make
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if self._app is None:
            self._app = self._make(find_project(__file__))
        await self._app(scope, receive, send)


def add_routes(app: Any, project: Path) -> None:
    """Add the page to a web application."""
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends
    from fastapi.responses import HTMLResponse, PlainTextResponse, Response

    @app.get("/reports/{dag_id}/{run}", dependencies=[Depends(requires_access_dag(method="GET"))])
    def report(dag_id: str, run: str) -> Response:
        from pipelines.core.errors import SignalboxError

        try:
            return HTMLResponse(read_report(project, dag_id, run), headers=headers())
        except SignalboxError as error:
            return PlainTextResponse(str(error), status_code=404)


def read_report(project: Path, dag_id: str, run: str) -> bytes:
    """Read the report of a saved run, which is the one that ``dvc.lock`` of its commit names.

    Raises
    ------
    SignalboxError
        If there is no such run, or its report cannot be read.
    """
    from pipelines.core.errors import SignalboxError
    from pipelines.core.git import git_or_none
    from pipelines.release.lifecycle.files import CommitFiles
    from pipelines.release.registry.read import load_product

    ref = f"refs/runs/{dag_id}/{run}"
    commit = None
    if git_or_none(project, "check-ref-format", ref) is not None:
        commit = git_or_none(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if not commit:
        raise SignalboxError(f"there is no saved run {dag_id}/{run}")
    return CommitFiles(project, commit).read(load_product(project, dag_id).report or "")
