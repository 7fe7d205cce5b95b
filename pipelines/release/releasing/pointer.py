"""The pointer file: which version is in production, for those who read files and not tags."""

import json
from pathlib import Path

from pydantic import ValidationError

from pipelines.base.errors import SignalboxError
from pipelines.release.registry.git import git_bytes, git_or_none
from pipelines.release.released import Released, read_released, write_released
from pipelines.release.releasing.step import Step


def as_released(product: str, step: Step) -> Released:
    """Return what the pointer says of a step."""
    return Released(name=step.name(product), commit=step.commit, artifacts=step.artifacts)


def pointer_in(project: Path, commit: str, pointer: str) -> Released | None:
    """Read the pointer as it stands in a commit; none means nothing was released.

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
    """Let the pointer name the step's version."""
    if not step.pointer:
        return False
    path = project / step.pointer
    wanted = as_released(product, step)
    if path.exists() and read_pointer(path) == wanted:
        return False
    write_released(wanted, path)
    return True


def read_pointer(path: Path) -> Released | None:
    """Read the pointer; a missing file is "nothing released" only for a product that is new."""
    return read_released(path) if path.exists() else None


def check_pointer(project: Path, product: str, pointer: str, known: list[Step]) -> None:
    """Stop before overwriting a pointer that no release wrote.

    A pointer may name fewer artifacts than its release wrote: erasing a subject takes out those
    that held the subject. It may never name another one.

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
    """Whether `found` is `written`, or names fewer of its artifacts (after an erasure)."""
    same = (found.name, found.commit) == (written.name, written.commit)
    return same and found.artifacts.items() <= written.artifacts.items()
