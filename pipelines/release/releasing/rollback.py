"""Go back to a version that was released before: checked like a release, and logged."""

from pathlib import Path

from pipelines.base.errors import SignalboxError
from pipelines.release.approval import ApprovalParams
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry.checks import require_identity
from pipelines.release.registry.params import ProductParams, load_product
from pipelines.release.registry.read import find_version
from pipelines.release.registry.tags import check_name, stage_tag
from pipelines.release.registry.write import next_number, tag_time
from pipelines.release.releasing.carry_out import carry_out
from pipelines.release.releasing.erased import erased_hashes, warnings
from pipelines.release.releasing.files import CommitFiles, GoneError, object_exists
from pipelines.release.releasing.lock import alone
from pipelines.release.releasing.pointer import check_pointer
from pipelines.release.releasing.products import PRODUCTION, current_step
from pipelines.release.releasing.release import require_ready
from pipelines.release.releasing.repair import repair_locked
from pipelines.release.releasing.step import Done, Step, done, steps


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
    to
        The version; None = the one that the current version replaced.
    reason
        Why, in words; it goes to the ledger.
    who
        Who decides; must be one of ``approval.approvers``.

    Raises
    ------
    SignalboxError
        If there is nothing to go back to, the version never was in this stage, it isn't what it
        was any more, or `who` may not decide; nothing was written then.
    """
    require_allowed(project, who, reason)
    require_ready(project)
    with alone(project, product):
        repair_locked(project, product)
        check_name("stage", stage)
        step = _plan(project, product, to, stage=stage, reason=reason.strip(), who=who)
        entry = Ledger.of(project).append("rollback", product, step.model_dump(mode="json"))
        carry_out(project, entry, step)
        return done(entry, step)


def require_allowed(project: Path, who: str, reason: str) -> None:
    """Stop where someone isn't on the list of approvers, or gives no reason."""
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
    entries = Ledger.of(project).entries()
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
