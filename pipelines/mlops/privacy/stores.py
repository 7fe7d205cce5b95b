"""Where copies lie: the work tree, the runs' workspaces, DVC's cache and remotes."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import PARAMS
from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file, write_bytes
from pipelines.core.git import git_or_none
from pipelines.core.params import DataParams, load_params
from pipelines.mlops.data import records
from pipelines.mlops.privacy.probe import LINES, TABLE, Hit, Probe
from pipelines.mlops.privacy.source import pack, unpack

RUNS = Path("runs")

SKIPPED = {
    ".git", ".venv", ".dvc", ".airflow", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".hypothesis", ".import_linter_cache", "__pycache__", "node_modules",
}  # fmt: skip
"""Folders without data of the project: tools, git's objects (see `NOT_SEARCHED`), DVC's (which
`stores` searches)."""

NOT_SEARCHED = [
    "git history: searched, but not rewritten: commits of branches and tags keep what they held, "
    "see git.history; git filter-repo rewrites them, here and in every clone. Commits that no "
    "branch, tag or other ref reaches (reflogs) are not searched",
    "clones, backups, Airflow's database and logs, and everything outside the project",
    "models: a trained model is no table of rows; it is replaced by the retrain, see releases",
]
"""What the proof must admit."""


@dataclass(frozen=True)
class Found:
    """A file that holds the subject.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Its hash, 64 hex digits.
    hit : Hit
        How the subject was found.
    """

    path: Path
    sha256: str
    hit: Hit


def roots(project: Path) -> list[Path]:
    """List the project and the workspace of every run.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    list of Path
    """
    runs = sorted(path.parent for path in (project / RUNS).glob("*/*/dvc.yaml"))
    return [project, *runs]


def data_of(root: Path, otherwise: DataParams) -> DataParams:
    """Return section ``data`` of a root.

    Parameters
    ----------
    root : Path
        Root of the project or of a run's workspace.
    otherwise : DataParams
        Section ``data`` of the project, for a workspace whose own can't be read.

    Returns
    -------
    DataParams
    """
    try:
        return load_params(root / PARAMS).data
    except SignalboxError:
        return otherwise


def files(project: Path) -> Iterator[Path]:
    """List every file that may hold data, workspaces included; links aren't followed out of it.

    Parameters
    ----------
    project : Path
        Root of the project.

    Yields
    ------
    Path
    """
    for folder, folders, names in os.walk(project):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file():
                yield path


@dataclass(frozen=True)
class Searched:
    """What a search of files found.

    Attributes
    ----------
    found : list of Found
        Files that hold the subject.
    doubtful : list of Path
        Files that may hold the subject under another text.
    opened : int
        Number of files that were opened.
    """

    found: list[Found]
    doubtful: list[Path]
    opened: int


def search(project: Path, probe: Probe, leave: set[Path]) -> Searched:
    """Search every file but `leave`.

    Parameters
    ----------
    project : Path
        Root of the project.
    probe : Probe
        Looks for the subject.
    leave : set of Path
        Files that aren't searched.

    Returns
    -------
    Searched
    """
    found, doubtful, opened = [], [], 0
    for path in files(project):
        if path in leave:
            continue
        opened += 1
        hit = probe.look(path.read_bytes())
        if hit is not None:
            found.append(Found(path, sha256_file(path), hit))
        if probe.former:
            doubtful.append(path)
    return Searched(found, doubtful, opened)


def remove_subject(found: Found, project: Path, probe: Probe) -> str:
    """Remove the subject from a file.

    Parameters
    ----------
    found : Found
        The file, and how the subject was found in it.
    project : Path
        Root of the project.
    probe : Probe
        Looks for the subject.

    Returns
    -------
    str
        What was done: ``rewritten``; ``removed`` (a generated file that can't be rewritten); or
        ``remains`` (a file under version control that a person has to look at).
    """
    changed = _changed(found, probe)
    if changed is not None and probe.look(changed) is None:
        write_bytes(found.path, changed)
        return "rewritten"
    if _is_generated(found.path, project):
        found.path.unlink()
        return "removed"
    return "remains"


def _changed(found: Found, probe: Probe) -> bytes | None:
    """Content without the subject's rows, or None where there are no rows to take out."""
    content = found.path.read_bytes()
    if found.hit.kind == TABLE:
        changed = _table_without(content, probe)
    elif found.hit.kind == LINES:
        changed = _text_without(unpack(content), probe)
    else:
        return None
    return None if changed is None else pack(changed, found.path)


def _text_without(content: bytes, probe: Probe) -> bytes | None:
    """Text without the subject's rows and lines; every other byte stays as it is."""
    encoding = str(getattr(probe.data.source, "encoding", "utf-8"))
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    if text.encode(encoding) != content:
        return None
    table = probe.text_table(content)
    if table is not None:
        parts = records.split(text, table.source)
        if records.count(parts) != len(table.rows.mask):
            return None
        rows = {int(row) for row in table.rows.mask.nonzero()[0]}
        rows |= {part.row for part in parts
                 if part.row is not None and part.text.strip("\r\n") in probe.lines}  # fmt: skip
        return records.without(parts, rows).encode(encoding)
    kept = [line for line in records.lines(text) if line.strip("\r\n") not in probe.lines]
    return "".join(kept).encode(encoding)


def _table_without(content: bytes, probe: Probe) -> bytes | None:
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(pa.BufferReader(unpack(content)))
    rows = probe.rows(table)
    if rows is None:
        return None
    sink = pa.BufferOutputStream()
    parquet.write_table(table.filter(pa.array(~rows.mask)), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _is_generated(path: Path, project: Path) -> bool:
    """Whether git ignores the file: then a stage or a run made it, and can make it again."""
    return git_or_none(project, "check-ignore", "--quiet", str(path)) is not None


def tracked(paths: list[Path], project: Path) -> list[str]:
    """List those of `paths` that git tracks: their old versions stay in its history.

    Parameters
    ----------
    paths : list of Path
        Files of the project.
    project : Path
        Root of the project.

    Returns
    -------
    list of str
        As git names them, relative to the project.
    """
    if not paths:
        return []
    listed = git_or_none(project, "ls-files", "-z", "--", *(str(path) for path in paths))
    return sorted(filter(None, (listed or "").split("\0")))


FOLDER = "folder"
"""Kind of a ``.dir`` object: DVC's list of a folder's files."""

_OBJECT = re.compile(r"(?:^|/)[0-9a-f]{2}/[0-9a-f]{30}(?:\.dir)?$")
"""DVC's names; nothing else that lies in a store is ever touched."""


@dataclass(frozen=True)
class Object:
    """An object that holds the subject (or lists one that does).

    Attributes
    ----------
    path : str
        Path in the store's file system.
    oid : str
        DVC's hash of the object: MD5, of folders with ``.dir`` behind it.
    sha256 : str
        Hash of its bytes, 64 hex digits.
    hit : Hit
        How the subject was found.
    """

    path: str
    oid: str
    sha256: str
    hit: Hit


@dataclass
class Store:
    """One of DVC's object stores, the cache or a remote.

    Attributes
    ----------
    name : str
        ``cache`` or ``remote:<name>``.
    root : str
        Top of the store in its file system.
    fs : dvc_objects.fs.base.FileSystem
        DVC's own file system for it.
    """

    name: str
    root: str
    fs: Any = field(repr=False)

    def objects(self) -> list[str]:
        """List the paths of all objects; DVC's run cache holds only hashes and is left out.

        Returns
        -------
        list of str
        """
        if not self.fs.exists(self.root):
            return []
        paths = [str(path) for path in self.fs.find(self.root)]
        return sorted(path for path in paths if _OBJECT.search(path))

    def search(self, probe: Probe) -> tuple[list[Object], set[str]]:
        """Find the objects that hold the subject.

        Parameters
        ----------
        probe : Probe
            Looks for the subject.

        Returns
        -------
        tuple of (list of Object, set of str)
            The objects, and the hashes of all that were opened.
        """
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
        """Remove an object; nothing happens if it is gone already.

        Parameters
        ----------
        path : str
            Path in the store's file system.
        """
        if self.fs.exists(path):
            self.fs.remove(path)

    def shown(self, path: str) -> str:
        """Return the path of an object below the store.

        Parameters
        ----------
        path : str
            Path in the store's file system.

        Returns
        -------
        str
        """
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
    """Open cache and remotes of a project under DVC's lock.

    Parameters
    ----------
    project : Path
        Root of the project.

    Yields
    ------
    tuple of (list of Store, list of str)
        The stores, and why remotes cannot be opened.

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
