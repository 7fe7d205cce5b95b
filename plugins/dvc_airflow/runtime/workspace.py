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

from dvc_airflow.graph import load_graph
from dvc_airflow.graph.errors import DvcAirflowError
from dvc_airflow.runtime import run_key
from dvc_airflow.runtime.cache import use_lasting_cache
from dvc_airflow.runtime.clone import clone_at
from dvc_airflow.runtime.dvc_config import write_local_config
from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.git import git, git_or_none, resolve_commit
from dvc_airflow.runtime.inputs import bring_inputs
from dvc_airflow.runtime.live_paths import lead_links, refuse_live_paths
from dvc_airflow.runtime.overrides import apply_overrides, by_file
from dvc_airflow.runtime.publish import forget, publish_open
from dvc_airflow.runtime.python_path import write_hook
from dvc_airflow.runtime.repository import (
    GitConfig,
    Repository,
    fetch_missing,
    open_repository,
    shown_remote,
)
from dvc_airflow.runtime.results import MARKER
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.snapshot import SNAPSHOT_TITLE, fix_commit
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
    """A new workspace, what is not in it, what it has links to, and what may lead out of it."""

    workspace: Workspace
    left_out: tuple[LeftOut, ...]
    linked: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def open_workspace(
    project: Path,
    workspaces: Path,
    key: RunKey,
    *,
    rev: str | None = None,
    overrides: dict[str, Any] | None = None,
    untracked: Untracked = "code",
    stages: Sequence[str] | None = None,
    config: GitConfig | None = None,
    shared: bool = False,
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
    config : GitConfig, optional
        Where its commits come from and go to.
    shared : bool
        Whether other hosts need the commit: it is pushed then.

    Raises
    ------
    WorkspaceError
        If a stage reads data that neither git nor DVC keeps.
    """
    spelled = project
    project, workspaces = real_path(project), real_path(workspaces)
    repository = open_repository(project, workspaces, config)
    refuse_unignored(repository, workspaces)
    message = f"{SNAPSHOT_TITLE} {key.dag_id} {key.run_id}"
    changes = overrides or {}
    snapshot = fix_commit(
        project,
        repository,
        rev,
        message,
        untracked=untracked,
        overrides=by_file(changes),
        shared=shared,
    )
    commit = snapshot.commit
    # Without a ref, git may throw an unfinished run's snapshot away after two weeks.
    git(repository.store, "update-ref", key.ref(run_key.OPEN), commit)
    try:
        if shared:
            publish_open(repository, key, commit)
        with _exclusive(key, workspaces):
            _remove(key.workspace(workspaces))
            made, linked, warnings = _create(
                project,
                repository,
                workspaces,
                key,
                commit=commit,
                overrides=changes,
                stages=None if stages is None else list(stages),
                spelled=spelled,
                head=resolve_commit(repository.tree, "HEAD"),
            )
    except DvcAirflowError:
        # Nothing ran and nothing will: what is kept would only be in the way.
        forget(repository, key.ref(run_key.OPEN), shared=shared)
        raise
    return Opened(made, snapshot.left_out, tuple(linked), tuple(warnings))


def ensure_workspace(
    project: Path,
    workspaces: Path,
    wanted: Workspace | Opened,
    config: GitConfig | None = None,
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
    project, workspaces = real_path(project), real_path(workspaces)
    key = wanted.key
    directory = key.workspace(workspaces)
    with _exclusive(key, workspaces):
        found = read_marker(directory)
        if found is None or found.commit != wanted.commit or found.overrides != wanted.overrides:
            repository = open_repository(project, workspaces, config)
            refuse_unignored(repository, workspaces)
            _remove(directory)
            found, _, _ = _create(
                project,
                repository,
                workspaces,
                key,
                commit=wanted.commit,
                overrides=wanted.overrides,
                stages=wanted.stages,
                head=wanted.head,
            )
    return found, wanted.stages is not None and len(wanted.stages) <= 1


def real_path(path: Path) -> Path:
    """Return a path without links, for DVC mixes both up in paths that have some.

    Raises
    ------
    WorkspaceError
        If its letters are not UTF-8: git and DVC write paths down as UTF-8.
    """
    found = os.path.realpath(path)
    try:
        found.encode("utf-8")
    except UnicodeEncodeError as exc:
        shown = found.encode("utf-8", "backslashreplace").decode()
        msg = f"the path {shown} is not UTF-8, which DVC and git need: rename it"
        raise WorkspaceError(msg) from exc
    return Path(found)


def read_marker(directory: Path) -> Workspace | None:
    """Return the finished workspace in a directory, if there is one."""
    try:
        text = (directory / ".git" / MARKER).read_text(encoding="utf-8")
        return Workspace(**json.loads(text))
    except (OSError, ValueError, TypeError):
        return None


def refuse_unignored(repository: Repository, workspaces: Path) -> None:
    """Workspaces inside the repository must be ignored, or they would be in snapshots."""
    directory, root = real_path(workspaces), repository.tree
    if not repository.has_git or (directory != root and root not in directory.parents):
        return
    if git_or_none(root, "check-ignore", "-q", str(directory / "x")) is None:
        shown = directory.relative_to(root)
        msg = (
            f"the workspaces directory {directory} is not ignored by git; "
            f"add '/{shown}/' to .gitignore in {root}"
        )
        raise WorkspaceError(msg)


@contextlib.contextmanager
def in_use(key: RunKey, workspaces: Path) -> Iterator[None]:
    """Hold while working in a workspace; keeps it from being pruned."""
    file = lock_file(key, workspaces)
    with _locked(file, fcntl.LOCK_SH):
        os.utime(file)
        yield
        os.utime(file)


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
    with _locked(lock_file(key, workspaces).with_suffix(".make"), fcntl.LOCK_EX):
        yield


def lock_file(key: RunKey, workspaces: Path) -> Path:
    """Return the file that is locked, and whose time is set, while somebody works for a run."""
    return key.folder(workspaces) / f".{key.name}.lock"


def over_file(key: RunKey, workspaces: Path) -> Path:
    """Return the file whose time says when all tasks of the run had ended."""
    return key.folder(workspaces) / f".{key.name}.over"


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
    """Remove a workspace and what lies beside it.

    It is gone from its place at once; its thousands of files are deleted by a process that nobody
    waits for. What such a process left behind when it was killed is deleted, too.
    """
    if directory.exists():
        directory.rename(directory.with_name(f".removed-{uuid.uuid4().hex[:8]}"))
    doomed = [str(path) for path in directory.parent.glob(".removed-*")]
    if doomed:
        _remove_behind(doomed)
    for suffix in ("lock", "make", "over"):
        directory.with_name(f".{directory.name}.{suffix}").unlink(missing_ok=True)


def _remove_behind(paths: Sequence[str]) -> None:
    command = shutil.which("rm")
    if command is None or not hasattr(os, "posix_spawn"):
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
        return
    # No `Popen`: this process may end before, and has no interest in how it went.
    null = os.open(os.devnull, os.O_RDWR)
    try:
        os.posix_spawn(
            command,
            ["rm", "-rf", "--", *paths],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)],
            setsid=True,
        )
    finally:
        os.close(null)


def _create(
    project: Path,
    repository: Repository,
    workspaces: Path,
    key: RunKey,
    *,
    commit: str,
    overrides: dict[str, Any],
    stages: list[str] | None,
    head: str | None = None,
    spelled: Path | None = None,
) -> tuple[Workspace, list[str], list[str]]:
    """Make a workspace; say which ignored files it has links to, and what may lead out of it."""
    if not fetch_missing(repository, commit, [key.ref(run_key.OPEN), key.ref(run_key.FAILED)]):
        msg = (
            f"commit {commit} of this run is not in {repository.tree} on this machine, and its "
            f"git remote ({shown_remote(repository)}) does not have it either; with several "
            "machines, push commits (GitConfig(push=True), or ExecutionConfig(transfer=True)), "
            "or run from a pushed revision (rev=...)"
        )
        raise WorkspaceError(msg)
    git_root = repository.tree
    directory = key.workspace(workspaces)
    directory.parent.mkdir(parents=True, exist_ok=True)
    building = directory.with_name(f".making-{uuid.uuid4().hex[:8]}")
    try:
        parts = clone_at(repository.store, building, commit, tree=git_root)
        links, *_ = [lead_links(*part) for part in parts]
        inner = building / project.resolve().relative_to(git_root.resolve())
        final = directory / inner.relative_to(building)
        write_local_config(project, inner, final)
        if repository.is_own:
            use_lasting_cache(inner, git_root, workspaces)
        write_hook(git_root, building, directory, workspaces)
        apply_overrides(inner, overrides, building)
        graph = load_graph(inner)
        with repository.at(commit):
            warnings = refuse_live_paths(
                project, git_root, building, graph, stages=stages, links=links, spelled=spelled
            )
            linked = bring_inputs(
                project, git_root, building, graph=graph, workspaces=workspaces, stages=stages
            )
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
    return made, linked, warnings
