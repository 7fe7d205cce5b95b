"""Make tags and pointer from a ledger entry; finish what a crash left, put back what was damaged.

Two things look alike and aren't: a step that was killed before its tags were made, and a step that
took place and whose tag somebody moved since. Only the first may be withdrawn. The journal of the
repository (`pipelines.release.lifecycle.files.Journal`) tells them apart.
"""

from collections.abc import Sequence
from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.core.git import git
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.files import (
    OwedPush,
    agrees,
    exclusive_lock,
    object_exists,
    read_journal,
    read_pointer,
    write_journal,
)
from pipelines.release.lifecycle.production import (
    STEP_KINDS,
    Step,
    TagDamage,
    as_released,
    check_pointer,
    current_step,
    damaged_tags,
    is_as_made,
    make_pointer,
    steps,
    was_tagged,
)
from pipelines.release.registry.read import RegistryParams, product_refs, product_tags
from pipelines.release.registry.write import (
    NewTag,
    TagExistsError,
    fetch_tag,
    lost_objects,
    make_object,
    push_tags,
    set_tags,
    tag_object,
    tags_of_remote,
    write_tags,
)


class DamagedError(SignalboxError):
    """A tag isn't what the ledger's step made; nothing is built on it."""


def take_step(project: Path, kind: str, product: str, step: Step) -> tuple[Entry, list[str]]:
    """Log a release or rollback, make its tags and pointer, push the tags.

    Parameters
    ----------
    project : Path
        Root of the project.
    kind : {'release', 'rollback'}
        Kind of the ledger's entry.
    product : str
        Name of the product, as it is registered.
    step : Step
        What to do.

    Returns
    -------
    tuple of (Entry, list of str)
        The ledger's entry, and what could not be pushed: a refused push undoes nothing.

    Raises
    ------
    TagExistsError
        If a tag of the step is there and isn't ours; the step is withdrawn in the ledger.
    SignalboxError
        If the disk or git refuses; the next start finishes the step then.
    """
    remote = load_section(project, "registry", RegistryParams).push_to
    journal = read_journal(project, product).noted(step.digest, "begun")
    write_journal(project, product, journal)
    try:
        entry = Ledger.of(project).append(kind, product, step.model_dump(mode="json"))
    except SignalboxError:
        write_journal(project, product, journal.noted(step.digest, "finished"))
        raise
    apply_step(project, entry, step, remote)
    return entry, push_owed(project, product)


def apply_step(project: Path, entry: Entry, step: Step, remote: str | None) -> list[str]:
    """Make the missing tags and pointer of a step that was begun and not finished.

    Parameters
    ----------
    project : Path
        Root of the project.
    entry : Entry
        The ledger's entry of the step.
    step : Step
        What the entry says.
    remote : str or None
        Where new tags are to be pushed; None = nowhere.

    Returns
    -------
    list of str
        What was made: ``tags``, ``pointer``, both or nothing.

    Raises
    ------
    TagExistsError
        If a tag of the step is there and isn't ours; the step is withdrawn in the ledger.
    SignalboxError
        If the commit isn't here.
    """
    product = entry.subject
    made = []
    if make_tags(project, entry, step):
        made.append("tags")
    journal = read_journal(project, product).noted(step.digest, "tagged")
    owed = OwedPush(remote=remote or "", tags=list(step.tags))
    if remote and not any(set(owed.tags) <= set(other.tags) for other in journal.owed):
        journal = journal.model_copy(update={"owed": [*journal.owed, owed]})
    write_journal(project, product, journal)
    if make_pointer(project, product, step):
        made.append("pointer")
    write_journal(project, product, journal.noted(step.digest, "finished"))
    return made


