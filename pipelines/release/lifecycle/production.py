"""Releases and rollbacks as the ledger tells them, the pointer, and what is in production."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.git import git_bytes, git_or_none
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.files import CommitFiles
from pipelines.release.registry import Assignment, current
from pipelines.release.released import Released, read_released, write_released

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
        What whoever decided was warned of.
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
    withdrawn = {entry.data.get("of") for entry in mine if entry.data.get("step") == "withdrawn"}
    return [
        (entry, _step(entry))
        for entry in mine
        if entry.data.get("step") == "made" and entry.seq not in withdrawn
    ]


def _step(entry: Entry) -> Step:
    try:
        return Step.model_validate(entry.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SignalboxError(
            f"ledger entry {entry.seq} ({entry.kind}): {where}: {first['msg']}"
        ) from error


def done(entry: Entry, step: Step) -> Done:
    """Summarise a step for its caller.

    Parameters
    ----------
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.

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
        warnings=step.warnings,
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


def pointer_in(project: Path, commit: str, pointer: str) -> Released | None:
    """Read the pointer as it stands in a commit; none means nothing was released.

    Parameters
    ----------
    project : Path
        Root of the project.
    commit : str
        Hash of the commit.
    pointer : str
        The pointer's file, relative to the project.

    Returns
    -------
    Released or None

    Raises
    ------
    SignalboxError
        If it isn't in form.
    """
    where = f"{commit}:./{pointer}"
    if git_or_none(project, "cat-file", "-e", where) is None:
        return None
    try:
        found = json.loads(git_bytes(project, "cat-file", "blob", where))["released"]
        return None if found is None else Released.model_validate(found)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise SignalboxError(f"{pointer} of commit {commit[:12]}: not a release pointer") from error


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
    if path.exists() and read_pointer(path) == wanted:
        return False
    write_released(wanted, path)
    return True


def read_pointer(path: Path) -> Released | None:
    """Read the pointer; a missing file is "nothing released" only for a product that is new.

    Parameters
    ----------
    path : Path
        The pointer's file.

    Returns
    -------
    Released or None
    """
    return read_released(path) if path.exists() else None


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


def agrees(found: Released, written: Released) -> bool:
    """Return whether `found` is `written`, or names fewer of its artifacts (after an erasure).

    Parameters
    ----------
    found : Released
        The pointer as it is.
    written : Released
        What a release or rollback wrote.

    Returns
    -------
    bool
    """
    same = (found.name, found.commit) == (written.name, written.commit)
    return same and found.artifacts.items() <= written.artifacts.items()


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
    found = current_step(project, Ledger.of(project).entries(), product, stage)
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
    return step_of(current(project, product, stage), entries, product)


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
                    f"{entry.seq} says {step.commit[:12]}; the tag was moved"
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
    entries = Ledger.of(project).entries()
    return [
        step
        for entry, step in steps(entries, product)
        if entry.kind == "release" and step.stage == stage
    ]
