"""Files as they are in a commit, kept by git or by DVC; one release at a time, and its journal.

Small and cached files are read without importing DVC, which takes seconds; only what isn't in the
local cache goes through DVC, which knows the remote.

Waiting would be wrong: when the first has ended, production is another version, and what the second
was decided on no longer holds. The lock ends with its process, whatever kills it. Between machines
that share no disk the tags decide: of two transactions that create the same tag git lets one pass.

The journal lies beside the lock, in git's folder: it says which step was begun here and not
finished, and which tags a remote hasn't got yet. Where it says nothing of a step, the step was
finished, and whatever doesn't fit is damage: no reason to write that it did not take place.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Literal, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, write_bytes, write_json
from pipelines.core.git import git, git_bytes, git_or_none
from pipelines.core.locks import exclusive_lock as locks_exclusive_lock
from pipelines.release.released import Released, read_released

_CHUNK = 1 << 20


class GoneError(SignalboxError):
    """A file is neither in git, nor in DVC's cache, nor in its remote."""


class _AsDvc(yaml.CSafeLoader):
    """Reads plain words as DVC does, which writes YAML 1.2: ``yes``, ``no``, ``on`` are texts.

    A label ``yes`` of the data, which DVC's lock file holds without quotes, was a truth value.
    """

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {  # type: ignore[misc]
        first: [rule for rule in rules if not rule[0].endswith((":bool", ":int"))]
        for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


_AsDvc.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_AsDvc.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile("^(?:[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+)$"),
    list("-+0123456789"),
)


def load_as_dvc(content: bytes | str) -> Any:
    """Read YAML as DVC reads and writes it.

    Parameters
    ----------
    content : bytes or str
        A whole file.
    """
    return yaml.load(content, _AsDvc)


