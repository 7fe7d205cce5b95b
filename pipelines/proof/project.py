"""The project a report is held against: its files, its commit, and no way out of it."""

import configparser
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from pipelines.base.errors import SignalboxError
from pipelines.proof.git import Git
from pipelines.proof.hashes import Hashed, Hasher

LOCK, PIPELINE = "dvc.lock", "dvc.yaml"


class OutsideError(SignalboxError):
    """A path that leads out of the project."""


@dataclass
class Project:
    """A clone of the project.

    Attributes
    ----------
    root
        Its top folder.
    spare
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
        """DVC's settings in the project; a damaged file counts as empty (git's check names it)."""
        merged = configparser.ConfigParser(interpolation=None, strict=False)
        for name in ("config", "config.local"):
            with suppress(configparser.Error, UnicodeDecodeError):
                merged.read(self.root / ".dvc" / name, encoding="utf-8")
        return merged

    def locate(self, name: str) -> Path:
        """Path of an artifact by its name in a report or lock file; it need not exist.

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
        if not any(here.resolve().is_relative_to(place) for place in allowed):
            raise OutsideError(f"{name!r} is a link out of the project; it was not read")
        return here

    def hashed(self, name: str) -> Hashed | None:
        """Hashes of an artifact; None if it isn't there."""
        path = self.locate(name)
        root = self.root if path.is_relative_to(self.root) else self.spare or self.root
        if root not in self._hashers:
            self._hashers[root] = Hasher(root)
        return self._hashers[root].of(path)

    def forget(self) -> None:
        """Read every file anew from now on."""
        self._hashers.clear()

    def cached_listing(self, md5: str) -> bytes | None:
        """DVC's own list of a folder's files, from the cache, if it is there and sound."""
        path = self.cache / "files" / "md5" / md5[:2] / md5[2:]
        if not md5.endswith(".dir") or not md5[:32].isalnum() or not path.is_file():
            return None
        content = path.read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return content if f"{found}.dir" == md5 else None
