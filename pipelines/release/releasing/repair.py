"""Find and finish what a crash interrupted; report what only a person can mend."""

from pathlib import Path

from pipelines.base.errors import SignalboxError
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry import current
from pipelines.release.registry.read import product_tags
from pipelines.release.releasing.carry_out import carry_out
from pipelines.release.releasing.lock import alone
from pipelines.release.releasing.pointer import check_pointer
from pipelines.release.releasing.products import step_of
from pipelines.release.releasing.step import Step, steps


def repair(project: Path, product: str) -> list[str]:
    """Finish the product's last release or rollback of each stage.

    Returns
    -------
    list of str
        What was done, one sentence each; nothing if nothing was missing.
    """
    with alone(project, product):
        return repair_locked(project, product)


def repair_locked(project: Path, product: str) -> list[str]:
    """Do the same for a caller who holds the product's lock."""
    ledger = Ledger.of(project)
    known = steps(ledger.entries(), product)
    done = []
    for entry, step in _last_of_each_stage(known):
        if step.pointer:
            check_pointer(project, product, step.pointer, [one for _, one in known])
        made = carry_out(project, entry, step)
        if made:
            data = {"step": "completed", "of": entry.seq, "hash": entry.hash, "made": made}
            ledger.append(entry.kind, product, data)
            done.append(
                f"{entry.kind} of {step.name(product)} to {step.stage} (ledger entry {entry.seq}) "
                f"was interrupted; made now: {' and '.join(made)}"
            )
    return done


def problems(project: Path, product: str) -> list[str]:
    """Say what is wrong with registry and ledger of a product, without changing anything."""
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
    told = {tag for _, step in known for tag in step.tags}
    found += [
        f"tag {tag} is in no entry of the ledger: made by hand, or the ledger lost entries"
        for tag in tags
        if tag not in told
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
