"""Make tags and pointer from a ledger entry, also those that a crash left unmade."""

from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.files import exclusive_lock, object_exists
from pipelines.release.lifecycle.production import Step, check_pointer, make_pointer, step_of, steps
from pipelines.release.registry import current
from pipelines.release.registry.read import RegistryParams, product_tags
from pipelines.release.registry.write import (
    NewTag,
    TagExistsError,
    push_tags,
    tag_exists,
    write_tags,
)


def apply_step(project: Path, entry: Entry, step: Step) -> list[str]:
    """Make the missing tags and pointer of a step.

    Parameters
    ----------
    project : Path
        Root of the project.
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.

    Returns
    -------
    list of str
        What was made: ``tags``, ``pointer``, both or nothing.

    Raises
    ------
    TagExistsError
        If a tag of the step is there and isn't ours; the step is withdrawn in the ledger.
    SignalboxError
        If the commit isn't here, or the tags can't be pushed.
    """
    made = []
    if make_tags(project, entry, step):
        made.append("tags")
    if make_pointer(project, entry.subject, step):
        made.append("pointer")
    return made


def make_tags(project: Path, entry: Entry, step: Step) -> bool:
    """Create those tags of the step that aren't there.

    Parameters
    ----------
    project : Path
        Root of the project.
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.

    Returns
    -------
    bool
        Whether any tag was created.

    Raises
    ------
    TagExistsError
        If a tag of the step is there and isn't ours; the step is withdrawn in the ledger.
    SignalboxError
        If the commit isn't here, or the tags can't be pushed.
    """
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
    """List the tags of the step that aren't there; a tag that is another's withdraws the step.

    Parameters
    ----------
    project : Path
        Root of the project.
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.

    Returns
    -------
    list of str

    Raises
    ------
    TagExistsError
        If a tag of the step is there and isn't ours.
    """
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
    """Log that a step did not take place.

    Parameters
    ----------
    project : Path
        Root of the project.
    entry : Entry
        The ledger's entry of the step.
    why : str
        The reason, in words; it stands in the ledger.
    """
    data = {"step": "withdrawn", "of": entry.seq, "hash": entry.hash, "why": why}
    Ledger.of(project).append(entry.kind, entry.subject, data)


def repair(project: Path, product: str) -> list[str]:
    """Finish the product's last release or rollback of each stage.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of str
        What was done, one sentence each; nothing if nothing was missing.

    Raises
    ------
    UnderWayError
        If a release or rollback of the product is under way.
    """
    with exclusive_lock(project, product):
        return repair_locked(project, product)


def repair_locked(project: Path, product: str) -> list[str]:
    """Finish the product's last release or rollback for a caller who holds the product's lock.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of str
        What was done, one sentence each.
    """
    ledger = Ledger.of(project)
    known = steps(ledger.entries(), product)
    done = []
    for entry, step in _last_of_each_stage(known):
        if step.pointer:
            check_pointer(project, product, step.pointer, [known_step for _, known_step in known])
        made = apply_step(project, entry, step)
        if made:
            data = {"step": "completed", "of": entry.seq, "hash": entry.hash, "made": made}
            ledger.append(entry.kind, product, data)
            done.append(
                f"{entry.kind} of {step.name(product)} to {step.stage} (ledger entry {entry.seq}) "
                f"was interrupted; made now: {' and '.join(made)}"
            )
    return done


def problems(project: Path, product: str) -> list[str]:
    """List what is wrong with registry and ledger of a product, without changing anything.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of str
        One sentence a problem.
    """
    entries = Ledger.of(project).entries()
    known = steps(entries, product)
    tags = {tag.tag: tag for tag in product_tags(project, product)}
    found = [
        f"ledger entry {entry.seq}: {entry.kind} of {step.name(product)} has no tag {tag}; "
        "'signalbox registry repair' makes it"
        for entry, step in _last_of_each_stage(known)
        for tag in step.tags
        if tag not in tags
    ]
    recorded = {tag for _, step in known for tag in step.tags}
    found += [
        f"tag {tag} is in no entry of the ledger: made by hand, or the ledger lost entries"
        for tag in tags
        if tag not in recorded
    ]
    for stage in sorted({step.stage for _, step in known}):
        try:
            step_of(current(project, product, stage), entries, product)
        except SignalboxError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def _last_of_each_stage(known: list[tuple[Entry, Step]]) -> list[tuple[Entry, Step]]:
    """Only the last step can be unfinished: each next one finishes it before it begins."""
    return list({step.stage: (entry, step) for entry, step in known}.values())
