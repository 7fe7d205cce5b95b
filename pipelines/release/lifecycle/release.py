"""Release a commit: check everything, then entry, tags, pointer."""

from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.apply import repair_locked, require_ledger, take_step
from pipelines.release.lifecycle.candidate import read_candidate
from pipelines.release.lifecycle.consent import find_consent, record_gate
from pipelines.release.lifecycle.files import CommitFiles, agrees, exclusive_lock, pointer_in
from pipelines.release.lifecycle.production import (
    PRODUCTION,
    Done,
    Step,
    as_released,
    check_pointer,
    current_step,
    done,
    steps,
)
from pipelines.release.registry.read import (
    Bump,
    ProductParams,
    RegistryParams,
    check_name,
    load_product,
    stage_tag,
    version_tag,
    versions,
)
from pipelines.release.registry.write import (
    next_number,
    next_version,
    require_branch,
    require_commits,
    require_identity,
    require_remote,
    resolve_commit,
    tag_time,
)
from pipelines.release.released import Released


def release(
    project: Path,
    product: str,
    commit: str,
    *,
    run: str = "",
    stage: str = PRODUCTION,
    approval: str | None = None,
    bump: Bump | None = None,
) -> Done:
    """Make a commit the version in a stage.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    commit : str
        Hash, ref or name of a saved run.
    run : str, default ''
        Saved run that the consent must be about; empty = whichever it was given for.
    stage : str, default `PRODUCTION`
        For example ``production``.
    approval : str, optional
        Hash of the ledger entry that the caller takes for the consent; None = the last one on this
        commit, whichever it is.
    bump : {'major', 'minor', 'patch'}, optional
        Part of the version to count up; None = as ``release.yaml`` says.

    Returns
    -------
    Done

    Raises
    ------
    SignalboxError
        If the gate's decision, the consent, the repository or the ledger don't allow it; nothing
        was written then.
    """
    require_ready(project)
    with exclusive_lock(project, product):
        repair_locked(project, product)
        full = resolve_commit(project, commit)
        check_name("stage", stage)
        step = _plan(project, product, full, run=run, stage=stage, approval=approval, bump=bump)
        entry, not_pushed = take_step(project, "release", product, step)
        return done(entry, step, not_pushed)


def require_ready(project: Path) -> None:
    """Stop where the repository or the ledger is in no state for a release or rollback.

    Parameters
    ----------
    project : Path
        Root of the project.

    Raises
    ------
    SignalboxError
        Saying what to do.
    """
    require_commits(project)
    require_branch(project)
    require_identity(project)
    remote = load_section(project, "registry", RegistryParams).push_to
    if remote:
        require_remote(project, remote)
    require_ledger(project)


def _plan(
    project: Path,
    product: str,
    commit: str,
    *,
    run: str,
    stage: str,
    approval: str | None,
    bump: Bump | None,
) -> Step:
    """Check everything a release needs and say what it will write."""
    params = load_product(project, product)
    decision = record_gate(project, product, commit, run)
    candidate = read_candidate(project, product, commit, run)
    ledger = Ledger.of(project)
    entries, history = ledger.entries(), ledger.history()
    replaced = current_step(project, history, product, stage)
    if replaced is not None and replaced[1].commit == commit:
        raise SignalboxError(
            f"commit {commit[:12]} is in {stage} already, as {replaced[1].name(product)}"
        )
    consent = find_consent(project, entries, candidate, stage)
    if approval is not None and consent.hash != approval:
        raise SignalboxError(
            f"ledger entry {consent.seq} ({consent.kind}) on commit {commit[:12]} is newer than "
            "the approval this release was asked for with; decide again"
        )
    if stage == PRODUCTION:
        check_comparison(
            project, product, params, commit, None if replaced is None else replaced[1]
        )
        check_pointer(
            project, product, params.pointer, [step for _, step in steps(history, product)]
        )
    files = CommitFiles(project, commit)
    version, tags = _tags(project, product, commit, stage, bump)
    return Step(
        version=version,
        stage=stage,
        commit=commit,
        artifacts={path: files.sha256(path) for path in params.artifacts},
        replaces=None if replaced is None else replaced[1].version,
        tags=tags,
        tag_time=tag_time(project, product),
        pointer=params.pointer if stage == PRODUCTION else "",
        gate=decision.as_data(),
        approval=_reference(consent),
        who=require_identity(project)[0],
    )


def _tags(
    project: Path, product: str, commit: str, stage: str, bump: Bump | None
) -> tuple[str, dict[str, str]]:
    """Version of the commit (its own if it has one), and the tags to make."""
    number = next_number(project, product)
    tags = {}
    known = {
        other_version.commit: other_version.version for other_version in versions(project, product)
    }
    version = known.get(commit)
    if version is None:
        how = bump or load_section(project, "registry", RegistryParams).bump
        version = next_version(project, product, commit, how)
        tags[version_tag(product, version)] = f"{product} {version}"
    tags[stage_tag(product, stage, number)] = f"{product} {version} to {stage}"
    return version, tags


def _reference(entry: Entry) -> dict[str, object]:
    outcome = entry.data["outcome"]
    return {
        "entry": entry.seq,
        "hash": entry.hash,
        "kind": entry.kind,
        "policy": outcome["policy"],
        "by": [answer["who"] for answer in outcome["answers"]],
        "reasons": outcome["reasons"],
    }


def check_comparison(
    project: Path, product: str, params: ProductParams, commit: str, replaced: Step | None
) -> None:
    """Stop where the gate compared with another version than the one that would be replaced.

    Whoever is released first changes what "not worse than the released one" means for all others.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    params : ProductParams
        The product's entry in section ``registry`` of ``release.yaml``.
    commit : str
        Full hash of the commit.
    replaced : Step or None
        What is in production; None = nothing.

    Raises
    ------
    SignalboxError
        Naming both.
    """
    compared = pointer_in(project, commit, params.pointer)
    now = None if replaced is None else as_released(product, replaced)
    same = compared == now or (compared and now and agrees(compared, now))
    if not same:
        raise SignalboxError(
            f"the gate compared commit {commit[:12]} with {_called(compared)}, but in production "
            f"is {_called(now)}; run the pipeline again, so that it is judged against that"
        )


def _called(released: Released | None) -> str:
    return "no release" if released is None else f"{released.name} ({released.commit[:12]})"
