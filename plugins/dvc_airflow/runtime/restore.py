"""Puts a stage's inputs, and its earlier outputs, into the workspace."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from dvc.dependency import ParamsDependency
from dvc.exceptions import CheckoutError, DvcException, UploadError
from dvc.output import Output
from dvc.repo import Repo, lock_repo
from dvc.repo.index import Index
from dvc.stage import PipelineStage

from dvc_airflow.runtime.results import noted_results, run_of
from dvc_airflow.runtime.run_cache import push_entry
from dvc_airflow.runtime.uncached import as_cached, contents, keep_copies, restore_copy
from dvc_airflow.runtime.untracked import texts

_STRUCTURE: Final = "_dvc_airflow_structure"


def restore_inputs(
    repo: Repo, stage: PipelineStage, *, check_all: bool, transfer: bool, remote: str | None
) -> None:
    """Bring what a stage reads into the state that dvc.lock and .dvc files record.

    In a workspace that was just made (for the run, or again on another machine) those
    files are only in the cache, or only in the remote. Data that only a parameter names is
    read as well.

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
    paths = [dep.fs_path for dep in local if check_all or not dep.exists]
    paths += [path for path in _named(repo, stage) if check_all or not repo.fs.exists(path)]
    wanted = [repo.fs.parts(path) for path in paths]
    # The index as it is now: other stages' hashes change while they run.
    for out in _makers(repo.index, stage, wanted) if wanted else ():
        if out.hash_info and (not out.exists or out.changed_checksum()):
            _restore(repo, out, transfer=transfer, remote=remote)


def require_results(repo: Repo, stage: PipelineStage) -> None:
    """Refuse to run on what an upstream stage of the run made in an older run.

    In a workspace of a run, dvc.lock and the files of git are those of the run's commit until the
    upstream stage's own result is there: made here, or brought from where it ran.

    Raises
    ------
    DvcException
        If an upstream stage of this run has no result in this workspace; names it and the path.
    """
    project = Path(repo.root_dir)
    run = run_of(project)
    if run is None or stage.frozen:
        return
    chosen = run.get("stages")
    noted = noted_results(project)
    wanted = [repo.fs.parts(dep.fs_path) for dep in stage.deps if dep.protocol == "local"]
    for out in _makers(_structure(repo), stage, wanted):
        maker = out.stage.addressing
        in_run = isinstance(out.stage, PipelineStage) and (chosen is None or maker in chosen)
        if in_run and maker not in noted:
            msg = (
                f"stage '{stage.addressing}' reads '{out}' of stage '{maker}', which is part of "
                "this run, and neither ran in this workspace nor is its result known here; what "
                "lies here may be of an older run. Clear the task of that stage"
            )
            raise DvcException(msg)


def _named(repo: Repo, stage: PipelineStage) -> list[str]:
    """Return paths of .dvc files' data that parameters of a stage name, also by a pattern."""
    data = [
        out.fs_path
        for source in _structure(repo).stages
        if source.is_data_source
        for out in source.outs
        if out.protocol == "local"
    ]
    if not data:
        return []
    named = {
        os.path.normpath(os.path.join(base, text))
        for dep in stage.deps
        if isinstance(dep, ParamsDependency)
        for text in texts(dep.read_params())
        for base in (stage.wdir, repo.root_dir)
        if text and "\0" not in text
    }
    return [path for path in data if any(_means(text, path) for text in named)]


def _means(text: str, path: str) -> bool:
    return text == path or text.startswith(path + os.sep) or fnmatchcase(path, text)


def _structure(repo: Repo) -> Index:
    """Return an index that tells which stages and files there are, but not their hashes of now.

    Running stages changes nothing of it, and building one anew for each stage of a process takes
    longer than all else that DVC does for a stage with nothing to do.
    """
    found = vars(repo).get(_STRUCTURE)
    if found is None:
        found = vars(repo)[_STRUCTURE] = repo.index
    return found


