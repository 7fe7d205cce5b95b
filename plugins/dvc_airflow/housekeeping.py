"""Remove data that nothing needs any more; unlike ``dvc gc``, keep that of saved runs.

``dvc gc`` reads branches, tags and experiments (``refs/exps``), so all of its forms take the data
of runs, which are under ``refs/runs``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc_airflow.errors import WorkspaceError
from dvc_airflow.runtime.git import git
from dvc_airflow.runtime.repository import open_repository
from dvc_airflow.runtime.run_key import FAILED, OPEN, RUNS
from dvc_airflow.runtime.workspace import read_marker


@dataclass
class Collected:
    """What was removed, or would be.

    Attributes
    ----------
    runs : int
        Saved runs (complete, failed, going on) whose data stay.
    workspaces : int
        Workspaces whose data stay.
    removed : dict of str to int
        Files in each store that went.
    given_up : list of str
        Refs of failed runs that went.
    dry : bool
        Whether it would only be so.
    """

    runs: int
    workspaces: int
    dry: bool
    removed: dict[str, int] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Say it."""
        would = "would be " if self.dry else ""
        lines = [
            f"kept: the working tree, branches, tags, experiments, {self.runs} saved run(s), "
            f"{self.workspaces} workspace(s)"
        ]
        lines += [f"{would}given up: {ref}" for ref in self.given_up]
        lines += [f"{count} object(s) {would}removed from the {name}"
                  for name, count in self.removed.items()]  # fmt: skip
        if not self.removed:
            lines.append("nothing to remove")
        if self.dry and (self.removed or self.given_up):
            lines.append("nothing was removed; with --yes it is")
        return lines


def collect_garbage(
    project: str | os.PathLike[str],
    workspaces: str | os.PathLike[str] | None = None,
    *,
    failed: bool = False,
    cloud: bool = False,
    remote: str | None = None,
    dry: bool = True,
) -> Collected:
    """Remove what no branch, tag, experiment, workspace or saved run needs from DVC's cache.

    Parameters
    ----------
    project : path
        The DVC project.
    workspaces : path, optional
        The directory of workspaces; ``runs/`` in the project by default.
    failed : bool
        Whether failed runs are given up: their refs, and what only they need.
    cloud : bool
        Whether the DVC remote is cleaned too.
    remote : str, optional
        Which one, if not the default.
    dry : bool
        Only find out what would go.

    Raises
    ------
    WorkspaceError
        If runs are kept in a repository of the bridge's own, a run is at work, or data of a
        commit can't be found out: nothing is removed then.
    """
    root = Path(os.path.abspath(project))
    folder = root / "runs" if workspaces is None else Path(os.path.abspath(workspaces))
    repository = open_repository(root, folder)
    if repository.is_own:
        msg = (
            f"runs of {root} are kept in {repository.store}, not in its own repository: fetch "
            "refs/runs/* and refs/failed-runs/* into a clone of the project and collect there"
        )
        raise WorkspaceError(msg)
    kinds = (RUNS, OPEN) if failed else (RUNS, OPEN, FAILED)
    listed = git(repository.store, "for-each-ref", "--format=%(objectname)", *kinds).split()
    commits = list(dict.fromkeys(listed))
    open_ones = _workspaces_in(folder)
    done = Collected(len(commits), len(open_ones), dry)
    if failed:
        done.given_up = git(
            repository.store, "for-each-ref", "--format=%(refname)", FAILED
        ).splitlines()
    with _counted(done.removed):
        _dvc_gc(root, commits, open_ones, cloud=cloud, remote=remote, dry=dry)
    for ref in [] if dry else done.given_up:
        git(repository.store, "update-ref", "-d", ref)
    return done


def _dvc_gc(root: Path, commits: list[str], workspaces: list[str], **options: Any) -> None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        used = repo.used_objs

        def with_runs(**asked: Any) -> Any:
            return used(**{**asked, "revs": [*(asked.get("revs") or []), *commits]})

        # Its own command takes one revision; the function below it takes any number.
        repo.used_objs = with_runs
        try:
            repo.gc(
                workspace=True,
                all_branches=True,
                all_tags=True,
                all_experiments=True,
                repos=workspaces,
                **options,
            )
        except DvcException as exc:
            msg = f"nothing was removed from the cache of {root}: {exc}"
            raise WorkspaceError(msg) from exc


def _workspaces_in(folder: Path) -> list[str]:
    found = (read_marker(path) for path in sorted(folder.glob("*/*")) if path.is_dir())
    return [marker.path for marker in found if marker is not None]


@contextmanager
def _counted(removed: dict[str, int]) -> Iterator[None]:
    """Note what DVC says it removed: its function returns nothing."""

    class Counter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "Removed" in str(record.msg) and record.args:
                args = record.args if isinstance(record.args, tuple) else ()
                name = "cache" if len(args) > 1 else "remote"
                removed[name] = removed.get(name, 0) + int(str(args[0]))

    logger = logging.getLogger("dvc.repo.gc")
    handler, level, passes = Counter(), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # A run has no hashes of stages that it did not have, and needs none: no warning.
    outputs = logging.getLogger("dvc.output")
    warned = outputs.level
    outputs.setLevel(logging.ERROR)
    try:
        yield
    finally:
        outputs.setLevel(warned)
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = passes
