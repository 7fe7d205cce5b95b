"""Which git repository keeps a project's runs, and how their commits travel.

Usually it is the project's own. Where nothing may be written to that (a read-only volume, an
image) or it doesn't last (the versions of a git DAG bundle, which Airflow deletes), it is a bare
repository of the bridge's own beside the workspaces. That one holds copies of all objects that
its refs need, so it stays whole when the project's copy goes.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dvc_airflow.graph.errors import ProjectError
from dvc_airflow.runtime.clone import absolute_url, object_format
from dvc_airflow.runtime.errors import GitError, WorkspaceError
from dvc_airflow.runtime.git import (
    git,
    git_or_none,
    git_path,
    redirected,
    resolve_commit,
    toplevel,
    without_passwords,
)
from dvc_airflow.runtime.objects import copy_objects

log = logging.getLogger(__name__)

STORE: Final = ".repository.git"
_SHA: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_BASE: Final = re.compile(r"[~^]|@\{")
_CARRIED: Final = re.compile(r"(credential|http|url|user)\.|core\.(sshcommand|gitproxy)$")
"""Settings of a project's own that reach a remote or say who commits."""


@dataclass(frozen=True)
class GitConfig:
    """Where a project's commits come from, and where runs' commits go.

    Attributes
    ----------
    repository : str, optional
        Address of the project's git repository, for a project directory that has none around it
        (an image, say); ``rev`` must then name what to run. With it, runs are kept in a
        repository of the bridge's own in the workspaces directory.
    subdir : str
        The project's directory in that repository.
    remote : str, optional
        Git remote that runs' refs are pushed to and missing commits are fetched from, by name or
        address. By default the upstream of the current branch, else ``origin``, else the only one
        there is; the empty text means none.
    push : bool, optional
        Whether refs are pushed and ``rev`` is looked up at the remote first; by default if
        ``ExecutionConfig.transfer`` is on.
    """

    repository: str | None = None
    subdir: str = ""
    remote: str | None = None
    push: bool | None = None

    def is_shared(self, transfer: bool) -> bool:
        """Whether refs travel, given whether data do."""
        return transfer if self.push is None else self.push


@dataclass(frozen=True)
class Repository:
    """The repository that keeps a project's runs.

    Attributes
    ----------
    tree : Path
        Root of the project's repository, or of the copy of it that the project lies in.
    store : Path
        Where commits and refs of runs are: `tree` itself, or the bridge's own.
    remote : str or None
        The remote of `store`, by name or address.
    source : Path or None
        A repository on this machine that has the project's commits: `tree`, or a bundle's.
    version : str or None
        The commit that `tree` is a copy of, if it is not a git work tree itself.
    """

    tree: Path
    store: Path
    remote: str | None = None
    source: Path | None = None
    version: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether the bridge keeps runs in a repository of its own."""
        return self.store != self.tree

    @property
    def has_git(self) -> bool:
        """Whether the project's tree is a git work tree."""
        return (self.tree / ".git").exists()

    @contextmanager
    def at(self, commit: str) -> Iterator[None]:
        """Let git look at a tree without ``.git`` as a work tree of a commit."""
        if self.has_git:
            yield
            return
        with tempfile.TemporaryDirectory(prefix="dvc-airflow-") as folder:
            here = {
                "GIT_DIR": str(self.store),
                "GIT_WORK_TREE": str(self.tree),
                "GIT_INDEX_FILE": os.path.join(folder, "index"),
            }
            with redirected(self.tree, here):
                git(self.tree, "read-tree", commit)
                yield

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Let git commands in the project's tree write objects, without touching its repository."""
        if not self.is_own or not self.has_git:
            yield
            return
        with tempfile.TemporaryDirectory(prefix="dvc-airflow-") as folder:
            lent = os.path.realpath(git_path(self.tree, "objects"))
            Path(folder, "info").mkdir()
            Path(folder, "info", "alternates").write_text(f"{lent}\n", encoding="utf-8")
            with redirected(self.tree, {"GIT_OBJECT_DIRECTORY": folder}):
                yield

    def find(self, rev: str) -> str | None:
        """Return the commit that a name stands for on this machine; it is in `store` then."""
        found = resolve_commit(self.source, rev) if self.source is not None else None
        found = found or resolve_commit(self.store, rev)
        if found is not None:
            self.keep(found)
        return found

    def keep(self, commit: str) -> None:
        """Copy a commit of the project's into the repository that keeps runs."""
        if self.is_own and self.source and resolve_commit(self.store, commit) is None:
            copy_objects(self.source, self.store, commit)