def _makers(index: Index, stage: PipelineStage, wanted: Iterable[tuple[str, ...]]) -> list[Output]:
    """Return the outputs, of any stage or .dvc file, that some paths lie in or around."""
    found: dict[str, Output] = {}
    for key in wanted:
        trie = index.outs_trie
        outs = [node.value for node in trie.prefixes(key)]
        if trie.has_subtrie(key):
            outs.extend(trie.values(prefix=key))
        found.update({out.fs_path: out for out in outs if out.stage.addressing != stage.addressing})
    return list(found.values())


def _restore(repo: Repo, out: Output, *, transfer: bool, remote: str | None) -> None:
    if transfer:
        _fetch(repo, out, remote)
    try:
        if out.use_cache:
            out.checkout(force=True)
        else:
            restore_copy(repo, out)
    except (CheckoutError, FileNotFoundError) as exc:
        where = "the cache or the remote" if transfer else "the cache (transfer is off)"
        owner = out.stage.addressing
        never = "" if out.can_push else "; it has 'push: false', so it never travels"
        msg = f"'{out}', which stage '{owner}' made, is not in {where}{never}"
        raise DvcException(msg) from exc


def _fetch(repo: Repo, out: Output, remote: str | None) -> None:
    """Get an output's contents into the cache, if the remote has them."""
    if out.use_cache:
        if out.changed_cache():
            repo.fetch(targets=[out.fs_path], remote=remote)
        return
    twin = as_cached(out)
    if twin.changed_cache():
        repo.cloud.pull({out.hash_info}, remote=remote or out.remote)
        repo.cloud.pull(contents(twin), remote=remote or out.remote)


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
            if transfer:
                _fetch(repo, out, remote)
            out.checkout(force=True)
        except (DvcException, FileNotFoundError) as exc:
            print(f"'{out}' cannot be restored ({exc}); the stage makes it again", flush=True)


def bring_results(
    repo: Repo, stage: PipelineStage, *, transfer: bool, remote: str | None
) -> list[str]:
    """Bring what a stage made into the workspace, as far as a commit holds it.

    Parameters
    ----------
    repo : Repo
        The workspace, locked; dvc.lock has the stage's entry of this run.
    stage : PipelineStage
        A stage that ran, here or elsewhere.
    transfer : bool
        Whether it was pushed to the remote.
    remote : str or None
        Which remote, if not the default one.

    Returns
    -------
    list of str
        What is not to be had: outputs kept in git that cannot be restored, and cached ones that
        are neither in this cache nor in the remote.
    """
    missing: list[str] = []
    for out in stage.outs:
        if not out.is_in_repo or not out.hash_info:
            continue
        if out.use_cache:
            is_here = not out.changed_cache() or (transfer and out.can_push)
        else:
            is_here = _is_restored(repo, out, transfer=transfer, remote=remote)
        if not is_here:
            missing.append(os.path.relpath(out.fs_path, repo.root_dir))
    stage.ignore_outs()
    return missing


def _is_restored(repo: Repo, out: Output, *, transfer: bool, remote: str | None) -> bool:
    if out.exists and not out.changed_checksum():
        return True
    try:
        _restore(repo, out, transfer=transfer, remote=remote)
    except DvcException as exc:
        print(f"'{out}' cannot be restored: {exc}", flush=True)
        return False
    return not out.changed_checksum()


def push(repo: Repo, stage: PipelineStage, remote: str | None) -> None:
    """Upload what a stage made, and that it made it of these inputs (its run-cache entry)."""
    with lock_repo(repo):
        count = repo.push(targets=[stage.addressing], remote=remote)
        for out in keep_copies(repo, stage, everything=True):
            if out.can_push:
                wanted = {out.hash_info, *contents(out)}
                done = repo.cloud.push(wanted, remote=remote or out.remote)
                if done.failed:
                    raise UploadError(len(done.failed))
                count += len(done.transferred)
        count += push_entry(repo, stage, remote)
    print(f"stage '{stage.addressing}': pushed {count} file(s)", flush=True)
