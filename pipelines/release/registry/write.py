"""Write the registry: all tags of one step in one git transaction, or none of them.

What must hold of the repository before a release writes anything.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, git, git_bytes, git_objects, git_or_none
from pipelines.release.ledger import Ledger
from pipelines.release.ledger.anchors import TagObject
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

_REMOTE_SECONDS = 30.0
"""How long a remote may take to answer a question about tags."""


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
    set_tags(project, {tag.tag: ("", make_object(project, tag, anchor, when)) for tag in new})


def make_object(project: Path, tag: NewTag, anchor: str, when: int) -> str:
    """Make the object of an annotated tag; no name stands for it yet.

    Parameters
    ----------
    project : Path
        Root of the project.
    tag : NewTag
        The tag.
    anchor : str
        Head of the ledger, for the tag's message.
    when : int
        The tag's time.

    Returns
    -------
    str
        Hash of the object.

    Raises
    ------
    SignalboxError
        If there is no git identity, or no such commit.
    """
    name, email = require_identity(project)
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
    return git(project, "mktag", stdin=body)


def set_tags(project: Path, changes: Mapping[str, tuple[str, str]]) -> None:
    """Let names of tags stand for objects, all or none.

    Parameters
    ----------
    project : Path
        Root of the project.
    changes : mapping of str to (str, str)
        Name of a tag → object that it stands for now (empty: there is no such tag), object that it
        shall stand for.

    Raises
    ------
    TagExistsError
        If one of them stands for something else by now; then none was changed.
    SignalboxError
        If another program holds the lock on a tag.
    """
    commands = [
        f"update refs/tags/{tag} {new} {old}" if old else f"create refs/tags/{tag} {new}"
        for tag, (old, new) in changes.items()
    ]
    text = "\n".join(["start", *commands, "prepare", "commit", ""])
    try:
        git(project, "update-ref", "--stdin", stdin=text)
    except GitError as error:
        there = [tag for tag, (old, _) in changes.items() if tag_object(project, tag) != old]
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


def tag_object(project: Path, tag: str) -> str:
    """Return the object that a tag's name stands for; empty if there is no such tag.

    Parameters
    ----------
    project : Path
        Root of the project.
    tag : str
        Its name, without ``refs/tags/``; annotated or not.

    Returns
    -------
    str
        Hash of the object, which need not be there.
    """
    return git_or_none(project, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}") or ""


def lost_objects(project: Path) -> list[TagObject]:
    """Read every annotated tag in the repository's store, also those that no name stands for.

    A tag that was moved or deleted leaves its object behind until git collects it.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    list of TagObject
        Each under the name that it was made with.
    """
    form = "--batch-check=%(objecttype) %(objectname)"
    listed = git_or_none(project, "cat-file", "--batch-all-objects", "--unordered", form) or ""
    names = [line[4:] for line in listed.splitlines() if line.startswith("tag ")]
    return [named_as_made(name, found[1]) for name, found in git_objects(project, names).items()]


def named_as_made(object_id: str, content: bytes) -> TagObject:
    """Return an annotated tag under the name that it was made with.

    Parameters
    ----------
    object_id : str
        Its hash.
    content : bytes
        Its content.

    Returns
    -------
    TagObject
    """
    text = content.decode("utf-8", "replace")
    name = next((line[4:] for line in text.split("\n")[:4] if line.startswith("tag ")), "")
    return TagObject(name, object_id, "tag", text)


def tags_of_remote(project: Path, remote: str, tags: Sequence[str]) -> dict[str, str] | None:
    """Ask a remote which objects names of tags stand for there.

    Parameters
    ----------
    project : Path
        Root of the project.
    remote : str
        Name of the remote.
    tags : sequence of str
        Names of tags, without ``refs/tags/``.

    Returns
    -------
    dict of str to str or None
        Name → object, without those that aren't there; None if the remote doesn't answer.
    """
    refs = [f"refs/tags/{tag}" for tag in tags]
    try:
        listed = git_bytes(
            project, "ls-remote", "--quiet", "--", remote, *refs, timeout=_REMOTE_SECONDS
        ).decode("utf-8", "replace")
    except GitError:
        return None
    pairs = [line.partition("\t") for line in listed.splitlines()]
    return {name.removeprefix("refs/tags/"): found for found, _, name in pairs if name in refs}


def fetch_tag(project: Path, remote: str, tag: str) -> TagObject | None:
    """Fetch a tag's object from a remote, without giving it a name here.

    Parameters
    ----------
    project : Path
        Root of the project.
    remote : str
        Name of the remote.
    tag : str
        Its name, without ``refs/tags/``.

    Returns
    -------
    TagObject or None
        None if the remote doesn't have it as an annotated tag, or doesn't answer.
    """
    there = tags_of_remote(project, remote, [tag])
    if not there or tag not in there:
        return None
    how = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", remote]
    try:
        git_bytes(project, *how, f"refs/tags/{tag}", timeout=_REMOTE_SECONDS)
    except GitError:
        return None
    kind, content = git_objects(project, [there[tag]]).get(there[tag], ("", b""))
    return named_as_made(there[tag], content) if kind == "tag" else None


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
        If git can't push them, with git's words.
    """
    refs = [f"refs/tags/{tag}:refs/tags/{tag}" for tag in tags]
    try:
        git_bytes(project, "push", "--atomic", "--quiet", remote, *refs, hooks=True)
    except GitError as error:
        raise SignalboxError(" ".join(error.said.split())) from error
