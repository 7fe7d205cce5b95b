"""Hashes as DVC and our evidence take them, computed here and not asked of DVC.

DVC 3 hashes a file's bytes with MD5; of a folder it hashes the JSON list of ``{md5, relpath}``,
sorted by path, without what ``.dvcignore`` names, and adds ``.dir``. DVC itself would look into its
state database first, which trusts sizes and times; a proof must read the bytes.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.files import sha256_path

if TYPE_CHECKING:
    from pathspec import PathSpec

_CHUNK = 1 << 20
_NEVER = [".hg/", ".git/", ".git", ".dvc/"]
"""What DVC ignores besides ``.dvcignore``."""


@dataclass(frozen=True)
class Hashed:
    """A file's or folder's hashes; of folders also each file's MD5.

    Attributes
    ----------
    md5 : str
        As DVC writes it: 32 hex digits, of folders with ``.dir`` behind them.
    sha256 : str
        As evidence writes it, 64 hex digits.
    size : int
        Bytes.
    nfiles : int or None
        Number of files in a folder; None of a file.
    files : dict of str to str
        Name relative to the folder → MD5; empty of a file.
    """

    md5: str
    sha256: str
    size: int
    nfiles: int | None = None
    files: dict[str, str] = field(default_factory=dict)


class Hasher:
    """Hashes of what lies in a project, each file read once.

    Parameters
    ----------
    project : Path
        Root of the project, whose ``.dvcignore`` counts.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._ignored = _ignore_spec(project)
        self._known: dict[Path, Hashed] = {}

    def of(self, path: Path) -> Hashed | None:
        """Return the hashes of the file or folder at `path`.

        Parameters
        ----------
        path : Path
            File or folder.

        Returns
        -------
        Hashed or None
            None if nothing is there.
        """
        if path not in self._known:
            if path.is_dir():
                self._known[path] = self._folder(path)
            elif path.is_file():
                self._known[path] = _file(path)
            else:
                return None
        return self._known[path]

    def _folder(self, folder: Path) -> Hashed:
        md5s: dict[str, str] = {}
        size = 0
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            if self._is_ignored(file):
                continue
            found = _file(file)
            name = file.relative_to(folder).as_posix()
            md5s[name] = found.md5
            size += found.size
        listed = [{"md5": md5s[name], "relpath": name} for name in sorted(md5s)]
        digest = hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False)
        sha256 = sha256_path(folder)
        return Hashed(f"{digest.hexdigest()}.dir", sha256, size, len(md5s), md5s)

    def _is_ignored(self, file: Path) -> bool:
        try:
            name = file.relative_to(self._project).as_posix()
        except ValueError:
            return False
        return bool(self._ignored.match_file(name))


def unpacked_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a packed file's content, as evidence of ``ingest`` names it.

    The same library opens it as in ``ingest``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str or None
        64 hex digits; None if the file can't be unpacked.
    """
    import fsspec

    digest = hashlib.sha256()
    try:
        with fsspec.open(str(path), mode="rb", compression="infer") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except Exception:  # each kind of packing has errors of its own
        return None
    return digest.hexdigest()


def _file(path: Path) -> Hashed:
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
            size += len(chunk)
    return Hashed(md5.hexdigest(), sha256.hexdigest(), size)


def _ignore_spec(project: Path) -> "PathSpec[Any]":
    """Patterns of ``.dvcignore``; a line that is no pattern is left out (git's check names it)."""
    from pathspec import PathSpec

    file = project / ".dvcignore"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    patterns: list[Any] = []
    for line in [*_NEVER, *text.splitlines()]:
        with suppress(ValueError):
            patterns += PathSpec.from_lines("gitignore", [line]).patterns
    return PathSpec(patterns)
