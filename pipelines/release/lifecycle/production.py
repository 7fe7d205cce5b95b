"""Releases and rollbacks as the ledger tells them, the pointer, and what is in production."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.ledger.anchors import TagObject, find_strays
from pipelines.release.ledger.canonical import canonical
from pipelines.release.ledger.ledger import LEDGER_PATH
from pipelines.release.lifecycle.files import (
    CommitFiles,
    Journal,
    agrees,
    object_exists,
    read_journal,
    read_pointer,
)
from pipelines.release.registry import Assignment, current
from pipelines.release.registry.read import parse_object, parse_tag, product_refs
from pipelines.release.released import Released, write_released

STEP_KINDS = ("release", "rollback")


class Step(BaseModel):
    """Data of a ledger entry ``release`` or ``rollback`` whose ``step`` is ``made``.

    Attributes
    ----------
    step : {'made'}
    version : str
        Of the form v1.2.3.
    stage : str
        For example ``production``.
    commit : str
        Full hash of the commit.
    artifacts : dict of str to str
        Path → SHA-256.
    replaces : str or None
        Version that was in the stage until then; None if there was none.
    tags : dict of str to str
        Tag → title; created together.
    tag_time : int
        Time written into the tags, seconds since 1970.
    pointer : str
        File that is made to name this version; empty where the stage has none.
    gate, approval : dict of str to object
        What it rests on: the gate's decision, and number and hash of the approval's entry.
    who : str
        Who made it.
    reason : str
        Why, in words; of rollbacks.
    warnings : list of str
        What whoever decided was warned of.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: Literal["made"] = "made"
    version: str
    stage: str
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    artifacts: dict[str, str]
    replaces: str | None
    tags: dict[str, str]
    tag_time: int
    pointer: str
    gate: dict[str, Any]
    approval: dict[str, Any]
    who: str = ""
    reason: str = ""
    warnings: list[str] = Field(default_factory=list)

    def name(self, product: str) -> str:
        """Return the name of the release, for example ``model_release@v1.0.0``.

        Parameters
        ----------
        product : str
            Name of the product, as it is registered.

        Returns
        -------
        str
        """
        return f"{product}@{self.version}"

    @property
    def digest(self) -> str:
        """What the journal calls it: SHA-256 of what its entry says."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()


class Done(BaseModel):
    """A release or rollback that took place.

    Attributes
    ----------
    kind : {'release', 'rollback'}
    product : str
        Name of the product.
    version : str
        Of the form v1.2.3.
    stage : str
        For example ``production``.
    commit : str
        Full hash of the commit.
    replaces : str or None
        Version that was in the stage until then; None if there was none.
    tags : list of str
        Names of the tags.
    entry : int
        Number of the ledger's entry.
    entry_hash : str
        Its hash, 64 hex digits.
    pointer : str
        File that names this version; empty where the stage has none.
    warnings : list of str
        What whoever decided was warned of, and tags that a remote did not take.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["release", "rollback"]
    product: str
    version: str
    stage: str
    commit: str
    replaces: str | None
    tags: list[str]
    entry: int
    entry_hash: str
    pointer: str
    warnings: list[str] = Field(default_factory=list)


def steps(entries: list[Entry], product: str) -> list[tuple[Entry, Step]]:
    """List the releases and rollbacks of a product, oldest first, but not those withdrawn.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of tuple of (Entry, Step)

    Raises
    ------
    SignalboxError
        If an entry doesn't have the form of a step.
    """
    mine = [entry for entry in entries if entry.kind in STEP_KINDS and entry.subject == product]
    withdrawn = withdrawn_steps((entry.data for entry in mine), by="hash")
    return [
        (entry, _step(entry))
        for entry in mine
        if entry.data.get("step") == "made" and entry.hash not in withdrawn
    ]


def withdrawn_steps(
    told: Iterable[Mapping[str, Any]], *, by: Literal["of", "hash"] = "of"
) -> set[object]:
    """Collect the entries whose release or rollback did not take place.

    Parameters
    ----------
    told : iterable of mapping of str to object
        Data of a product's entries about releases and rollbacks, in order.
    by : {'of', 'hash'}, default 'of'
        What to name them by: their numbers in one ledger, or their hashes.

    Returns
    -------
    set of object
        What was withdrawn and not reinstated after that.
    """
    gone: set[object] = set()
    for data in told:
        if data.get("step") == "withdrawn":
            gone.add(data.get(by))
        elif data.get("step") == "reinstated":
            gone.discard(data.get(by))
    return gone


