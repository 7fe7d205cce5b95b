"""DVC's cache and remotes: search every object, remove those that hold the subject."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.base.errors import SignalboxError
from pipelines.mlops.privacy.probe import Hit, Probe

FOLDER = "folder"
"""Kind of a ``.dir`` object: DVC's list of a folder's files."""

_OBJECT = re.compile(r"(?:^|/)[0-9a-f]{2}/[0-9a-f]{30}(?:\.dir)?$")
"""DVC's names; nothing else that lies in a store is ever touched."""


@dataclass(frozen=True)
class Object:
    """An object that holds the subject (or lists one that does)."""

    path: str
    oid: str
    sha256: str
    hit: Hit


@dataclass
class Store:
    """A place where DVC keeps objects by hash; `fs` is DVC's own file system for it."""

    name: str
    root: str
    fs: Any = field(repr=False)

    def objects(self) -> list[str]:
        """Paths of all objects; DVC's run cache holds only hashes and is left out."""
        if not self.fs.exists(self.root):
            return []
        paths = [str(path) for path in self.fs.find(self.root)]
        return sorted(path for path in paths if _OBJECT.search(path))

    def search(self, probe: Probe) -> tuple[list[Object], set[str]]:
        """Objects that hold the subject, and the hashes of all that were opened."""
        found: dict[str, Object] = {}
        folders: dict[str, set[str]] = {}
        seen: set[str] = set()
        digests: dict[str, str] = {}
        for path in self.objects():
            with self.fs.open(path, "rb") as stream:
                content = stream.read()
            oid = _oid(path)
            seen.add(oid)
            if oid.endswith(".dir"):
                folders[path] = _members(content)
                digests[path] = _sha256(content)
            hit = probe.look(content)
            if hit is not None:
                found[path] = Object(path, oid, _sha256(content), hit)
        gone = {item.oid for item in found.values()}
        for path, members in folders.items():
            if path not in found and members & gone:
                found[path] = Object(path, _oid(path), digests[path], Hit(FOLDER, 0))
        return [found[path] for path in sorted(found)], seen

    def remove(self, path: str) -> None:
        """Remove an object; nothing happens if it is gone already."""
        if self.fs.exists(path):
            self.fs.remove(path)

    def shown(self, path: str) -> str:
        """Path of an object below the store."""
        return path.removeprefix(self.root).lstrip("/")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _oid(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] + name


def _members(content: bytes) -> set[str]:
    """Hashes that a ``.dir`` object lists."""
    try:
        return {str(entry.get("md5", "")) for entry in json.loads(content)}
    except (ValueError, AttributeError, TypeError):
        return set()


@contextmanager
def opened(project: Path) -> Iterator[tuple[list[Store], list[str]]]:
    """Cache and remotes of a project under DVC's lock, and remotes that cannot be opened (why).

    Raises
    ------
    SignalboxError
        If the project isn't a DVC project, or another DVC command holds its lock.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        repo = Repo(str(project))
    except DvcException as error:
        raise SignalboxError(f"{project}: is no DVC project: {error}") from error
    try:
        with repo, repo.lock:
            stores = [Store("cache", _above(repo.cache.local.path), repo.cache.local.fs)]
            closed: list[str] = []
            for name in sorted(repo.config["remote"]):
                store = _remote(repo, name, closed)
                if store is not None:
                    stores.append(store)
            yield stores, closed
    except LockError as error:
        raise SignalboxError(
            f"another DVC command works in {project.name}; try again when it is done ({error})"
        ) from None


def _remote(repo: Any, name: str, closed: list[str]) -> Store | None:
    """Remote called `name`; None, and why in `closed`, if it cannot be searched."""
    try:
        odb = repo.cloud.get_remote_odb(name)
        odb.fs.exists(odb.path)
    except Exception as error:  # a remote can fail in as many ways as there are file systems
        reason = " ".join(str(error).split()) or type(error).__name__
        closed.append(f"DVC remote '{name}' could not be searched: {reason}")
        return None
    return Store(f"remote:{name}", _above(odb.path), odb.fs)


def _above(path: str) -> str:
    """Top of a store, above ``files/md5``, so that objects of older DVC versions are seen too."""
    return path.removesuffix("/files/md5").rstrip("/") or path