def open_repository(project: Path, workspaces: Path, config: GitConfig | None = None) -> Repository:
    """Find the repository that keeps a project's runs; make one if the project's can't.

    Parameters
    ----------
    project, workspaces : Path
        The project, and the directory of all workspaces.
    config : GitConfig, optional
        What was configured.

    Raises
    ------
    ProjectError
        If there is no repository, or none that the bridge can use.
    """
    config = config or GitConfig()
    tree, bundle = _tree_of(project, config)
    has_git = (tree / ".git").exists()
    if bundle is None and not config.repository and _is_writable(tree):
        return Repository(tree, tree, _remote_of(tree, config), source=tree)
    place = Path(os.path.realpath(workspaces))
    if bundle is not None and place.is_relative_to(tree):
        msg = (
            f"{tree} is a git DAG bundle's, which Airflow deletes, so workspaces can't be in it: "
            "name a directory that lasts: WorkspaceConfig(directory=...)"
        )
        raise ProjectError(msg)
    source = tree if has_git else bundle
    remote = _remote_address(tree, bundle, config)
    store = _own_store(place, source, remote)
    version = None if has_git or bundle is None else tree.name
    return Repository(tree, store, remote and "origin", source, version)


def repository_of(tree: Path) -> Repository:
    """Return a project's own repository, which is its root in git, with its usual remote."""
    return Repository(tree, tree, _remote_of(tree, GitConfig()), source=tree)


def require_repository(project: Path) -> Path:
    """Return the git root of a project; says clearly what is missing otherwise."""
    return _tree_of(project, GitConfig())[0]


def lasting_name(project: Path) -> str:
    """Return a project's name; of a bundle's copy, whose directory changes, the bundle's."""
    tree, bundle = _bundle_of(project) or (None, None)
    is_root = tree == Path(os.path.realpath(project))
    return bundle.parent.name if bundle is not None and is_root else project.name


def pack_objects(repository: Repository) -> None:
    """Let git pack the objects of the bridge's own repository, once there are many.

    Nobody else does it; what workspaces borrow has a ref, or is younger than git's two weeks.
    """
    if repository.is_own:
        settings = {"gc.auto": "2000", "gc.autoDetach": "false"}
        try:
            git(repository.store, "gc", "--auto", "--quiet", settings=settings)
        except GitError as exc:
            log.warning("%s", exc)


def resolve_rev(repository: Repository, rev: str, *, shared: bool) -> str:
    """Return the commit that a revision names.

    Parameters
    ----------
    repository : Repository
        Where to look.
    rev : str
        The revision.
    shared : bool
        Whether several hosts run it: then the remote is asked first. A branch is what the remote
        has, or what is here if that is ahead; a tag must be the same on both sides.

    Raises
    ------
    ProjectError
        If there is no such revision, or the two sides disagree.
    GitError
        If the remote can't be asked.
    """
    here = repository.find(rev)
    if here and (not shared or repository.remote is None or _SHA.fullmatch(rev)):
        return here
    if repository.remote is None:
        msg = f"there is no revision {rev!r} in {repository.tree}"
        raise ProjectError(msg)
    name, suffix = _split(rev)
    there = _ask_remote(repository, name)
    if there is None:
        if here is None:
            msg = f"there is no revision {rev!r}, neither here nor at {shown_remote(repository)}"
            raise ProjectError(msg)
        return here
    ref, sha = there
    fetch(repository, [ref])
    found = resolve_commit(repository.store, f"{sha}{suffix}")
    if found is None:
        msg = f"there is no revision {rev!r} at {shown_remote(repository)}"
        raise ProjectError(msg)
    if here is None or here == found:
        return found
    return _newer(repository, rev, ref, here, found)


def fetch(repository: Repository, wanted: Sequence[str]) -> None:
    """Fetch refs or commits from the remote; no branch, tag or FETCH_HEAD here changes."""
    assert repository.remote is not None
    options = ("--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--refmap=")
    git(repository.store, "fetch", *options, repository.remote, *wanted)


def fetch_missing(repository: Repository, commit: str, refs: Sequence[str] = ()) -> bool:
    """Bring a commit that is not here from the remote, and say so in the log.

    Parameters
    ----------
    repository : Repository
        Where it should be.
    commit : str
        Its hash.
    refs : sequence of str
        Refs at the remote that may hold it; not every server gives commits by their hash.

    Returns
    -------
    bool
        Whether it is here now.
    """
    store = repository.store
    if repository.find(commit) is not None:
        return True
    if repository.remote is None:
        return False
    for wanted in (*refs, commit):
        try:
            fetch(repository, [wanted])
        except GitError as exc:
            log.debug("%s", exc)
        if resolve_commit(store, commit) is not None:
            log.info("commit %s was not here; fetched %s from the git remote %s",
                     commit, wanted, shown_remote(repository))  # fmt: skip
            return True
    return False