def make_tags(project: Path, entry: Entry, step: Step) -> bool:
    """Create the tags of a step that never had them.

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
        If the commit isn't here.
    """
    damaged = damaged_tags(project, entry, step)
    if not damaged:
        return False
    taken = [damage for damage in damaged if damage.found]
    if taken:
        why = f"tag {taken[0].tag} is there and isn't the one of ledger entry {entry.seq}"
        _withdraw(project, entry, step, why)
        raise TagExistsError(f"{why}; the {entry.kind} did not take place")
    _require_commit(project, entry, step)
    new = [NewTag(damage.tag, step.commit, step.tags[damage.tag]) for damage in damaged]
    try:
        write_tags(project, new, entry.hash, step.tag_time)
    except TagExistsError as error:
        _withdraw(project, entry, step, str(error))
        raise
    return True


def _require_commit(project: Path, entry: Entry, step: Step) -> None:
    if not object_exists(project, step.commit):
        raise SignalboxError(
            f"ledger entry {entry.seq} ({entry.kind} of {step.name(entry.subject)}) has no tags "
            f"here, and commit {step.commit[:12]} isn't here to tag; get both: git fetch --tags"
        )


def _withdraw(project: Path, entry: Entry, step: Step, why: str) -> None:
    """Log that a step did not take place: it was begun here and never had its tags."""
    data = {"step": "withdrawn", "of": entry.seq, "hash": entry.hash, "why": why}
    Ledger.of(project).append(entry.kind, entry.subject, data)
    journal = read_journal(project, entry.subject).noted(step.digest, "finished")
    write_journal(project, entry.subject, journal)


def push_owed(project: Path, product: str) -> list[str]:
    """Push the tags that a remote hasn't got yet; remember those that it refuses.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of str
        One sentence for each push that was refused, with what to do.
    """
    journal = read_journal(project, product)
    left = []
    for owed in _still_owed(project, journal.owed):
        try:
            push_tags(project, owed.remote, owed.tags)
        except SignalboxError as error:
            left.append(owed.model_copy(update={"said": str(error)}))
    if left != journal.owed:
        write_journal(project, product, journal.model_copy(update={"owed": left}))
    return [_owed_words(project, owed) for owed in left]


def _still_owed(project: Path, owed: Sequence[OwedPush]) -> list[OwedPush]:
    """Leave out remotes that are gone."""
    known = git(project, "remote").split() if owed else []
    return [push for push in owed if push.remote in known]


def _owed_words(project: Path, owed: OwedPush) -> str:
    """Say what a remote hasn't got; empty if it has by now what this repository has."""
    there = tags_of_remote(project, owed.remote, owed.tags)
    refs = {tag: tag_object(project, tag) for tag in owed.tags}
    names = f"{'tags' if len(owed.tags) > 1 else 'tag'} {', '.join(owed.tags)}"
    if there is not None:
        if all(there.get(tag) == refs[tag] for tag in owed.tags):
            return ""
        other = [tag for tag in owed.tags if there.get(tag, refs[tag]) != refs[tag]]
        if other:
            return (
                f"tag {', '.join(other)} is another one on the remote {owed.remote!r}: somebody "
                "else released in the meantime; look at both (git ls-remote --tags "
                f"{owed.remote}), then decide whose release counts"
            )
    said = f" ({owed.said})" if owed.said else ""
    how = " ".join(f"'refs/tags/{tag}'" for tag in owed.tags)
    return (
        f"{names} isn't on the remote {owed.remote!r}{said}; the next release or 'signalbox "
        f"registry repair' pushes it again, or: git push {owed.remote} {how}"
    )


def repair(project: Path, product: str) -> list[str]:
    """Finish the product's last steps, put back damaged tags, push what a remote hasn't got.

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
    SignalboxError
        If the ledger is broken or lost entries, the pointer was edited, or a commit isn't here.
    """
    require_ledger(project)
    with exclusive_lock(project, product):
        owed = len(read_journal(project, product).owed)
        done = _reinstate(project, product)
        done += repair_locked(project, product, put_back=True)
        left = push_owed(project, product)
    if owed > len(left):
        done.append(
            f"{owed - len(left)} push(es) of tags that were refused before went through now"
        )
    return [*done, *left]


