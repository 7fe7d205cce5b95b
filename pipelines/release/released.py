"""The released model: a pointer in git, its artifacts in DVC.

``released/model_release.json`` holds ``{"released": null}`` until the first release, then::

    {"released": {"name": "...", "commit": "<40 hex digits>", "artifacts": {"<path>": "<sha256>"}}}
"""

import shutil
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.artifacts import RELEASED
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, replacing, sha256_file, write_json

NOTHING_RELEASED = "no model has been released yet"
"""Why figures about the released model have no value at first; the gate knows these words."""


class Released(BaseModel):
    """A release: where it comes from and what belongs to it.

    Attributes
    ----------
    name : str
        Of the release, for example ``adult@v3``.
    commit : str
        Git commit whose ``dvc.lock`` has the artifacts.
    artifacts : dict of str to str
        Path -> SHA-256 of each file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    artifacts: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]


class _Pointer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    released: Released | None


def read_released(path: Path = RELEASED) -> Released | None:
    """Read the pointer; None if nothing has been released yet.

    Parameters
    ----------
    path : Path, default `RELEASED`
        The pointer's file.

    Returns
    -------
    Released or None

    Raises
    ------
    SignalboxError
        If the file is missing or not in form: silence must not pass for "no release yet".
    """
    try:
        return _Pointer.model_validate(read_json(path)).released
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "top"
        raise SignalboxError(
            f"{path}: not a release pointer ({where}: {first['msg']}); restore it from git"
        ) from error


def write_released(released: Released | None, path: Path = RELEASED) -> None:
    """Write the pointer, whole or not at all.

    Parameters
    ----------
    released : Released or None
        The release to point to; None = no release.
    path : Path, default `RELEASED`
        The pointer's file.
    """
    write_json(path, _Pointer(released=released).model_dump(mode="json"))


def point_to(name: str, commit: str, artifacts: list[Path], path: Path = RELEASED) -> Released:
    """Write a pointer to `commit` with the hashes of the files as they lie in the work tree.

    Parameters
    ----------
    name : str
        Name of the release, for example ``adult@v3``.
    commit : str
        Git commit, 40 hex digits.
    artifacts : list of Path
        Files of the work tree, relative to the current directory.
    path : Path, default `RELEASED`
        The pointer's file.

    Returns
    -------
    Released
        What was written.

    Raises
    ------
    SignalboxError
        If an artifact is missing, or the commit isn't a full hash.
    """
    missing = [str(file) for file in artifacts if not file.is_file()]
    if missing:
        raise SignalboxError(f"{', '.join(missing)}: no such file; run 'dvc checkout'")
    hashes = {file.as_posix(): sha256_file(file) for file in artifacts}
    try:
        released = Released(name=name, commit=commit, artifacts=hashes)
    except ValidationError as error:
        raise SignalboxError(
            f"release {name!r}: commit {commit!r} isn't a full git hash of 40 hex digits"
        ) from error
    write_released(released, path)
    return released


def fetch(released: Released, artifact: Path, target: Path, *, project: Path = Path()) -> None:
    """Copy an artifact of the released commit to `target`.

    It is read through DVC: from the cache, else from the remote. The work tree isn't touched.

    Parameters
    ----------
    released : Released
        The release.
    artifact : Path
        Path as it stands in the pointer.
    target : Path
        File to write, whole or not at all.
    project : Path, optional
        Root of the project.

    Raises
    ------
    SignalboxError
        If the release doesn't have it, it cannot be fetched, or its hash is another.
    """
    expected = released.artifacts.get(artifact.as_posix())
    if expected is None:
        raise SignalboxError(
            f"{RELEASED}: release {released.name} has no {artifact}; "
            f"it has {sorted(released.artifacts)}"
        )
    with replacing(target) as partial:
        _copy(released, artifact, partial, project)
        found = sha256_file(partial)
        if found != expected:
            raise SignalboxError(
                f"{artifact} of release {released.name} ({released.commit[:12]}): SHA-256 is "
                f"{found[:12]}…, {RELEASED} says {expected[:12]}…; the pointer or the data was "
                "changed after the release"
            )


def _copy(released: Released, artifact: Path, target: Path, project: Path) -> None:
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        with (
            dvc.api.open(
                artifact.as_posix(), repo=str(project), rev=released.commit, mode="rb"
            ) as source,
            target.open("wb") as copy,
        ):
            shutil.copyfileobj(source, copy)
    except (DvcException, SCMError, OSError) as error:
        reason = " ".join(str(error).split())
        raise SignalboxError(
            f"{artifact} of release {released.name} ({released.commit[:12]}) cannot be fetched: "
            f"{reason}; try 'git fetch' and 'dvc fetch --all-commits'; if it "
            f"was erased, take it out of {RELEASED}"
        ) from error
