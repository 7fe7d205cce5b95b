"""DVC's run cache, made safe for several workspaces that share it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import Any

from dvc.repo import Repo
from dvc.stage import PipelineStage


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


def watch_run_cache(repo: Repo) -> list[str]:
    """Return a list that gets an item when DVC restores a stage instead of running it."""
    restored: list[str] = []
    original = type(repo.stage_cache).restore

    def restore_and_note(stage: PipelineStage, **kwargs: Any) -> None:
        original(repo.stage_cache, stage, **kwargs)
        restored.append(stage.addressing)

    repo.stage_cache.restore = restore_and_note
    return restored
