"""Files as they are in a commit, kept by git or by DVC; and one release at a time.

Small and cached files are read without importing DVC, which takes seconds; only what isn't in the
local cache goes through DVC, which knows the remote.

Waiting would be wrong: when the first has ended, production is another version, and what the second
was decided on no longer holds. The lock ends with its process, whatever kills it. Between machines
that share no disk the tags decide: of two transactions that create the same tag git lets one pass.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import yaml

from pipelines.core.errors import SignalboxError
from pipelines.core.git import git, git_bytes, git_or_none
from pipelines.core.locks import exclusive_lock as locks_exclusive_lock

_CHUNK = 1 << 20


class GoneError(SignalboxError):
    """A file is neither in git, nor in DVC's cache, nor in its remote."""


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
        lock = cast(dict[str, Any], yaml.load(self._git_bytes("dvc.lock"), yaml.CSafeLoader) or {})
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
