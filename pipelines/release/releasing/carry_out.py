"""Make tags and pointer from a ledger entry; doing it again changes nothing."""

from pathlib import Path

from pipelines.base.errors import SignalboxError
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry.params import RegistryParams
from pipelines.release.registry.read import product_tags
from pipelines.release.registry.write import (
    NewTag,
    TagExistsError,
    push_tags,
    tag_exists,
    write_tags,
)
from pipelines.release.releasing.files import object_exists
from pipelines.release.releasing.pointer import make_pointer
from pipelines.release.releasing.step import Step


def carry_out(project: Path, entry: Entry, step: Step) -> list[str]:
    """Make what is missing of a step; return what was made.

    Raises
    ------
    TagExistsError
        If a tag of the step is there and isn't ours; the step is withdrawn in the ledger.
    """
    made = []
    if make_tags(project, entry, step):
        made.append("tags")
    if make_pointer(project, entry.subject, step):
        made.append("pointer")
    return made


def make_tags(project: Path, entry: Entry, step: Step) -> bool:
    """Create those tags of the step that aren't there."""
    missing = missing_tags(project, entry, step)
    if not missing:
        return False
    if not object_exists(project, step.commit):
        raise SignalboxError(
            f"ledger entry {entry.seq} ({entry.kind} of {step.name(entry.subject)}) has no tags "
            f"here, and commit {step.commit[:12]} isn't here to tag; get both: git fetch --tags"
        )
    new = [NewTag(tag, step.commit, step.tags[tag]) for tag in missing]
    try:
        write_tags(project, new, entry.hash, step.tag_time)
    except TagExistsError as error:
        withdraw(project, entry, str(error))
        raise
    remote = load_section(project, "registry", RegistryParams).push_to
    if remote:
        push_tags(project, remote, missing)
    return True


def missing_tags(project: Path, entry: Entry, step: Step) -> list[str]:
    """Tags of the step that aren't there; a tag that is another's withdraws the step."""
    known = {tag.tag: tag for tag in product_tags(project, entry.subject)}
    missing = []
    for tag in step.tags:
        found = known.get(tag)
        if found is None and not tag_exists(project, tag):
            missing.append(tag)
        elif found is None or found.commit != step.commit or found.anchor != entry.hash:
            why = f"tag {tag} is there and isn't the one of ledger entry {entry.seq}"
            withdraw(project, entry, why)
            raise TagExistsError(f"{why}; the {entry.kind} did not take place")
    return missing


def withdraw(project: Path, entry: Entry, why: str) -> None:
    """Log that a step did not take place."""
    data = {"step": "withdrawn", "of": entry.seq, "hash": entry.hash, "why": why}
    Ledger.of(project).append(entry.kind, entry.subject, data)