def require_ledger(project: Path) -> None:
    """Stop where an entry of the ledger doesn't hold, or tags name entries that it lost.

    A torn write after the last entry is mended by the next one.

    Parameters
    ----------
    project : Path
        Root of the project.

    Raises
    ------
    SignalboxError
        Naming the line, and what to do.
    """
    ledger = Ledger.of(project)
    problem = ledger.verify_with_tags().problem
    if problem is None or problem.torn:
        return
    raise SignalboxError(
        f"{ledger.path}: the ledger is broken at line {problem.line}: {problem.reason}; nothing is "
        "released on such a ledger: see 'signalbox ledger verify'"
    )


def _reinstate(project: Path, product: str) -> list[str]:
    """Take back withdrawals of steps whose tags are there as they were made: they took place."""
    ledger = Ledger.of(project)
    entries = ledger.history()
    valid = {entry.hash for entry, _ in steps(entries, product)}
    done = []
    for entry in entries:
        if entry.kind not in STEP_KINDS or entry.subject != product or entry.hash in valid:
            continue
        if entry.data.get("step") != "made":
            continue
        step = Step.model_validate(entry.data)
        if not damaged_tags(project, entry, step):
            why = "its tags are there as it made them, so it took place"
            data = {"step": "reinstated", "of": entry.seq, "hash": entry.hash, "why": why}
            ledger.append(entry.kind, product, data)
            done.append(
                f"{entry.kind} of {step.name(product)} (ledger entry {entry.seq}) was withdrawn, "
                f"but {why}; the ledger says so now"
            )
    return done


def repair_locked(project: Path, product: str, *, put_back: bool = False) -> list[str]:
    """Finish the product's steps for a caller who holds the product's lock.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    put_back : bool, default False
        Whether tags that stand for something else now are put back; else they are refused.

    Returns
    -------
    list of str
        What was done, one sentence each.

    Raises
    ------
    DamagedError
        If a tag stands for something else than its step made.
    SignalboxError
        If the pointer was edited, or a commit to tag isn't here.
    """
    ledger = Ledger.of(project)
    known = steps(ledger.history(), product)
    last = {entry.hash for entry, _ in _last_of_each_stage(known)}
    remote = load_section(project, "registry", RegistryParams).push_to
    done = []
    for entry, step in known:
        journal = read_journal(project, product)
        is_last, begun = entry.hash in last, step.digest in journal.unfinished
        if is_last and step.pointer:
            check_pointer(project, product, step.pointer, [other for _, other in known])
        if is_last and begun and not was_tagged(project, entry, step, journal):
            made, was = apply_step(project, entry, step, remote), "was interrupted"
        else:
            damaged = _restore_tags(project, entry, step, put_back=put_back)
            made = [f"tags ({', '.join(damaged)})"] if damaged else []
            if is_last and make_pointer(project, product, step):
                made.append("pointer")
            was = "was interrupted" if begun else "was damaged"
            _note_finished(project, product, step)
        if made:
            logged = _log(ledger, entry, made, "completed" if begun else "restored")
            done.append(
                f"{entry.kind} of {step.name(product)} to {step.stage} (ledger entry {entry.seq}) "
                f"{was}; made now: {' and '.join(made)}{logged}"
            )
    return done


def _note_finished(project: Path, product: str, step: Step) -> None:
    """Note that a step is finished, where the journal says something else."""
    journal = read_journal(project, product)
    if step.digest in journal.unfinished:
        write_journal(project, product, journal.noted(step.digest, "finished"))


def _log(ledger: Ledger, entry: Entry, made: list[str], step: str) -> str:
    """Log what was made again; say so where this machine, without the ledger's key, can't."""
    if not ledger.can_append:
        return "; not logged, because the ledger's key isn't on this machine"
    data = {"step": step, "of": entry.seq, "hash": entry.hash, "made": made}
    ledger.append(entry.kind, entry.subject, data)
    return ""