@dataclass(frozen=True)
class CommitFiles:
    """The files of a project in one commit.

    Attributes
    ----------
    project : Path
        Root of the project.
    commit : str
        Hash of the commit.
    """

    project: Path
    commit: str

    def locked(self) -> dict[str, str]:
        """Read the MD5 of every out in ``dvc.lock``.

        Returns
        -------
        dict of str to str
            Path → MD5 as DVC writes it, of folders with ``.dir`` behind it.

        Raises
        ------
        SignalboxError
            If the commit has no ``dvc.lock``: then it isn't a run of the pipeline.
        """
        outs = [out for stage in self.stages().values() for out in stage.get("outs", [])]
        return {str(out["path"]): str(out["md5"]) for out in outs if "md5" in out}

    def stages(self) -> dict[str, dict[str, Any]]:
        """Read the stages in ``dvc.lock``, each as DVC writes it.

        Raises
        ------
        SignalboxError
            If the commit has no ``dvc.lock``: then it isn't a run of the pipeline.
        """
        if not self._in_git("dvc.lock"):
            raise SignalboxError(
                f"commit {self.commit[:12]} has no dvc.lock, so it isn't a run of the pipeline; "
                "release a saved run (git for-each-ref refs/runs)"
            )
        lock = cast(dict[str, Any], load_as_dvc(self._git_bytes("dvc.lock")) or {})
        return lock.get("stages") or {}

    def text(self, path: str) -> bytes | None:
        """Return a file's bytes as git has them, whatever ``dvc.lock`` says; None if it hasn't."""
        return self._git_bytes(path) if self._in_git(path) else None

    def read(self, path: str) -> bytes:
        """Return the bytes of a file, which are those that ``dvc.lock`` names.

        Parameters
        ----------
        path : str
            Path as it stands in ``dvc.lock``.

        Returns
        -------
        bytes

        Raises
        ------
        GoneError
            If it is neither in git, nor in DVC's cache, nor in its remote.
        SignalboxError
            If it is no out of a stage, or was changed after its stage made it.
        """
        with self._opened(path) as stream:
            content = stream.read()
        self._check(path, hashlib.md5(content, usedforsecurity=False).hexdigest())
        return content

    def sha256(self, path: str) -> str:
        """Return the SHA-256 of a file whose MD5 is the one in ``dvc.lock``.

        Parameters
        ----------
        path : str
            Path as it stands in ``dvc.lock``.

        Returns
        -------
        str
            64 hex digits.

        Raises
        ------
        GoneError
            If it is neither in git, nor in DVC's cache, nor in its remote.
        SignalboxError
            If it is no out of a stage, or was changed after its stage made it.
        """
        sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with self._opened(path) as stream:
            while chunk := stream.read(_CHUNK):
                sha.update(chunk)
                md5.update(chunk)
        self._check(path, md5.hexdigest())
        return sha.hexdigest()

    def _check(self, path: str, found: str) -> None:
        expected = self.locked().get(path)
        if expected is None:
            raise SignalboxError(
                f"{path} is no out of any stage in dvc.lock of commit {self.commit[:12]}; only "
                "what the pipeline made is released"
            )
        if found != expected:
            raise SignalboxError(
                f"{path} of commit {self.commit[:12]} was changed after its stage made it: "
                f"MD5 {found[:12]}…, dvc.lock says {expected[:12]}…"
            )

    @contextmanager
    def _opened(self, path: str) -> Iterator[IO[bytes]]:
        if self._in_git(path):
            yield io.BytesIO(self._git_bytes(path))
            return
        cached = self._cached(path)
        if cached is not None:
            with cached.open("rb") as stream:
                yield stream
            return
        with self._from_dvc(path) as stream:
            yield stream

    def copy(self, path: str, target: Path) -> None:
        """Copy a file that git or DVC knows, also one of a folder, whole or not at all.

        Parameters
        ----------
        path : str
            Path in the project.
        target : Path
            File to write.

        Raises
        ------
        GoneError
            If it is neither in git, nor in DVC's cache, nor in its remote.
        """
        if self._in_git(path):
            write_bytes(target, self._git_bytes(path))
            return
        with self._from_dvc(path) as stream:
            write_bytes(target, stream.read())

    def _in_git(self, path: str) -> bool:
        return git_or_none(self.project, "cat-file", "-e", f"{self.commit}:./{path}") is not None

    def _git_bytes(self, path: str) -> bytes:
        return git_bytes(self.project, "cat-file", "blob", f"{self.commit}:./{path}")

    def _cached(self, path: str) -> Path | None:
        """File in DVC's cache at its usual place; None if it is elsewhere or not there."""
        md5 = self.locked().get(path)
        if md5 is None or md5.endswith(".dir"):
            return None
        cached = self.project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
        return cached if cached.is_file() else None

    @contextmanager
    def _from_dvc(self, path: str) -> Iterator[IO[bytes]]:
        import dvc.api
        from dvc.exceptions import DvcException
        from dvc.scm import SCMError

        try:
            with dvc.api.open(path, repo=str(self.project), rev=self.commit, mode="rb") as stream:
                yield stream
        except (DvcException, SCMError, OSError) as error:
            raise GoneError(
                f"{path} of commit {self.commit[:12]} is neither in git nor in DVC's cache and "
                f"cannot be fetched: {' '.join(str(error).split())}; try 'dvc fetch --all-commits'"
            ) from error


def read_pointer(path: Path) -> Released | None:
    """Read the pointer; a missing file is "nothing released" only for a product that is new.

    Parameters
    ----------
    path : Path
        The pointer's file.

    Returns
    -------
    Released or None
    """
    return read_released(path) if path.exists() else None


