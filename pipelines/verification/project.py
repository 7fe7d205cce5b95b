"""The project a report is held against: its files, its commit, and no way out of it."""

import configparser
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, git_bytes
from pipelines.verification.hashes import Hashed, Hasher


class Git:
    """A repository, only read.

    Parameters
    ----------
    root : Path
        A folder of the repository's work tree.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run a git command, reading objects as they are stored.

        Parameters
        ----------
        *arguments : str
            Command and its arguments.
        stdin : bytes, default b''
            What the command reads.

        Returns
        -------
        bytes
            Standard output.

        Raises
        ------
        SignalboxError
            With the last line git printed.
        """
        try:
            return git_bytes(self.root, *arguments, stdin=stdin)
        except GitError as error:
            raise SignalboxError(f"git {arguments[0]}: {error.said.splitlines()[-1]}") from error

    def commit(self, rev: str = "HEAD") -> str:
        """Return the full hash of a commit.

        Parameters
        ----------
        rev : str, default 'HEAD'
            Hash, tag, branch or ref.

        Returns
        -------
        str
            40 hex digits.

        Raises
        ------
        SignalboxError
            If there is no such commit.
        """
        name = ["--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"]
        try:
            return self.run("rev-parse", *name).decode().strip().splitlines()[-1]
        except SignalboxError:
            raise SignalboxError(f"{rev}: no such commit in this repository") from None

    def blobs(self, commit: str) -> dict[str, str]:
        """List every file of a commit below this folder; links and submodules too.

        Parameters
        ----------
        commit : str
            Hash of the commit.

        Returns
        -------
        dict of str to str
            Path relative to this folder → git's hash of the object.
        """
        listed = self.run("ls-tree", "-r", "-z", commit).decode("utf-8", "surrogateescape")
        found = {}
        for line in filter(None, listed.split("\0")):
            facts, path = line.split("\t", 1)
            found[path] = facts.split(" ")[2]
        return found

    def hash_files(self, paths: list[str]) -> list[str]:
        """Return the blob hashes of files as they lie in the work tree, read anew.

        Parameters
        ----------
        paths : list of str
            Relative to this folder; without line breaks.

        Returns
        -------
        list of str
            As git would store them, in the order given.
        """
        text = "".join(f"{path}\n" for path in paths).encode("utf-8", "surrogateescape")
        return self.run("hash-object", "--stdin-paths", stdin=text).decode().split()

    def content(self, commit: str, path: str) -> bytes:
        """Return the bytes of a file as committed.

        Parameters
        ----------
        commit : str
            Hash of the commit.
        path : str
            Relative to this folder.

        Returns
        -------
        bytes

        Raises
        ------
        SignalboxError
            If the commit has no such file.
        """
        return self.run("cat-file", "blob", f"{commit}:./{path}")


LOCK, PIPELINE = "dvc.lock", "dvc.yaml"


class OutsideError(SignalboxError):
    """A path that leads out of the project."""


@dataclass
class Project:
    """A clone of the project.

    Attributes
    ----------
    root : Path
        Its top folder.
    spare : Path or None
        Another clone whose outs stand in for those that are missing here (a reproduction).
    """

    root: Path
    spare: Path | None = None
    _hashers: dict[Path, Hasher] = field(default_factory=dict)

    @cached_property
    def git(self) -> Git:
        """Its repository."""
        return Git(self.root)

    @cached_property
    def cache(self) -> Path:
        """DVC's cache, as the project's own configuration names it."""
        home = self.root / ".dvc"
        named = self.dvc_config().get("cache", "dir", fallback="cache").strip("'\" ")
        try:
            return (home / Path(named).expanduser()).resolve()
        except (RuntimeError, ValueError, OSError):  # no such user, a zero byte, a loop of links
            return (home / "cache").resolve()

    def dvc_config(self) -> configparser.ConfigParser:
        """Read DVC's settings in the project; a damaged file counts as empty.

        Returns
        -------
        configparser.ConfigParser
        """
        merged = configparser.ConfigParser(interpolation=None, strict=False)
        for name in ("config", "config.local"):
            with suppress(configparser.Error, UnicodeDecodeError):
                merged.read(self.root / ".dvc" / name, encoding="utf-8")
        return merged

    def locate(self, name: str) -> Path:
        """Return the path of an artifact by its name in a report or lock file; it need not exist.

        Parameters
        ----------
        name : str
            Relative to the project, with ``/``.

        Returns
        -------
        Path

        Raises
        ------
        OutsideError
            If the name, or a link on its way, leads out of the project (DVC's cache excepted,
            where DVC may put links to).
        """
        pure = PurePosixPath(name)
        if not name or pure.is_absolute() or ".." in pure.parts or "\0" in name or "\\" in name:
            raise OutsideError(f"{name!r} isn't a path inside the project; it was not read")
        here = self.root / pure
        if self.spare is not None and not here.exists() and not here.is_symlink():
            here = self.spare / pure
        allowed = [self.root.resolve(), self.cache]
        if self.spare is not None:
            allowed.append(self.spare.resolve())
        if not any(here.resolve().is_relative_to(directory) for directory in allowed):
            raise OutsideError(f"{name!r} is a link out of the project; it was not read")
        return here

    def hashed(self, name: str) -> Hashed | None:
        """Return the hashes of an artifact, each file read once until `forget`.

        Parameters
        ----------
        name : str
            Relative to the project, with ``/``.

        Returns
        -------
        Hashed or None
            None if it isn't there.

        Raises
        ------
        OutsideError
            If the name leads out of the project.
        """
        path = self.locate(name)
        root = self.root if path.is_relative_to(self.root) else self.spare or self.root
        if root not in self._hashers:
            self._hashers[root] = Hasher(root)
        return self._hashers[root].of(path)

    def forget(self) -> None:
        """Read every file anew from now on."""
        self._hashers.clear()

    def cached_listing(self, md5: str) -> bytes | None:
        """Read DVC's own list of a folder's files from the cache, if it is there and sound.

        Parameters
        ----------
        md5 : str
            The folder's hash, with ``.dir`` behind it.

        Returns
        -------
        bytes or None
            JSON list of ``{md5, relpath}``; None if there is none.
        """
        path = self.cache / "files" / "md5" / md5[:2] / md5[2:]
        if not md5.endswith(".dir") or not md5[:32].isalnum() or not path.is_file():
            return None
        content = path.read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return content if f"{found}.dir" == md5 else None
