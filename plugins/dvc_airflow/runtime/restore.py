"""Puts a stage's inputs, and its earlier outputs, into the workspace."""

from __future__ import annotations

from dvc.dependency import Dependency
from dvc.exceptions import CheckoutError, DvcException
from dvc.output import Output
from dvc.repo import Repo, lock_repo
from dvc.stage import PipelineStage


def restore_inputs(
    repo: Repo, stage: PipelineStage, *, check_all: bool, transfer: bool, remote: str | None
) -> None:
    """Bring what a stage reads into the state that dvc.lock and .dvc files record.

    In a workspace that was just made (for the run, or again on another machine) those
    files are only in the cache, or only in the remote.

    Parameters
    ----------
    repo : Repo
        The workspace, locked.
    stage : PipelineStage
        The stage that is about to run.
    check_all : bool
        Look at files that exist too; they may be older than dvc.lock says.
    transfer : bool
        Whether the remote may be asked.
    remote : str or None
        Which remote, if not the default one.
    """
    local = [dep for dep in stage.deps if dep.protocol == "local"]
    wanted = local if check_all else [dep for dep in local if not dep.exists]
    for out in _makers(repo, stage, wanted):
        if not out.exists or out.changed_checksum():
            _restore(repo, out, transfer=transfer, remote=remote)


def _makers(repo: Repo, stage: PipelineStage, deps: list[Dependency]) -> list[Output]:
    """Return the outputs, of any stage or .dvc file, that dependencies lie in or around."""
    if not deps:
        return []
    trie = repo.index.outs_trie
    found: dict[str, Output] = {}
    for dep in deps:
        key = dep.fs.parts(dep.fs_path)
        outs = [node.value for node in trie.prefixes(key)]
        if trie.has_subtrie(key):
            outs.extend(trie.values(prefix=key))
        found.update({out.fs_path: out for out in outs if out.stage != stage and out.hash_info})
    return list(found.values())


def _restore(repo: Repo, out: Output, *, transfer: bool, remote: str | None) -> None:
    if not out.use_cache:
        _restore_uncached(repo, out)
        return
    if transfer and out.changed_cache():
        repo.fetch(targets=[out.fs_path], remote=remote)
    try:
        out.checkout(force=True)
    except (CheckoutError, FileNotFoundError) as exc:
        where = "the cache or the remote" if transfer else "the cache (transfer is off)"
        msg = f"'{out}', which stage '{out.stage.addressing}' made, is not in {where}"
        raise DvcException(msg) from exc


def _restore_uncached(repo: Repo, out: Output) -> None:
    """Take a ``cache: false`` output from the copy in the run cache."""
    from dvc.stage.cache import RunCacheNotFoundError

    try:
        repo.stage_cache.restore(out.stage)
    except RunCacheNotFoundError as exc:
        msg = (
            f"'{out}' (cache: false) of stage '{out.stage.addressing}' is not in this "
            "workspace, and DVC kept no copy of it; let DVC cache it, or clear that stage too"
        )
        raise DvcException(msg) from exc


def restore_outputs(
    repo: Repo, stage: PipelineStage, *, transfer: bool, remote: str | None
) -> None:
    """Link outputs that are still right from the cache, so that nothing runs in vain.

    DVC's run cache does that for most stages, but not for stages without dependencies
    and not for outputs that persist.
    """
    missing = [out for out in stage.outs if out.use_cache and out.hash_info and not out.exists]
    if not missing:
        return
    persistent = [out for out in missing if out.persist]
    if not stage.is_callback and not stage.always_changed and not stage.changed(True):
        persistent = missing
    for out in persistent:
        try:
            if transfer and out.changed_cache():
                repo.fetch(targets=[out.fs_path], remote=remote)
            out.checkout(force=True)
        except (DvcException, FileNotFoundError) as exc:
            print(f"'{out}' cannot be restored ({exc}); the stage makes it again", flush=True)


def push(repo: Repo, address: str, remote: str | None) -> None:
    """Upload what a stage made."""
    with lock_repo(repo):
        count = repo.push(targets=[address], remote=remote)
    print(f"stage '{address}': pushed {count} file(s)", flush=True)
