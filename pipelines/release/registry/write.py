"""Write the registry: all tags of one step in one git transaction, or none of them.

What must hold of the repository before a release writes anything.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, git, git_bytes, git_or_none
from pipelines.release.ledger import Ledger
from pipelines.release.registry.read import (
    FIRST,
    Assignment,
    Bump,
    Version,
    assignments,
    bumped,
    find_version,
    message,
    order,
    parse_tag,
    product_tags,
    stage_tag,
    version_tag,
    versions,
)


def require_commits(project: Path) -> None:
    """Stop where there is no repository, none that DVC can read, or none with a commit.

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
    if git_or_none(project, "rev-parse", "--show-object-format") == "sha256":
        raise SignalboxError(
            f"{project}: the git repository names its objects by sha256, which DVC cannot read; "
            "it must be made with 'git init --object-format=sha1'"
        )
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


class TagExistsError(SignalboxError):
    """Someone else made the tag first."""


@dataclass(frozen=True)
class NewTag:
    """A tag to create.

    Attributes
    ----------
    tag : str
        Its name, without ``refs/tags/``.
    commit : str
        Full hash of the commit to tag.
    title : str
        First line of its message.
    """

    tag: str
    commit: str
    title: str


def register(project: Path, product: str, commit: str, bump: Bump) -> Version:
    """Register a commit as the next version (the first is v1.0.0).

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    commit : str
        Hash, tag, branch, ref, or name of a saved run.
    bump : {'major', 'minor', 'patch'}
        Part of the version to count up.

    Returns
    -------
    Version

    Raises
    ------
    SignalboxError
        If the commit is a version already, there is no such commit or no git identity, or someone
        else registered this version at the same moment.
    """
    require_commits(project)
    full = resolve_commit(project, commit)
    version = next_version(project, product, full, bump)
    new = NewTag(version_tag(product, version), full, f"{product} {version}")
    write_tags(project, [new], Ledger.of(project).head, tag_time(project, product))
    return find_version(project, product, version)


def assign(project: Path, product: str, version: str, stage: str) -> Assignment:
    """Assign a registered version to a stage.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    version : str
        Of the form v1.2.3.
    stage : str
        For example ``production``.

    Returns
    -------
    Assignment

    Raises
    ------
    SignalboxError
        If the version is unknown, there is no git identity, or someone else assigned something at
        the same moment.
    """
    require_commits(project)
    found = find_version(project, product, version)
    new = NewTag(
        stage_tag(product, stage, next_number(project, product)),
        found.commit,
        f"{product} {version} to {stage}",
    )
    write_tags(project, [new], Ledger.of(project).head, tag_time(project, product))
    return next(
        assignment
        for assignment in assignments(project, product, stage)
        if assignment.tag == new.tag
    )


def next_version(project: Path, product: str, commit: str, bump: Bump) -> str:
    """Return the name of the version that registering `commit` would make.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    commit : str
        Full hash.
    bump : {'major', 'minor', 'patch'}
        Part of the version to count up.

    Returns
    -------
    str

    Raises
    ------
    SignalboxError
        If the commit is a version already.
    """
    known = versions(project, product)
    for version in known:
        if version.commit == commit:
            raise SignalboxError(f"commit {commit[:12]} is {product} {version.version} already")
    taken = [tag.name.version for tag in product_tags(project, product) if tag.name.version]
    if not taken:
        return FIRST
    # Also versions that were taken back: a number is never used for something else.
    return bumped(max(taken, key=order), bump)


def next_number(project: Path, product: str) -> int:
    """Return GTO's next counter: over all numbered tags of the product, lightweight ones too.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    int
    """
    names = git(
        project, "for-each-ref", "--format=%(refname:strip=2)", f"refs/tags/{product}#*"
    ).splitlines()
    parsed = [found for name in names if (found := parse_tag(name)) is not None]
    return 1 + max((tag_name.number for tag_name in parsed), default=0)


def tag_time(project: Path, product: str) -> int:
    """Return the time for new tags: later than every tag of the product.

    GTO orders by time, in whole seconds; so two tags within one second, or a clock that went
    backwards, must not change the order in which it reads them.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    int
        Seconds since 1970.
    """
    last = max((tag.time for tag in product_tags(project, product)), default=0)
    return max(int(time.time()), last + 1)


def write_tags(project: Path, new: list[NewTag], anchor: str, when: int) -> None:
    """Create annotated tags, all or none.

    Parameters
    ----------
    project : Path
        Root of the project.
    new : list of NewTag
        The tags to create.
    anchor : str
        Head of the ledger, for the tags' messages.
    when : int
        The tags' time.

    Raises
    ------
    TagExistsError
        If one of them is there already; then none was created.
    SignalboxError
        If there is no git identity, or another program holds the lock on a tag.
    """
    name, email = require_identity(project)
    commands = ["start"]
    for tag in new:
        body = "\n".join(
            [
                f"object {tag.commit}",
                "type commit",
                f"tag {tag.tag}",
                f"tagger {name} <{email}> {when} +0000",
                "",
                message(tag.title, anchor),
            ]
        )
        made = git(project, "mktag", stdin=body)
        commands.append(f"create refs/tags/{tag.tag} {made}")
    try:
        git(project, "update-ref", "--stdin", stdin="\n".join([*commands, "prepare", "commit", ""]))
    except GitError as error:
        there = [tag.tag for tag in new if tag_exists(project, tag.tag)]
        if there:
            raise TagExistsError(
                f"tag {', '.join(there)} was made by someone else in the meantime; nothing was "
                "tagged: look at 'signalbox registry show', then decide again"
            ) from error
        if "lock" in str(error):
            said = " ".join(str(error).split())
            raise SignalboxError(
                f"{said}; another program is writing these tags at this moment, or git was killed "
                "while it did: then remove the .lock file it names"
            ) from error
        raise


def tag_exists(project: Path, tag: str) -> bool:
    """Return whether there is a tag of this name, annotated or not.

    Parameters
    ----------
    project : Path
        Root of the project.
    tag : str
        Its name, without ``refs/tags/``.

    Returns
    -------
    bool
    """
    return git_or_none(project, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}") is not None


def push_tags(project: Path, remote: str, tags: list[str]) -> None:
    """Push tags to a remote, all or none.

    Parameters
    ----------
    project : Path
        Root of the project.
    remote : str
        Name of the remote.
    tags : list of str
        Names of tags, without ``refs/tags/``.

    Raises
    ------
    SignalboxError
        If git can't push them; the message says how to do it later.
    """
    refs = [f"refs/tags/{tag}:refs/tags/{tag}" for tag in tags]
    try:
        git_bytes(project, "push", "--atomic", "--quiet", remote, *refs, hooks=True)
    except GitError as error:
        raise SignalboxError(
            f"the tags {', '.join(tags)} are made here, but could not be pushed to {remote!r}: "
            f"{error}; push them with: git push {remote} {' '.join(refs)}"
        ) from error
