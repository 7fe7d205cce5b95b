"""Go back to a version that was released before: checked like a release, and logged."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipelines.core.errors import SignalboxError
from pipelines.release.approval import ApprovalParams
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.apply import repair_locked, take_step
from pipelines.release.lifecycle.files import CommitFiles, GoneError, exclusive_lock, object_exists
from pipelines.release.lifecycle.production import (
    PRODUCTION,
    Done,
    Step,
    check_pointer,
    current_step,
    done,
    steps,
)
from pipelines.release.lifecycle.release import require_ready
from pipelines.release.registry.read import (
    ProductParams,
    check_name,
    find_version,
    load_product,
    stage_tag,
)
from pipelines.release.registry.write import next_number, require_identity, tag_time

KIND = "erasure"


def erasures_of(entries: Iterable[Entry], commit: str) -> list[Entry]:
    """List the proofs of erasures whose subject a release learned from, or may have.

    Parameters
    ----------
    entries : iterable of Entry
        The ledger's entries, in order.
    commit : str
        Full hash of the release's commit.

    Returns
    -------
    list of Entry
    """
    return [e for e in entries if e.kind == KIND and _contains_subject(e, commit) is not None]


def took_data(entries: Iterable[Entry], commit: str) -> Entry | None:
    """Return the last proof of an erasure that took data of a release; None if there is none.

    Parameters
    ----------
    entries : iterable of Entry
        The ledger's entries, in order.
    commit : str
        Full hash of the release's commit.

    Returns
    -------
    Entry or None
    """
    found = None
    for entry in erasures_of(entries, commit):
        if not entry.data.get("kept_on_request") and _contains_subject(entry, commit) is True:
            found = entry
    return found


def erased_hashes(entries: Iterable[Entry]) -> set[str]:
    """Collect the SHA-256 of every file and object that an erasure took away or rewrote.

    Parameters
    ----------
    entries : iterable of Entry
        The ledger's entries, in order.

    Returns
    -------
    set of str
    """
    return {
        str(removal.get("before"))
        for entry in entries
        if entry.kind == KIND
        for removal in entry.data.get("removed") or []
        if removal.get("action") in ("removed", "rewritten")
    }


def warnings(entries: Iterable[Entry], commit: str, name: str) -> list[str]:
    """List the erased subjects that a release learned from, and until when it was to be replaced.

    Parameters
    ----------
    entries : iterable of Entry
        The ledger's entries, in order.
    commit : str
        Full hash of the release's commit.
    name : str
        Name of the release.

    Returns
    -------
    list of str
        One sentence an erasure.
    """
    sentences = []
    for entry in erasures_of(entries, commit):
        learned = "learned" if _contains_subject(entry, commit) is True else "may have learned"
        until = _release(entry, commit).get("until")
        due = f"; it was to be replaced until {until}" if until else ""
        sentences.append(
            f"{name} {learned} from a subject that was erased since "
            f"(entry {entry.seq} of the ledger){due}"
        )
    return sentences


def _contains_subject(entry: Entry, commit: str) -> bool | str | None:
    """Whether the release held the subject: True, a word why nobody knows, or None = no."""
    contains = _release(entry, commit).get("contains")
    return contains or None


def _release(entry: Entry, commit: str) -> dict[str, Any]:
    listed = entry.data.get("releases") or []
    return next((dict(record) for record in listed if record.get("commit") == commit), {})


def rollback(
    project: Path,
    product: str,
    *,
    to: str | None = None,
    reason: str,
    who: str,
    stage: str = PRODUCTION,
) -> Done:
    """Put an earlier version back into a stage.

    It needs no new gate decision and no second person, because it has to be quick: the version
    passed both when it was released, and its artifacts are hashed again now. Artifacts that an
    erasure took are left out of the pointer, and a model that learned from somebody who was erased
    since comes with a warning, which the ledger keeps.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    to : str, optional
        The version; None = the one that the current version replaced.
    reason : str
        Why, in words; it goes to the ledger.
    who : str
        Who decides; must be one of ``approval.approvers``.
    stage : str, default `PRODUCTION`
        For example ``production``.

    Returns
    -------
    Done

    Raises
    ------
    SignalboxError
        If there is nothing to go back to, the version never was in this stage, it isn't what it
        was any more, or `who` may not decide; nothing was written then.
    """
    require_allowed(project, who, reason)
    require_ready(project)
    with exclusive_lock(project, product):
        repair_locked(project, product)
        check_name("stage", stage)
        step = _plan(project, product, to, stage=stage, reason=reason.strip(), who=who)
        entry, not_pushed = take_step(project, "rollback", product, step)
        return done(entry, step, not_pushed)


def require_allowed(project: Path, who: str, reason: str) -> None:
    """Stop where someone isn't on the list of approvers, or gives no reason.

    Parameters
    ----------
    project : Path
        Root of the project.
    who : str
        Name of who decides.
    reason : str
        Why, in words.

    Raises
    ------
    SignalboxError
        Naming the list, or asking for a reason.
    """
    approvers = load_section(project, "approval", ApprovalParams).approvers
    if who not in approvers:
        raise SignalboxError(
            f"{who!r} is not on the list of approvers (release.yaml: approval.approvers: "
            f"{', '.join(approvers)})"
        )
    if not reason.strip():
        raise SignalboxError("a rollback needs a reason, in words: --reason '…'")


def _plan(
    project: Path, product: str, to: str | None, *, stage: str, reason: str, who: str
) -> Step:
    params = load_product(project, product)
    entries = Ledger.of(project).history()
    now = current_step(project, entries, product, stage)
    if now is None:
        raise SignalboxError(
            f"nothing of {product} is in {stage}, so there is nothing to go back from"
        )
    known = steps(entries, product)
    target = to or _before(known, now[1])
    if target == now[1].version:
        raise SignalboxError(f"{product} {target} is in {stage} already")
    source = _released(project, product, known, target, stage)
    artifacts = _artifacts(project, product, params, source[1], erased_hashes(entries))
    if stage == PRODUCTION:
        check_pointer(project, product, params.pointer, [step for _, step in known])
    number = next_number(project, product)
    return Step(
        version=target,
        stage=stage,
        commit=source[1].commit,
        artifacts=artifacts,
        replaces=now[1].version,
        tags={stage_tag(product, stage, number): f"{product} back to {target} in {stage}"},
        tag_time=tag_time(project, product),
        pointer=params.pointer if stage == PRODUCTION else "",
        gate=source[1].gate,
        approval={
            "entry": source[0].seq,
            "hash": source[0].hash,
            "kind": source[0].kind,
            "policy": "released before; rollback by a named approver",
            "by": [who],
            "reasons": [reason],
            "git": require_identity(project)[0],
        },
        who=who,
        reason=reason,
        warnings=warnings(entries, source[1].commit, source[1].name(product)),
    )


def _before(known: list[tuple[Entry, Step]], now: Step) -> str:
    """Version that the current one replaced when it was released, not when it was rolled back to.

    Rolling back twice goes back two versions, not there and back again.
    """
    for entry, step in known:
        if entry.kind == "release" and (step.version, step.stage) == (now.version, now.stage):
            if step.replaces is None:
                break
            return step.replaces
    raise SignalboxError(f"{now.version} is the first version in {now.stage}; nothing is before it")


def _released(
    project: Path, product: str, known: list[tuple[Entry, Step]], version: str, stage: str
) -> tuple[Entry, Step]:
    """Return the release of a version to this stage, if registry and ledger agree on it."""
    found = find_version(project, product, version)
    for entry, step in known:
        if entry.kind == "release" and (step.version, step.stage) == (version, stage):
            if found.commit != step.commit:
                raise SignalboxError(
                    f"tag {found.tag} points to {found.commit[:12]}, ledger entry {entry.seq} says "
                    f"{step.commit[:12]}; the tag was moved"
                )
            return entry, step
    raise SignalboxError(
        f"{product} {version} never was released to {stage}; only what passed gate and approval "
        "for it can come back: see 'signalbox registry show'"
    )


def _artifacts(
    project: Path, product: str, params: ProductParams, step: Step, erased: set[str]
) -> dict[str, str]:
    """Return the version's artifacts that are still there; those that were erased needn't be.

    Raises
    ------
    SignalboxError
        If one isn't what it was when it was released, or is gone without an erasure.
    """
    if not object_exists(project, step.commit):
        raise SignalboxError(f"commit {step.commit[:12]} of {step.name(product)} is not in git")
    files = CommitFiles(project, step.commit)
    missing = sorted(set(params.artifacts) - set(step.artifacts))
    if missing:
        raise SignalboxError(
            f"{step.name(product)} was released without {missing}, which release.yaml asks for now"
        )
    kept = {}
    for path, expected in step.artifacts.items():
        try:
            found = files.sha256(path)
        except GoneError:
            if expected in erased:
                continue
            raise
        if found != expected:
            raise SignalboxError(
                f"{path} of {step.name(product)}: SHA-256 is {found[:12]}…, the ledger says "
                f"{expected[:12]}…; it isn't what was released"
            )
        kept[path] = found
    return kept
