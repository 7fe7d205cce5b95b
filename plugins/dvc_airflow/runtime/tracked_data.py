"""Data that ``.dvc`` files track, looked at without starting DVC."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dvc_airflow.graph.datafile import load_data
from dvc_airflow.graph.model import Source
from dvc_airflow.graph.walk import DvcIgnore
from dvc_airflow.runtime.dvc_config import project_cache

_HASHED: Final = 64 * 1024 * 1024
"""Bytes up to which a file is hashed even if it looks older than what DVC recorded of it."""
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True)
class DataOut:
    """What a ``.dvc`` file tracks.

    Attributes
    ----------
    path : str
        Relative to the project.
    file : str
        The .dvc file.
    md5 : str or None
        As DVC 3 writes it; none for other kinds of hashes.
    """

    path: str
    file: str
    md5: str | None
    size: int | None
    in_cache: bool
    in_place: bool
    """Whether it lies in the project's working tree."""


class TrackedData:
    """Data of the .dvc files that a workspace has, as it is in the project's working tree."""

    def __init__(self, project: Path, inner: Path, sources: Sequence[Source]) -> None:
        self._project = project
        self._cache = Path(project_cache(project)) / "files" / "md5"
        self._outs: dict[str, DataOut] = {}
        for source in sources:
            described = _described(inner / source.file, source.file)
            for out, entry in zip(source.outs, described, strict=False):
                if not os.path.isabs(out.path):
                    self._outs[out.path] = self._out(out.path, source.file, entry)

    def owner(self, path: str) -> DataOut | None:
        """Return what tracks a path, itself or with a folder around it."""
        while path and path not in self._outs:
            path = os.path.dirname(path)
        return self._outs.get(path)

    def changed(self, read: Iterable[str]) -> list[str]:
        """Return data that some paths lie in or around, and that is not as DVC recorded it."""
        wanted = list(read)
        return sorted(
            path
            for path, out in self._outs.items()
            if any(_overlap(path, name) for name in wanted) and self._differs(out)
        )

    def _out(self, path: str, file: str, entry: dict[str, Any]) -> DataOut:
        md5 = str(entry["md5"]) if entry.get("md5") and entry.get("hash") == "md5" else None
        size = entry.get("size")
        return DataOut(
            path=path,
            file=file,
            md5=md5,
            size=size if isinstance(size, int) else None,
            in_cache=md5 is None or self._has(md5),
            in_place=os.path.exists(self._project / path),
        )

    def _object(self, md5: str) -> Path:
        return self._cache / md5[:2] / md5[2:]

    def _has(self, md5: str) -> bool:
        if not md5.endswith(".dir"):
            return self._object(md5).is_file()
        members = self._members(md5)
        return members is not None and all(self._object(m).is_file() for m in members.values())

    def _members(self, md5: str) -> dict[str, str] | None:
        """Path in the folder → hash; None if the cache doesn't have the list."""
        try:
            listed = json.loads(self._object(md5).read_bytes())
            return {str(entry["relpath"]): str(entry["md5"]) for entry in listed}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _differs(self, out: DataOut) -> bool:
        """Whether the working tree has something else; what isn't there doesn't differ."""
        if not out.in_place or out.md5 is None:
            return False
        working_file = self._project / out.path
        recorded = _modified(self._project / out.file)
        if not out.md5.endswith(".dir"):
            return working_file.is_dir() or self._is_other(
                working_file, out.md5, out.size, recorded
            )
        members = self._members(out.md5)
        if members is None:
            return False  # the driver compares the whole, and says so
        ignore = DvcIgnore(self._project)
        present = {
            path for path in _files(working_file) if os.path.join(out.path, path) not in ignore
        }
        return present != set(members) or any(
            self._is_other(working_file / path, md5, None, recorded)
            for path, md5 in members.items()
        )

    def _is_other(self, path: Path, md5: str, size: int | None, recorded: float) -> bool:
        found = path.stat()
        if size is not None and found.st_size != size:
            return True
        kept = self._object(md5)
        if kept.is_file() and os.path.samefile(path, kept):
            return False
        if found.st_size > _HASHED and found.st_mtime <= recorded:
            return False
        return _md5(path) != md5


def _described(path: Path, shown: str) -> list[dict[str, Any]]:
    data = load_data(path, shown)
    outs = data.get("outs") if isinstance(data, dict) else None
    return [entry if isinstance(entry, dict) else {} for entry in outs or []]


def _files(folder: Path) -> Iterable[str]:
    for top, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(top, name), folder)


def _overlap(left: str, other: str) -> bool:
    return left == other or left.startswith(f"{other}/") or other.startswith(f"{left}/") or "." in (
        left, other
    )  # fmt: skip


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
