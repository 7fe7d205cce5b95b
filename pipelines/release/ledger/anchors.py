"""Heads of the ledger that git's tags name: they show what a ledger alone can't, lost entries.

A ledger that was deleted, cut off at the end of an entry, or begun anew holds by itself. The tags
of releases don't move with it: each names the entry that was the last one when it was made.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, git, git_objects, git_or_none
from pipelines.release.ledger.entry import GENESIS

FOLDER = "ledger"
_HEAD = re.compile(r"^ledger-head: *([0-9a-f]{64})$", re.MULTILINE | re.IGNORECASE)
_SHOWN = 3


@dataclass(frozen=True)
class TagObject:
    """What a tag's name stands for.

    Attributes
    ----------
    tag : str
        Its name, without ``refs/tags/``.
    id : str
        Hash of the object that it names.
    kind : str
        ``tag`` of annotated tags, ``commit`` of most others; empty if the object isn't there.
    content : str
        Of annotated tags: headers, an empty line, message.
    """

    tag: str
    id: str
    kind: str
    content: str

    @property
    def head(self) -> str | None:
        """The ledger's head that an annotated tag names; None if it names none."""
        return head_in(self.content) if self.kind == "tag" else None


def head_in(text: str) -> str | None:
    """Return the ledger head that a tag's message names; None if it names none.

    Parameters
    ----------
    text : str
        The message, with or without the tag's headers.

    Returns
    -------
    str or None
        64 hex digits.
    """
    found = _HEAD.search(text)
    return found[1] if found else None


def read_tags(project: Path, *patterns: str) -> list[TagObject]:
    """Read tags one by one, so that a damaged one hides no other.

    Parameters
    ----------
    project : Path
        Root of the project.
    *patterns : str
        Patterns of full names of refs; none = all tags.

    Returns
    -------
    list of TagObject
        In git's order of names.

    Raises
    ------
    GitError
        If there is no repository.
    """
    form = "--format=%(objectname) %(refname:strip=2)"
    listed = git(project, "for-each-ref", form, *(patterns or ("refs/tags",))).splitlines()
    named = [(name, ref) for name, _, ref in (line.partition(" ") for line in listed)]
    objects = git_objects(project, [name for name, _ in named])
    return [
        TagObject(ref, name, kind, content.decode("utf-8", "replace") if kind == "tag" else "")
        for name, ref in named
        for kind, content in [objects.get(name, ("", b""))]
    ]


@dataclass(frozen=True)
class Strays:
    """Tags whose heads a ledger doesn't hold.

    Attributes
    ----------
    lost : dict of str to list of str
        Head → its tags: the ledger had the entry, or nobody knows where it is.
    elsewhere : dict of str to list of str
        Head → its tags: the ledger of a branch that isn't merged has the entry.
    words : str
        What is wrong with those that are lost, and what to do; empty if none is.
    notes : tuple of str
        On which branches the others are.
    """

    lost: dict[str, list[str]]
    elsewhere: dict[str, list[str]]
    words: str = ""
    notes: tuple[str, ...] = ()


def find_strays(project: Path, known: Collection[str]) -> Strays:
    """Find the tags whose heads a ledger doesn't hold, and why that may be.

    Parameters
    ----------
    project : Path
        Root of the project; one that is no git repository has no tags.
    known : collection of str
        Hashes of all entries of the ledger and of those that it continues.

    Returns
    -------
    Strays
    """
    heads: dict[str, list[str]] = {}
    try:
        for tag in read_tags(project):
            if tag.head is not None and tag.head != GENESIS and tag.head not in known:
                heads.setdefault(tag.head, []).append(tag.tag)
    except GitError:
        return Strays({}, {})
    lost: dict[str, list[str]] = {}
    elsewhere: dict[str, list[str]] = {}
    notes = []
    source = ""
    for head, tags in heads.items():
        had = _commits(project, head, "HEAD")
        branch = "" if had else _branch(project, head)
        if branch:
            elsewhere[head] = tags
            notes.append(
                f"{_names(tags)}: the ledger of branch {branch} has {head[:12]}…, the entry that "
                "the tag names; that branch isn't merged here"
            )
        else:
            lost[head] = tags
            source = source or (_holds(project, head, had) if had else "")
    return Strays(lost, elsewhere, _lost_words(lost, source) if lost else "", tuple(notes))


def _lost_words(lost: dict[str, list[str]], source: str) -> str:
    tags = [tag for named in lost.values() for tag in named]
    head = next(iter(lost))
    more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
    todo = (
        f"restore it: git restore --source={source} -- {FOLDER}"
        if source
        else "no branch here has them either: restore ledger/ from a backup or a clone, or fetch "
        "the branch that it is on (git fetch)"
    )
    return (
        f"{_names(tags)}: no entry has the hash {head[:12]}…{more} that the tag names; entries "
        f"were cut off, or the ledger was removed or replaced; {todo}"
    )


def _names(tags: list[str]) -> str:
    more = f" and {len(tags) - _SHOWN} more" if len(tags) > _SHOWN else ""
    return f"{'tags' if len(tags) > 1 else 'tag'} {', '.join(tags[:_SHOWN])}{more}"


def _commits(project: Path, head: str, *where: str) -> list[str]:
    """List the commits that put an entry into the ledger or took it out, newest first."""
    listed = git_or_none(project, "log", "--format=%H", f"-S{head}", *where, "--", FOLDER)
    return (listed or "").split()


def _holds(project: Path, head: str, commits: list[str]) -> str:
    """Last commit of the branch whose ledger has an entry."""
    if git_or_none(project, "grep", "--quiet", head, "HEAD", "--", FOLDER) is not None:
        return "HEAD"
    return f"{commits[0][:12]}~1"


def _branch(project: Path, head: str) -> str:
    """Branch whose ledger has an entry; empty if none has."""
    commits = _commits(project, head, "--branches", "--remotes")
    if not commits:
        return ""
    names = git_or_none(
        project, "for-each-ref", "--format=%(refname:short)", f"--contains={commits[-1]}",
        "refs/heads", "refs/remotes",
    )  # fmt: skip
    return (names or commits[-1][:12]).split("\n")[0]


def require_no_loss(project: Path, known: Collection[str]) -> None:
    """Stop where tags name entries that the ledger lost: what is added now would hide the loss.

    Parameters
    ----------
    project : Path
        Root of the project.
    known : collection of str
        Hashes of all entries of the ledger and of those that it continues.

    Raises
    ------
    SignalboxError
        Naming tags and head, and how to restore the ledger.
    """
    words = find_strays(project, known).words
    if words:
        raise SignalboxError(f"{FOLDER}/ledger.jsonl: {words}")
