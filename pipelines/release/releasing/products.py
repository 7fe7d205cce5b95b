"""What is in production, and what ever was: registry and ledger held against each other."""

from pathlib import Path

from pipelines.base.errors import SignalboxError
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry import Assignment, current
from pipelines.release.released import Released
from pipelines.release.releasing.files import CommitFiles
from pipelines.release.releasing.pointer import as_released
from pipelines.release.releasing.step import Step, steps

PRODUCTION = "production"


def production(project: Path, product: str, stage: str = PRODUCTION) -> Released | None:
    """Return the version in a stage with the hashes of its artifacts; None if there is none.

    Raises
    ------
    SignalboxError
        If registry and ledger don't say the same.
    """
    found = current_step(project, Ledger.of(project).entries(), product, stage)
    return None if found is None else as_released(product, found[1])


def same_artifacts(project: Path, product: str, commit: str) -> str:
    """Name of the release in production if its artifacts are the commit's; else empty."""
    now = production(project, product)
    if now is None:
        return ""
    files = CommitFiles(project, commit)
    same = all(files.sha256(path) == sha256 for path, sha256 in now.artifacts.items())
    return now.name if same else ""


def current_step(
    project: Path, entries: list[Entry], product: str, stage: str
) -> tuple[Entry, Step] | None:
    """Return the step that put the current version into a stage; None if the stage is empty."""
    return step_of(current(project, product, stage), entries, product)


def step_of(
    assigned: Assignment | None, entries: list[Entry], product: str
) -> tuple[Entry, Step] | None:
    """Return the step that made an assignment.

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
    """Everything that was released to a stage, oldest first; rollbacks aren't releases."""
    entries = Ledger.of(project).entries()
    return [
        step
        for entry, step in steps(entries, product)
        if entry.kind == "release" and step.stage == stage
    ]
