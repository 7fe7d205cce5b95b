"""Who is asking, which project, and what he may see: the dependencies of every page.

A page about a product, or about what a DAG makes, is for whoever may see that DAG in Airflow.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse

from pipelines.core.project import dag_id
from signalbox_airflow.pages.layout import page_headers


def project_of(request: Request) -> Path:
    """Return the project's folder."""
    return Path(request.app.state.project)


def visible_to(user: GetUserDep, request: Request) -> Callable[[str], bool]:
    """Return a function that says whether the reader may see a DAG of the project, by its name."""
    project = project_of(request)

    def sees(dag: str) -> bool:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
        from airflow.models.dag import DagModel

        full = dag_id(project, dag)
        details = DagDetails(id=full, team_name=DagModel.get_team_name(full))
        return bool(get_auth_manager().is_authorized_dag(method="GET", details=details, user=user))

    return sees


def login_of(user: GetUserDep) -> str:
    """Return the name under which the reader answers questions in Airflow."""
    return str(user.get_id())


Project = Annotated[Path, Depends(project_of)]
Sees = Annotated[Callable[[str], bool], Depends(visible_to)]
User = Annotated[str, Depends(login_of)]


def require(sees: Callable[[str], bool], dag: str) -> None:
    """Stop whoever may not see a DAG.

    Raises
    ------
    HTTPException
        403.
    """
    if not sees(dag):
        raise HTTPException(403, f"You may not see the DAG {dag}.")


def respond(html: str, *, status: int = 200, script: str = "") -> HTMLResponse:
    """Send a page of the frame with its headers.

    Parameters
    ----------
    html : str
        From `layout.page`.
    script : str, default ''
        As given to `layout.page`.
    """
    return HTMLResponse(html, status_code=status, headers=page_headers(script))
