"""Which released models learned from a subject: their train split held it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipelines.core.artifacts import RELEASED, TRAIN
from pipelines.core.errors import SignalboxError
from pipelines.core.git import git_or_none
from pipelines.release.released import Released, read_released, write_released

UNKNOWN = "unknown: its train split is in neither cache nor remote"


def releases(project: Path, holding: set[str], seen: set[str]) -> list[dict[str, Any]]:
    """Find out for every release whether its train split holds the subject.

    Parameters
    ----------
    project : Path
        Root of the project.
    holding : set of str
        DVC hashes of objects that hold the subject.
    seen : set of str
        DVC hashes of all objects that were opened; a split that wasn't opened is unknown.

    Returns
    -------
    list of dict
        Keys ``release``, ``commit`` and ``contains``: True, False or `UNKNOWN`.
    """
    found = []
    for name, commit in _released(project):
        split = _split_of(project, commit)
        contains: bool | str = split in holding if split in seen else UNKNOWN
        found.append({"release": name, "commit": commit, "contains": contains})
    return found


def _released(project: Path) -> Iterator[tuple[str, str]]:
    """Name and commit of the pointer's release, then of every version in git's tags."""
    done: set[tuple[str, str]] = set()
    pointer = _pointer(project)
    if pointer is not None:
        done.add((pointer.name, pointer.commit))
        yield pointer.name, pointer.commit
    listed = git_or_none(project, "tag", "--list", "*@v*", "--format=%(refname:short)") or ""
    for tag in listed.split():
        commit = git_or_none(project, "rev-list", "-n", "1", tag) or ""
        if (tag, commit) not in done:
            yield tag, commit


def _pointer(project: Path) -> Released | None:
    try:
        return read_released(project / RELEASED)
    except SignalboxError:
        return None


def _split_of(project: Path, commit: str) -> str | None:
    """DVC hash of the train split in a commit's ``dvc.lock``."""
    lock = yaml.safe_load(git_or_none(project, "show", f"{commit}:dvc.lock") or "{}") or {}
    for stage in lock.get("stages", {}).values():
        for out in stage.get("outs", []):
            if out.get("path") == TRAIN.as_posix():
                return str(out.get("md5"))
    return None


def drop_from_pointer(project: Path, known: list[dict[str, Any]]) -> bool:
    """Drop train data that was erased from the pointer, or ``drift`` would ask for it in vain.

    Parameters
    ----------
    project : Path
        Root of the project.
    known : list of dict of str to object
        What `releases` said before anything was removed.

    Returns
    -------
    bool
        Whether the pointer was changed.
    """
    pointer = _pointer(project)
    if pointer is None or TRAIN.as_posix() not in pointer.artifacts:
        return False
    remaining = {
        (release["release"], release["commit"]) for release in known if release["contains"] is True
    }
    if (pointer.name, pointer.commit) not in remaining:
        return False
    kept = {path: sha for path, sha in pointer.artifacts.items() if path != TRAIN.as_posix()}
    write_released(pointer.model_copy(update={"artifacts": kept}), project / RELEASED)
    return True
