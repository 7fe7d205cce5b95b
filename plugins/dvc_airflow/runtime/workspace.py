"""A run's own copy of the project: a git clone at one commit, with the shared cache."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dvc_airflow.graph.errors import DvcAirflowError
from dvc_airflow.runtime import run_key
from dvc_airflow.runtime.dvc_config import write_local_config
from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.git import git, git_or_none, resolve_commit
from dvc_airflow.runtime.inputs import bring_inputs
from dvc_airflow.runtime.overrides import apply_overrides, by_file
from dvc_airflow.runtime.results import MARKER
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.snapshot import fix_commit, require_repository
from dvc_airflow.runtime.untracked import LeftOut, Untracked


@dataclass(frozen=True)
class Workspace:
    """A run's workspace, as it travels through XCom.

    Attributes
    ----------
    root : str
        The git clone.
    path : str
        The DVC project in it.
    commit : str
        The commit that the run was made from.
    overrides : dict
        Parameters that differ from that commit.
    token : str
        Changes when the workspace had to be made again.
    stages : list of str, optional
        The stages that will run in it; all by default.
    head : str, optional
        HEAD of the project where the run was opened.
    """

    root: str
    path: str
    commit: str
    dag_id: str
    run_id: str
    token: str
    group: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    stages: list[str] | None = None
    head: str | None = None

    @property
    def key(self) -> RunKey:
        """Which run this belongs to."""
        return RunKey(self.dag_id, self.run_id, self.group)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Opened:
    """A new workspace, what is not in it, and what it has links to."""

    workspace: Workspace
    left_out: tuple[LeftOut, ...]
    linked: tuple[str, ...]


def open_workspace(
    project: Path,
    workspaces: Path,
    key: RunKey,
    *,
    rev: str | None = None,
    overrides: dict[str, Any] | None = None,
    untracked: Untracked = "code",
    stages: Sequence[str] | None = None,
) -> Opened:
    """Fix the run's commit and make a fresh workspace of it.

    Parameters
    ----------
    project, workspaces : Path
        The project, and the directory of all workspaces.
    key : RunKey
        Which run.
    rev, untracked
        What its commit is; see `fix_commit`.
    overrides : dict, optional
        Parameters that it changes.
    stages : sequence of str, optional
        The stages that will run; all by default.

    Raises
    ------
    WorkspaceError
        If a stage reads data that neither git nor DVC keeps.
    """
    git_root = require_repository(project)
    refuse_unignored(git_root, workspaces)
    message = f"Working tree at the start of {key.dag_id} {key.run_id}"
    changes = overrides or {}
    snapshot = fix_commit(project, rev, message, untracked=untracked, overrides=by_file(changes))
    commit = snapshot.commit
    # Without a ref, git may throw an unfinished run's snapshot away after two weeks.
    git(git_root, "update-ref", key.ref(run_key.OPEN), commit)
    with _exclusive(key, workspaces):
        _remove(key.workspace(workspaces))
        try:
            made, linked = _create(
                project,
                git_root,
                workspaces,
                key,
                commit=commit,
                overrides=changes,
                stages=None if stages is None else list(stages),
                head=resolve_commit(git_root, "HEAD"),
            )
        except DvcAirflowError:
            # Nothing ran and nothing will: what is kept would only be in the way.
            git(git_root, "update-ref", "-d", key.ref(run_key.OPEN), commit)
            raise
    return Opened(made, snapshot.left_out, tuple(linked))


def ensure_workspace(
    project: Path, workspaces: Path, wanted: Workspace | Opened
) -> tuple[Workspace, bool]:
    """Return the workspace to work in, made again if it is not here.

    Parameters
    ----------
    project, workspaces : Path
        The project on this host, and the directory of all workspaces.
    wanted : Workspace or Opened
        The run's workspace, as `open_workspace` described it.

    Returns
    -------
    tuple of Workspace and bool
        The workspace, and whether it holds all that the run made without being told: only that of
        a run of one stage does. Any other stage may have run on another host, or in a workspace
        that is gone, which only the results of the run's tasks tell: so bring their dvc.lock
        entries along (`collect_entries`), also where the run was opened.
    """
    if isinstance(wanted, Opened):
        wanted = wanted.workspace
    key = wanted.key
    directory = key.workspace(workspaces)
    with _exclusive(key, workspaces):
        found = read_marker(directory)
        if found is None or found.commit != wanted.commit or found.overrides != wanted.overrides:
            git_root = require_repository(project)
            refuse_unignored(git_root, workspaces)
            _remove(directory)
            found, _ = _create(
                project,
                git_root,
                workspaces,
                key,
                commit=wanted.commit,
                overrides=wanted.overrides,
                stages=wanted.stages,
                head=wanted.head,
            )
    return found, wanted.stages is not None and len(wanted.stages) <= 1


def read_marker(directory: Path) -> Workspace | None:
    """Return the finished workspace in a directory, if there is one."""
    try:
        text = (directory / ".git" / MARKER).read_text(encoding="utf-8")
        return Workspace(**json.loads(text))
    except (OSError, ValueError, TypeError):
        return None


def refuse_unignored(git_root: Path, workspaces: Path) -> None:
    """Workspaces inside the repository must be ignored, or they would be in snapshots."""
    directory = Path(os.path.abspath(workspaces))
    if directory != git_root and git_root not in directory.parents:
        return
    if git_or_none(git_root, "check-ignore", "-q", str(directory / "x")) is None:
        shown = directory.relative_to(git_root)
        msg = f"the workspaces directory {shown}/ is not ignored; add '/{shown}/' to .gitignore"
        raise WorkspaceError(msg)


@contextlib.contextmanager
def in_use(key: RunKey, workspaces: Path) -> Iterator[None]:
    """Hold while working in a workspace; keeps it from being pruned."""
    with _locked(_lock_file(key, workspaces), fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def not_in_use(lock_file: Path) -> Iterator[bool]:
    """Whether nobody works in a workspace; nobody can start to meanwhile."""
    try:
        with _locked(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield True
    except BlockingIOError:
        yield False


@contextlib.contextmanager
def _exclusive(key: RunKey, workspaces: Path) -> Iterator[None]:
    # Another file than `in_use`: looking for the workspace must not wait for stages.
    with _locked(_lock_file(key, workspaces).with_suffix(".make"), fcntl.LOCK_EX):
        yield


def _lock_file(key: RunKey, workspaces: Path) -> Path:
    return key.folder(workspaces) / f".{key.name}.lock"


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield


def _remove(directory: Path) -> None:
    """Remove a workspace; a half-removed one is never mistaken for a whole one."""
    if directory.exists():
        doomed = directory.with_name(f".removed-{uuid.uuid4().hex[:8]}")
        directory.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def remove_workspace(directory: Path) -> None:
    """Remove a workspace and what lies beside it."""
    _remove(directory)
    for name in (f".{directory.name}.lock", f".{directory.name}.make"):
        directory.with_name(name).unlink(missing_ok=True)


def _create(
    project: Path,
    git_root: Path,
    workspaces: Path,
    key: RunKey,
    *,
    commit: str,
    overrides: dict[str, Any],
    stages: list[str] | None,
    head: str | None,
) -> tuple[Workspace, list[str]]:
    """Make a workspace; say which ignored files it has links to."""
    if resolve_commit(git_root, commit) is None:
        git_or_none(git_root, "fetch", "--quiet", "origin", commit)
    if resolve_commit(git_root, commit) is None:
        msg = (
            f"commit {commit} of this run is not in {git_root} on this machine; "
            "with several machines, run from a pushed revision (rev=...) or a shared repository"
        )
        raise WorkspaceError(msg)
    directory = key.workspace(workspaces)
    directory.parent.mkdir(parents=True, exist_ok=True)
    building = directory.with_name(f".making-{uuid.uuid4().hex[:8]}")
    try:
        _clone(git_root, building, commit)
        inner = building / project.resolve().relative_to(git_root.resolve())
        final = directory / inner.relative_to(building)
        write_local_config(project, inner, final)
        apply_overrides(inner, overrides)
        linked = bring_inputs(project, git_root, building, workspaces=workspaces, stages=stages)
        made = Workspace(
            root=str(directory),
            path=str(final),
            commit=commit,
            dag_id=key.dag_id,
            run_id=key.run_id,
            group=key.group,
            token=uuid.uuid4().hex,
            overrides=overrides,
            stages=stages,
            head=head,
        )
        marker = building / ".git" / MARKER
        marker.write_text(json.dumps(made.to_json()), encoding="utf-8")
        building.rename(directory)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return made, linked


def _clone(git_root: Path, directory: Path, commit: str) -> None:
    git(git_root, "clone", "--quiet", "--shared", "--no-checkout", str(git_root), str(directory))
    if resolve_commit(directory, commit) is None:
        # A shallow repository cannot lend its objects; this copies them.
        git(directory, "fetch", "--quiet", "origin", commit)
    git(directory, "checkout", "--quiet", "--detach", commit)
    for line in git(directory, "ls-tree", "-r", commit).splitlines():
        head, _, path = line.partition("\t")
        mode, _, sha = head.split()
        if mode == "160000":
            _clone_submodule(git_root / path, directory / path, sha)


def _clone_submodule(source: Path, directory: Path, sha: str) -> None:
    """Submodules come from the project's own copies, also when their origin is away."""
    if (source / ".git").exists() and resolve_commit(source, sha):
        directory.rmdir()
        _clone(source, directory, sha)