def _restore_tags(project: Path, entry: Entry, step: Step, *, put_back: bool) -> list[str]:
    """Make tags of a finished step again where they are gone; put back those that were moved.

    Returns
    -------
    list of str
        Their names, with what they stood for.
    """
    damaged = damaged_tags(project, entry, step)
    moved = [damage for damage in damaged if damage.found]
    if moved and not put_back:
        raise DamagedError("; ".join(damage.words for damage in moved))
    if not damaged:
        return []
    _require_commit(project, entry, step)
    made = _made_before(project, entry, step, damaged)
    new = {
        damage.tag: made.get(damage.tag)
        or make_object(
            project,
            NewTag(damage.tag, step.commit, step.tags[damage.tag]),
            entry.hash,
            step.tag_time,
        )
        for damage in damaged
    }
    set_tags(project, {damage.tag: (damage.found, new[damage.tag]) for damage in damaged})
    return [
        damage.tag + (f", which stood for {damage.found[:12]}" if damage.found else "")
        for damage in damaged
    ]


def _made_before(
    project: Path, entry: Entry, step: Step, damaged: Sequence[TagDamage]
) -> dict[str, str]:
    """Objects that the step itself made: other clones have these, a new one would differ."""
    found = {
        tag.tag: tag.id
        for tag in lost_objects(project)
        if tag.tag in step.tags and is_as_made(entry, step, tag.tag, tag)
    }
    for remote in git(project, "remote").split():
        for damage in damaged:
            if damage.tag not in found:
                tag = fetch_tag(project, remote, damage.tag)
                if tag is not None and is_as_made(entry, step, damage.tag, tag):
                    found[damage.tag] = tag.id
    return found


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
    ledger = Ledger.of(project)
    entries = ledger.history()
    known = steps(entries, product)
    refs = product_refs(project, product)
    found = [
        damage.words for entry, step in known for damage in damaged_tags(project, entry, step, refs)
    ]
    broken = bool(found)
    recorded = {tag for _, step in known for tag in step.tags}
    found += [
        f"tag {tag.tag} is in no entry of the ledger: made by hand, or the ledger lost entries"
        for tag in product_tags(project, product)
        if tag.tag not in recorded
    ]
    chain = ledger.verify_with_tags().problem
    if chain is not None:
        found.append(f"{ledger.path} (line {chain.line}): {chain.reason}")
    for entry, step in _last_of_each_stage(known):
        found += _pointer_problems(project, entry, step, [other for _, other in known])
        try:
            current_step(project, entries, product, step.stage)
        except SignalboxError as error:
            if not broken:
                found.append(str(error))
    journal = read_journal(project, product)
    found += [_owed_words(project, owed) for owed in _still_owed(project, journal.owed)]
    return [problem for problem in dict.fromkeys(found) if problem]


def _pointer_problems(project: Path, entry: Entry, step: Step, known: list[Step]) -> list[str]:
    """Say what is wrong with the file that names the last version of a stage."""
    if not step.pointer or read_journal(project, entry.subject).unfinished.get(step.digest):
        return []
    try:
        check_pointer(project, entry.subject, step.pointer, known)
        found = read_pointer(project / step.pointer)
    except SignalboxError as error:
        return [str(error)]
    if found is not None and agrees(found, as_released(entry.subject, step)):
        return []
    names = "isn't there" if not (project / step.pointer).exists() else "names " + (
        "no release" if found is None else found.name
    )  # fmt: skip
    return [
        f"{step.pointer} {names}, ledger entry {entry.seq} put {step.name(entry.subject)} into "
        f"{step.stage}; 'signalbox registry repair' mends it"
    ]


def _last_of_each_stage(known: list[tuple[Entry, Step]]) -> list[tuple[Entry, Step]]:
    """Only the last step can be unfinished: each next one finishes it before it begins."""
    return list({step.stage: (entry, step) for entry, step in known}.values())
