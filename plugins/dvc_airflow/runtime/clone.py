"""A work tree of one commit that borrows a repository's objects.

Like ``git clone --shared``, but put together by hand: no transport is started, so no setting
that forbids or changes transports, no template and no hook has a say, and the source may belong
to another user.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dvc_airflow.runtime.git import AS_COMMITTED, git, git_or_none, git_path, resolve_commit


def clone_at(
    source: Path, directory: Path, commit: str, *, tree: Path | None = None
) -> list[tuple[Path, Path, list[str]]]:
    """Make a clone with a commit checked out.

    Parameters
    ----------
    source : Path
        The repository that lends its objects.
    directory : Path
        Where the clone is made.
    commit : str
        Hash of the commit.
    tree : Path, optional
        The work tree that is cloned, with its submodules, if not `source`.

    Returns
    -------
    list of tuple
        Work tree, its clone and the symbolic links in that, for the repository and then for
        each submodule.
    """
    options = ("--quiet", "--template=", f"--object-format={object_format(source)}")
    settings = {"init.defaultBranch": "main", "init.defaultRefFormat": "files"}
    git(source, "init", *options, str(directory), settings=settings)
    home = directory / ".git"
    (home / "info").mkdir(exist_ok=True)
    (home / "objects" / "info").mkdir(parents=True, exist_ok=True)
    lent = os.path.realpath(git_path(source, "objects"))
    (home / "objects" / "info" / "alternates").write_text(f"{lent}\n", encoding="utf-8")
    shallow = git_path(source, "shallow")
    if shallow.is_file():
        shutil.copyfile(shallow, home / "shallow")
    _copy_refs(source, home)
    _copy_settings(source, directory)
    git(directory, "checkout", "--quiet", "--detach", commit, settings=AS_COMMITTED)
    links: list[str] = []
    parts = [(tree or source, directory, links)]
    for line in git(directory, "ls-tree", "-r", "-z", commit, strip=False).split("\0"):
        head, _, path = line.partition("\t")
        if head.startswith("120000 "):
            links.append(path)
        elif head.startswith("160000 "):
            parts += _clone_submodule((tree or source) / path, directory / path, head.split()[2])
    return parts


def object_format(source: Path) -> str:
    """Return the kind of hashes that a repository uses: sha1 or sha256."""
    return git_or_none(source, "rev-parse", "--show-object-format") or "sha1"


def _clone_submodule(source: Path, directory: Path, sha: str) -> list[tuple[Path, Path, list[str]]]:
    """Submodules come from the project's own copies, also when their origin is away."""
    if not (source / ".git").exists() or not resolve_commit(source, sha):
        return []
    directory.rmdir()
    return clone_at(source, directory, sha)


def _copy_refs(source: Path, home: Path) -> None:
    """Take tags and branches over, for what a stage asks git: ``git describe``, for one."""
    listed = git(source, "for-each-ref", "--format=%(objectname) %(refname)",
                 "refs/heads", "refs/tags")  # fmt: skip
    refs = {}
    for line in listed.splitlines():
        sha, _, name = line.partition(" ")
        refs[name.replace("refs/heads/", "refs/remotes/origin/", 1)] = sha
    lines = [f"{refs[name]} {name}\n" for name in sorted(refs, key=os.fsencode)]
    (home / "packed-refs").write_bytes(os.fsencode("".join(lines)))


def _copy_settings(source: Path, directory: Path) -> None:
    """Name the source as origin; tell git where a partial clone gets what it lacks."""
    git(directory, "config", "remote.origin.url", str(source))
    git(directory, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    promisors = git_or_none(source, "config", "--get-regexp", r"^remote\..*\.promisor$") or ""
    for line in promisors.splitlines():
        name = line.split(" ")[0].removeprefix("remote.").removesuffix(".promisor")
        url = git_or_none(source, "remote", "get-url", name)
        if url:
            kept = "promisor" if name == "origin" else name
            git(directory, "config", "core.repositoryFormatVersion", "1")
            git(directory, "config", "extensions.partialClone", kept)
            git(directory, "config", f"remote.{kept}.url", absolute_url(url, source))
            git(directory, "config", f"remote.{kept}.promisor", "true")
            blobs = git_or_none(source, "config", f"remote.{name}.partialclonefilter")
            git(directory, "config", f"remote.{kept}.partialclonefilter", blobs or "blob:none")


def absolute_url(url: str, home: Path) -> str:
    """Return a remote's address for use from another directory."""
    is_path = "://" not in url and (":" not in url.partition("/")[0])
    return os.path.normpath(home / os.path.expanduser(url)) if is_path else url
