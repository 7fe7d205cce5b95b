"""Write the registry: all tags of one step in one git transaction, or none of them."""

import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, git, git_bytes, git_or_none
from pipelines.release.ledger import Ledger
from pipelines.release.registry.checks import require_commits, require_identity, resolve_commit
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