def fetch_ref(repository: Repository, ref: str) -> str | None:
    """Fetch a ref that is not here under its own name, and say so in the log.

    Parameters
    ----------
    repository : Repository
        Where it should be.
    ref : str
        Its full name.

    Returns
    -------
    str or None
        Its commit; None if the remote doesn't have it or can't be asked.
    """
    if repository.remote is None:
        return None
    try:
        if not git(repository.store, "ls-remote", "--quiet", repository.remote, ref):
            return None
        fetch(repository, [f"+{ref}:{ref}"])
    except GitError as exc:
        log.warning("%s is not here, and could not be fetched: %s", ref, exc)
        return None
    log.info("%s was not here; fetched it from the git remote %s", ref, shown_remote(repository))
    return resolve_commit(repository.store, ref)


def shown_remote(repository: Repository) -> str:
    """Return a remote's name and address, without what may be a password in it."""
    remote = repository.remote or "none"
    url = git_or_none(repository.store, "remote", "get-url", remote)
    text = f"{remote} ({url})" if url else remote
    return without_passwords(text)


def _tree_of(project: Path, config: GitConfig) -> tuple[Path, Path | None]:
    """Return the root of the project's repository (or copy), and its bundle's repository."""
    if not project.is_dir():
        msg = f"the project {project} does not exist on this machine"
        raise ProjectError(msg)
    tree, bundle = _bundle_of(project) or (None, None)
    if tree is None:
        tree = _configured_tree(project, config) if config.repository else toplevel(project)
    if tree is None:
        msg = (
            f"{project} is not in a git repository; a run needs a commit to stand on: git init, "
            "or say where the project comes from: GitConfig(repository=...) and "
            "WorkspaceConfig(rev=...)"
        )
        raise ProjectError(msg)
    if not (project / ".dvc").is_dir():
        msg = f"{project} is not a DVC project: it has no .dvc directory; run 'dvc init' in it"
        raise ProjectError(msg)
    has_git = (tree / ".git").exists()
    source = tree if has_git else bundle
    if source is not None and (kind := object_format(source)) != "sha1":
        msg = (
            f"the git repository {source} names its objects by {kind}, which DVC cannot read: "
            "it needs a repository made with 'git init --object-format=sha1'"
        )
        raise ProjectError(msg)
    if has_git and resolve_commit(tree, "HEAD") is None:
        msg = f"the git repository {tree} has no commit yet; make a first one"
        raise ProjectError(msg)
    return tree, bundle


def _configured_tree(project: Path, config: GitConfig) -> Path:
    depth = len(Path(config.subdir).parts)
    tree = Path(os.path.realpath(project), *[".."] * depth).resolve()
    if (tree / config.subdir).resolve() != project.resolve():
        msg = f"{project} doesn't end with GitConfig(subdir={config.subdir!r})"
        raise ProjectError(msg)
    return tree


def _bundle_of(project: Path) -> tuple[Path, Path] | None:
    """Return root and bare repository if a project lies in a git DAG bundle's copy.

    Airflow's git provider has ``bare``, ``versions/<commit>`` (mostly without ``.git``) and
    ``tracking_repo`` below the bundle's directory.
    """
    real = Path(os.path.realpath(project))
    for tree in (real, *real.parents):
        base = tree.parent.parent if tree.parent.name == "versions" else None
        if tree.name == "tracking_repo":
            base = tree.parent
        if base is not None and (base / "bare" / "objects").is_dir():
            if tree.name == "tracking_repo" or _SHA.fullmatch(tree.name):
                return tree, base / "bare"
            if resolve_commit(base / "bare", tree.name):
                return tree, base / "bare"
    return None


def _is_writable(tree: Path) -> bool:
    common = tree / git(tree, "rev-parse", "--git-common-dir")
    return all(os.access(path, os.W_OK) for path in (common, common / "objects", common / "refs"))


def _remote_of(tree: Path, config: GitConfig) -> str | None:
    """Return the remote of a repository, as `GitConfig.remote` says."""
    if config.remote is not None:
        return config.remote or None
    known = (git_or_none(tree, "remote") or "").split()
    branch = git_or_none(tree, "symbolic-ref", "--quiet", "--short", "HEAD")
    upstream = git_or_none(tree, "config", f"branch.{branch}.remote") if branch else None
    for name in (upstream, "origin"):
        if name in known:
            return name
    return known[0] if len(known) == 1 else None


