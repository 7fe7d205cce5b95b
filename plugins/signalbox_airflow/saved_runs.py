"""Saved runs by name: their commits, and the addresses of the pages about them."""

from pathlib import Path

PREFIX = "/signalbox"


def address(dag_id: str, run: str, kind: str = "reports", stage: str = "") -> str:
    """Address of a page about a run on Airflow's own server.

    Parameters
    ----------
    dag_id, run
        As in ``refs/runs/<dag>/<run>``.
    kind
        ``reports``, ``evidence`` or ``commits``.
    stage
        Whose evidence.
    """
    from urllib.parse import quote

    parts = [quote(part, safe="") for part in (dag_id, run, stage) if part]
    return "/".join([PREFIX, kind, *parts])


def commit_of(project: Path, dag_id: str, run: str) -> str:
    """Return the commit of a saved run.

    Raises
    ------
    SignalboxError
        If there is no such run.
    """
    from pipelines.core.errors import SignalboxError
    from pipelines.release.lifecycle.candidate import saved_commit

    commit = saved_commit(project, f"{dag_id}/{run}")
    if not commit:
        raise SignalboxError(f"there is no saved run {dag_id}/{run}")
    return commit
