"""DVC's run cache, made safe for several workspaces that share it."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from dvc.config import RemoteConfigError
from dvc.exceptions import DvcException
from dvc.fs import HTTPFileSystem, generic
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.cache import _can_hash, _get_cache_hash, _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile

_ENTRY: Final = re.compile(r"[0-9a-f]{64}")


@contextlib.contextmanager
def _exclusive_lock(repo: Repo) -> Iterator[None]:
    directory = repo.cache.legacy.path
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "dvc-airflow.lock"), "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _locked(repo: Repo, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with _exclusive_lock(repo):
            return function(*args, **kwargs)

    return call


def share_run_cache(repo: Repo) -> None:
    """Let one process at a time read or write entries of the run cache.

    Two runs of the same stage at once make the same directories and see each other's
    half-written files there; DVC's repository lock does not help, because each
    workspace has its own.
    """
    cache = repo.stage_cache
    cache.save = _locked(repo, cache.save)
    cache._load = _locked(repo, cache._load)


def watch_run_cache(repo: Repo, *, transfer: bool = False, remote: str | None = None) -> list[str]:
    """Return a list that gets an item when DVC restores a stage instead of running it.

    With ``transfer``, an entry that this machine lacks is looked for in the remote.
    """
    restored: list[str] = []
    original = type(repo.stage_cache).restore

    def restore_and_note(stage: PipelineStage, **kwargs: Any) -> None:
        if transfer:
            pull_entry(repo, stage, remote)
        original(repo.stage_cache, stage, **kwargs)
        _as_real_files(repo, stage)
        restored.append(stage.addressing)

    repo.stage_cache.restore = restore_and_note
    return restored


def _as_real_files(repo: Repo, stage: PipelineStage) -> None:
    """Make files of outputs that git keeps: DVC restores them as links if its cache has links."""
    for out in stage.outs:
        if not out.use_cache and out.is_in_repo and out.exists:
            repo.cache.local.unprotect(out.fs_path)


def keep_entry(repo: Repo, stage: PipelineStage) -> None:
    """Keep an entry also of a stage with outputs that DVC doesn't cache and that are no metrics.

    DVC leaves such stages out, for their outputs would have to be copied into the cache. Where
    results travel they are there anyway (`dvc_airflow.runtime.uncached.keep_copies`).
    """
    repo.stage_cache.save(stage)


def push_entry(repo: Repo, stage: PipelineStage, remote: str | None) -> int:
    """Upload a stage's entry of the run cache; return how many files that took.

    DVC's own ``push --run-cache`` uploads the entries of all projects that share the cache.
    """
    if not _can_hash(stage):
        return 0  # DVC keeps no entry of such stages
    key = _get_stage_hash(stage)
    value = _get_cache_hash(to_single_stage_lockfile(stage))
    source = repo.stage_cache._get_cache_path(key, value)
    odb = _remote_odb(repo, remote, "push --run-cache")
    if odb is None or not os.path.exists(source):
        return 0
    target = odb.fs.join(odb.path, "runs", key[:2], key, value)
    if odb.fs.exists(target):
        return 0
    generic.copy(repo.cache.legacy.fs, source, odb.fs, target)
    return 1


def pull_entry(repo: Repo, stage: PipelineStage, remote: str | None) -> bool:
    """Get the newest entry of a stage and its present inputs from the remote, if there is one.

    Parameters
    ----------
    repo : Repo
        The workspace.
    stage : PipelineStage
        A stage that is about to run. It stays as it is: DVC takes a stage whose dependencies were
        hashed, and that has outputs of dvc.lock, for one that is up to date.
    remote : str or None
        Which remote, if not the default one.
    """
    key = _key_of(stage)
    if key is None or os.path.isdir(repo.stage_cache._get_cache_dir(key)):
        return False  # there is none, or one is here
    odb = _remote_odb(repo, remote, "fetch --run-cache")
    folder = odb and odb.fs.join(odb.path, "runs", key[:2], key)
    if not folder or not odb.fs.exists(folder):
        return False
    found = [path for path in odb.fs.find(folder) if _ENTRY.fullmatch(odb.fs.name(path))]
    if not found:
        return False
    newest = max(found, key=lambda path: (_changed_at(odb.fs.info(path)), path))
    with _exclusive_lock(repo):
        target = repo.stage_cache._get_cache_path(key, odb.fs.name(newest))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        temporary = f"{repo.cache.legacy.path}/dvc-airflow.{os.getpid()}.entry"
        generic.copy(odb.fs, newest, repo.cache.legacy.fs, temporary)
        os.replace(temporary, target)
    return True


def _key_of(stage: PipelineStage) -> str | None:
    """Return the run cache's key of a stage and its present inputs; None if DVC keeps no entry."""
    probe = copy.copy(stage)
    probe.deps = [copy.copy(dep) for dep in stage.deps]
    try:
        probe.save_deps()
    except DvcException:
        return None  # DVC says itself what is missing
    return str(_get_stage_hash(probe)) if _can_hash(probe) else None


def _remote_odb(repo: Repo, remote: str | None, command: str) -> Any:
    """Return the remote as a place for run-cache entries; None where DVC keeps none."""
    try:
        odb = repo.cloud.get_remote_odb(remote, command, hash_name="md5-dos2unix")
    except RemoteConfigError:  # cloud versioning: DVC supports no run cache there
        return None
    return None if isinstance(odb.fs, HTTPFileSystem) else odb


def _changed_at(info: dict[str, Any]) -> float:
    """Return when a file of a remote was written, s since 1970; 0 if the remote doesn't tell."""
    for name in ("mtime", "LastModified", "last_modified", "updated"):
        value = info.get(name)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, str):
            try:
                return datetime.fromisoformat(value).timestamp()
            except ValueError:
                continue
    return 0.0
