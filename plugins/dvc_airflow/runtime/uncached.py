"""Outputs with ``cache: false``: copies of them, so that other workspaces get them too.

Such files live in git once the run is saved, but a workspace that is made again in the
middle of a run has no commit to take them from. DVC keeps copies itself for stages in
its run cache; this does the same for the rest.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage

_SMALL: Final = 10 * 1024 * 1024


def keep_copies(repo: Repo, stage: PipelineStage, *, everything: bool) -> list[Output]:
    """Put copies of a stage's uncached outputs into the cache.

    Parameters
    ----------
    repo : Repo
        The workspace, locked.
    stage : PipelineStage
        A stage that is up to date.
    everything : bool
        Large ones as well (they were left out of the cache for a reason).

    Returns
    -------
    list of Output
        The outputs as cached ones.
    """
    kept: list[Output] = []
    for out in stage.outs:
        small = out.meta is not None and (out.meta.size or 0) <= _SMALL
        if out.use_cache or not out.is_in_repo or not out.exists or not (small or everything):
            continue
        twin = as_cached(out)
        if twin.changed_cache():
            twin.commit(relink=False)
        kept.append(twin)
    return kept


def as_cached(out: Output) -> Output:
    """Return the same output as if DVC cached it."""
    twin = copy.copy(out)
    twin.use_cache = True
    return twin


def contents(out: Output) -> set[Any]:
    """Return the hashes of the files in a directory; nothing for a file."""
    tree = out.get_obj() if out.is_dir_checksum else None
    return {hash_info for _, _, hash_info in tree} if tree is not None else set()


def restore_copy(repo: Repo, out: Output) -> None:
    """Write an uncached output from its copy; as a real file, for git."""
    with repo.stage_cache._cache_type_copy():
        as_cached(out).checkout(force=True)