def _remote_address(tree: Path, bundle: Path | None, config: GitConfig) -> str | None:
    """Return the address of the remote for a repository of the bridge's own."""
    if config.repository:
        return absolute_url(config.repository, Path.cwd())
    source = bundle or tree
    name = _remote_of(source, config)
    if name is None:
        return None
    url = git_or_none(source, "config", f"remote.{name}.url") or name
    return absolute_url(url, source)


def _own_store(workspaces: Path, source: Path | None, remote: str | None) -> Path:
    """Return the bridge's own repository, made at first; others may do so at the same time."""
    store = workspaces / STORE
    try:
        workspaces.mkdir(parents=True, exist_ok=True)
        lock = (workspaces / f"{STORE}.lock").open("a")
    except OSError as exc:
        msg = (
            f"the workspaces directory {workspaces} can't be written to ({exc.strerror}), nor can "
            "the project's repository: name another directory: WorkspaceConfig(directory=...)"
        )
        raise WorkspaceError(msg) from exc
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not store.is_dir():
            building = workspaces / f".making-{uuid.uuid4().hex[:8]}"
            options = ("--quiet", "--bare", "--template=", "--object-format=sha1")
            settings = {"init.defaultBranch": "main", "init.defaultRefFormat": "files"}
            git(workspaces, "init", *options, str(building), settings=settings)
            building.rename(store)
        _configure(store, source, remote)
    return store


def _configure(store: Path, source: Path | None, remote: str | None) -> None:
    """Give the bridge's own repository the remote, and settings of the project's to reach it."""
    wanted: dict[str, str] = {}
    listed = git_or_none(source, "config", "--local", "--list", "-z") if source else None
    for entry in (listed or "").split("\0"):
        key, _, value = entry.partition("\n")
        if _CARRIED.match(key):
            wanted[key] = value
    if remote is not None:
        wanted["remote.origin.url"] = remote
    for key, value in wanted.items():
        if git_or_none(store, "config", "--local", key) != value:
            git(store, "config", "--local", "--replace-all", key, value)
    if source is not None and (shallow := git_path(source, "shallow")).is_file():
        # Commits whose parents nobody has; git must know of them here too.
        known = set((store / "shallow").read_text().split()) if (store / "shallow").exists() else ()
        lines = sorted({*known, *shallow.read_text().split()})
        (store / "shallow").write_text("".join(f"{line}\n" for line in lines))


def _split(rev: str) -> tuple[str, str]:
    """Return a revision's name and what follows it (``~2``, ``^``)."""
    match = _BASE.search(rev)
    return (rev, "") if match is None else (rev[: match.start()], rev[match.start() :])


def _ask_remote(repository: Repository, name: str) -> tuple[str, str] | None:
    """Return full name and commit of a branch or tag at the remote."""
    remote = str(repository.remote)
    short = name.removeprefix("refs/remotes/").removeprefix(f"{remote}/")
    if _SHA.fullmatch(name):
        return name, name
    if name in ("HEAD", "@"):
        return None
    wanted = [name, f"refs/tags/{name}", f"refs/tags/{name}^{{}}", f"refs/heads/{short}"]
    listed = git(repository.store, "ls-remote", "--quiet", remote, *wanted)
    found = {ref: sha for sha, _, ref in (line.partition("\t") for line in listed.splitlines())}
    for ref in (name, f"refs/tags/{name}", f"refs/heads/{short}"):
        if ref in found:
            return ref, found.get(f"{ref}^{{}}", found[ref])
    return None


def _newer(repository: Repository, rev: str, ref: str, here: str, there: str) -> str:
    store, remote = repository.store, shown_remote(repository)
    if repository.source is None:
        return there
    if ref.startswith("refs/tags/"):
        msg = (
            f"tag {rev} is {here[:12]} here and {there[:12]} at the git remote {remote}: other "
            "hosts would run something else; make them the same (git fetch --tags, git push)"
        )
        raise ProjectError(msg)
    if _is_ancestor(store, here, there):
        log.info("%s is %s at the git remote %s, newer than %s here", rev, there, remote, here)
        return there
    if not _is_ancestor(store, there, here):
        log.warning("%s differs: %s here, %s at the git remote %s; the run takes what is here",
                    rev, here, there, remote)  # fmt: skip
    return here


def _is_ancestor(store: Path, older: str, newer: str) -> bool:
    return git_or_none(store, "merge-base", "--is-ancestor", older, newer) is not None