def pointer_in(project: Path, commit: str, pointer: str) -> Released | None:
    """Read the pointer as it stands in a commit; none means nothing was released.

    Parameters
    ----------
    project : Path
        Root of the project.
    commit : str
        Hash of the commit.
    pointer : str
        The pointer's file, relative to the project.

    Returns
    -------
    Released or None

    Raises
    ------
    SignalboxError
        If it isn't in form.
    """
    where = f"{commit}:./{pointer}"
    if git_or_none(project, "cat-file", "-e", where) is None:
        return None
    try:
        found = json.loads(git_bytes(project, "cat-file", "blob", where))["released"]
        return None if found is None else Released.model_validate(found)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise SignalboxError(f"{pointer} of commit {commit[:12]}: not a release pointer") from error


def agrees(found: Released, written: Released) -> bool:
    """Return whether `found` is `written`, or names fewer of its artifacts (after an erasure).

    Parameters
    ----------
    found : Released
        The pointer as it is.
    written : Released
        What a release or rollback wrote.

    Returns
    -------
    bool
    """
    same = (found.name, found.commit) == (written.name, written.commit)
    return same and found.artifacts.items() <= written.artifacts.items()


def object_exists(project: Path, commit: str) -> bool:
    """Return whether the repository has a commit.

    Parameters
    ----------
    project : Path
        Root of the project.
    commit : str
        Hash of the commit.

    Returns
    -------
    bool
    """
    return git_or_none(project, "cat-file", "-e", f"{commit}^{{commit}}") is not None


def common_folder(project: Path) -> Path:
    """Return git's folder, the same one for every work tree of a repository.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    Path
    """
    return (project / git(project, "rev-parse", "--git-common-dir")).resolve()


class UnderWayError(SignalboxError):
    """Another release or rollback of the same product is under way."""


@contextmanager
def exclusive_lock(project: Path, product: str) -> Iterator[None]:
    """Hold the product's lock.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Raises
    ------
    UnderWayError
        At once, if another process holds it.
    """
    path = common_folder(project) / f"signalbox-release-{product}.lock"

    def busy(holder: str) -> UnderWayError:
        return UnderWayError(
            f"another release or rollback of {product} is under way (process {holder}); look at "
            "its result before you decide again"
        )

    with locks_exclusive_lock(path, busy, note_holder=True):
        yield


class OwedPush(BaseModel):
    """Tags that a remote hasn't got, as far as this repository knows.

    Attributes
    ----------
    remote : str
        Name of the remote.
    tags : list of str
        Names of tags, without ``refs/tags/``; pushed together.
    said : str
        Why git could not push them; empty before the first try.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    remote: str
    tags: list[str]
    said: str = ""


class Journal(BaseModel):
    """What is under way, or owed, of a product's releases in this repository.

    Attributes
    ----------
    unfinished : dict of str to {'begun', 'tagged'}
        Digest of a step → whether its tags were made.
    owed : list of OwedPush
        Oldest first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    unfinished: dict[str, Literal["begun", "tagged"]] = Field(default_factory=dict)
    owed: list[OwedPush] = Field(default_factory=list)

    def noted(self, digest: str, state: Literal["begun", "tagged", "finished"]) -> "Journal":
        """Return the journal with another state of a step.

        Parameters
        ----------
        digest : str
            The step's digest.
        state : {'begun', 'tagged', 'finished'}
            How far it is.

        Returns
        -------
        Journal
        """
        rest = {name: at for name, at in self.unfinished.items() if name != digest}
        if state != "finished":
            rest[digest] = state
        return self.model_copy(update={"unfinished": rest})


def _journal_path(project: Path, product: str) -> Path:
    return common_folder(project) / f"signalbox-release-{product}.json"


def read_journal(project: Path, product: str) -> Journal:
    """Read the journal; one that isn't there, or can't be read, says nothing.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    Journal
    """
    path = _journal_path(project, product)
    try:
        return Journal.model_validate(read_json(path)) if path.is_file() else Journal()
    except (SignalboxError, ValidationError):
        return Journal()


def write_journal(project: Path, product: str, journal: Journal) -> None:
    """Write the journal, whole or not at all.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    journal : Journal
        What it shall say.
    """
    write_json(_journal_path(project, product), journal.model_dump(mode="json"))
