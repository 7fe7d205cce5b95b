"""Push runs' refs to the git remote, and delete there what is over."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dvc_airflow.runtime import run_key
from dvc_airflow.runtime.errors import GitError, WorkspaceError
from dvc_airflow.runtime.git import git, git_or_none
from dvc_airflow.runtime.repository import Repository, shown_remote
from dvc_airflow.runtime.run_key import RunKey

log = logging.getLogger(__name__)


def publish_open(repository: Repository, key: RunKey, commit: str) -> None:
    """Push the commit that a run is made of, for the other hosts that run its stages."""
    if repository.remote is None:
        return
    ref = key.ref(run_key.OPEN)
    _push(repository, f"+{commit}:{ref}", f"nothing ran yet; the commit is {commit} here")
    log.info("pushed %s to the git remote %s", ref, shown_remote(repository))


def publish_saved(repository: Repository, key: RunKey, ref: str, commit: str) -> None:
    """Push a saved run; delete at the remote what it makes superfluous.

    Raises
    ------
    WorkspaceError
        If the remote refuses it; the run stays saved on this machine.
    """
    if repository.remote is None:
        log.info("%s has no git remote: %s stays on this machine", repository.store, ref)
        return
    kept = f"the run is not lost: {ref} ({commit}) is saved in {repository.store} on this machine"
    _push(repository, f"+{commit}:{ref}", kept)
    log.info("pushed %s to the git remote %s", ref, shown_remote(repository))
    over = [key.ref(run_key.OPEN)]
    if ref == key.ref(run_key.RUNS):
        over.append(key.ref(run_key.FAILED))
    _delete(repository, over)


def forget(repository: Repository, ref: str, *, shared: bool) -> None:
    """Delete a run's ref; its commit goes with git's own housekeeping."""
    git_or_none(repository.store, "update-ref", "-d", ref)
    if shared and repository.remote is not None:
        _delete(repository, [ref])


def _push(repository: Repository, refspec: str, kept: str) -> None:
    remote = str(repository.remote)
    options = ("--quiet", "--no-verify", "--no-signed", "--no-follow-tags")
    try:
        git(repository.store, "push", *options, remote, refspec)
    except GitError as exc:
        ref = refspec.partition(":")[2]
        msg = (
            f"the git remote {shown_remote(repository)} did not take {ref}: {exc}\n{kept}. Let "
            "this machine's user push refs/runs/*, refs/failed-runs/* and refs/open-runs/* "
            "there (credentials, the server's rules) and clear this task; or name another remote: "
            "GitConfig(remote=...); or keep refs on this machine: GitConfig(push=False)"
        )
        raise WorkspaceError(msg) from exc


def _delete(repository: Repository, refs: Sequence[str]) -> None:
    """Delete refs at the remote; one that stays does no harm, so refusal is only told."""
    remote = str(repository.remote)
    try:
        listed = git(repository.store, "ls-remote", "--quiet", remote, *refs)
        found = [line.partition("\t")[2] for line in listed.splitlines()]
        if found:
            gone = [f":{ref}" for ref in found if ref in refs]
            git(repository.store, "push", "--quiet", "--no-verify", "--no-signed", remote, *gone)
    except GitError as exc:
        log.warning("could not delete %s at the git remote: %s", ", ".join(refs), exc)
