"""What must hold of the repository before a release writes anything."""

from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, git, git_or_none


def require_commits(project: Path) -> None:
    """Stop where there is no repository, or none with a commit.

    Parameters
    ----------
    project : Path
        Root of the project.

    Raises
    ------
    SignalboxError
        Saying what to do.
    """
    if git_or_none(project, "rev-parse", "--git-dir") is None:
        raise SignalboxError(f"{project}: not a git repository; releases are git tags: git init")
    if git_or_none(project, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        raise SignalboxError(f"{project}: the branch has no commit yet; make a first one")


def require_branch(project: Path) -> str:
    """Return the name of the branch; stop where HEAD is detached.

    Ledger and pointer are files of the work tree that belong to a branch's next commit; on a
    detached head that commit is lost at the next checkout.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    str

    Raises
    ------
    SignalboxError
        If HEAD is detached.
    """
    branch = git_or_none(project, "symbolic-ref", "--quiet", "--short", "HEAD")
    if branch is None:
        raise SignalboxError(
            f"{project}: HEAD is detached, so what a release writes to ledger/ and released/ would "
            "belong to no branch; switch to one first, for example: git switch main"
        )
    return branch


def require_identity(project: Path) -> tuple[str, str]:
    """Return name and address of who tags; stop where git would have to guess them.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    tuple of (str, str)
        Name and mail address.

    Raises
    ------
    SignalboxError
        If git has no name or address of its user.
    """
    try:
        identity = git(project, "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    except GitError:
        raise SignalboxError(
            "git doesn't know who you are, and a release must say who made it; set it with: "
            'git config user.name "Your Name" and git config user.email you@example.org'
        ) from None
    name, _, rest = identity.partition(" <")
    return name, rest.partition(">")[0]


def require_remote(project: Path, remote: str) -> None:
    """Stop where tags are to be pushed to a remote that isn't there.

    Parameters
    ----------
    project : Path
        Root of the project.
    remote : str
        Name of the remote, as in ``registry.push_to``.

    Raises
    ------
    SignalboxError
        If git has no such remote.
    """
    known = git(project, "remote").split()
    if remote not in known:
        raise SignalboxError(
            f"release.yaml: registry.push_to: git has no remote {remote!r} (it has "
            f"{known or 'none'}); add it with: git remote add {remote} ADDRESS"
        )


def resolve_commit(project: Path, name: str) -> str:
    """Return the full hash of a commit given as hash, tag, branch, ref, or name of a saved run.

    Parameters
    ----------
    project : Path
        Root of the project.
    name : str
        What names the commit; a saved run as ``<dag>/<run>``.

    Returns
    -------
    str
        40 hex digits.

    Raises
    ------
    SignalboxError
        If there is no such commit.
    """
    for candidate in (name, f"refs/runs/{name}"):
        found = git_or_none(
            project,
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{candidate}^{{commit}}",
        )
        if found:
            return found
    raise SignalboxError(
        f"there is no commit, tag or saved run {name!r}; saved runs are listed by: "
        "git for-each-ref refs/runs"
    )


def require_clean(project: Path, ignoring: list[str]) -> None:
    """Stop where tracked files differ from HEAD: what is released is HEAD, not the work tree.

    Parameters
    ----------
    project : Path
        Root of the project.
    ignoring : list of str
        Paths that may differ, relative to the project.

    Raises
    ------
    SignalboxError
        Naming the first files that differ.
    """
    excluded = [f":(exclude){path}" for path in ignoring]
    listed = git(
        project, "status", "--porcelain", "--untracked-files=no", "--", ".", *excluded
    ).splitlines()
    if listed:
        names = ", ".join(line[3:] for line in listed[:5])
        more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
        raise SignalboxError(
            f"the work tree has changes that HEAD doesn't hold ({names}{more}); HEAD would be "
            "released without them: commit them and run the pipeline, or name a saved run"
        )