def _step(entry: Entry) -> Step:
    try:
        return Step.model_validate(entry.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SignalboxError(
            f"{LEDGER_PATH}: entry {entry.seq} ({entry.kind}): {where}: {first['msg']}; a newer "
            "Signalbox wrote it, or it isn't what was written: see 'signalbox ledger verify'"
        ) from error


def done(entry: Entry, step: Step, not_pushed: Iterable[str] = ()) -> Done:
    """Summarise a step for its caller.

    Parameters
    ----------
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.
    not_pushed : iterable of str
        What a remote did not take, and what to do.

    Returns
    -------
    Done
    """
    return Done(
        kind="rollback" if entry.kind == "rollback" else "release",
        product=entry.subject,
        version=step.version,
        stage=step.stage,
        commit=step.commit,
        replaces=step.replaces,
        tags=list(step.tags),
        entry=entry.seq,
        entry_hash=entry.hash,
        pointer=step.pointer,
        warnings=[*step.warnings, *not_pushed],
    )


def as_released(product: str, step: Step) -> Released:
    """Return what the pointer says of a step.

    Parameters
    ----------
    product : str
        Name of the product, as it is registered.
    step : Step
        A release or rollback.

    Returns
    -------
    Released
    """
    return Released(name=step.name(product), commit=step.commit, artifacts=step.artifacts)


def make_pointer(project: Path, product: str, step: Step) -> bool:
    """Make the pointer name the step's version.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    step : Step
        A release or rollback.

    Returns
    -------
    bool
        Whether the file was written: not if it is right already, or the stage has none.
    """
    if not step.pointer:
        return False
    path = project / step.pointer
    wanted = as_released(product, step)
    found = read_pointer(path)
    if found is not None and agrees(found, wanted):  # fewer artifacts: an erasure took the others
        return False
    write_released(wanted, path)
    return True


def check_pointer(project: Path, product: str, pointer: str, known: list[Step]) -> None:
    """Stop before overwriting a pointer that no release wrote.

    A pointer may name fewer artifacts than its release wrote: erasing a subject takes out those
    that held the subject. It may never name another one.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    pointer : str
        The pointer's file, relative to the project.
    known : list of Step
        Releases and rollbacks of the product.

    Raises
    ------
    SignalboxError
        If someone edited it; overwriting it would hide that.
    """
    found = read_pointer(project / pointer)
    if found is None:
        return
    if not any(agrees(found, as_released(product, step)) for step in known):
        raise SignalboxError(
            f"{pointer} names {found.name} ({found.commit[:12]}), and no release in the ledger "
            f"wrote that; restore it (git restore {pointer}) or find out who changed it"
        )


PRODUCTION = "production"


def production(project: Path, product: str, stage: str = PRODUCTION) -> Released | None:
    """Return the version in a stage with the hashes of its artifacts; None if there is none.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    stage : str, default `PRODUCTION`
        For example ``production``.

    Returns
    -------
    Released or None

    Raises
    ------
    SignalboxError
        If registry and ledger don't say the same.
    """
    found = current_step(project, Ledger.of(project).history(), product, stage)
    return None if found is None else as_released(product, found[1])


def same_artifacts(project: Path, product: str, commit: str) -> str:
    """Return the name of the release in production if its artifacts are the commit's; else empty.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    commit : str
        Hash of the commit.

    Returns
    -------
    str

    Raises
    ------
    SignalboxError
        If a file is missing or was changed, or registry and ledger don't say the same.
    """
    now = production(project, product)
    if now is None:
        return ""
    files = CommitFiles(project, commit)
    same = all(files.sha256(path) == sha256 for path, sha256 in now.artifacts.items())
    return now.name if same else ""


def current_step(
    project: Path, entries: list[Entry], product: str, stage: str
) -> tuple[Entry, Step] | None:
    """Return the step that put the current version into a stage; None if the stage is empty.

    Parameters
    ----------
    project : Path
        Root of the project.
    entries : list of Entry
        The ledger's entries, in order.
    product : str
        Name of the product, as it is registered.
    stage : str
        For example ``production``.

    Returns
    -------
    tuple of (Entry, Step) or None
        The ledger's entry, and what it says.

    Raises
    ------
    SignalboxError
        If the ledger doesn't know the registry's tag.
    """
    try:
        found = step_of(current(project, product, stage), entries, product)
    except SignalboxError as error:
        strays = find_strays(project, Ledger.of(project).heads())
        why = strays.words or "; ".join(strays.notes)
        raise SignalboxError(f"{error}: {why}" if why else str(error)) from None
    last = [pair for pair in steps(entries, product) if pair[1].stage == stage][-1:]
    for entry, step in last:
        if found is None or found[0].hash != entry.hash:
            _require_stage_tag(project, product, entry, step)
    return found


def _require_stage_tag(project: Path, product: str, entry: Entry, step: Step) -> None:
    """Stop where the tags have an older version in a stage because the newer one's tag is damaged.

    A step that is still under way isn't in its stage yet, and a tag that takes the newer version
    back (GTO's ``!``) leaves its tag as it was.
    """
    if read_journal(project, product).unfinished.get(step.digest) == "begun":
        return
    damaged = {damage.tag: damage for damage in damaged_tags(project, entry, step)}
    for tag, damage in damaged.items():
        parsed = parse_tag(tag)
        if parsed is not None and parsed.stage is not None:
            raise SignalboxError(
                f"{LEDGER_PATH}: entry {entry.seq} put {step.name(product)} into {step.stage}, but "
                f"{damage.words}"
            )


@dataclass(frozen=True)
class TagDamage:
    """A tag that isn't as its step made it.

    Attributes
    ----------
    tag : str
        Its name.
    found : str
        Object that the name stands for now; empty if there is no such tag.
    words : str
        What is wrong, and what to do.
    """

    tag: str
    found: str
    words: str


def damaged_tags(
    project: Path, entry: Entry, step: Step, refs: Iterable[TagObject] | None = None
) -> list[TagDamage]:
    """List those tags of a step that aren't as it made them.

    Parameters
    ----------
    project : Path
        Root of the project.
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.
    refs : iterable of TagObject, optional
        The product's tags; None = they are read.

    Returns
    -------
    list of TagDamage
    """
    known = {ref.tag: ref for ref in refs or product_refs(project, entry.subject)}
    return [
        TagDamage(tag, ref.id if (ref := known.get(tag)) else "", words)
        for tag in step.tags
        if (words := _damage(project, entry, step, tag, known.get(tag)))
    ]


def is_as_made(entry: Entry, step: Step, tag: str, found: TagObject) -> bool:
    """Return whether an object is the tag that a step made.

    Parameters
    ----------
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.
    tag : str
        Name of one of its tags.
    found : TagObject
        An object, under the name that it has now.

    Returns
    -------
    bool
    """
    parsed = parse_object(found)
    made = (tag, tag, step.commit, entry.hash)
    return parsed is not None and made == (
        parsed.tag, parsed.made_as, parsed.commit, parsed.anchor
    )  # fmt: skip


def _damage(project: Path, entry: Entry, step: Step, tag: str, found: TagObject | None) -> str:
    """Say what is wrong with a tag; empty if it is as it was made."""
    if found is None:
        there = object_exists(project, step.commit)
        get = (
            "" if there else f" from commit {step.commit[:12]}, which isn't here: git fetch --tags"
        )
        return (
            f"ledger entry {entry.seq}: {entry.kind} of {step.name(entry.subject)} has no tag "
            f"{tag}; 'signalbox registry repair' makes it{get}"
        )
    if is_as_made(entry, step, tag, found):
        return ""
    parsed = parse_object(found)
    if not found.kind:
        what = f"stands for object {found.id[:12]}, which isn't in this repository"
    elif parsed is None:
        what = f"is no annotated tag any more, it stands for {found.kind} {found.id[:12]}"
    elif parsed.commit != step.commit:
        what = (
            f"points to {parsed.commit[:12]}, ledger entry {entry.seq} says {step.commit[:12]}: "
            "the tag was moved"
        )
    else:
        what = (
            f"isn't the one of ledger entry {entry.seq}: it was made by hand, or for another entry"
        )
    return f"tag {tag} {what}; 'signalbox registry repair' puts it back"


def was_tagged(project: Path, entry: Entry, step: Step, journal: Journal) -> bool:
    """Return whether the tags of a step were made once, whatever became of them since.

    All tags of a step are made in one transaction: where one is as the step made it, all were.
    Only the repository that began a step can have left it without its tags; its journal says so.

    Parameters
    ----------
    project : Path
        Root of the project.
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.
    journal : Journal
        The journal of the step's product.

    Returns
    -------
    bool
    """
    if journal.unfinished.get(step.digest) != "begun":
        return True
    damaged = damaged_tags(project, entry, step)
    return len(damaged) < len(step.tags)


def step_of(
    assigned: Assignment | None, entries: list[Entry], product: str
) -> tuple[Entry, Step] | None:
    """Return the step that made an assignment.

    Parameters
    ----------
    assigned : Assignment or None
        The registry's assignment; None = none.
    entries : list of Entry
        The ledger's entries, in order.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    tuple of (Entry, Step) or None
        The ledger's entry, and what it says.

    Raises
    ------
    SignalboxError
        If the ledger doesn't know it: the tag was made by hand, or entries were lost.
    """
    if assigned is None:
        return None
    for entry, step in steps(entries, product):
        if assigned.anchor == entry.hash and assigned.tag in step.tags:
            if assigned.commit != step.commit:
                raise SignalboxError(
                    f"tag {assigned.tag} points to {assigned.commit[:12]}, ledger entry "
                    f"{entry.seq} says {step.commit[:12]}; the tag was moved; 'signalbox registry "
                    "repair' puts it back"
                )
            return entry, step
    raise SignalboxError(
        f"tag {assigned.tag} is in no entry of the ledger: it was made by hand, or the ledger lost "
        f"entries; restore ledger/ from git, or remove the tag (git tag -d '{assigned.tag}')"
    )


def released_versions(project: Path, product: str, stage: str = PRODUCTION) -> list[Step]:
    """List everything that was released to a stage, oldest first; rollbacks aren't releases.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    stage : str, default `PRODUCTION`
        For example ``production``.

    Returns
    -------
    list of Step
    """
    entries = Ledger.of(project).history()
    return [
        step
        for entry, step in steps(entries, product)
        if entry.kind == "release" and step.stage == stage
    ]
