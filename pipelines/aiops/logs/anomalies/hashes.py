"""Hashes of a lake's files, remembered: an hourly run doesn't read months of logs again."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.base.files import sha256_file, write_json


class FileHashes:
    """SHA-256 of files; one whose size and time of change are as they were is not read again.

    What is remembered is a help and no truth: if it is lost or damaged, files are read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._old = _read(path)
        self._now: dict[str, list[int | str]] = {}

    def of(self, file: Path) -> str:
        """Hash of a file's content."""
        about = file.stat()
        seen: list[int | str] = [about.st_size, about.st_mtime_ns]
        known = self._old.get(str(file))
        if known is not None and known[:2] == seen:
            self._now[str(file)] = known
            return str(known[2])
        found = sha256_file(file)
        self._now[str(file)] = [*seen, found]
        return found

    def save(self) -> None:
        """Remember the files that were asked for, and forget the others."""
        if self._now != self._old:
            write_json(self._path, dict(sorted(self._now.items())))


def _read(path: Path) -> dict[str, list[int | str]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        file: known
        for file, known in found.items()
        if isinstance(known, list) and len(known) == 3 and isinstance(known[2], str)
    }
